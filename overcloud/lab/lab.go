package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/lab/probe"
)

// DefaultRoot is where labs lie unless TREFOIL_LAB_DIR names another directory.
const DefaultRoot = "/var/lib/trefoil/labs"

const (
	patience        = 5 * time.Second  // for a process to end by itself
	libvirtPatience = 20 * time.Second // for libvirtd's drivers
	vbmcStart       = time.Second      // within which a daemon that goes to the background has written its pid file
	vbmcPatience    = 20 * time.Second // for the virtual BMCs to start
)

// Manager makes, shows and removes the labs of one directory. Its methods may be
// called from several processes at once: changes take a lock.
type Manager struct {
	Root  string
	Run   Runner
	Start func(env []string, output string, args ...string) (Process, error) // a daemon that outlives this program
	Dial  func(ctx context.Context, uri string) (hypervisor, error)
	Probe *probe.Prober
	Host  func(dir string) (Host, error)
	Now   func() time.Time
	Say   func(line string) // one line for each thing done; may be nil
}

// New returns a Manager for the real host. root may be empty: then
// TREFOIL_LAB_DIR or DefaultRoot.
func New(root string, say func(string)) (*Manager, error) {
	if root == "" {
		root = os.Getenv("TREFOIL_LAB_DIR")
	}
	if root == "" {
		root = DefaultRoot
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the directory of labs: %w", err)
	}
	cache := "/var/cache/trefoil/accel.json"
	if dir, err := os.UserCacheDir(); err == nil {
		cache = filepath.Join(dir, "trefoil/accel.json")
	}
	p := probe.New(cache)
	m := &Manager{
		Root: root, Run: system{}, Start: startDaemon, Dial: dial, Probe: p, Host: ReadHost, Now: time.Now, Say: say,
	}
	p.Booting = func(kernel string, limit time.Duration) {
		m.say("looking whether KVM works: booting %s, at most %.0f s", filepath.Base(kernel), limit.Seconds())
	}
	return m, nil
}

func (m *Manager) say(format string, args ...any) {
	if m.Say != nil {
		m.Say(fmt.Sprintf(format, args...))
	}
}

// Status is a lab with what is running of it now.
type Status struct {
	*State
	Power map[string]string // machine → running, shut off, …; "unknown" when libvirt does not answer
	VBMC  map[string]string // machine → running, down, error, unknown
}

// List returns every lab of the directory, by name.
func (m *Manager) List(ctx context.Context) ([]*State, error) {
	names, err := m.names()
	if err != nil {
		return nil, err
	}
	var out []*State
	for _, n := range names {
		s, err := m.load(n)
		if errs.Is(err, errs.NotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, ctx.Err()
}

// Show returns one lab and asks its libvirt and its virtual BMCs how they are.
func (m *Manager) Show(ctx context.Context, name string) (*Status, error) {
	s, err := m.load(name)
	if err != nil {
		return nil, err
	}
	st := &Status{State: s, Power: map[string]string{}, VBMC: map[string]string{}}
	for i := range s.Machines {
		st.Power[s.Machines[i].Name], st.VBMC[s.Machines[i].Name] = "unknown", "unknown"
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if h, err := m.Dial(ctx, s.LibvirtURI()); err == nil {
		defer h.Close()
		if domains, err := h.Domains(ctx); err == nil {
			for _, d := range domains {
				if _, ours := st.Power[d.Name]; ours {
					st.Power[d.Name] = d.State.String()
				}
			}
		}
	}
	if vbmc, err := findVBMC(); err == nil {
		if status, err := m.vbmcStatus(ctx, s, vbmc); err == nil {
			for n := range st.VBMC {
				st.VBMC[n] = orUnknown(status[n])
			}
		}
	}
	return st, nil
}

// Command returns the command line and environment that run args inside the lab:
// in its network namespace, with virsh and vbmc pointed at it.
func (m *Manager) Command(name string, args []string) (argv, env []string, err error) {
	s, err := m.load(name)
	if err != nil {
		return nil, nil, err
	}
	env = []string{
		"TREFOIL_LAB=" + name,
		"VIRTUALBMC_CONFIG=" + s.VBMCConfig(),
		"LIBVIRT_DEFAULT_URI=" + s.LibvirtURI(),
	}
	if s.Config.Private() {
		if _, err := os.Stat(s.namespacePath()); err != nil {
			return nil, nil, errs.New(errs.Conflict, "lab %q has no network namespace now (state: %s)", name, s.Condition()).
				WithHint("openstack lab create makes it again, for example after a restart of the host")
		}
	}
	return s.insideArgs(args...), env, nil
}
