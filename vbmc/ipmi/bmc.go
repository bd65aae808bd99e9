// Package ipmi is a BMC of its own: IPMI 2.0 over RMCP+ for one machine. The
// codec is in wire; here are sessions, privileges and commands. Handle takes a
// datagram and gives back the answer, so that everything is tested without a
// socket; Serve is the UDP loop around it.
package ipmi

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/wire"
)

// Limits of a name and a password (IPMI 2.0 section 22.28 and 22.30).
const (
	MaxNameLen     = 16
	MaxPasswordLen = 20
)

// Config says which machine a BMC stands for and who may use it.
type Config struct {
	Machine  domain.Machine
	Username string
	Password string
	KG       []byte       // BMC key; nil when none is set
	Suites   []wire.Suite // in order of preference; nil: 17, 3
	Log      *slog.Logger // nil: no log

	Rand io.Reader        // nil: crypto/rand
	Now  func() time.Time // nil: time.Now
	// AcceptAfter is how long a power operation may hold its answer back. A slower
	// one is answered "accepted" and goes on; clients give up after some seconds.
	// 0: 2.5 s.
	AcceptAfter time.Duration
}

// BMC answers IPMI for one machine. It is safe for many goroutines.
type BMC struct {
	machine     domain.Machine
	username    string
	password    [MaxPasswordLen]byte
	kg          []byte
	suites      []wire.Suite
	log         *slog.Logger
	rand        io.Reader
	now         func() time.Time
	acceptAfter time.Duration
	decoyKey    [32]byte // makes passwords of users that do not exist
	commands    map[uint16]command

	mu       sync.Mutex
	sessions table
	boot     bootOptions
	chassis  chassisState
}

// New makes a BMC. Names and passwords that IPMI cannot carry are refused.
func New(c Config) (*BMC, error) {
	switch {
	case c.Machine == nil:
		return nil, errors.New("BMC without a machine")
	case c.Username == "" || len(c.Username) > MaxNameLen:
		return nil, errors.New("user name must have 1 to 16 bytes")
	case len(c.Password) > MaxPasswordLen:
		return nil, errors.New("password must not have more than 20 bytes")
	}
	b := &BMC{
		machine: c.Machine, username: c.Username, kg: c.KG, suites: c.Suites, log: c.Log,
		rand: c.Rand, now: c.Now, acceptAfter: c.AcceptAfter, commands: commandTable(),
	}
	copy(b.password[:], c.Password)
	if b.suites == nil {
		b.suites = []wire.Suite{wire.Suite17(), wire.Suite3()}
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.rand == nil {
		b.rand = rand.Reader
	}
	if b.now == nil {
		b.now = time.Now
	}
	if b.acceptAfter == 0 {
		b.acceptAfter = 2500 * time.Millisecond
	}
	if _, err := io.ReadFull(b.rand, b.decoyKey[:]); err != nil {
		return nil, err
	}
	b.sessions = newTable()
	return b, nil
}

// Handle takes one datagram from src. reply is called with the answer, if there
// is one: before Handle returns for quick commands, later and from another
// goroutine for those that wait for the hypervisor. Broken packets are dropped.
func (b *BMC) Handle(src netip.AddrPort, packet []byte, reply func([]byte)) {
	class, rest, err := wire.ParseRMCP(packet)
	if err != nil {
		return
	}
	if class == wire.ClassASF {
		if tag, err := wire.ParsePing(rest); err == nil {
			reply(wire.BuildPong(tag))
		}
		return
	}
	if !wire.IsV20(rest) {
		b.handleV15(src, rest, reply)
		return
	}
	p, err := wire.ParseV20(rest)
	if err != nil {
		return
	}
	switch p.Type {
	case wire.PayloadOpenRequest:
		b.openSession(src, p.Payload, reply)
	case wire.PayloadRAKP1:
		b.rakp1(src, p.Payload, reply)
	case wire.PayloadRAKP3:
		b.rakp3(src, p.Payload, reply)
	case wire.PayloadIPMI:
		if p.SessionID == 0 {
			b.outsideSession(src, p, reply)
			return
		}
		b.inSession(src, p, reply)
	}
}

// handleV15 answers what may be asked before a session exists. There are no
// IPMI 1.5 sessions: asking for one is refused at once, not with silence.
func (b *BMC) handleV15(src netip.AddrPort, raw []byte, reply func([]byte)) {
	p, err := wire.ParseV15(raw)
	if err != nil || p.Auth != wire.AuthNone || p.SessionID != 0 {
		return
	}
	msg, err := wire.ParseMessage(p.Payload)
	if err != nil || msg.To != bmcAddress {
		return
	}
	cc, data := b.runOutside(src, msg)
	reply(wire.V15{Payload: msg.AppendResponse(nil, cc, data)}.Append(nil))
}

func (b *BMC) outsideSession(src netip.AddrPort, p wire.V20, reply func([]byte)) {
	if p.Encrypted || p.Authenticated {
		return
	}
	msg, err := wire.ParseMessage(p.Payload)
	if err != nil || msg.To != bmcAddress {
		return
	}
	cc, data := b.runOutside(src, msg)
	reply(wire.V20{Type: wire.PayloadIPMI, Payload: msg.AppendResponse(nil, cc, data)}.AppendPlain(nil))
}

// guid is the machine's UUID in SMBIOS byte order, as real BMCs give it. While
// the hypervisor is away before it was ever read, it is zero.
func (b *BMC) guid() [16]byte {
	u, err := b.machine.UUID()
	if err != nil {
		return [16]byte{}
	}
	u[0], u[1], u[2], u[3] = u[3], u[2], u[1], u[0]
	u[4], u[5] = u[5], u[4]
	u[6], u[7] = u[7], u[6]
	return u
}

// lookup returns the key of a user. A user that does not exist gets a decoy, so
// that RAKP 2 does not tell who exists.
func (b *BMC) lookup(name []byte) (key [MaxPasswordLen]byte, known bool) {
	given, ours := sha256.Sum256(name), sha256.Sum256([]byte(b.username))
	mac := hmac.New(sha256.New, b.decoyKey[:])
	mac.Write(name)
	copy(key[:], mac.Sum(nil))
	if known = hmac.Equal(given[:], ours[:]); known {
		key = b.password
	}
	return key, known
}

// random fills p with random bytes; without randomness a BMC must not go on.
func (b *BMC) random(p []byte) {
	if _, err := io.ReadFull(b.rand, p); err != nil {
		panic("ipmi: no random numbers: " + err.Error())
	}
}
