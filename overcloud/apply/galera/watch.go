package galera

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"trefoil/internal/errs"
)

// Watcher has a server that runs without a majority take part in the decision: nobody
// starts it, and the machines that come back wait for its data. Watch is called once.
type Watcher struct {
	Member
	Pause time.Duration
	// Steady is how many looks in a row must give the same: servers that see one another
	// again come together by themselves, and are without a majority for a moment.
	Steady int
	// Bootstrap has the running server and those with it be the majority.
	Bootstrap func(ctx context.Context) error
	// Reconnect has the running server, which has left its cluster, join it again.
	Reconnect func(ctx context.Context) error

	looks int // that gave the same, Begin or, for one that has left, Join, in a row
}

// Watch looks until ctx ends. What fails is told and tried again.
func (w *Watcher) Watch(ctx context.Context) {
	for {
		if err := w.once(ctx); err != nil && ctx.Err() == nil {
			w.say(wait("%v", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.Pause):
		}
	}
}

func (w *Watcher) once(ctx context.Context) error {
	own, err := w.own(ctx)
	switch {
	case err != nil || !own.Running: // its start decides
		w.looks = 0
		return err
	case own.Primary:
		w.looks, w.said = 0, ""
		return forget(w.Folders.claim(), w.Folders.begun(), w.Folders.allowed(), w.Folders.waiting(), w.Folders.force())
	case own.UUID == "": // of no cluster yet
		return nil
	}
	d, err := w.choose(ctx)
	back := d.Act == Join && own.Alone
	if err == nil && (d.Act == Begin || back) {
		if w.looks++; w.looks < w.Steady {
			return nil
		}
	} else {
		w.looks = 0
	}
	if err == nil && d.Act == Begin {
		d, err = w.decide(ctx)
	}
	if err != nil {
		return err
	}
	w.say(d)
	switch d.Act {
	case Wait:
		return mark(w.Folders.waiting())
	case Begin:
		w.looks = 0
		if err := w.Bootstrap(ctx); err != nil {
			return cmp.Or(forget(w.Folders.begun(), w.Folders.claim()), fmt.Errorf("begin the cluster with the running server: %w", err))
		}
	}
	if back {
		w.looks = 0
		if err := w.Reconnect(ctx); err != nil {
			return fmt.Errorf("have the running server, which has left the cluster, join it again: %w", err)
		}
	}
	return nil // a cluster that is there it joins by itself, unless it has left it
}

// Force has the machine, which waits, begin the cluster. It is heard only where
// something waits: given before, it would act at some start in the future.
func Force(ctx context.Context, conf *Config, f Folders) error {
	if !there(f.waiting()) {
		return errs.New(errs.Conflict, "the database of this machine does not wait for others").
			WithHint("systemctl start mariadb, then journalctl -u mariadb -u galera-check says whether it waits, and for whom")
	}
	m := Member{Config: conf, Folders: f}
	self, states, err := m.look(ctx)
	if err != nil {
		return err
	}
	if err := against(conf.Machines, self, states); err != nil {
		return err
	}
	if err := mark(f.force()); err != nil {
		return errs.Wrap(errs.Unavailable, err, "tell the start of the database").WithHint("as root or as the user mysql")
	}
	return nil
}
