package ipmi

import (
	"cmp"
	"maps"
	"net/netip"
	"time"

	"trefoil/vbmc/ipmi/selrec"
)

// Offsets of sensor type Session Audit (table 42-3).
const (
	auditLogin   = 0x00
	auditLogout  = 0x01
	auditRefused = 0x02 // invalid user name or password
)

// endCause is why a session ended, as event data 3 of Session Audit has it.
type endCause byte

const (
	endUnspecified endCause = iota // the BMC starts anew, or ends
	endCommand                     // Close Session
	endTimeout
	endChange // of its user
)

const (
	// refusalPause is how often the refused logins of one source are written down: the
	// first at once, those of the next minute together at its end.
	refusalPause = time.Minute
	// auditDelay is how long logins may stay unwritten when nothing else is written: a
	// client that logs in for each question is no reason to write a file each time.
	auditDelay = 5 * time.Minute
	// loginPause is how long logins of a user from the same source are not written down
	// after one that was: clients that log in for each question would have the log for
	// themselves, and its last entry would always be their own login.
	loginPause = 10 * time.Minute
	// maxLogins is how many users and sources are remembered for that.
	maxLogins = 256
)

// loginOf is who logged in and from where.
type loginOf struct {
	from netip.Addr // source
	user byte
	name string // a slot may get another user
}

// loggedIn writes a login down, if none of the kind was lately. b.mu is held.
func (b *BMC) loggedIn(s *session, now time.Time) {
	s.began = now
	l := loginOf{source(s.src.Addr()), s.user, string(s.ex.Name)}
	if at, ok := b.logins[l]; ok && now.Sub(at) < loginPause {
		return
	}
	if len(b.logins) >= maxLogins {
		maps.DeleteFunc(b.logins, func(_ loginOf, at time.Time) bool { return now.Sub(at) >= loginPause })
	}
	if len(b.logins) >= maxLogins {
		clear(b.logins) // better written twice than not at all
	}
	if b.logins == nil {
		b.logins = map[loginOf]time.Time{}
	}
	b.logins[l] = now
	b.tellLogin(s)
}

// tellLogin writes the login of a session down that is not in the log: at its begin, or
// when it turns out to be more than a question. b.mu is held.
func (b *BMC) tellLogin(s *session) {
	if !s.audited {
		s.audited = true
		b.noteAudit(auditLogin, s.user, endUnspecified, s.began)
	}
}

// noteAudit adds a Session Audit event to the log. b.mu is held.
func (b *BMC) noteAudit(what, user byte, cause endCause, at time.Time) {
	e := selrec.Event{
		Generator: bmcAddress, SensorType: typeSessionAudit, Sensor: sensorSessionAudit, EventType: readingSpecific,
		Data: [3]byte{0xf0 | what, user, byte(cause)<<4 | lanChannel},
	}
	l := &b.parts.sel.kept
	l.Log.Add(e.Record(uint32(at.Unix()+l.Ahead)), b.selTime())
	b.selWithin(auditDelay)
}

// sessionEnded is called once for every session that ends, whatever the reason. Its end
// is written down if its begin was. Nobody
// watches the time of all sessions, so that the end of one by time is noticed later and
// told with the time it had. b.mu is held.
func (b *BMC) sessionEnded(s *session, cause endCause) {
	if a := b.parts.sol.run; a != nil && a.s == s {
		b.endSOL(a)
	}
	if s.stage == stageKeyed && cause == endTimeout {
		b.loginLapsed(s)
	}
	if s.stage != stageActive || !s.audited {
		return
	}
	at := b.now()
	if cause == endTimeout {
		at = s.until()
	}
	b.noteAudit(auditLogout, s.user, cause, at)
}

// lapses are the logins that were not completed.
type lapses struct {
	told   time.Time // when one was written down the last time; zero: never
	untold int       // since
}

// loginLapsed tells of a client that knew the BMC's proof, and did not go on: ipmitool leaves
// so when its password is wrong, or seems to be as the user is not let in. It is no refusal and slows nobody down, as the address of who
// only asks may be forged; so is one line a minute enough for all of them. b.mu is held.
func (b *BMC) loginLapsed(s *session) {
	b.lapsed.untold++
	now := b.now()
	if !b.lapsed.told.IsZero() && now.Sub(b.lapsed.told) < refusalPause {
		return
	}
	b.log.Warn("IPMI login not completed: "+cmp.Or(s.denied, "a wrong password, or the client went away"), "from", s.src.Addr(), "user", string(s.ex.Name), "times", b.lapsed.untold)
	b.lapsed.told, b.lapsed.untold = now, 0
}

// refused counts a login that was refused for its name or password, and slows its source
// down. b.mu is held.
func (b *BMC) refused(s *session, from netip.Addr, now time.Time) {
	b.count.refused.Add(1)
	k := b.sessions.failed(from, now)
	k.untold++
	k.user, k.name, k.why = s.user, string(s.ex.Name), cmp.Or(s.denied, "wrong password")
	switch wait := refusalPause - now.Sub(k.told); {
	case k.told.IsZero() || wait <= 0:
		b.noteRefusals(from, k, now)
	case k.untold == 1:
		b.after(wait, func() { b.tellRefusals(from) })
	}
}

// tellRefusals writes down what a source did in the minute that is over.
func (b *BMC) tellRefusals(from netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.sessions.failures[source(from)]; k != nil && k.untold > 0 && !b.closed {
		b.noteRefusals(from, k, b.now())
	}
}

// noteRefusals is called with b.mu held. The record has no room for how many there were;
// the program's log tells it.
func (b *BMC) noteRefusals(from netip.Addr, k *bucket, now time.Time) {
	b.log.Warn("IPMI login refused: "+k.why, "from", from, "user", k.name, "times", k.untold)
	b.noteAudit(auditRefused, k.user, endUnspecified, now)
	k.told, k.untold = now, 0
}
