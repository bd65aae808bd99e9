package manager

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
)

// fakes has every domain but "missing".
type fakes struct {
	open, opened int
	told         int      // of machines that were awaited
	left         []string // domains that were given up
	names        []string
	gone         string
	asked        func(uri string, domains []string) // a hypervisor for domains; may be nil
	full         error                              // what is to be put back cannot be kept
	order        chan struct{}                      // closed when it is put back; nil: never
}

func (f *fakes) Check(_ context.Context, uri string, domains ...string) map[string]error {
	if f.asked != nil {
		f.asked(uri, domains)
	}
	out := map[string]error{}
	for _, d := range domains {
		if d == "missing" || d == f.gone {
			out[d] = noDomain(d)
		}
	}
	return out
}

func (f *fakes) List(context.Context, string) ([]string, error) { return f.names, nil }

func (f *fakes) Open(Config, string) (domain.Machine, func(), error) {
	f.open++
	f.opened++
	return awaited{fake.New([16]byte{1}), f}, func() { f.open-- }, nil
}

// awaited is a machine of which the hypervisor tells when it is awaited.
type awaited struct {
	*fake.Machine
	f *fakes
}

func (a awaited) Await(context.Context) error {
	a.f.told++
	return nil
}

func (f *fakes) Leave(c Config, _ string) (<-chan struct{}, error) {
	if f.full != nil {
		return nil, f.full
	}
	f.left = append(f.left, c.Domain)
	return f.order, nil
}

func (f *fakes) Resume() error { return nil }

func newManager(t *testing.T) (*Manager, *fakes) {
	t.Helper()
	f := &fakes{}
	m := New(Settings{ConfigDir: filepath.Join(t.TempDir(), "vbmc"), Rescan: time.Hour}, f, slog.New(slog.DiscardHandler))
	if err := os.Mkdir(m.settings.ConfigDir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.stopAll)
	return m, f
}

// freePort returns a UDP port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

func config(name string, port int) Config {
	return Config{Domain: name, Username: "admin", Password: "pa%ss#;=", Port: port, Address: "127.0.0.1", LibvirtURI: DefaultLibvirtURI}
}

func status(t *testing.T, m *Manager, name string) string {
	t.Helper()
	i, err := m.Show(name)
	if err != nil {
		t.Fatal(err)
	}
	return i.Status
}

func TestLife(t *testing.T) {
	m, f := newManager(t)
	port := freePort(t)
	if _, err := m.Add(t.Context(), config("a", port)); err != nil {
		t.Fatal(err)
	}
	if s := status(t, m, "a"); s != StatusDown {
		t.Errorf("after add: %s", s)
	}
	if changed, err := m.Start("a"); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if m.AwaitKnown([]string{"a", "gone"}); f.told != 1 {
		t.Errorf("the machine was awaited %d times", f.told)
	}
	if changed, err := m.Start("a"); err != nil || changed {
		t.Errorf("second start: %v %v", changed, err)
	}
	if s := status(t, m, "a"); s != StatusRunning {
		t.Errorf("after start: %s", s)
	}
	info, err := os.Stat(m.store.file("a"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("configuration: %v, %v", info.Mode(), err)
	}
	if _, err := m.Stop("a"); err != nil {
		t.Fatal(err)
	}
	if s := status(t, m, "a"); s != StatusDown || f.open != 0 {
		t.Errorf("after stop: %s, %d machines open", s, f.open)
	}
	if _, err := m.Delete("a"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.left, []string{"a"}) {
		t.Errorf("what its overrides changed is not put back: %v", f.left)
	}
	if all, err := m.List(); err != nil || len(all) != 0 {
		t.Errorf("after delete: %v %v", all, err)
	}
}

// TestAnAddressOfAnotherMachine: nobody has that port, and no other port helps.
func TestAnAddressOfAnotherMachine(t *testing.T) {
	m, _ := newManager(t)
	running(t, m, "a")
	for _, port := range []int{freePort(t), AutoPort} {
		c := config("b", port)
		c.Address = "192.0.2.1" // of documentation (RFC 5737)
		if _, err := m.Add(t.Context(), c); !errs.Is(err, errs.Conflict) || !strings.HasPrefix(errs.HintOf(err), "192.0.2.1 is not an address of this machine") {
			t.Errorf("port %d: %v (%s)", port, err, errs.HintOf(err))
		}
	}
	if _, _, err := m.Edit("a", map[string]string{"address": "192.0.2.1"}); !strings.HasPrefix(errs.HintOf(err), "192.0.2.1 is not an address of this machine") {
		t.Errorf("edit: %v (%s)", err, errs.HintOf(err))
	}
}

func TestRefusals(t *testing.T) {
	m, _ := newManager(t)
	port := freePort(t)
	if _, err := m.Add(t.Context(), config("a", port)); err != nil {
		t.Fatal(err)
	}
	busy, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	with := func(f func(*Config)) Config { c := config("b", freePort(t)); f(&c); return c }
	for want, c := range map[string]Config{
		"[Errno 17] File exists: '":              config("a", freePort(t)),
		"is taken by the vBMC of domain a":       config("b", port),
		"cannot listen on port":                  config("b", busy.LocalAddr().(*net.UDPAddr).Port),
		"No domain with matching name missing":   config("missing", freePort(t)),
		"is not a domain name":                   config("../b", freePort(t)),
		"--port 0":                               config("b", 0),
		"--address":                              with(func(c *Config) { c.Address = "localhost" }),
		"--password: IPMI passwords have":        with(func(c *Config) { c.Password = strings.Repeat("x", 21) }),
		"A password and username are required":   with(func(c *Config) { c.SASLUsername = "u" }),
		"SASL authentication to libvirt is not ": with(func(c *Config) { c.SASLUsername, c.SASLPassword = "u", "p" }),
	} {
		if _, err := m.Add(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if all, _ := m.List(); len(all) != 1 {
		t.Errorf("a refused BMC left something behind: %v", all)
	}
	for _, f := range []func(string) (bool, error){m.Start, m.Stop} {
		if _, err := f("nobody"); err == nil || err.Error() != "No domain with matching name nobody was found" {
			t.Errorf("%v", err)
		}
	}
	if _, err := m.Delete("nobody"); err == nil || err.Error() != "Command failed: No domain with matching name nobody was found" {
		t.Errorf("%v", err)
	}
}

// TestAKilledAddIsMendedByTheNextCommand: between making the directory and writing
// the configuration, and in the middle of delete, there is a directory without one.
func TestAKilledAddIsMendedByTheNextCommand(t *testing.T) {
	m, _ := newManager(t)
	half := func() {
		if err := os.MkdirAll(m.store.dir("a"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, left := range []string{m.store.state("a"), filepath.Join(m.store.dir("a"), ".new-1")} {
			if err := os.WriteFile(left, []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	half()
	if _, err := m.Delete("a"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := os.Lstat(m.store.dir("a")); !os.IsNotExist(err) {
		t.Errorf("after delete: %v", err)
	}
	if _, err := m.Delete("a"); err == nil || !strings.Contains(err.Error(), "No domain") {
		t.Errorf("delete of nothing: %v", err)
	}
	half()
	if _, err := m.Add(t.Context(), config("a", freePort(t))); err != nil {
		t.Fatalf("add: %v", err)
	}
	if s := status(t, m, "a"); s != StatusDown {
		t.Errorf("after add: %s", s)
	}
	if left, err := os.ReadDir(m.store.dir("a")); err != nil || len(left) != 1 {
		t.Errorf("the old files are still there: %v %v", left, err)
	}
	if _, err := m.Add(t.Context(), config("a", freePort(t))); err == nil || !strings.Contains(err.Error(), "File exists") {
		t.Errorf("second add: %v", err)
	}
	// The daemon's own files lie beside the domains' directories.
	if err := os.WriteFile(filepath.Join(m.settings.ConfigDir, "master.pid"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(m.settings.ConfigDir, "foreign/data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"master.pid", "foreign"} {
		if _, err := m.Delete(name); err == nil {
			t.Errorf("delete of %s, which is no domain's: no error", name)
		}
		if _, err := os.Stat(m.store.dir(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFilesAreFollowed: a file in virtualbmc's own writing is taken over, an edit
// is noticed, a removed directory stops its BMC, and a daemon's end keeps `active`.
func TestFilesAreFollowed(t *testing.T) {
	m, _ := newManager(t)
	dir := m.store.dir("a")
	write := func(active, port string) {
		t.Helper()
		text := "# made by virtualbmc\n[VirtualBMC]\nDomain_Name: a\nusername = admin\npassword = pa%%ss\nport = " + port + "\naddress = 127.0.0.1\nlibvirt_uri = qemu:///system\nactive = " + active + "\n"
		if err := os.WriteFile(m.store.file("a"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write("True", "99999")
	m.Sync()
	if i, _ := m.Show("a"); i.Status != StatusError || !strings.Contains(i.Reason, "/a/config:6: port = 99999: expected 1 to 65535 (change that line, or: vbmc edit 'a' --port VALUE)") || i.Password != "pa%ss" {
		t.Errorf("%+v", i)
	}
	write("True", "0"+strconv.Itoa(freePort(t)))
	m.Sync()
	if s := status(t, m, "a"); s != StatusRunning {
		t.Errorf("after the port was set right: %s", s)
	}
	m.stopAll()
	if c, err := m.store.load("a"); err != nil || !c.Active {
		t.Errorf("the daemon's end made the BMC inactive: %+v, %v", c, err)
	}
	m.Sync()
	write("False", "1")
	m.Sync()
	if s := status(t, m, "a"); s != StatusDown {
		t.Errorf("after active = False: %s", s)
	}
	write("True", strconv.Itoa(freePort(t)))
	m.Sync()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	m.Sync()
	if len(m.running) != 0 {
		t.Error("a BMC without a configuration still runs")
	}
}

func TestConfigRoundTrip(t *testing.T) {
	d := dirStore{root: t.TempDir()}
	if err := os.Mkdir(d.dir("a"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := config("a", 623)
	c.Active = true
	if err := d.save("a", c); err != nil {
		t.Fatal(err)
	}
	if got, err := d.load("a"); err != nil || got != c {
		t.Errorf("%+v, %v, want %+v", got, err, c)
	}
}

func TestReachable(t *testing.T) {
	for address, want := range map[string]string{"::": "127.0.0.1:623", "0.0.0.0": "127.0.0.1:623", "192.0.2.1": "192.0.2.1:623", "2001:db8::1": "[2001:db8::1]:623"} {
		c := config("a", 623)
		c.Address = address
		if got := c.Reachable(); got[0] != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{{"::", "::", true}, {"::", "127.0.0.1", true}, {"0.0.0.0", "127.0.0.1", true}, {"0.0.0.0", "::1", false}, {"127.0.0.1", "127.0.0.2", false}} {
		a, b := config("a", 623), config("b", 623)
		a.Address, b.Address = tc.a, tc.b
		if a.overlaps(b) != tc.want || b.overlaps(a) != tc.want {
			t.Errorf("%s and %s: want %v", tc.a, tc.b, tc.want)
		}
	}
}

func FuzzINI(f *testing.F) {
	f.Add("[a]\nk = v\n  more\n")
	f.Add("k")
	f.Add("[")
	f.Fuzz(func(_ *testing.T, s string) { _, _ = parseINI("f", s) })
}
