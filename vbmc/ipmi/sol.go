package ipmi

import (
	"net"
	"time"

	"trefoil/vbmc/console"
	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/sol"
	"trefoil/vbmc/ipmi/wire"
)

const (
	// solPayloadSize is the longest SOL payload in either direction, header included.
	solPayloadSize = 204
	// solHeadStart lets the answer to Activate Payload leave before the first output:
	// clients do not know yet what to do with that.
	solHeadStart = 20 * time.Millisecond
)

// solState is Serial over LAN: its parameters and who has it.
type solState struct {
	p       solParams
	setting progress     // parameter 0
	port    uint16       // of our socket
	hub     *console.Hub // nil: the machine has no console, or it is switched off
	run     *solRun      // nil: not active
}

// solRun is one activation.
type solRun struct {
	s      *session
	port   *sol.Port
	reader *console.Reader
	kick   chan struct{} // the port has to be looked at
	done   chan struct{}
}

// active reports whether a session has SOL. b.mu is held.
func (s *solState) active() bool { return s.run != nil }

// loadSOL reads the parameters back and begins to hold the console, if it is to.
func (b *BMC) loadSOL() error {
	st := &b.parts.sol
	st.p = defaultSOLParams()
	if _, err := b.recall("sol", &st.p); err != nil {
		return err
	}
	opener, ok := b.machine.(domain.ConsoleOpener)
	if !ok || b.consoleMode == ConsoleOff {
		return nil
	}
	st.hub = console.NewHub(opener.OpenConsole, b.consoleBuffer, b.log)
	if b.consoleMode == ConsoleAlways {
		st.hub.Hold()
		if on, err := b.machine.Power(); err == nil && on {
			st.hub.Start()
		}
	}
	return nil
}

func (b *BMC) keepSOL() { b.keep("sol", func() any { return b.parts.sol.p }) }

// setSOLPort notes where the BMC listens: a client wants to hear its own port from
// Activate Payload and believes no other.
func (b *BMC) setSOLPort(a net.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if u, ok := a.(*net.UDPAddr); ok {
		b.parts.sol.port = uint16(u.Port)
	}
}

// closeSOL closes the console. b.mu is not held.
func (b *BMC) closeSOL() {
	b.locked(func() {
		if a := b.parts.sol.run; a != nil {
			b.endSOL(a)
		}
	})
	if hub := b.parts.sol.hub; hub != nil { // it never changes once there are events
		hub.Close()
	}
}

// solEvent takes an event of the machine; b.mu is not held.
func (b *BMC) solEvent(e domain.Event) {
	if hub := b.parts.sol.hub; hub != nil && e.On && (e.Kind == domain.Started || e.Kind == domain.Back) {
		hub.Start() // hub is set before there are events, and never changes
	}
}

// beginSOL gives SOL to a session. b.mu is held.
func (b *BMC) beginSOL(s *session) {
	b.tellLogin(s)
	st := &b.parts.sol
	a := &solRun{s: s, kick: make(chan struct{}, 1), done: make(chan struct{})}
	a.port = sol.NewPort(st.p.port(st.hub))
	a.reader = st.hub.Attach(b.consoleBuffer)
	st.run = a
	b.log.Info("SOL is active", "for", s.src, "user", string(s.ex.Name))
	b.after(solHeadStart, func() { go b.pumpSOL(a) })
}

// solRun is the activation of a session that lives; nil: there is none. A session whose
// client is gone has no timer of its own and gives SOL back here. b.mu is held.
func (b *BMC) solRun() *solRun {
	if a := b.parts.sol.run; a != nil {
		b.sessions.get(a.s.ex.ManagedID, b.now())
	}
	return b.parts.sol.run
}

// endSOL takes SOL away. b.mu is held.
func (b *BMC) endSOL(a *solRun) {
	if b.parts.sol.run != a {
		return
	}
	b.parts.sol.run = nil
	close(a.done)
	a.reader.Close()
	b.log.Info("SOL is over", "for", a.s.src, "user", string(a.s.ex.Name))
}

// tellDeactivated lets a session know that SOL is over, and not by its own wish: another
// one took it away, or, with StatusUnavailable, there is nothing to show. b.mu is held.
func (b *BMC) tellDeactivated(a *solRun, why byte) {
	if a.s.send != nil {
		a.s.send(b.sealAs(a.s, wire.PayloadSOL, sol.Packet{Op: sol.StatusDeactivated | why}.Append(nil)))
	}
}

// pumpSOL moves output until SOL is over. A fault ends SOL, or nobody could have it
// any more.
func (b *BMC) pumpSOL(a *solRun) {
	defer b.contain("SOL")
	defer b.locked(func() { b.endSOL(a) })
	for {
		wait, ok := b.pumpOnce(a)
		if !ok {
			return
		}
		stop := b.after(wait, a.wake)
		select {
		case <-a.reader.Ready():
		case <-a.kick:
		case <-a.done:
		}
		stop()
	}
}

// pumpOnce moves what is to be moved now and tells when the next is due; not ok: SOL is
// over.
func (b *BMC) pumpOnce(a *solRun) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.solRun() != a {
		return 0, false
	}
	now := b.now()
	b.moveSOL(a, now)
	if a.reader.Over() && a.port.Idle() { // the console has the reason
		b.tellDeactivated(a, sol.StatusUnavailable)
		b.endSOL(a)
		return 0, false
	}
	wait = a.s.until().Sub(now) + time.Millisecond // SOL ends with its session, and then at once
	if at, ok := a.port.Next(); ok {
		wait = min(wait, at.Sub(now))
	}
	return max(wait, time.Millisecond), true
}

func (a *solRun) wake() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

// moveSOL takes as much output as the port has room for and sends what is due.
// b.mu is held.
func (b *BMC) moveSOL(a *solRun, now time.Time) {
	for room := a.port.Room(); room > 0; room = a.port.Room() {
		buf := make([]byte, room)
		n, lost := a.reader.Read(buf)
		if lost {
			a.port.Tell(sol.StatusOverrun)
		}
		if n == 0 {
			break
		}
		a.port.Send(buf[:n], now)
	}
	for _, k := range a.port.Out(now) {
		a.s.send(b.sealAs(a.s, wire.PayloadSOL, k))
	}
}

// solPacket takes a decrypted SOL payload of an open session; what is sent goes out
// by sealAs and session.send. b.mu is held.
func (b *BMC) solPacket(s *session, body []byte) {
	a := b.parts.sol.run
	if a == nil || a.s != s {
		b.drop()
		return
	}
	now := b.now()
	r, err := a.port.Receive(body, now)
	if err != nil {
		b.drop()
		return
	}
	if r.Fresh {
		b.solOperation(a, r.Op)
	}
	b.moveSOL(a, now)
	a.wake()
}

// solOperation does what the console asks for besides characters (table 15-2).
func (b *BMC) solOperation(a *solRun, op byte) {
	a.port.SetPaused(op&sol.OpPause != 0)
	if op&sol.OpBreak != 0 {
		b.parts.sol.hub.Break()
	}
	if op&sol.OpFlushOutbound != 0 {
		a.port.Flush()
		a.reader.Flush()
	}
}
