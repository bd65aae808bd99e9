package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"trefoil/internal/errs"
)

// step is one line of the check. It begins when those that it needs, and those that it
// comes after, are over.
type step struct {
	name  string
	needs []string // steps without which it cannot be tested
	after []string // steps that it follows, however they end
	run   func(context.Context) (detail string, err error)
}

// steps are in an order in which each comes behind those that it waits for.
func (k *Check) steps() []step {
	return []step{
		{"compute services", nil, nil, k.computeServices},
		{"network agents", nil, nil, k.networkAgents},
		{"volume services", nil, nil, k.volumeServices},
		{"image", nil, nil, k.uploadImage},
		{"external network", nil, nil, k.externalNetwork},
		{"networks and router", nil, []string{"external network"}, k.makeNetworks},
		{"volume", []string{"volume services"}, nil, k.makeVolume},
		{"server a", []string{"image", "networks and router"}, []string{"compute services"}, k.bootServers},
		{"server b", []string{"server a"}, nil, k.secondServer},
		{"DHCP", []string{"server b"}, nil, k.dhcp},
		{"metadata", []string{"DHCP"}, nil, k.metadata},
		{"ping across VXLAN", []string{"metadata"}, nil, k.pingAcross},
		{"ping through router", []string{"metadata"}, nil, k.pingRouted},
		{"floating IP", []string{"external network", "metadata"}, nil, k.floatingIP},
		{"volume in server a", []string{"volume", "metadata"}, nil, k.attachVolume},
	}
}

// Run does all steps that can be done, those that do not wait for each other side by side,
// and removes what they made. Each step's line is written when it is over; the report has
// them in order. The error is only of the caller's giving up (ctx); all else stands in the
// report.
func (k *Check) Run(ctx context.Context) (*Report, error) {
	began := time.Now()
	r := &Report{}
	defer func() { r.count(time.Since(began)) }()
	if n, err := k.removeLeftovers(ctx); n > 0 || err != nil {
		r.Steps = append(r.Steps, k.told(ctx, "leftovers of earlier checks", func(context.Context) (string, error) { return fmt.Sprintf("%d removed", n), err }))
	}
	r.Steps = append(r.Steps, k.runSteps(ctx)...)
	if k.Keep {
		fmt.Fprintf(k.Waiting, "kept: all that is called %s-…; the next check removes it\n", k.id)
		return r, ctx.Err()
	}
	r.Steps = append(r.Steps, k.told(context.WithoutCancel(ctx), "removal", func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, k.Removal)
		defer cancel()
		n, err := k.removeOwn(ctx)
		return fmt.Sprintf("%d objects", n), err
	}))
	return r, ctx.Err()
}

// running is a step on its way.
type running struct {
	over   chan struct{} // closed when it is
	result Result        // without a name: it has not begun, since the check was interrupted
}

// runSteps does the steps and returns what became of those that began.
func (k *Check) runSteps(ctx context.Context) []Result {
	steps := k.steps()
	all := map[string]*running{}
	for _, s := range steps {
		all[s.name] = &running{over: make(chan struct{})}
	}
	var wait sync.WaitGroup
	for _, s := range steps {
		wait.Go(func() {
			defer close(all[s.name].over)
			for _, name := range slices.Concat(s.needs, s.after) {
				<-all[name].over
			}
			if ctx.Err() != nil {
				return
			}
			run := s.run
			if i := slices.IndexFunc(s.needs, func(need string) bool { return all[need].result.Result != OK }); i >= 0 {
				run = func(context.Context) (string, error) { return "", skipped{"it needs: " + s.needs[i]} }
			}
			all[s.name].result = k.told(ctx, s.name, run)
		})
	}
	wait.Wait()
	var results []Result
	for _, s := range steps {
		if r := all[s.name].result; r.Name != "" {
			results = append(results, r)
		}
	}
	return results
}

// told runs one step and prints its line.
func (k *Check) told(ctx context.Context, name string, run func(context.Context) (string, error)) Result {
	began := time.Now()
	detail, err := run(ctx)
	res := Result{Name: name, Result: OK, Seconds: seconds(time.Since(began)), Detail: detail}
	var skip skipped
	switch {
	case errors.As(err, &skip):
		res.Result, res.Detail = NotTested, skip.why
	case err != nil && ctx.Err() != nil:
		res.Result, res.Detail = NotTested, "interrupted"
	case err != nil:
		res.Result, res.Detail, res.Hint = Failed, errs.Printable(err.Error()), errs.HintOf(err)
	}
	fmt.Fprintln(k.Lines, res.Line())
	return res
}

// skipped is why a step could not be tested. It is no failure.
type skipped struct{ why string }

func (s skipped) Error() string { return s.why }

// lines keeps what steps write side by side apart: one Write, one at a time.
type lines struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
