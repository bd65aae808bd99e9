package manager

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/virt"
	"trefoil/vbmc/libvirt"
)

// Machines gives the manager its machines. Libvirt is the real one.
type Machines interface {
	// Check asks a hypervisor once for domains. It tells by its name why one cannot have
	// a BMC; those that the hypervisor has are not in it.
	Check(ctx context.Context, uri string, domains ...string) map[string]error
	// List names the domains of a hypervisor.
	List(ctx context.Context, uri string) ([]string, error)
	// Open makes the machine of a BMC. release is called when the BMC stops.
	Open(c Config, statePath string) (m domain.Machine, release func(), err error)
	// Leave gives up the machine of a BMC that is no more: what its overrides changed
	// is kept and put back, later when the hypervisor is away. statePath is then gone,
	// and done is closed when the order is back. An error means that it could not be
	// kept: statePath has it still.
	Leave(c Config, statePath string) (done <-chan struct{}, err error)
	// Resume goes on with what Leave left to an earlier daemon.
	Resume() error
}

// Libvirt makes machines of libvirt domains: one watched connection per URI for
// all of them.
type Libvirt struct {
	Log *slog.Logger
	Dir string // of boot orders that are still to be put back

	once sync.Once
	left *virt.Leftovers

	mu    sync.Mutex
	conns map[string]*shared
}

// shared is a connection with its users.
type shared struct {
	conn     *libvirt.Conn
	users    int
	machines map[string][]*virt.Machine // by domain: an event must not be shown to thousands
}

// checkTimeout bounds what `vbmc add` and `vbmc doctor` wait for a libvirt.
const checkTimeout = 20 * time.Second

// Check implements Machines with virtualbmc's messages. What keeps libvirt from answering
// is told of all domains alike: each would wait for it as long.
func (l *Libvirt) Check(ctx context.Context, uri string, domains ...string) map[string]error {
	names, err := l.List(ctx, uri)
	out := map[string]error{}
	for _, d := range domains {
		if err != nil {
			out[d] = err
		} else if _, has := slices.BinarySearch(names, d); !has {
			out[d] = noDomain(d).WithHint("%s", namesHint(names))
		}
	}
	return out
}

// List implements Machines. The names are sorted.
func (l *Libvirt) List(ctx context.Context, uri string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	conn, err := dial(ctx, uri)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	names, err := domainNames(ctx, conn)
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "Command failed")
	}
	return names, nil
}

func dial(ctx context.Context, uri string) (*libvirt.Conn, error) {
	conn, err := libvirt.Dial(ctx, uri)
	if err == nil || errs.Is(err, errs.Invalid) {
		return conn, err
	}
	e := errs.New(errs.Unavailable, "Command failed: Fail to establish a connection with libvirt URI %q. Error: %v", libvirt.Shown(uri), err)
	return nil, e.WithHint("%s", connectHint(uri, err))
}

// connectHint is what to do about a libvirt that cannot be reached.
func connectHint(uri string, err error) string {
	try := "try: virsh -c '" + libvirt.Shown(uri) + "' list --all"
	switch {
	case wantsSASL(err):
		return "this libvirtd asks for SASL; " + insteadOfSASL
	case libvirt.IsNotListening(err):
		return "is libvirtd running? " + try
	case strings.Contains(err.Error(), "could not read tls "): // go-libvirt's words
		return "TLS takes /etc/pki/libvirt/clientcert.pem, /etc/pki/libvirt/private/clientkey.pem and /etc/pki/CA/cacert.pem, or all three in DIR with ?pkipath=DIR"
	}
	return try
}

// namesHint tells which domains there are.
func namesHint(names []string) string {
	if len(names) == 0 {
		return "there are no domains; is libvirt_uri the right one?"
	}
	return "the domains are: " + strings.Join(names, ", ")
}

// insteadOfSASL is what to do: go-libvirt authenticates with none and polkit only, and
// has no place between its connect and its open where our code could do more.
const insteadOfSASL = "vbmc cannot: use qemu+ssh://USER@HOST/system, qemu+tls with certificates (libvirtd.conf: auth_tls = none), or the local socket"

// wantsSASL: a client that has not authenticated is refused in these words, with the
// code of all errors of its protocol (libvirt's virnetserverprogram.c). That of polkit
// is refused in others.
func wantsSASL(err error) bool { return strings.Contains(err.Error(), "authentication required") }

func domainNames(ctx context.Context, conn *libvirt.Conn) ([]string, error) {
	all, err := conn.Domains(ctx)
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = d.Name
	}
	slices.Sort(names)
	return names, err
}

// noDomain is virtualbmc's message for a domain it does not know.
func noDomain(name string) *errs.Error {
	return errs.New(errs.NotFound, "Command failed: No domain with matching name %s was found", name)
}

// Open implements Machines.
func (l *Libvirt) Open(c Config, statePath string) (domain.Machine, func(), error) {
	o, err := c.bootOptions()
	if err != nil {
		return nil, nil, err
	}
	if err := l.leftovers().Adopt(statePath, owner(c)); err != nil {
		return nil, nil, err
	}
	s, err := l.acquire(c.LibvirtURI)
	if err != nil {
		return nil, nil, err
	}
	m, err := virt.New(s.conn, owner(c), virt.FileStore{Path: statePath}, l.Log)
	if err != nil {
		l.release(c, nil)
		return nil, nil, err
	}
	m.Set(o)
	m.LeaveTo(l.leftovers())
	l.mu.Lock()
	s.machines[c.Domain] = append(s.machines[c.Domain], m)
	l.mu.Unlock()
	// What an interrupted start left behind is put back as soon as libvirt answers.
	go l.repair(s.conn, m)
	return m, func() { l.release(c, m) }, nil
}

// Leave implements Machines.
func (l *Libvirt) Leave(c Config, statePath string) (done <-chan struct{}, err error) {
	return l.leftovers().Leave(statePath, owner(c))
}

// Resume implements Machines.
func (l *Libvirt) Resume() error { return l.leftovers().Resume() }

func (l *Libvirt) leftovers() *virt.Leftovers {
	l.once.Do(func() { l.left = &virt.Leftovers{Dir: l.Dir, Connect: l.connect, Log: l.Log} })
	return l.left
}

// connect waits for a connection that answers.
func (l *Libvirt) connect(ctx context.Context, uri string) (virt.Conn, func(), error) {
	s, err := l.acquire(uri)
	if err != nil {
		return nil, nil, err
	}
	release := func() { l.release(Config{LibvirtURI: uri}, nil) }
	if err := s.conn.WaitReady(ctx); err != nil {
		release()
		return nil, nil, err
	}
	return s.conn, release, nil
}

func owner(c Config) virt.Owner { return virt.Owner{URI: c.LibvirtURI, Domain: c.Domain} }

func (l *Libvirt) acquire(uri string) (*shared, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.conns[uri]; s != nil {
		s.users++
		return s, nil
	}
	conn, err := libvirt.Open(uri, libvirt.WithLogger(l.Log))
	if err != nil {
		return nil, err
	}
	s := &shared{conn: conn, users: 1, machines: map[string][]*virt.Machine{}}
	conn.OnEvent(func(ev libvirt.Event) { l.event(s, ev) })
	if l.conns == nil {
		l.conns = map[string]*shared{}
	}
	l.conns[uri] = s
	return s, nil
}

func (l *Libvirt) release(c Config, m *virt.Machine) {
	uri := c.LibvirtURI
	l.mu.Lock()
	s := l.conns[uri]
	left := slices.DeleteFunc(s.machines[c.Domain], func(o *virt.Machine) bool { return o == m })
	if s.machines[c.Domain] = left; len(left) == 0 {
		delete(s.machines, c.Domain)
	}
	s.users--
	last := s.users == 0
	if last {
		delete(l.conns, uri)
	}
	l.mu.Unlock()
	if last {
		s.conn.Close()
	}
}

// event runs on the connection's event goroutine and must not wait for libvirt.
func (l *Libvirt) event(s *shared, ev libvirt.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tell := func(machines []*virt.Machine) {
		for _, m := range machines {
			if m.Observe(ev) {
				go l.repair(s.conn, m)
			}
		}
	}
	if ev.Kind != libvirt.EventLost {
		tell(s.machines[ev.Domain.Name])
		return
	}
	for _, machines := range s.machines {
		tell(machines)
	}
}

func (l *Libvirt) repair(conn *libvirt.Conn, m *virt.Machine) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if conn.WaitReady(ctx) != nil {
		return // the next relist event tries again
	}
	if err := m.Repair(ctx); err != nil {
		l.Log.Warn("boot order could not be put back", "reason", err)
	}
}
