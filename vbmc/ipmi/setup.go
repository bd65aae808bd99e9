package ipmi

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"trefoil/vbmc/ipmi/wire"
)

// Privilege levels (6.8).
const (
	privCallback = 1
	privUser     = 2
	privOperator = 3
	privAdmin    = 4
	privOEM      = 5
)

// openSession answers an Open Session Request (13.17). The client's proposal is
// honoured or refused, never replaced.
func (b *BMC) openSession(src netip.AddrPort, payload []byte, reply func([]byte)) {
	r, err := wire.ParseOpenRequest(payload)
	if err != nil {
		return
	}
	send := func(p []byte) {
		reply(wire.V20{Type: wire.PayloadOpenResponse, Payload: p}.AppendPlain(nil))
	}
	refuse := func(st wire.Status) { send(wire.AppendRefusal(nil, r.Tag, st, r.ConsoleID)) }
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if s := b.sessions.sameOpening(src, payload, now); s != nil {
		send(s.setupReply)
		return
	}
	suite, st := r.Choose(b.suites)
	if st != wire.StatusOK {
		refuse(st)
		return
	}
	limit, st := openLimit(r.Privilege)
	if st != wire.StatusOK {
		refuse(st)
		return
	}
	limit = min(limit, b.parts.channel.now.limit)
	b.sessions.sweep(now)
	if b.sessions.throttled(src.Addr(), now) || !b.sessions.makeRoom(src.Addr()) {
		refuse(wire.StatusNoResources)
		return
	}
	id := b.newID()
	s := &session{stage: stageOpened, src: src, limit: limit, last: now}
	s.ex.Suite, s.ex.ConsoleID, s.ex.ManagedID, s.ex.KG = suite, r.ConsoleID, id, b.kg
	s.setupRequest = bytes.Clone(payload)
	s.setupReply = r.AppendResponse(nil, limit, id, suite)
	b.sessions.byID[id] = s
	send(s.setupReply)
}

// openLimit is the highest level of a session whose open request asks for one; 0 asks
// for the highest there is. No user has OEM; what is above it is reserved.
func openLimit(asked byte) (byte, wire.Status) {
	switch {
	case asked > privOEM:
		return 0, wire.StatusBadRole
	case asked == privOEM:
		return 0, wire.StatusUnauthorizedRole
	case asked == 0:
		return privAdmin, wire.StatusOK
	}
	return asked, wire.StatusOK
}

// sameOpening finds the session that a repeated open request made.
func (t *table) sameOpening(src netip.AddrPort, payload []byte, now time.Time) *session {
	for _, s := range t.byID {
		if s.stage == stageOpened && !s.expired(now) && s.src == src && bytes.Equal(s.setupRequest, payload) {
			return s
		}
	}
	return nil
}

// newID makes a session id that is neither zero nor in use.
func (b *BMC) newID() uint32 {
	for {
		var raw [4]byte
		b.random(raw[:])
		id := binary.LittleEndian.Uint32(raw[:])
		if _, used := b.sessions.byID[id]; id != 0 && !used {
			return id
		}
	}
}

// rakp1 answers RAKP message 1 with our random number, GUID and proof (13.20).
func (b *BMC) rakp1(src netip.AddrPort, payload []byte, reply func([]byte)) {
	r, err := wire.ParseRAKP1(payload)
	if err != nil {
		return
	}
	guid, _ := b.guid() // zero while it is not known: 13.21 allows it, and the session may open
	send := func(p []byte) { reply(wire.V20{Type: wire.PayloadRAKP2, Payload: p}.AppendPlain(nil)) }
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions.opening(r.ManagedID, src, b.now())
	if s == nil || s.stage == stageActive {
		send(wire.AppendRefusal(nil, r.Tag, wire.StatusBadSession, 0))
		return
	}
	if s.stage == stageKeyed && bytes.Equal(s.setupRequest, payload) {
		// A new random number would break the client that uses the first one.
		send(s.setupReply)
		return
	}
	if st := s.admit(r); st != wire.StatusOK {
		b.sessions.remove(r.ManagedID, endUnspecified)
		send(wire.AppendRefusal(nil, r.Tag, st, s.ex.ConsoleID))
		return
	}
	s.ex.Rm, s.ex.Role, s.ex.Name, s.ex.GUID = r.Random, r.Role, bytes.Clone(r.Name), guid
	b.random(s.ex.Rc[:])
	var a account
	a, s.denied = b.account(r.Name, r.Role)
	s.user, s.limit, s.ex.Password = a.id, min(s.limit, a.limit), a.password
	s.src, s.stage, s.last = src, stageKeyed, b.now()
	s.setupRequest = bytes.Clone(payload)
	s.setupReply = s.ex.AppendRAKP2(nil, r.Tag)
	send(s.setupReply)
}

// admit checks role and name of RAKP 1 and lowers the session's limit to the role.
func (s *session) admit(r wire.RAKP1) wire.Status {
	role := r.Privilege()
	switch {
	case role > privOEM:
		return wire.StatusBadRole
	case role > s.limit:
		return wire.StatusUnauthorizedRole
	case len(r.Name) > MaxNameLen:
		return wire.StatusBadNameLength
	}
	if role != 0 {
		s.limit = role
	}
	return wire.StatusOK
}

// rakp3 checks the client's proof and opens the session (13.22).
func (b *BMC) rakp3(src netip.AddrPort, payload []byte, reply func([]byte)) {
	r, err := wire.ParseRAKP3(payload)
	if err != nil {
		return
	}
	send := func(p []byte) { reply(wire.V20{Type: wire.PayloadRAKP4, Payload: p}.AppendPlain(nil)) }
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	s := b.sessions.opening(r.ManagedID, src, now)
	switch {
	case s == nil || s.stage == stageOpened:
		send(wire.AppendRefusal(nil, r.Tag, wire.StatusBadSession, 0))
		return
	case s.stage == stageActive:
		if bytes.Equal(s.setupRequest, payload) {
			send(s.setupReply)
		}
		return
	case r.Status != wire.StatusOK: // the client did not like RAKP 2: a wrong password on its side
		b.sessions.remove(r.ManagedID, endUnspecified)
		b.refused(s, src.Addr(), now)
		return
	}
	if !s.ex.Check3(r.Code) || s.denied != "" {
		b.sessions.remove(r.ManagedID, endUnspecified)
		b.refused(s, src.Addr(), now)
		send(wire.AppendRefusal(nil, r.Tag, wire.StatusBadCheckValue, s.ex.ConsoleID))
		return
	}
	if b.sessions.sweep(now); b.sessions.activeOf(s.user) >= maxPerUser {
		b.sessions.remove(r.ManagedID, endUnspecified)
		send(wire.AppendRefusal(nil, r.Tag, wire.StatusNoResources, s.ex.ConsoleID))
		return
	}
	b.count.logins.Add(1)
	s.handle = b.sessions.nextHandle()
	var code []byte
	code, s.keys = s.ex.Finish()
	s.stage, s.src, s.send, s.last = stageActive, src, reply, now
	b.loggedIn(s, now)
	s.privilege = min(s.limit, privUser) // 6.8: a session begins as USER
	s.setupRequest = bytes.Clone(payload)
	s.setupReply = s.ex.AppendRAKP4(nil, r.Tag, code)
	send(s.setupReply)
}
