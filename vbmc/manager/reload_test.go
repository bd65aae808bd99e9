package manager

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trefoil/vbmc/domain/virt"
	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/ipmiclient"
)

// login opens a session that stays open until the test ends.
func login(t *testing.T, port int, user, password string) *ipmiclient.Client {
	t.Helper()
	c, err := ipmiclient.Dial(t.Context(), net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), ipmiclient.Options{Username: user, Password: password})
	if err != nil {
		t.Fatalf("log in as %s: %v", user, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func running(t *testing.T, m *Manager, name string) Config {
	t.Helper()
	c := config(name, freePort(t))
	if _, err := m.Add(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Start(name); err != nil {
		t.Fatal(err)
	}
	return c
}

// edit gives an option of a, beside which nothing is wrong, a value.
func edit(m *Manager, key, value string) error {
	_, beside, err := m.Edit("a", map[string]string{key: value})
	return errors.Join(beside, err)
}

// TestEditKeepsSessions: suites and BMC key change under an open session; a changed
// password ends it; a changed port moves the BMC.
func TestEditKeepsSessions(t *testing.T) {
	m, f := newManager(t)
	c := running(t, m, "a")
	set := func(key, value string) error { return edit(m, key, value) }
	answers := func(s *ipmiclient.Client) bool { cc, _, err := s.Do(0, 1); return cc == 0 && err == nil } // Get Chassis Status

	s := login(t, c.Port, "admin", c.Password)
	if err := errors.Join(set("cipher_suites", "17"), set("kg", "0x0102")); err != nil {
		t.Fatal(err)
	}
	if !answers(s) || f.opened != 1 {
		t.Errorf("an open session did not outlive an edit of other keys (machine opened %d times)", f.opened)
	}
	if err := set("kg", ""); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(m.store.file("a"))
	if err != nil || !strings.Contains(string(text), "cipher_suites = 17\n") || strings.Contains(string(text), "kg") {
		t.Errorf("file: %s %v", text, err)
	}
	if err := set("password", "other"); err != nil {
		t.Fatal(err)
	}
	if n := m.running["a"].bmc.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions are open after the password changed", n)
	}
	login(t, c.Port, "admin", "other")

	port := freePort(t)
	if err := set("port", strconv.Itoa(port)); err != nil {
		t.Fatal(err)
	}
	login(t, port, "admin", "other")
	if f.opened != 2 || f.open != 1 {
		t.Errorf("a new port: machine opened %d times, %d are open; want 2 and 1", f.opened, f.open)
	}
}

func TestRefusedEdits(t *testing.T) {
	m, _ := newManager(t)
	a, b := running(t, m, "a"), running(t, m, "b")
	before, err := os.ReadFile(m.store.file("a"))
	if err != nil {
		t.Fatal(err)
	}
	for want, kv := range map[string][2]string{
		"is taken by the vBMC of domain b": {"port", strconv.Itoa(b.Port)},
		"expected a number":                {"port", "x"},
		"IPMI passwords have at most":      {"password", strings.Repeat("x", 21)},
		"blanks around":                    {"password", " x"},
		"such as 52:54:00":                 {"boot_mac", "52:54"},
		"expected record or refuse":        {"efi", "maybe"},
		"expected qmp, restart or off":     {"live_boot_order", "on"},
		"not a cipher suite":               {"cipher_suites", "17,0"},
		"after 0x come hexadecimal digits": {"kg", "0x1"},
		"BMC keys have 1 to 20 bytes":      {"kg", strings.Repeat("k", 21)},
		"expected always, ondemand or off": {"console", "sometimes"},
		`"domain_name" cannot be edited`:   {"domain_name", "c"},
		`"active" cannot be edited`:        {"active", "False"},
		"expected an IPv4 or IPv6 address": {"address", "localhost"},
		"cannot assign requested address":  {"address", "192.0.2.1"},
	} {
		err := edit(m, kv[0], kv[1])
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", kv, err, want)
		}
	}
	if after, err := os.ReadFile(m.store.file("a")); err != nil || string(after) != string(before) {
		t.Errorf("a refused edit changed the file: %s %v", after, err)
	}
	login(t, a.Port, "admin", a.Password)
	if _, _, err := m.Edit("c", nil); err == nil || !strings.Contains(err.Error(), "No domain") {
		t.Errorf("edit of nothing: %v", err)
	}
	// The same port on a wider address is the BMC's own.
	if err := edit(m, "address", "0.0.0.0"); err != nil {
		t.Error(err)
	}
}

// TestWrongEditByHandChangesNothing: what runs goes on and the reason is shown.
func TestWrongEditByHandChangesNothing(t *testing.T) {
	m, f := newManager(t)
	c := running(t, m, "a")
	for text, want := range map[string]string{
		"[VirtualBMC\n": ":1: section header has no ]",
		strings.Replace(mustRead(t, m.store.file("a")), "pa%%ss#;=", "123456789012345678901", 1): "/a/config:4: password: IPMI passwords have at most 20 bytes (",
	} {
		if err := os.WriteFile(m.store.file("a"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m.Sync()
		all, err := m.List()
		if err != nil || len(all) != 1 || all[0].Status != StatusRunning || !strings.Contains(all[0].Reason, want) {
			t.Errorf("%+v %v, want running and %q", all, err, want)
		}
	}
	login(t, c.Port, "admin", c.Password)
	if f.opened != 1 {
		t.Errorf("machine opened %d times", f.opened)
	}
}

func mustRead(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestIdleSyncReadsNothing: files that did not change are not read, one that did is,
// even when its writer set size and time of modification as before.
// A port that is taken, and an address that this machine has not, leave the BMC where it is.
func TestAnEditToWhereNobodyCanListenChangesNothing(t *testing.T) {
	m, _ := newManager(t)
	c := running(t, m, "a")
	s := login(t, c.Port, "admin", c.Password)
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	good, err := os.ReadFile(m.store.file("a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{
		fmt.Sprintf("port = %d", taken.LocalAddr().(*net.UDPAddr).Port), "address = 192.0.2.99",
	} {
		key, _, _ := strings.Cut(change, " ")
		lines := strings.Split(string(good), "\n")
		for i, l := range lines {
			if strings.HasPrefix(l, key+" ") {
				lines[i] = change
			}
		}
		if err := os.WriteFile(m.store.file("a"), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		m.Sync()
		if i, err := m.Show("a"); err != nil || i.Status != StatusRunning || !strings.Contains(i.Reason, "cannot listen") && !strings.Contains(i.Reason, "port") {
			t.Errorf("%s: %+v, %v", change, i, err)
		}
		if cc, _, err := s.Do(0, 1); cc != 0 || err != nil { // Get Chassis Status
			t.Errorf("%s: the session ended: %#x, %v", change, cc, err)
		}
	}
}

func TestIdleSyncReadsNothing(t *testing.T) {
	m, _ := newManager(t)
	for i := range 20 {
		c := config(fmt.Sprintf("d%d", i), 7000+i)
		if err := os.Mkdir(m.store.dir(c.Domain), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := m.store.save(c.Domain, c); err != nil {
			t.Fatal(err)
		}
		s, err := m.store.stamp(c.Domain)
		if err != nil {
			t.Fatal(err)
		}
		m.files[c.Domain] = cached{s, c, nil} // as if read long after it was written
	}
	m.Sync()
	m.Sync()
	if m.reads != 0 {
		t.Errorf("%d files were read although none changed", m.reads)
	}
	file := m.store.file("d7")
	var before unix.Stat_t
	if err := unix.Stat(file, &before); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(mustRead(t, file), "username = admin", "username = nimda", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, time.Unix(before.Mtim.Unix()), time.Unix(before.Mtim.Unix())); err != nil {
		t.Fatal(err)
	}
	m.files["d7"] = cached{stamp{unix.Timespec{}, before.Size, before.Ino}, m.files["d7"].config, nil} // the clock's step is over
	if i, err := m.Show("d7"); err != nil || i.Username != "nimda" || m.reads != 1 {
		t.Errorf("%+v %v, %d reads", i, err, m.reads)
	}
}

func TestBootOptions(t *testing.T) {
	c := config("a", 1)
	c.BootMAC, c.EFI, c.LiveBootOrder = "52-54-00-AA-00-01", "refuse", "restart"
	want := virt.Options{LiveOrder: virt.LiveOrderRestart, RefuseEFI: true, BootMAC: "52:54:00:aa:00:01"}
	if o, err := c.bootOptions(); err != nil || o != want {
		t.Errorf("%+v %v", o, err)
	}
	edited := c
	if edited.Console = "off"; !c.needsRestart(edited) {
		t.Error("a new console mode needs a new BMC")
	}
	edited = c
	if edited.KG, edited.Password = "k", "p"; c.needsRestart(edited) {
		t.Error("new credentials need no new BMC")
	}
}

// A console that is held open costs a connection; to another machine that is a process.
func TestRemoteConsolesAreOpenedOnDemand(t *testing.T) {
	for _, row := range []struct {
		uri, console string
		want         ipmi.ConsoleMode
	}{
		{"qemu:///system", "", ipmi.ConsoleAlways},
		{"qemu+ssh://root@h/system", "", ipmi.ConsoleOnDemand},
		{"qemu+ssh://root@h/system", "always", ipmi.ConsoleAlways},
		{"qemu:///system", "ondemand", ipmi.ConsoleOnDemand},
	} {
		c := Config{LibvirtURI: row.uri, Console: row.console}
		got, err := c.consoleMode()
		if err != nil || got != row.want {
			t.Errorf("%s %q: %v, %v", row.uri, row.console, got, err)
		}
		want := map[ipmi.ConsoleMode]string{ipmi.ConsoleAlways: "always", ipmi.ConsoleOnDemand: "ondemand"}[row.want]
		if shown := c.ConsoleOrDefault(); shown != want {
			t.Errorf("%s %q is shown as %s", row.uri, row.console, shown)
		}
	}
}

func TestStampSettles(t *testing.T) {
	s := stamp{changed: unix.NsecToTimespec(time.Unix(100, 0).UnixNano())}
	if s.settled(time.Unix(101, 0)) || !s.settled(time.Unix(103, 0)) || s.settled(time.Unix(50, 0)) {
		t.Error("a file is trusted from 2 s after its change on")
	}
}

func TestBMCMemory(t *testing.T) {
	d := dirStore{root: t.TempDir()}
	s := d.bmc("a")
	if got, err := s.Load("boot"); got != nil || err != nil {
		t.Errorf("before the first save: %q %v", got, err)
	}
	if err := s.Save("boot", []byte("x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("save for a deleted domain: %v", err)
	}
	if err := os.Mkdir(d.dir("a"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		if err := s.Save("boot", []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Load("boot"); string(got) != want || err != nil {
			t.Errorf("%q %v, want %q", got, err, want)
		}
	}
	if i, err := os.Stat(filepath.Join(s.dir, "boot.json")); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", i, err)
	}
	if err := d.remove("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.dir("a")); !os.IsNotExist(err) {
		t.Errorf("after remove: %v", err)
	}
}

// TestPasswordOverIPMI: it is stored while the manager waits for that very BMC.
func TestPasswordOverIPMI(t *testing.T) {
	m, _ := newManager(t)
	running(t, m, "a")
	m.mu.Lock()
	err := m.setPassword("a", "%new")
	m.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if i, err := m.Show("a"); err != nil || i.Password != "%new" || !i.Active {
		t.Errorf("%+v %v", i, err)
	}
	if err := m.setPassword("a", strings.Repeat("x", 21)); err == nil {
		t.Error("a password of 21 bytes was stored")
	}
}

// TestAddAll: every domain without a BMC gets one, each with a port that nobody has.
func TestAddAll(t *testing.T) {
	m, f := newManager(t)
	if _, err := m.Add(t.Context(), config("b", firstPort+1)); err != nil {
		t.Skip("somebody uses the port: ", err)
	}
	f.names = []string{"a", "b", "bad/name", "c"}
	c := config("", 0)
	all, err := m.AddAll(t.Context(), c)
	if err != nil || len(all) != 3 || all[0].Err != nil || all[1].Err == nil || all[2].Err != nil {
		t.Fatalf("%+v %v", all, err)
	}
	if a, c := all[0].Port, all[2].Port; a == c || a == firstPort+1 || c == firstPort+1 || a < firstPort || c < a {
		t.Errorf("ports %d and %d", a, c)
	}
	for _, name := range []string{"a", "c"} {
		if i, err := m.Show(name); err != nil || i.Password != c.Password || i.Active {
			t.Errorf("%+v %v", i, err)
		}
	}
	if all, err = m.AddAll(t.Context(), c); err != nil || len(all) != 1 || all[0].Domain != "bad/name" {
		t.Errorf("second time: %+v %v", all, err)
	}
}

// FuzzConfig: whatever is read is written so that it reads the same, unknown keys and wrong values included.
func FuzzConfig(f *testing.F) {
	f.Add("[VirtualBMC]\nport = 1\nactive = True\nboot_mac = 52:54\n  more %% \n")
	f.Add("[VirtualBMC]\nport: abc\nactive = maybe\nusername =\nlibvirt_sasl_password = p")
	f.Add("[VirtualBMC]\nport: 623\nKG = 0xff\nx y = =\n[other]\na=b")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig("f", "a", text)
		if _, ok := mostlyRead(err); err != nil && !ok {
			return
		}
		got, again := parseConfig("f", "a", c.ini())
		if (again == nil) != (err == nil) || got != c {
			t.Errorf("%+v %v, want %+v %v\n%q", got, again, c, err, c.ini())
		}
	})
}
