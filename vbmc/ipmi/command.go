package ipmi

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/netip"
	"runtime/debug"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/wire"
)

const bmcAddress = 0x20

// Completion codes (5.2).
const (
	ccOK            = 0x00
	ccParamUnknown  = 0x80 // of Get/Set System Boot Options
	ccBusy          = 0xc0
	ccInvalid       = 0xc1
	ccLength        = 0xc7
	ccDataInvalid   = 0xcc
	ccPrivilege     = 0xd4
	ccWrongState    = 0xd5
	ccUnspecified   = 0xff
	ccSessionID     = 0x87 // of Close Session
	ccPrivNotUser   = 0x80 // of Set Session Privilege Level
	ccPrivLimit     = 0x81 // of Set Session Privilege Level
	ccSetInProgress = 0x81 // of parameter 0 of boot options, LAN, SOL and system info
)

// repeatTime is how long a repeated request counts as a retransmission when the
// client gave it a new session sequence number.
const repeatTime = 5 * time.Second

// request is one command on its way through a handler.
type request struct {
	ctx     context.Context
	session *session // nil outside a session
	src     netip.AddrPort
	message wire.Message
	data    []byte
	answer  *answer // nil outside a session
}

// command is one row of the command table.
type command struct {
	name     string
	priv     byte // lowest privilege; 0: also outside a session
	min, max int  // length of the request data
	// waits: it may wait for the hypervisor, so it runs on its own goroutine, and once.
	waits bool
	// once: run twice it would do more, or fail. A repeated request, whose answer was
	// lost, is answered from memory.
	once bool
	// early: it may be answered "accepted" before it is done.
	early bool
	run   func(b *BMC, r request) (cc byte, data []byte)
}

func key(f wire.NetFn, cmd byte) uint16 { return uint16(f)<<8 | uint16(cmd) }

// Table is every command a BMC has; all others are C1h. It is read only, so that
// the BMCs of a process share one.
type Table struct{ rows map[uint16]command }

// NewTable makes the table.
func NewTable() *Table {
	t := &Table{rows: map[uint16]command{}}
	for _, group := range commandGroups() {
		maps.Copy(t.rows, group)
	}
	return t
}

// commandGroups are the rows of each file.
func commandGroups() []map[uint16]command {
	return []map[uint16]command{
		appCommands(), channelCommands(), messageCommands(), userCommands(), sysInfoCommands(),
		payloadCommands(), watchdogCommands(), chassisCommands(),
		eventCommands(), sensorCommands(), sdrCommands(), selCommands(), fruCommands(),
		lanCommands(), solCommands(), dcmiCommands(),
	}
}

// find looks a command up and checks length and privilege.
func (b *BMC) find(m wire.Message, priv byte) (command, byte) {
	c, ok := b.commands[key(m.NetFn, m.Cmd)]
	switch {
	case !ok || m.LUN != 0:
		return c, ccInvalid
	case c.priv > priv:
		return c, ccPrivilege
	case len(m.Data) < c.min || len(m.Data) > c.max:
		return c, ccLength
	}
	return c, ccOK
}

func (b *BMC) runOutside(src netip.AddrPort, m wire.Message) (byte, []byte) {
	c, cc := b.find(m, 0)
	if cc != ccOK {
		return cc, nil
	}
	return b.call(c, request{ctx: context.Background(), src: src, message: m, data: m.Data})
}

// call runs a command. A fault in it is this request's failure and stays in this
// BMC: the daemon serves the BMCs of all domains.
func (b *BMC) call(c command, r request) (cc byte, data []byte) {
	defer func() {
		if f := recover(); f != nil {
			b.log.Error("fault in a command", "command", c.name, "from", r.src, "fault", f, "stack", string(debug.Stack()))
			cc, data = ccUnspecified, nil
		}
	}()
	return c.run(b, r)
}

// inSession handles a packet of an open session.
func (b *BMC) inSession(src netip.AddrPort, p wire.V20, reply func([]byte)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	s := b.sessions.get(p.SessionID, now)
	if s == nil || s.stage != stageActive {
		if !b.answerEnded(p, now, reply) {
			b.drop()
		}
		return
	}
	body, err := s.keys.Open(p)
	if err != nil {
		b.drop()
		return
	}
	if !s.window.take(p.Sequence) {
		if a := s.answerTo(p.Sequence); a != nil && a.done {
			reply(a.packet)
			b.sendBridged(s, a, reply)
		}
		return
	}
	s.last, s.src, s.send = now, src, reply
	if now.Sub(s.began) >= loginPause {
		b.tellLogin(s)
	}
	if p.Type == wire.PayloadSOL {
		b.solPacket(s, body)
		return
	}
	b.dispatch(s, p.Sequence, body, reply)
}

// dispatch runs the command of a message in a session. b.mu is held.
func (b *BMC) dispatch(s *session, seq uint32, body []byte, reply func([]byte)) {
	m, err := wire.ParseMessage(body)
	if err != nil || m.To != bmcAddress {
		b.drop()
		return
	}
	now := b.now()
	c, cc := b.find(m, s.privilege)
	once := c.once || c.waits
	if cc == ccOK && once {
		if a := s.sameRequest(body, now); a != nil {
			if a.done {
				reply(b.sealAs(s, wire.PayloadIPMI, a.reply))
				b.sendBridged(s, a, reply)
			}
			return
		}
	}
	b.count.commands.Add(1)
	a, kept := s.newAnswer(seq, body, now)
	if cc == ccOK && once && !kept {
		cc = ccBusy // it could not be told from its own repetition
	}
	if cc != ccOK {
		b.finish(s, a, m, cc, nil, reply)
		return
	}
	r := request{ctx: context.Background(), session: s, src: s.src, message: m, data: m.Data, answer: a}
	if c.waits {
		go b.runWaiting(c, r, s, a, m, reply)
		return
	}
	var data []byte
	b.unlocked(func() { cc, data = b.call(c, r) })
	b.finish(s, a, m, cc, data, reply)
}

// opLimit ends a power operation that the hypervisor never finishes.
const opLimit = 3 * time.Minute

// runWaiting runs a command that may wait for the hypervisor.
func (b *BMC) runWaiting(c command, r request, s *session, a *answer, m wire.Message, reply func([]byte)) {
	defer func() { // of what comes after the command; it runs when b.mu is free again
		if f := recover(); f != nil {
			b.log.Error("fault while answering", "command", c.name, "from", r.src, "fault", f, "stack", string(debug.Stack()))
		}
	}()
	type outcome struct {
		cc   byte
		data []byte
	}
	done := make(chan outcome, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), opLimit)
		defer cancel()
		r.ctx = ctx
		cc, data := b.call(c, r)
		done <- outcome{cc, data}
	}()
	var o outcome
	if c.early {
		timer := time.NewTimer(b.acceptAfter)
		defer timer.Stop()
		select {
		case o = <-done:
		case <-timer.C: // accepted; the state tells the result, a failure is in the log
		}
	} else {
		o = <-done
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finish(s, a, m, o.cc, o.data, reply)
}

// finish stores the answer for retransmissions and sends it. b.mu is held.
func (b *BMC) finish(s *session, a *answer, m wire.Message, cc byte, data []byte, reply func([]byte)) {
	a.reply = m.AppendResponse(nil, cc, data)
	a.packet = b.sealAs(s, wire.PayloadIPMI, a.reply)
	a.done = true
	reply(a.packet)
	b.sendBridged(s, a, reply)
	if s.gone {
		b.keepLastAnswer(s, a)
	}
}

// sendBridged sends what follows the answer to Send Message. b.mu is held.
func (b *BMC) sendBridged(s *session, a *answer, reply func([]byte)) {
	if a.bridged != nil {
		reply(b.sealAs(s, wire.PayloadIPMI, a.bridged))
	}
}

// sealAs makes the next packet of a session. b.mu is held.
func (b *BMC) sealAs(s *session, t wire.PayloadType, body []byte) []byte {
	s.outSeq++
	var iv [16]byte
	b.random(iv[:])
	return s.keys.Seal(nil, wire.V20{
		Type: t, SessionID: s.ex.ConsoleID, Sequence: s.outSeq, Payload: body,
	}, iv)
}

// newAnswer takes the place of the oldest answer. One that is still running keeps
// its place, or a repeated power cycle would run twice; kept is false when all are.
func (s *session) newAnswer(seq uint32, message []byte, now time.Time) (a *answer, kept bool) {
	a = &answer{seq: seq, message: message, at: now}
	for range answerSlots {
		slot := &s.answers[s.nextSlot]
		s.nextSlot = (s.nextSlot + 1) % answerSlots
		if *slot == nil || (*slot).done {
			*slot = a
			return a, true
		}
	}
	return a, false
}

func (s *session) answerTo(seq uint32) *answer {
	for _, a := range s.answers {
		if a != nil && a.seq == seq {
			return a
		}
	}
	return nil
}

// sameRequest finds a request with the same bytes, rqSeq included, sent a moment ago.
func (s *session) sameRequest(message []byte, now time.Time) *answer {
	for _, a := range s.answers {
		if a != nil && (!a.done || now.Sub(a.at) < repeatTime) && bytes.Equal(a.message, message) {
			return a
		}
	}
	return nil
}

// code turns a machine's error into a completion code: never a lie, so a
// hypervisor that is away is "node busy".
func (b *BMC) code(op string, err error) byte {
	switch {
	case err == nil:
		return ccOK
	case errors.Is(err, domain.ErrUnavailable):
		b.log.Warn("hypervisor is away", "command", op, "reason", err)
		return ccBusy
	case errors.Is(err, domain.ErrPoweredOff):
		return ccWrongState
	case errors.Is(err, domain.ErrNotFound):
		b.log.Error("domain is gone", "command", op, "reason", err)
		return ccWrongState
	case errors.Is(err, domain.ErrNotSupported):
		b.log.Warn("not supported", "command", op, "reason", err)
		return ccDataInvalid
	}
	b.log.Error("command failed", "command", op, "reason", err)
	return ccUnspecified
}
