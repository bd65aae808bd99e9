package manager

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/vbmc/domain"
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

	editing sync.Mutex // one change of a file at a time; taken after mu, or without it

	mu      sync.Mutex // one change at a time
	running map[string]*instance
	faults  map[string]fault
	files   map[string]cached
	odd     map[string]string // oddities of files that were told
	twins   map[string]string // BMCs whose domain another BMC has too, that were told
	reads   int               // of files, so that a test can count them

	watch   *watch // nil: every look is taken
	settled bool   // the last look saw all, and would see it again
	spared  int    // looks since
}

// instance is a BMC that listens.
type instance struct {
	config  Config
	bmc     *ipmi.BMC
	machine domain.Machine
	cancel  context.CancelFunc
	stopped chan struct{}
	release func()
}

// ended tells whether the BMC serves no more although nobody stopped it.
func (in *instance) ended() bool {
	select {
	case <-in.stopped:
		return true
	default:
		return false
	}
}

// fault is why an active BMC does not run; it is logged once.
type fault struct{ text string }

// New makes a manager; Run starts it.
func New(s Settings, m Machines, log *slog.Logger) *Manager {
	return &Manager{
		settings: s, store: dirStore{root: s.ConfigDir}, machines: m, log: log, commands: ipmi.NewTable(),
		running: map[string]*instance{}, faults: map[string]fault{}, files: map[string]cached{},
		odd: map[string]string{}, twins: map[string]string{},
	}
}

// Run keeps running BMCs and configuration files together until ctx ends; then
// all BMCs stop and stay `active`, so that they come back with the daemon. ready is
// called once, as soon as those that can run do.
func (m *Manager) Run(ctx context.Context, ready func()) {
	if err := m.machines.Resume(); err != nil {
		m.log.Warn("boot orders of earlier BMCs", "reason", err)
	}
	tick := time.NewTicker(m.settings.Rescan)
	defer tick.Stop()
	m.mu.Lock()
	m.watch = newWatch(m.settings.ConfigDir, m.log)
	m.mu.Unlock()
	m.Sync()
	ready()
	for {
		select {
		case <-tick.C:
			m.look()
		case <-ctx.Done():
			m.stopAll()
			return
		}
	}
}

// note remembers why a BMC does not run and logs it when it is news.
func (m *Manager) note(name string, err error) {
	if err == nil {
		delete(m.faults, name)
		return
	}
	text := explain(err)
	if m.faults[name].text != text {
		m.logOf(name).Error("vBMC instance cannot run as configured", "reason", text)
	}
	m.faults[name] = fault{text}
}

// start makes a BMC listen. m.mu is held.
func (m *Manager) start(name string, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	called := c
	called.Domain = name
	conn, err := m.listen(called)
	if err != nil {
		return err
	}
	machine, release, err := m.machines.Open(c, m.store.state(name))
	if err != nil {
		conn.Close()
		return err
	}
	bmc, err := m.newBMC(name, c, machine)
	if err != nil {
		conn.Close()
		release()
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	in := &instance{config: c, bmc: bmc, machine: machine, cancel: cancel, stopped: make(chan struct{}), release: release}
	go func() {
		defer close(in.stopped)
		bmc.Serve(ctx, conn)
	}()
	m.running[name] = in
	m.logOf(name).Info("Started vBMC instance for domain " + name)
	return nil
}

func (m *Manager) newBMC(name string, c Config, machine domain.Machine) (*ipmi.BMC, error) {
	cred, err := c.Credentials()
	if err != nil {
		return nil, err
	}
	console, err := c.consoleMode()
	if err != nil {
		return nil, err
	}
	return ipmi.New(ipmi.Config{
		Machine: machine, Name: name, Username: cred.Username, Password: cred.Password, KG: cred.KG, Suites: cred.Suites,
		Log: m.logOf(name), Table: m.commands, Store: m.store.bmc(name), Console: console, HostBoot: hostBoot(c.LibvirtURI),
		PasswordSet: func(_, password string) error { return m.setPassword(name, password) },
	})
}

// logOf is the log of one domain.
func (m *Manager) logOf(name string) *slog.Logger { return m.log.With("domain", name) }

// hostBoot tells the boots of a hypervisor on this machine apart, by the kernel's
// own number (proc_sys_kernel(5)); of a remote one nothing is known.
func hostBoot(uri string) func() string {
	if isRemote(uri) {
		return nil
	}
	return func() string {
		id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(id))
	}
}

// isRemote tells whether a libvirt URI may mean another machine.
func isRemote(uri string) bool {
	u, err := url.Parse(uri)
	return err != nil || u.Host != ""
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
	m.logOf(name).Info("Terminated vBMC instance for domain " + name)
}

func (m *Manager) stopAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.running {
		m.stop(name)
	}
	m.watch.close()
}

// Known fails for a domain that has no configuration, readable or not.
func (m *Manager) Known(name string) error {
	if err := validName(name); err != nil {
		return err
	}
	if has, err := m.store.has(name); has || err != nil {
		return err
	}
	return noDomain(name).WithHint("see: vbmc list")
}

// configured loads a BMC's configuration or says in virtualbmc's words that
// there is none.
func (m *Manager) configured(name string) (Config, error) {
	if err := validName(name); err != nil {
		return Config{}, err
	}
	c, err := m.load(name)
	if absent(err) {
		return c, noDomain(name).WithHint("see: vbmc list")
	}
	return c, err
}

// Start makes a BMC active and starts it. changed is false when it runs already. See AwaitKnown.
func (m *Manager) Start(name string) (changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.configured(name)
	if key, _ := mostlyRead(err); err != nil && key != "active" { // that one it gives
		return false, withoutPrefix(err)
	}
	if in := m.running[name]; in != nil && c.Active && c == in.config && !in.ended() {
		m.logOf(name).Warn("BMC instance " + name + " already running")
		return false, nil
	}
	if _, c, err = m.change(name, func(c *Config, _ error) error { c.setActive(true); return nil }); err != nil {
		return false, err
	}
	err = m.match(name, c)
	m.note(name, err)
	return err == nil, err
}

// knownWait is how long AwaitKnown waits for all machines together.
const knownWait = 2 * time.Second

// AwaitKnown waits until the hypervisor has told of the machines of BMCs that were just
// started, if it does so soon. Until then they answer "node busy".
func (m *Manager) AwaitKnown(names []string) {
	ctx, cancel := context.WithTimeout(context.Background(), knownWait)
	defer cancel()
	for _, name := range names {
		m.mu.Lock()
		in := m.running[name]
		m.mu.Unlock()
		if in == nil {
			continue
		}
		if a, ok := in.machine.(domain.Awaiter); ok {
			if err := a.Await(ctx); err != nil {
				m.logOf(name).Warn("the machine is not known yet", "reason", err)
			}
		}
	}
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

// Stop stops a BMC, whatever its file says, and makes it inactive there.
func (m *Manager) Stop(name string) (changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.Known(name); err != nil {
		return false, withoutPrefix(err)
	}
	changed = m.running[name] != nil
	m.stop(name)
	delete(m.faults, name)
	return changed, m.deactivate(name)
}

// Info is a BMC with its status.
type Info struct {
	Config // what runs, while that is not what the file says
	Status string
	Reason string // why the status is error, or why a running one does not follow its file
	Live   *Live  `json:",omitempty"` // of Show only, while it runs

	Directory string   `json:",omitempty"` // what commands call it, where that is not its domain's name
	Odd       []string `json:",omitempty"` // what may not be as it was meant
}

// List returns all BMCs sorted by name.
func (m *Manager) List() ([]Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Info
	twins, err := m.allTwins()
	if err != nil {
		return nil, err
	}
	err = m.store.each(func(name string, s stamp, err error) {
		c, err := m.loadEach(name, s, err)
		if err != nil {
			c.Domain = name
			m.note(name, err)
		}
		out = append(out, m.strange(m.info(name, c), name, twins[name]))
	})
	return out, err
}

func (m *Manager) info(name string, c Config) Info {
	i := Info{Config: c, Status: StatusDown}
	if f, bad := m.faults[name]; bad {
		i.Status, i.Reason = StatusError, f.text
	}
	if in := m.running[name]; in != nil {
		i.Status = StatusRunning
		if i.Reason != "" {
			i.Config = in.config
		}
	}
	return i
}

// Show returns one BMC.
func (m *Manager) Show(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	in := m.running[name]
	c, err := m.configured(name)
	if err != nil && (in == nil || errs.Is(err, errs.NotFound)) {
		return Info{}, err
	}
	if err != nil {
		m.note(name, err)
	}
	i := m.strange(m.info(name, c), name, "")
	if in != nil {
		i.Live = in.live()
	}
	return i, nil
}
