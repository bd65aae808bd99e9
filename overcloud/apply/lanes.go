package apply

import (
	"context"
	"sync"
	"time"

	"trefoil/overcloud/resource"
)

// all applies the step's resources: those of a service in their order, the
// services beside each other. What one needs of another is ready in an earlier
// step, so a database that loads its tables does not hold up a web server that
// only starts. One of them has the turn at a time, and gives it away while a
// program runs or something is waited for. Before them all comes what is needed of
// the image, and then what they all stand on: addresses, names, the firewall.
func (s *step) all(ctx context.Context) error {
	waits, abandon := context.WithCancel(ctx)
	defer abandon()
	s.abandon = abandon
	go func() {
		select {
		case <-s.Deaf:
			abandon()
		case <-waits.Done():
		}
	}()
	for _, part := range parts(s.doc.Resources) {
		if s.beside(ctx, waits, part); s.cause != nil {
			break
		}
	}
	return s.cause
}

// parts are what a step does one after the other, each when the one before is done:
// whether the image has the packages, before anything is changed; what other services
// stand on; files of units, since systemd reads all its units again when one has changed,
// which takes ten seconds under emulation; and these.
func parts(all []resource.Resource) [4][]resource.Resource {
	var out [4][]resource.Resource
	for _, r := range all {
		n := 3
		switch {
		case r.Packages != nil:
			n = 0
		case resource.First(r.Service):
			n = 1
		case r.File != nil && unitFile(r.File.Path), r.Link != nil && unitFile(r.Link.Path):
			n = 2
		}
		out[n] = append(out[n], r)
	}
	return out
}

// beside applies the resources of several services, each in a lane of its own.
func (s *step) beside(ctx, waits context.Context, part []resource.Resource) {
	var wg sync.WaitGroup
	for _, own := range byService(part) {
		lane := *s
		lane.own = own
		wg.Go(func() {
			lane.turn.Lock()
			defer lane.turn.Unlock()
			lane.last = lane.Now()
			lane.run(ctx, waits)
		})
	}
	wg.Wait()
}

// byService groups resources, services in the order of their first one.
func byService(all []resource.Resource) [][]resource.Resource {
	var out [][]resource.Resource
	at := map[string]int{}
	for _, r := range all {
		i, ok := at[r.Service]
		if !ok {
			i = len(out)
			at[r.Service] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], r)
	}
	return out
}

// run applies the resources of one service. When another has failed it stops
// before its next resource: what it is about to change is changed to the end,
// what it waits for is left.
func (s *step) run(ctx, waits context.Context) {
	for i := 0; i < len(s.own) && s.cause == nil; {
		n := 1
		if batch := mysqlRun(s.own[i:]); len(batch) > 0 {
			n = len(batch)
			s.mysql(ctx, batch)
		} else if s.own[i].Wait != nil || s.own[i].CephHealth != nil {
			s.one(waits, s.own[i])
		} else {
			s.one(ctx, s.own[i])
		}
		i += n
	}
}

// aside gives the turn away while f runs; f must not touch what is shared.
func (s *step) aside(f func() error) error {
	s.turn.Unlock()
	defer s.turn.Lock()
	return f()
}

// sleep gives the turn away for a while.
func (s *step) sleep(ctx context.Context, d time.Duration) error {
	return s.aside(func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	})
}
