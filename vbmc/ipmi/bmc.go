// Package ipmi is a BMC of its own: IPMI 2.0 over RMCP+ for one machine. The
// codec is in wire; here are sessions, privileges and commands. Handle takes a
// datagram and gives back the answer, so that everything is tested without a
// socket; Serve is the UDP loop around it.
package ipmi

import (
	"crypto/rand"
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
	Suites   []wire.Suite // each from wire.SuiteByID, in order of preference; nil: 17, 3
	Log      *slog.Logger // nil: no log

	Rand io.Reader        // nil: crypto/rand
	Now  func() time.Time // nil: time.Now
	// AcceptAfter is how long a power operation may hold its answer back. A slower
	// one is answered "accepted" and goes on; clients give up after some seconds.
	// 0: 2.5 s.
	AcceptAfter time.Duration

	Table *Table // the commands, shared by all BMCs of a process; nil: one of its own
	Store Store  // nil: forgets with the process
	Name  string // of the machine, for people; may be empty
	// After calls f later, like time.AfterFunc, which nil stands for.
	After func(d time.Duration, f func()) (stop func() bool)

	Console       ConsoleMode
	ConsoleBuffer int // bytes of console output that are kept; 0: 16 KiB

	// HostBoot tells which start of the hypervisor's host this is; another answer
	// means that the host lost its power. nil or "": not known.
	HostBoot func() string
	// PasswordSet stores a password that the configuration's user got over IPMI; nil:
	// it cannot be changed there.
	PasswordSet func(name, password string) error
}

// BMC answers IPMI for one machine. It is safe for many goroutines.
type BMC struct {
	machine       domain.Machine
	name          string
	log           *slog.Logger
	rand          io.Reader
	now           func() time.Time
	afterFunc     func(time.Duration, func()) func() bool
	acceptAfter   time.Duration
	consoleMode   ConsoleMode
	consoleBuffer int
	hostBoot      func() string
	passwordSet   func(name, password string) error
	decoyKey      [32]byte // makes passwords of users that do not exist
	commands      map[uint16]command
	store         Store
	unsubscribe   func() // from the machine's events; nil: it has none
	count         counters

	saving sync.Mutex // of keep; taken before mu

	mu          sync.Mutex            // guards what follows
	logins      map[loginOf]time.Time // that are in the event log
	lapsed      lapses
	lastAnswers []lastAnswer
	closed      bool
	kg          []byte
	suites      []wire.Suite
	sessions    table
	boot        bootOptions
	chassis     chassisState
	parts       parts
}

// New makes a BMC. Names and passwords that IPMI cannot carry are refused.
func New(c Config) (*BMC, error) {
	if c.Machine == nil {
		return nil, errors.New("BMC without a machine")
	}
	user := Credentials{Username: c.Username, Password: c.Password, KG: c.KG, Suites: c.Suites}
	if err := user.check(); err != nil {
		return nil, err
	}
	c.setDefaults()
	b := &BMC{
		machine: c.Machine, name: c.Name, log: c.Log, rand: c.Rand, now: c.Now, afterFunc: c.After,
		acceptAfter: c.AcceptAfter, consoleMode: c.Console, consoleBuffer: c.ConsoleBuffer,
		hostBoot: c.HostBoot, passwordSet: c.PasswordSet, commands: c.Table.rows, store: c.Store,
	}
	b.sessions = newTable(b.sessionEnded)
	if _, err := io.ReadFull(b.rand, b.decoyKey[:]); err != nil {
		return nil, err
	}
	b.configUser(user.Username, user.Password)
	b.setKeys(user)
	if err := b.startParts(); err != nil {
		return nil, err
	}
	return b, nil
}

func (c *Config) setDefaults() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.AcceptAfter == 0 {
		c.AcceptAfter = 2500 * time.Millisecond
	}
	if c.Table == nil {
		c.Table = NewTable()
	}
	if c.Store == nil {
		c.Store = NewMemStore()
	}
	if c.ConsoleBuffer == 0 {
		c.ConsoleBuffer = 16 << 10
	}
	if c.HostBoot == nil {
		c.HostBoot = func() string { return "" }
	}
}

// Handle takes one datagram from src. reply is called with the answer, if there
// is one: before Handle returns for quick commands, later and from another
// goroutine for those that wait for the hypervisor. Broken packets are dropped.
func (b *BMC) Handle(src netip.AddrPort, packet []byte, reply func([]byte)) {
	b.count.packets.Add(1)
	class, rest, err := wire.ParseRMCP(packet)
	if err != nil {
		b.drop()
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
		b.drop()
		return
	}
	b.handleV20(src, p, reply)
}

func (b *BMC) handleV20(src netip.AddrPort, p wire.V20, reply func([]byte)) {
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
	case wire.PayloadSOL:
		b.inSession(src, p, reply) // id 0 is no session's
	default:
		b.drop()
	}
}

// handleV15 answers what may be asked before a session exists. There are no
// IPMI 1.5 sessions: asking for one is refused at once, not with silence.
func (b *BMC) handleV15(src netip.AddrPort, raw []byte, reply func([]byte)) {
	p, err := wire.ParseV15(raw)
	if err != nil || p.Auth != wire.AuthNone || p.SessionID != 0 {
		b.drop()
		return
	}
	msg, err := wire.ParseMessage(p.Payload)
	if err != nil || msg.To != bmcAddress {
		b.drop()
		return
	}
	cc, data := b.runOutside(src, msg)
	reply(wire.V15{Payload: msg.AppendResponse(nil, cc, data)}.Append(nil))
}

func (b *BMC) outsideSession(src netip.AddrPort, p wire.V20, reply func([]byte)) {
	if p.Encrypted || p.Authenticated {
		b.drop()
		return
	}
	msg, err := wire.ParseMessage(p.Payload)
	if err != nil || msg.To != bmcAddress {
		b.drop()
		return
	}
	cc, data := b.runOutside(src, msg)
	reply(wire.V20{Type: wire.PayloadIPMI, Payload: msg.AppendResponse(nil, cc, data)}.AppendPlain(nil))
}

// locked runs f with b.mu held. A fault in f leaves it free: whoever recovers further up
// must not find a BMC that answers nobody any more.
func (b *BMC) locked(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// unlocked runs f without b.mu, which is held before and after it.
func (b *BMC) unlocked(f func()) {
	b.mu.Unlock()
	defer b.mu.Lock()
	f()
}

// guid is the machine's UUID in SMBIOS byte order, as real BMCs give it. With an error,
// while the hypervisor is away before it was ever read, it is zero.
func (b *BMC) guid() ([16]byte, error) {
	u, err := b.machine.UUID()
	if err != nil {
		return [16]byte{}, err
	}
	u[0], u[1], u[2], u[3] = u[3], u[2], u[1], u[0]
	u[4], u[5] = u[5], u[4]
	u[6], u[7] = u[7], u[6]
	return u, nil
}

// random fills p with random bytes; without randomness a BMC must not go on.
func (b *BMC) random(p []byte) {
	if _, err := io.ReadFull(b.rand, p); err != nil {
		panic("ipmi: no random numbers: " + err.Error())
	}
}
