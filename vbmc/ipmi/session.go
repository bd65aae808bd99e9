package ipmi

import (
	"cmp"
	"net/netip"
	"time"

	"trefoil/vbmc/ipmi/wire"
)

// Limits of one BMC's session table.
const (
	maxEstablished       = 128
	maxPerUser           = 96 // no user keeps all others out
	maxHalfOpen          = 64
	maxHalfOpenPerSource = 8
	inactivity           = 60 * time.Second // 6.12.15: 60 s ± 3 s
	setupTime            = 15 * time.Second
	failureBurst         = 10 // wrong passwords before a source must wait
	failureRefill        = time.Second
	maxSources           = 256
)

// stage is how far the set-up of a session is.
type stage byte

const (
	stageOpened stage = iota
	stageKeyed        // RAKP 1 was answered
	stageActive
)

// session is one client's session, from the open request on.
type session struct {
	stage     stage
	gone      bool // it was removed from the table
	src       netip.AddrPort
	handle    byte // 0 until it is established
	user      byte // slot of the user
	limit     byte // highest privilege this session may have
	privilege byte // the one it has now
	ex        wire.Exchange
	denied    string    // why nobody is let in, whatever the password; "": the user may be
	began     time.Time // of an active one: its login
	audited   bool      // that is in the event log
	keys      *wire.Keys
	last      time.Time
	outSeq    uint32
	window    window
	answers   [answerSlots]*answer
	nextSlot  int

	send func([]byte) // to where the latest packet came from

	setupRequest, setupReply []byte // the latest set-up message and its answer, for a repeat
}

// answerSlots is how many answers a session keeps for retransmitted requests.
const answerSlots = 8

// answer is a request's answer, kept to be repeated.
type answer struct {
	seq     uint32 // session sequence of the request
	message []byte // request as it was
	at      time.Time
	done    bool
	reply   []byte // response message
	packet  []byte // response as sent
	bridged []byte // response message that follows, of a request inside Send Message
}

// window is the sliding window of sequence numbers (6.12.13).
type window struct {
	top  uint32
	seen uint32 // bit i: top-i was seen
}

const windowSize = 32

// take records seq and reports whether it is new and inside the window.
func (w *window) take(seq uint32) (fresh bool) {
	switch {
	case seq == 0:
		return false
	case seq > w.top:
		d := seq - w.top
		if d > windowSize && w.top != 0 {
			return false
		}
		w.seen = w.seen<<d | 1 // a shift by 32 or more gives 0
		w.top = seq
		return true
	case w.top-seq >= windowSize:
		return false
	}
	bit := uint32(1) << (w.top - seq)
	if w.seen&bit != 0 {
		return false
	}
	w.seen |= bit
	return true
}

// table holds all sessions of a BMC.
type table struct {
	byID     map[uint32]*session
	failures map[netip.Addr]*bucket // by source
	handle   byte
	ended    func(*session, endCause) // told each end, with b.mu held
}

// bucket counts wrong passwords of one source; it drains with time.
type bucket struct {
	level int
	at    time.Time // when it was drained
	last  time.Time // when a password was wrong

	told   time.Time // when that was written down; zero: never
	untold int       // wrong passwords since
	user   byte      // the latest of them was for
	name   string
	why    string
}

func newTable(ended func(*session, endCause)) table {
	return table{byID: map[uint32]*session{}, failures: map[netip.Addr]*bucket{}, ended: ended}
}

// sweep drops sessions that were idle too long. It runs when sessions are
// opened or counted, so an idle BMC needs no timer.
func (t *table) sweep(now time.Time) {
	for id, s := range t.byID {
		if s.expired(now) {
			t.remove(id, endTimeout)
		}
	}
}

// remove ends a session, if there is one of that id; every end goes through here.
func (t *table) remove(id uint32, cause endCause) {
	s := t.byID[id]
	if s == nil {
		return
	}
	delete(t.byID, id)
	s.gone = true
	t.ended(s, cause)
}

func (t *table) removeAll() {
	for id := range t.byID {
		t.remove(id, endUnspecified)
	}
}

// until is when a session ends if nothing comes from its client before.
func (s *session) until() time.Time {
	if s.stage == stageActive {
		return s.last.Add(inactivity)
	}
	return s.last.Add(setupTime)
}

// over tells whether a session has ended, noticed or not.
func (s *session) over(now time.Time) bool { return s.gone || s.expired(now) }

func (s *session) expired(now time.Time) bool { return now.After(s.until()) }

// get returns a session that lives and is at least at stage st.
func (t *table) get(id uint32, now time.Time) *session {
	s := t.byID[id]
	if s == nil || s.expired(now) {
		t.remove(id, endTimeout)
		return nil
	}
	return s
}

// opening returns the session that src is setting up. Another source has none of that id:
// with a forged address it would make an innocent one's password look wrong.
func (t *table) opening(id uint32, src netip.AddrPort, now time.Time) *session {
	s := t.get(id, now)
	if s == nil || s.src.Addr() != src.Addr() {
		return nil
	}
	return s
}

func (t *table) active() int {
	n := 0
	for _, s := range t.byID {
		if s.stage == stageActive {
			n++
		}
	}
	return n
}

// activeOf counts the established sessions of a user.
func (t *table) activeOf(user byte) int {
	n := 0
	for _, s := range t.byID {
		if s.stage == stageActive && s.user == user {
			n++
		}
	}
	return n
}

// source is what limits count by. Whoever has one IPv6 address commonly has its whole
// /64, so that is one source.
func source(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is4() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil { // no address at all
		return a
	}
	return p.Addr()
}

// makeRoom makes place for one more half-open session of addr, if need be at the cost of
// another half-open one: of the same source where that has its share, else of the source that
// has most. Established ones stay; it tells whether there is place for one more of these.
func (t *table) makeRoom(addr netip.Addr) bool {
	addr = source(addr)
	half, of, established := 0, map[netip.Addr]int{}, 0
	for _, s := range t.byID {
		if s.stage == stageActive {
			established++
			continue
		}
		half++
		of[source(s.src.Addr())]++
	}
	switch {
	case of[addr] >= maxHalfOpenPerSource:
		t.remove(t.leastMissed(map[netip.Addr]int{addr: of[addr]}), endTimeout)
	case half >= maxHalfOpen:
		t.remove(t.leastMissed(of), endTimeout)
	}
	return established < maxEstablished
}

// leastMissed is the oldest half-open session of the source that has most of them. A few
// sources with their shares would push out whoever begins a login, were it only the oldest.
func (t *table) leastMissed(of map[netip.Addr]int) (id uint32) {
	var least *session
	for n, s := range t.byID {
		many := of[source(s.src.Addr())]
		if s.stage == stageActive || many == 0 {
			continue
		}
		if least == nil || cmp.Or(cmp.Compare(of[source(least.src.Addr())], many), s.last.Compare(least.last)) < 0 {
			id, least = n, s
		}
	}
	return id
}

// nextHandle numbers established sessions from 1 to 255 for Get Session Info. There
// are more numbers than sessions, so one is always free.
func (t *table) nextHandle() byte {
	for {
		t.handle++
		if t.handle != 0 && t.byHandle(t.handle) == nil {
			return t.handle
		}
	}
}

// byHandle returns the established session of a handle; others have none yet.
func (t *table) byHandle(h byte) *session {
	for _, s := range t.byID {
		if s.handle == h && s.stage == stageActive {
			return s
		}
	}
	return nil
}

// failed notes a wrong password from a source.
func (t *table) failed(a netip.Addr, now time.Time) *bucket {
	a = source(a)
	k := t.failures[a]
	if k == nil {
		if len(t.failures) >= maxSources { // a flood of sources must not cost memory
			delete(t.failures, t.longestQuiet())
		}
		k = &bucket{at: now}
		t.failures[a] = k
	}
	k.drain(now)
	k.last = now
	k.level = min(k.level+1, 2*failureBurst) // whoever stops guessing may log in again in some seconds
	return k
}

// longestQuiet is the source whose last wrong password is the longest ago.
func (t *table) longestQuiet() (quiet netip.Addr) {
	var since time.Time
	for a, k := range t.failures {
		if since.IsZero() || k.last.Before(since) {
			quiet, since = a, k.last
		}
	}
	return quiet
}

func (k *bucket) drain(now time.Time) {
	n := int(now.Sub(k.at) / failureRefill)
	k.level = max(0, k.level-n)
	k.at = k.at.Add(time.Duration(n) * failureRefill)
}

// throttled reports whether a source must wait before it may try again.
func (t *table) throttled(a netip.Addr, now time.Time) bool {
	a = source(a)
	k := t.failures[a]
	if k == nil {
		return false
	}
	k.drain(now)
	if k.level == 0 && now.Sub(k.told) >= refusalPause {
		delete(t.failures, a)
	}
	return k.level >= failureBurst
}
