package virt

import (
	"errors"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/libvirt"
)

// expected are the events that an operation of ours brings about.
type expected uint8

const (
	starting expected = 1 << iota
	stopping
	softly // the guest was asked to go down
	resetting
)

// seen is what events told. Machine.mu guards it.
type seen struct {
	expect   expected
	gone     bool
	since    time.Time     // running since, or when its use was looked at first; zero: off or not known
	before   time.Duration // processor time of before since
	ended    bool          // work for Repair: the process that state describes is no more
	rebooted bool          // work for Repair: a reboot that was not ours
}

// expect is called before the operation, as the event may be faster than its reply.
func (m *Machine) expect(e expected) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.expect |= e
}

// unexpect takes back an expectation when libvirt has refused. When the outcome is
// not known the event may still come.
func (m *Machine) unexpect(e expected, err error) {
	var refused *libvirt.Error
	if !errors.As(err, &refused) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.expect &^= e
}

// forget drops what events told of an earlier process.
func (m *Machine) forget() { m.work() }

// work takes the work that events left for Repair.
func (m *Machine) work() (ended, rebooted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ended, rebooted = m.seen.ended, m.seen.rebooted
	m.seen.ended, m.seen.rebooted = false, false
	return ended, rebooted
}

// OnEvent implements domain.Notifier. When the state is known already, the
// receiver gets a Back first.
func (m *Machine) OnEvent(f func(domain.Event)) (cancel func()) {
	d, err := m.conn.Cached(m.name)
	if err != nil {
		return m.events.OnEvent(f)
	}
	cancel = m.events.Greet(f, domain.Event{Kind: domain.Back, At: time.Now(), On: d.State.Active()})
	go m.events.Tell()
	return cancel
}

// Observe takes an event of the connection, in the order they come; those of
// other domains do nothing. It does not wait for libvirt. When it says so, Repair
// has work to do.
func (m *Machine) Observe(ev libvirt.Event) (needsRepair bool) {
	if ev.Domain.Name != m.name && ev.Kind != libvirt.EventLost {
		return false
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.digest(ev, now); e.Kind != 0 {
		e.At = now
		m.events.Add(e)
		go m.events.Tell()
	}
	s := m.state
	return ev.Kind == libvirt.EventRelisted && len(s.Undo) > 0 || s.unsure(ev) ||
		m.seen.ended && (s.Stale || s.Temporary) ||
		m.seen.rebooted && s.needsProcess() && m.options.LiveOrder != LiveOrderOff
}

// unsure tells whether it must be looked which domain this is, or what its boot order is.
func (s State) unsure(ev libvirt.Event) bool {
	switch ev.Kind {
	case libvirt.EventRelisted, libvirt.EventDefined:
		return s.From != nil || s.Persistent != nil || s.another(ev.Domain.UUID)
	case libvirt.EventStarted: // of a transient domain, which nobody defines
		return s.another(ev.Domain.UUID)
	}
	return false
}

// digest puts libvirt's event into the words of the contract; the zero Kind is
// nothing to tell. m.mu is held.
func (m *Machine) digest(ev libvirt.Event, now time.Time) domain.Event {
	on := ev.Domain.State.Active()
	switch ev.Kind {
	case libvirt.EventStarted:
		m.seen.since, m.seen.before = now, 0
		ours := m.take(starting)
		m.seen.ended, m.seen.rebooted = !ours, false
		return domain.Event{Kind: domain.Started, On: true, Ours: ours}
	case libvirt.EventStopped:
		return m.stopped(ev.Detail)
	case libvirt.EventCrashed:
		return domain.Event{Kind: domain.Crashed, On: on, Reason: "the guest panicked"}
	case libvirt.EventRebooted:
		ours := m.take(resetting)
		m.seen.rebooted = m.seen.rebooted || !ours
		return domain.Event{Kind: domain.Rebooted, On: on, Ours: ours}
	case libvirt.EventLost:
		m.seen.expect = 0
		return domain.Event{Kind: domain.Lost}
	case libvirt.EventRelisted:
		m.back(on)
		return domain.Event{Kind: domain.Back, On: on}
	case libvirt.EventDefined:
		if m.seen.gone {
			m.back(on)
			return domain.Event{Kind: domain.Back, On: on}
		}
	case libvirt.EventUndefined, libvirt.EventGone:
		if on || m.seen.gone {
			return domain.Event{}
		}
		m.seen.gone, m.seen.since = true, time.Time{}
		return domain.Event{Kind: domain.Gone, Reason: "libvirt has no domain " + m.name}
	}
	return domain.Event{}
}

// take tells whether an event was expected; it comes once.
func (m *Machine) take(e expected) bool {
	was := m.seen.expect&e != 0
	m.seen.expect &^= e
	return was
}

// back: the state is known again, what happened meanwhile is not.
func (m *Machine) back(on bool) {
	m.seen.gone = false
	if !on {
		m.seen.since, m.seen.ended = time.Time{}, true
	}
}

func (m *Machine) stopped(detail int32) domain.Event {
	e := domain.Event{Kind: domain.Stopped, Ours: m.take(stopping)}
	soft := m.take(softly)
	switch detail {
	case libvirt.StoppedShutdown:
		e.Kind, e.Reason = domain.ShutDown, "the guest powered off"
		e.Ours = e.Ours || soft
	case libvirt.StoppedCrashed:
		e.Kind, e.Reason = domain.Crashed, "the machine crashed"
	case libvirt.StoppedFailed:
		e.Kind, e.Reason = domain.Crashed, "the machine failed"
	}
	m.seen.since, m.seen.rebooted = time.Time{}, false
	m.seen.ended = !e.Ours || soft
	return e
}

// Usage implements domain.Meter. What a machine used before it was first looked at is
// left out, as since when it runs is not known: it would be taken for the use of now.
func (m *Machine) Usage() (domain.Usage, error) {
	d, err := m.conn.Cached(m.name)
	if err != nil {
		return domain.Usage{}, translate(err)
	}
	if !d.State.Active() {
		return domain.Usage{At: time.Now()}, nil
	}
	st, err := m.conn.Usage(m.name)
	if err != nil {
		return domain.Usage{}, translate(err)
	}
	since, before := m.runs(st)
	u := domain.Usage{At: st.At, Started: since, CPU: st.CPU - before, VCPUs: st.VCPUs, MemoryMax: st.MemoryMax, MemoryUsed: st.MemoryUsed}
	if st.At.Before(since) { // of an earlier process
		u.At, u.CPU, u.MemoryUsed = since, 0, 0
	}
	return u, nil
}

// runs tells since when the process runs and what it had used by then. For one whose start
// nobody told, that is the first look; so it is when less was used than then: it is another.
func (m *Machine) runs(st libvirt.Stats) (since time.Time, before time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen.since.IsZero() || st.CPU < m.seen.before {
		m.seen.since, m.seen.before = st.At, st.CPU
	}
	return m.seen.since, m.seen.before
}
