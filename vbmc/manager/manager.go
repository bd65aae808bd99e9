package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/vbmc/ipmi"
)

// Status words of `vbmc list`.
const (
	StatusRunning = "running"
	StatusDown    = "down"
	StatusError   = "error"
)

// Manager runs one BMC per configured domain. Its methods may be called from
// many goroutines.
type Manager struct {
	settings Settings
	store    dirStore
	machines Machines
	log      *slog.Logger
	commands *ipmi.Table // one for all BMCs

	mu      sync.Mutex // one change at a time
	running map[string]*instance
	faults  map[string]fault
}

// instance is a BMC that listens.
type instance struct {
	config  Config
	cancel  context.CancelFunc
	stopped chan struct{}
	release func()
}

// fault is why an active BMC does not run; it is logged once.
type fault struct{ text string }

// New makes a manager; Run starts it.
func New(s Settings, m Machines, log *slog.Logger) *Manager {
	return &Manager{
		settings: s, store: dirStore{s.ConfigDir}, machines: m, log: log, commands: ipmi.NewTable(),
		running: map[string]*instance{}, faults: map[string]fault{},
	}
}

// Run keeps running BMCs and configuration files together until ctx ends; then
// all BMCs stop and stay `active`, so that they come back with the daemon.
func (m *Manager) Run(ctx context.Context) error {
	if err := os.MkdirAll(m.settings.ConfigDir, 0o700); err != nil {
		return fmt.Errorf("make configuration directory: %w", err)
	}
	tick := time.NewTicker(m.settings.Rescan)
	defer tick.Stop()
	for {
		m.Sync()
		select {
		case <-tick.C:
		case <-ctx.Done():
			m.stopAll()
			return nil
		}
	}
}

// Sync reads all configurations and starts, stops or restarts BMCs to match.
func (m *Manager) Sync() {
	m.mu.Lock()
	defer m.mu.Unlock()
	names, err := m.store.names()
	if err != nil {
		m.log.Error("configurations cannot be read", "reason", err)
		return
	}
	for _, name := range names {
		c, err := m.store.load(name)
		if err != nil {
			m.note(name, err)
			continue // what runs goes on: the file may be half edited
		}
		in := m.running[name]
		if in != nil && (!c.Active || c != in.config) {
			m.stop(name)
			in = nil
		}
		if !c.Active {
			delete(m.faults, name)
		}
		if c.Active && in == nil {
			m.note(name, m.start(name, c))
		}
	}
	for name := range m.running {
		if !slices.Contains(names, name) {
			m.stop(name)
		}
	}
}

// note remembers why a BMC does not run and logs it when it is news.
func (m *Manager) note(name string, err error) {
	if err == nil {
		delete(m.faults, name)
		return
	}
	if m.faults[name].text != err.Error() {
		m.log.Error("vBMC instance cannot run", "domain", name, "reason", err)
	}
	m.faults[name] = fault{err.Error()}
}

// start makes a BMC listen. m.mu is held.
func (m *Manager) start(name string, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	conn, err := m.listen(c)
	if err != nil {
		return err
	}
	machine, release, err := m.machines.Open(c, m.store.state(name))
	if err != nil {
		conn.Close()
		return err
	}
	bmc, err := ipmi.New(ipmi.Config{
		Machine: machine, Name: name, Username: c.Username, Password: c.Password,
		Log: m.log.With("domain", name), Table: m.commands,
	})
	if err != nil {
		conn.Close()
		release()
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	in := &instance{config: c, cancel: cancel, stopped: make(chan struct{}), release: release}
	go func() {
		defer close(in.stopped)
		bmc.Serve(ctx, conn)
	}()
	m.running[name] = in
	m.log.Info("Started vBMC instance for domain " + name)
	return nil
}

// listen opens the port, or says who has it.
func (m *Manager) listen(c Config) (*net.UDPConn, error) {
	conn, err := ipmi.Listen(c.Address, c.Port)
	if err == nil {
		return conn, nil
	}
	e := errs.Wrap(errs.Conflict, err, "vBMC of domain %s cannot listen on port %d of %s", c.Domain, c.Port, c.Address)
	if other := m.holder(c); other != "" {
		return nil, e.WithHint("the vBMC of domain %s has this port", other)
	}
	return nil, e.WithHint("see who has it: ss -lunp 'sport = :%d'", c.Port)
}

// holder names the running BMC that stands in c's way.
func (m *Manager) holder(c Config) string {
	for name, in := range m.running {
		if name != c.Domain && in.config.overlaps(c) {
			return name
		}
	}
	return ""
}

// stop ends a BMC and waits until its port is free. m.mu is held.
func (m *Manager) stop(name string) {
	in := m.running[name]
	if in == nil {
		return
	}
	in.cancel()
	<-in.stopped
	in.release()
	delete(m.running, name)
	m.log.Info("Terminated vBMC instance for domain " + name)
}

func (m *Manager) stopAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.running {
		m.stop(name)
	}
}

// Add stores a new BMC after checking domain and port.
func (m *Manager) Add(ctx context.Context, c Config) error {
	c.Active = false
	if err := c.Validate(); err != nil {
		return err
	}
	if err := m.machines.Check(ctx, c); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := m.store.dir(c.Domain)
	// The file counts: a directory without one was left by an add that was killed.
	if _, err := os.Lstat(m.store.file(c.Domain)); err == nil {
		return errs.New(errs.Conflict, "[Errno 17] File exists: '%s'", dir).
			WithHint("domain %s has a vBMC already; see: vbmc show %s", c.Domain, c.Domain)
	}
	if err := m.portFree(c); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory of domain %s: %w", c.Domain, err)
	}
	// Boot state of a domain that was there before must not become the new one's.
	if err := m.store.clear(c.Domain); err != nil {
		return err
	}
	if err := m.store.save(c); err != nil {
		return errors.Join(err, m.store.remove(c.Domain))
	}
	return nil
}

// portFree refuses a port that another BMC is configured for or that somebody
// else has open. virtualbmc notices neither.
func (m *Manager) portFree(c Config) error {
	names, err := m.store.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if o, err := m.store.load(name); err == nil && o.overlaps(c) {
			return errs.New(errs.Conflict, "port %d of %s is taken by the vBMC of domain %s", c.Port, c.Address, name).
				WithHint("choose another one with --port")
		}
	}
	conn, err := m.listen(c)
	if err != nil {
		return err
	}
	return conn.Close()
}

// configured loads a BMC's configuration or says in virtualbmc's words that
// there is none.
func (m *Manager) configured(name string) (Config, error) {
	if err := validName(name); err != nil {
		return Config{}, err
	}
	c, err := m.store.load(name)
	if errors.Is(err, fs.ErrNotExist) {
		return c, noDomain(name).WithHint("see: vbmc list")
	}
	return c, err
}

// Start makes a BMC active and starts it. changed is false when it runs already.
func (m *Manager) Start(name string) (changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.configured(name)
	if err != nil {
		return false, withoutPrefix(err)
	}
	if in := m.running[name]; in != nil {
		if c.Active && c == in.config {
			m.log.Warn("BMC instance " + name + " already running")
			return false, nil
		}
		m.stop(name)
	}
	if !c.Active {
		c.Active = true
		if err := m.store.save(c); err != nil {
			return false, err
		}
	}
	err = m.start(name, c)
	m.note(name, err)
	return err == nil, err
}

// withoutPrefix drops what virtualbmc does not print for start and stop.
func withoutPrefix(err error) error {
	var e *errs.Error
	if errors.As(err, &e) && e.Code == errs.NotFound {
		c := *e
		c.Msg = c.Msg[len("Command failed: "):]
		return &c
	}
	return err
}

// Stop makes a BMC inactive and stops it.
func (m *Manager) Stop(name string) (changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.configured(name)
	if err != nil {
		return false, withoutPrefix(err)
	}
	changed = m.running[name] != nil
	m.stop(name)
	delete(m.faults, name)
	if c.Active {
		c.Active = false
		return changed, m.store.save(c)
	}
	return changed, nil
}

// Delete stops a BMC and removes its configuration.
func (m *Manager) Delete(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := validName(name); err != nil {
		return err
	}
	// Also a directory without configuration goes: an add or a delete was killed.
	if i, err := os.Lstat(m.store.dir(name)); err != nil || !i.IsDir() {
		return noDomain(name).WithHint("see: vbmc list")
	}
	m.stop(name)
	delete(m.faults, name)
	return m.store.remove(name)
}

// Info is a BMC with its status.
type Info struct {
	Config
	Status string
	Reason string // why the status is error
}

// List returns all BMCs sorted by name.
func (m *Manager) List() ([]Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	names, err := m.store.names()
	if err != nil {
		return nil, err
	}
	var out []Info
	for _, name := range names {
		c, err := m.store.load(name)
		if err != nil {
			c.Domain = name
			m.note(name, err)
		}
		out = append(out, m.info(name, c))
	}
	return out, nil
}

func (m *Manager) info(name string, c Config) Info {
	i := Info{Config: c, Status: StatusDown}
	if f, bad := m.faults[name]; bad {
		i.Status, i.Reason = StatusError, f.text
	}
	if m.running[name] != nil {
		i.Status, i.Reason = StatusRunning, ""
	}
	return i
}

// Show returns one BMC.
func (m *Manager) Show(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.configured(name)
	if err != nil {
		return Info{}, err
	}
	return m.info(name, c), nil
}
