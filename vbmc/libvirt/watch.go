package libvirt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// How the watched connection heals. relistEvery also serves as keepalive: a
// daemon that hangs misses the deadline and the connection is dialled anew.
const (
	backoffMin  = 100 * time.Millisecond
	backoffMax  = 10 * time.Second
	relistEvery = 30 * time.Second
)

// watcher keeps the states of all domains of one URI in memory.
type watcher struct {
	conn   *Conn
	cancel context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	seq       uint64 // counts events, to tell a stale list from a fresh one
	ready     bool
	readyCh   chan struct{} // closed while ready
	lastErr   error
	domains   map[string]*entry
	before    []Domain // known when the connection broke
	listeners []func(Event)
}

type entry struct {
	Domain
	seq uint64
}

// Open makes a watched connection: it connects in the background, now and after
// every loss. It fails only when the URI itself is wrong.
func Open(uri string, opts ...Option) (*Conn, error) {
	c, err := newConn(uri, opts)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.watch = &watcher{
		conn: c, cancel: cancel, done: make(chan struct{}),
		readyCh: make(chan struct{}), domains: map[string]*entry{},
		lastErr: errors.New("not connected yet"),
	}
	go c.watch.run(ctx)
	return c, nil
}

// Cached answers from memory: no round trip. The error is an UnavailableError
// while libvirt is away, and one that IsNoDomain when there is no such domain.
// Only for connections made by Open.
func (c *Conn) Cached(name string) (Domain, error) {
	w := c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	op := fmt.Sprintf("read state of domain %q", name)
	if !w.ready {
		return Domain{}, &UnavailableError{URI: c.uri, Op: op, Err: w.lastErr}
	}
	e, ok := w.domains[name]
	if !ok {
		return Domain{}, &Error{Op: op, Code: CodeNoDomain, Msg: "no domain with matching name '" + name + "'"}
	}
	return e.Domain, nil
}

// Refresh reads one domain's state into memory; used after an operation whose
// event may still be on its way, so that the next Cached tells the result.
func (c *Conn) Refresh(ctx context.Context, name string) (Domain, error) {
	seq := c.watch.seqNow()
	d, err := c.LookupDomain(ctx, name)
	if err == nil {
		c.watch.set(d, seq)
	}
	return d, err
}

// WaitReady waits until the states are known.
func (c *Conn) WaitReady(ctx context.Context) error {
	w := c.watch
	w.mu.Lock()
	ch := w.readyCh
	w.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ready {
		return nil
	}
	return &UnavailableError{URI: c.uri, Op: "connect", Err: w.lastErr}
}

// OnEvent registers f for every event. It runs on the event goroutine: it must
// return at once and must not call the Conn, except Cached.
func (c *Conn) OnEvent(f func(Event)) {
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	c.watch.listeners = append(c.watch.listeners, f)
}

func (w *watcher) stop() {
	w.cancel()
	<-w.done
}

// run keeps one followed session at a time until ctx ends.
func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	pause := backoffMin
	for ctx.Err() == nil {
		began := time.Now()
		err := w.follow(ctx)
		w.lost(err)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > backoffMax {
			pause = backoffMin
		}
		w.conn.log.Warn("libvirt is away, trying again", "uri", w.conn.uri, "in", pause, "reason", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, backoffMax)
	}
}

// follow connects, subscribes, lists and then applies events until the
// connection ends. It always returns an error.
func (w *watcher) follow(ctx context.Context) error {
	c := w.conn
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	events, err := invokeOn(ctx, c, s, "subscribe to events", c.call, func(l *golibvirt.Libvirt) (<-chan golibvirt.DomainEventLifecycleMsg, error) {
		// Its own context would make the library unsubscribe by a call from the
		// event goroutine; the stream ends with the connection instead.
		return l.LifecycleEvents(context.Background())
	})
	if err != nil {
		s.stream.Close()
		return err
	}
	reboots, err := invokeOn(ctx, c, s, "subscribe to reboots", c.call, func(l *golibvirt.Libvirt) (<-chan any, error) {
		return l.SubscribeEvents(context.Background(), golibvirt.DomainEventIDReboot, nil)
	})
	if err != nil { // not every driver has them
		c.log.Warn("reboots of guests are not seen", "uri", c.uri, "reason", err)
	}
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		w.pump(events, reboots)
	}()
	err = w.relistLoop(ctx, s)
	s.stream.Close()
	<-pumped
	return err
}

// pump applies events until both streams end. It never stops reading: a slow
// reader would stall all calls.
func (w *watcher) pump(events <-chan golibvirt.DomainEventLifecycleMsg, reboots <-chan any) {
	for events != nil || reboots != nil {
		select {
		case ev, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			w.apply(ev)
		case ev, ok := <-reboots:
			if !ok {
				reboots = nil
				continue
			}
			if msg, ok := ev.(*golibvirt.DomainEventCallbackRebootMsg); ok {
				w.rebooted(msg.Msg.Dom)
			}
		}
	}
}

func (w *watcher) rebooted(dom golibvirt.Domain) {
	w.mu.Lock()
	d := Domain{Name: dom.Name, UUID: UUID(dom.UUID), State: StateRunning}
	if e, ok := w.domains[d.Name]; ok {
		d.State = e.State
	}
	listeners := w.listeners
	w.mu.Unlock()
	tell(listeners, Event{Kind: EventRebooted, Domain: d})
}

func tell(listeners []func(Event), ev Event) {
	for _, f := range listeners {
		f(ev)
	}
}

func (w *watcher) relistLoop(ctx context.Context, s *session) error {
	tick := time.NewTicker(relistEvery)
	defer tick.Stop()
	for {
		seq := w.seqNow()
		all, err := invokeOn(ctx, w.conn, s, "list domains", w.conn.call, listDomains)
		if err != nil && !s.alive() {
			return s.explain(err)
		}
		if err != nil {
			return err
		}
		w.relisted(all, seq)
		select {
		case <-tick.C:
		case <-s.stream.dead:
			return s.explain(errors.New("connection closed by the daemon"))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *watcher) seqNow() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq
}

// relisted merges a list that was asked for at event number since: what events
// told later is newer than the list.
func (w *watcher) relisted(all []Domain, since uint64) {
	w.mu.Lock()
	was := w.ready
	seen := make(map[string]bool, len(all))
	for _, d := range all {
		seen[d.Name] = true
		if e, ok := w.domains[d.Name]; !ok || e.seq <= since {
			w.domains[d.Name] = &entry{Domain: d, seq: since}
		}
	}
	gone := w.vanished(seen, since)
	if !was {
		w.ready, w.lastErr = true, nil
		close(w.readyCh)
	}
	listeners := w.listeners
	w.mu.Unlock()
	for _, d := range gone {
		tell(listeners, Event{Kind: EventGone, Domain: d})
	}
	if was {
		return
	}
	w.conn.log.Info("connected to libvirt", "uri", w.conn.uri, "domains", len(all))
	for _, d := range all {
		tell(listeners, Event{Kind: EventRelisted, Domain: d})
	}
}

// vanished forgets and returns the domains that a list asked for at event number
// since has not, and those of before the connection broke. w.mu is held.
func (w *watcher) vanished(seen map[string]bool, since uint64) (gone []Domain) {
	for name, e := range w.domains {
		if !seen[name] && e.seq <= since {
			gone = append(gone, Domain{Name: name, UUID: e.UUID})
			delete(w.domains, name)
		}
	}
	for _, d := range w.before {
		if _, known := w.domains[d.Name]; !known && !seen[d.Name] {
			gone = append(gone, Domain{Name: d.Name, UUID: d.UUID})
		}
	}
	w.before = nil
	return gone
}

// lost forgets everything: an old state would be a lie.
func (w *watcher) lost(err error) {
	w.mu.Lock()
	was, listeners := w.ready, w.listeners
	if was {
		w.ready, w.readyCh = false, make(chan struct{})
		w.before = nil
		for _, e := range w.domains {
			w.before = append(w.before, e.Domain)
		}
	}
	w.lastErr = err
	clear(w.domains)
	w.mu.Unlock()
	if was {
		tell(listeners, Event{Kind: EventLost})
	}
}

// set stores a state that was read unless an event came meanwhile.
func (w *watcher) set(d Domain, since uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.domains[d.Name]; w.ready && (!ok || e.seq <= since) {
		w.domains[d.Name] = &entry{Domain: d, seq: since}
	}
}

func (w *watcher) apply(msg golibvirt.DomainEventLifecycleMsg) {
	w.mu.Lock()
	w.seq++
	d := Domain{Name: msg.Dom.Name, UUID: UUID(msg.Dom.UUID)}
	if e, ok := w.domains[d.Name]; ok {
		d.State = e.State
	}
	kind := EventKind(msg.Event)
	d.State = after(kind, d.State)
	if kind == EventUndefined && !d.State.Active() {
		delete(w.domains, d.Name)
	} else {
		w.domains[d.Name] = &entry{Domain: d, seq: w.seq}
	}
	listeners := w.listeners
	w.mu.Unlock()
	tell(listeners, Event{Kind: kind, Detail: msg.Detail, Domain: d})
}
