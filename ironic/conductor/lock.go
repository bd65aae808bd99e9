package conductor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// locks keeps the work on one node in this process in a row. The store's
// reservation, which people see, is taken with it.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	purpose string
	since   time.Time
	free    chan struct{} // closed at release
}

// heldError says what a lock was held for when somebody gave up waiting for it.
type heldError struct {
	purpose string
	since   time.Time
	cause   error
}

func (e *heldError) Error() string {
	return fmt.Sprintf("%s since %s: %v", e.purpose, e.since.UTC().Format(time.TimeOnly), e.cause)
}
func (e *heldError) Unwrap() error { return e.cause }

// take waits until uuid is free; then it is the caller's. A *heldError: ctx ended before.
func (l *locks) take(ctx context.Context, uuid, purpose string, now time.Time) (release func(), err error) {
	for {
		l.mu.Lock()
		if l.held == nil {
			l.held = map[string]*lock{}
		}
		k := l.held[uuid]
		if k == nil {
			k = &lock{purpose: purpose, since: now, free: make(chan struct{})}
			l.held[uuid] = k
			l.mu.Unlock()
			return sync.OnceFunc(func() {
				l.mu.Lock()
				delete(l.held, uuid)
				l.mu.Unlock()
				close(k.free)
			}), nil
		}
		l.mu.Unlock()
		select {
		case <-k.free:
		case <-ctx.Done():
			return nil, &heldError{k.purpose, k.since, ctx.Err()}
		}
	}
}

// holder tells what a node is held for and since when; false when nobody holds it.
func (l *locks) holder(uuid string) (purpose string, since time.Time, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.held[uuid]; k != nil {
		return k.purpose, k.since, true
	}
	return "", time.Time{}, false
}

// hold takes a node for a short operation of the API. It waits LockWait for
// whoever has it, so that trivial work does not end in a conflict; then the
// error is Locked and says who has it, for what and since when.
func (c *Conductor) hold(ctx context.Context, ident, purpose string) (*ironic.Node, func(), error) {
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return nil, nil, err
	}
	wait, cancel := context.WithTimeout(ctx, c.LockWait)
	defer cancel()
	for {
		release, err := c.locks.take(wait, n.UUID, purpose, c.Now())
		if err != nil {
			return nil, nil, c.givenUp(n, err)
		}
		n, err = c.reserve(ctx, n.UUID, purpose)
		if err != nil {
			release()
			return nil, nil, err
		}
		release = c.releaser(n.UUID, release)
		j, busy := jobOf(n)
		if !busy || j.Kind != jobPower {
			return n, release, nil
		}
		// A power action was accepted and has yet to begin: it goes first.
		release()
		if c.pause(wait, 10*time.Millisecond) != nil {
			return nil, nil, c.busyWith(n, j)
		}
	}
}

// givenUp is the refusal for whoever waited too long for a lock of this process.
func (c *Conductor) givenUp(n *ironic.Node, err error) error {
	h := ironic.Hold{Host: c.Config.Host}
	var held *heldError
	if errors.As(err, &held) {
		h.Purpose, h.Since = held.purpose, held.since
	}
	return h.Refusal(n.UUID)
}

// busyWith is the refusal because of a node's job, which need not have the lock: most of its
// time it waits for the machine.
func (c *Conductor) busyWith(n *ironic.Node, j jobRef) *errs.Error {
	h := n.Transition(c.Config.Host)
	action := powerAsked(n)
	if j.Kind == jobPower {
		action = text(n.DriverInternalInfo, keyPower)
	}
	if action != "" {
		h.Purpose, h.Since = "power action "+action, time.Time{}
		return h.Refusal(n.UUID)
	}
	h.Purpose = fmt.Sprintf("%s is under way in state %q", j.Kind, n.ProvisionState)
	return h.Refusal(n.UUID).WithHint("wait for it to end%s", wayOut(n))
}

// commonVersion is the API minor version that Debian 12's client speaks.
const commonVersion = 78

// wayOut is the command that ends what is under way, with a comma before it; empty: there is none.
func wayOut(n *ironic.Node) string {
	state := fsm.State(n.ProvisionState)
	for _, way := range []struct{ verb, command string }{{"abort", "abort"}, {"deleted", "undeploy"}} { // the latter takes the instance, too
		v, _ := fsm.VerbOf(way.verb)
		if _, err := fsm.Next(state, v.Event); err == nil && fsm.MinVersion(v, state) <= commonVersion {
			out := fmt.Sprintf(", or openstack baremetal node %s %s", way.command, n.UUID)
			if step := keptWhole(n); step != "" && way.verb == "abort" {
				out += fmt.Sprintf(" (which ends it after step %s; asked for twice it breaks the step off)", step)
			}
			return out
		}
	}
	return ""
}

// holdForJob takes a node for a job; it waits as long as the job lives.
func (c *Conductor) holdForJob(ctx context.Context, uuid, purpose string) (*ironic.Node, func(), error) {
	release, err := c.locks.take(ctx, uuid, purpose, c.Now())
	if err != nil {
		return nil, nil, context.Cause(ctx)
	}
	for {
		n, err := c.reserve(ctx, uuid, purpose)
		if err == nil {
			return n, c.releaser(uuid, release), nil
		}
		if !errs.Is(err, errs.Locked) {
			release()
			return nil, nil, err
		}
		// A predecessor of another name had it, and Start is about to give it back.
		if err := c.pause(ctx, time.Second); err != nil {
			release()
			return nil, nil, err
		}
	}
}

func (c *Conductor) reserve(ctx context.Context, uuid, purpose string) (*ironic.Node, error) {
	return c.Store.Reserve(ctx, uuid, c.Config.Host, purpose)
}

func (c *Conductor) releaser(uuid string, release func()) func() {
	return sync.OnceFunc(func() {
		// The lock is given back whatever became of the work's context.
		if err := c.Store.Release(context.Background(), uuid, c.Config.Host); err != nil {
			c.Log.Error("give back a node's lock", "node", uuid, "error", err)
		}
		release()
	})
}

// pause waits for d or until ctx ends, with ctx's cause as the error.
func (c *Conductor) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// bells wake whoever waits for news of a node.
type bells struct {
	mu sync.Mutex
	ch map[string]chan struct{}
}

func (b *bells) listen(uuid string) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = map[string]chan struct{}{}
	}
	if b.ch[uuid] == nil {
		b.ch[uuid] = make(chan struct{})
	}
	return b.ch[uuid]
}

func (b *bells) ring(uuid string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ch := b.ch[uuid]; ch != nil {
		close(ch)
		delete(b.ch, uuid)
	}
}
