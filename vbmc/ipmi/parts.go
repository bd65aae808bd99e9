package ipmi

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/wire"
)

// Store keeps what a BMC remembers over a restart, under short names: "boot",
// "chassis", "users", "sel", "fru", "params", "sensors". Save is atomic; Load
// gives nil, nil for a name that was never saved. Both may be called from many
// goroutines.
type Store interface {
	Load(name string) ([]byte, error)
	Save(name string, data []byte) error
}

// memStore forgets with the process. Its map is made when it is needed: a daemon
// has thousands of BMCs.
type memStore struct {
	mu   sync.Mutex
	data map[string][]byte
}

// NewMemStore makes a store in memory, for tests and for BMCs that may forget.
func NewMemStore() Store { return &memStore{} }

func (m *memStore) Load(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]byte(nil), m.data[name]...), nil
}

func (m *memStore) Save(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		m.data = map[string][]byte{}
	}
	m.data[name] = append([]byte(nil), data...)
	return nil
}

// ConsoleMode says when a BMC holds its machine's console open.
type ConsoleMode uint8

// The console modes.
const (
	ConsoleAlways   ConsoleMode = iota // while the machine runs, so that SOL can show what was before it
	ConsoleOnDemand                    // only while SOL is active
	ConsoleOff                         // there is no SOL
)

// Credentials are what may change while a BMC runs.
type Credentials struct {
	Username, Password string
	KG                 []byte       // BMC key; nil: none
	Suites             []wire.Suite // each from wire.SuiteByID, in order of preference; nil: 17, 3
}

func (c Credentials) check() error {
	switch {
	case c.Username == "" || len(c.Username) > MaxNameLen:
		return errors.New("user name must have 1 to 16 bytes")
	case len(c.Password) > MaxPasswordLen:
		return errors.New("password must not have more than 20 bytes")
	}
	for _, s := range c.Suites {
		if known, ok := wire.SuiteByID(s.ID); !ok || s != known { // 0 asks for no password: never
			return fmt.Errorf("there is no cipher suite %d here", s.ID)
		}
	}
	return nil
}

// Update takes new credentials. Open sessions stay; those of a user whose name or
// password changed end.
func (b *BMC) Update(c Credentials) error {
	if err := c.check(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.configUser(c.Username, c.Password) {
		b.endSessions(configUserID, nil)
	}
	b.setKeys(c)
	return nil
}

// setKeys takes BMC key and suites. b.mu is held, or b is new.
func (b *BMC) setKeys(c Credentials) {
	b.kg, b.suites = c.KG, c.Suites
	if len(b.suites) == 0 {
		b.suites = []wire.Suite{wire.Suite17(), wire.Suite3()}
	}
}

// Stats counts what a BMC did since it was made.
type Stats struct {
	Sessions, HalfOpen int // now
	Logins, Refused    uint64
	Commands           uint64
	Packets, Dropped   uint64
	SOL                bool // active now
}

// counters are read without b.mu.
type counters struct{ logins, refused, commands, packets, dropped atomic.Uint64 }

// Stats returns the counts of this moment.
func (b *BMC) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions.sweep(b.now())
	n := b.sessions.active()
	c := &b.count
	return Stats{
		Sessions: n, HalfOpen: len(b.sessions.byID) - n,
		Logins: c.logins.Load(), Refused: c.refused.Load(), Commands: c.commands.Load(),
		Packets: c.packets.Load(), Dropped: c.dropped.Load(), SOL: b.parts.sol.active(),
	}
}

// drop counts a packet that gets no answer because something is wrong with it.
func (b *BMC) drop() { b.count.dropped.Add(1) }

// parts is the state of each command group; all of it is guarded by b.mu.
type parts struct {
	users    users
	lan      lanParams
	sysinfo  sysInfo
	watchdog watchdog
	sensors  sensors
	sel      selLog
	fru      fruData
	dcmi     dcmiState
	sol      solState
	channel  channelAccess
}

// startParts reads back what was stored and subscribes to the machine's events.
// b.mu is not held. A load function fails only when the store cannot be read.
func (b *BMC) startParts() error {
	for _, load := range []func() error{
		b.loadUsers, b.loadChannel, b.loadLAN, b.loadSysInfo, b.loadChassis, b.loadBoot,
		b.loadSensors, b.loadSEL, b.loadFRU, b.loadDCMI, b.loadSOL,
	} {
		if err := load(); err != nil {
			return err
		}
	}
	if n, ok := b.machine.(domain.Notifier); ok {
		b.unsubscribe = n.OnEvent(b.onEvent)
	}
	return nil
}

// onEvent passes an event of the machine on. b.mu is not held; what takes longer
// than a moment goes to a goroutine of its own.
func (b *BMC) onEvent(e domain.Event) {
	defer b.contain("event")
	b.chassisEvent(e)
	b.watchdogEvent(e)
	b.progressEvent(e)
	b.selEvent(e)
	b.solEvent(e)
}

// Close ends timers, console, subscription and all sessions; Serve calls it. A
// second call does nothing.
func (b *BMC) Close() {
	var closed bool
	b.locked(func() { closed, b.closed = b.closed, true })
	if closed {
		return
	}
	if b.unsubscribe != nil {
		b.unsubscribe()
	}
	b.locked(func() {
		b.sessions.removeAll()
		b.stopWatchdog()
	})
	b.closeSOL()
	b.closeSEL()
}

// after calls f later from a goroutine of its own, b.mu not held.
func (b *BMC) after(d time.Duration, f func()) (stop func() bool) {
	guarded := func() {
		defer b.contain("timer")
		f()
	}
	if b.afterFunc != nil {
		return b.afterFunc(d, guarded)
	}
	return time.AfterFunc(d, guarded).Stop
}

// contain is deferred where nobody above could recover: a fault stays in this BMC,
// as the daemon serves the BMCs of all domains.
func (b *BMC) contain(where string) {
	if f := recover(); f != nil {
		b.log.Error("fault in the BMC", "where", where, "fault", f, "stack", string(debug.Stack()))
	}
}

// keep stores a part's state as JSON. state runs with b.mu held; the store is
// written without it, so that a slow disk does not hold up answers. A failure is
// logged: what was asked has been done, only a restart would forget it.
func (b *BMC) keep(name string, state func() any) {
	b.saving.Lock() // the last to come writes the newest state
	defer b.saving.Unlock()
	var raw []byte
	var err error
	b.locked(func() { raw, err = json.Marshal(state()) })
	if err == nil {
		err = b.store.Save(name, raw)
	}
	if err != nil {
		b.log.Error("state of the BMC is not stored", "part", name, "reason", err)
	}
}

// recall reads into what keep stored. State that cannot be understood is logged
// and left out: a BMC without its memory is better than none.
func (b *BMC) recall(name string, into any) (found bool, err error) {
	raw, err := b.store.Load(name)
	if err != nil {
		return false, fmt.Errorf("read state of the BMC (%s): %w", name, err)
	}
	if raw == nil { // a file of no bytes is damaged, not missing
		return false, nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		log := b.log
		if s, ok := b.store.(interface{ Place(name string) string }); ok {
			log = log.With("file", s.Place(name))
		}
		log.Error("stored state of the BMC is not readable and is left out", "part", name, "reason", err)
		return false, nil
	}
	return true, nil
}
