package manager

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
)

// Beside an option that is wrong in the file another one can be edited: the wrong value
// stays, its line is told, and what runs goes on as it was until the wrong one is mended.
func TestEditBesideAWrongValue(t *testing.T) {
	for _, row := range []struct{ old, by, told, mends string }{
		{"port = ", "port = abc", "/a/config:5: [VirtualBMC] port = \"abc", "port"},
		{"port = ", "port = -", "/a/config:5: port = -", "port"},
		{"pa%%ss#;=", strings.Repeat("x", 21), "/a/config:4: password: ", "password"},
		{"= 127.0.0.1", "= nowhere", "/a/config:6: address = \"nowhere\": ", "address"},
		{"admin", "", "/a/config:3: username: ", "username"},
		{"active", "libvirt_sasl_password = p\nactive", "/a/config: libvirt_sasl_username: A password and username", "libvirt_sasl_password"},
		{"active", "cipher_suites = 17,0\nactive", "/a/config:10: cipher_suites: ", "cipher_suites"},
	} {
		m, f := newManager(t)
		c := running(t, m, "a")
		good := map[string]string{"port": strconv.Itoa(c.Port), "password": "short", "address": c.Address, "username": "root"}
		spoil(t, m, row.old, row.by)
		m.Sync()
		kept := value(t, m, row.mends)
		_, beside, err := m.Edit("a", map[string]string{"console": "off", "kg": "0x0102"})
		want := "the edit is written, but the vBMC of domain a goes on as before except for kg: "
		if err != nil || beside == nil || !strings.HasPrefix(beside.Error(), want) || !strings.Contains(beside.Error(), row.told) || errs.HintOf(beside) == "" {
			t.Errorf("%s: %v, %v (%s), want %s", row.by, err, beside, errs.HintOf(beside), row.told)
		}
		if now := value(t, m, row.mends); now != kept || value(t, m, "console") != "off" {
			t.Errorf("%s became %q: %s", row.by, now, mustRead(t, m.store.file("a")))
		}
		if i, err := m.Show("a"); err != nil || !strings.Contains(i.Reason, row.told) || i.Console != "" || f.opened != 1 {
			t.Errorf("%s: %+v %v, machine opened %d times", row.by, i, err, f.opened)
		}
		if err := edit(m, row.mends, good[row.mends]); err != nil {
			t.Errorf("%s: mending it: %v", row.by, err)
		}
		if i, err := m.Show("a"); err != nil || i.Reason != "" || i.Console != "off" || f.opened != 2 {
			t.Errorf("%s, mended: %+v %v, machine opened %d times", row.by, i, err, f.opened)
		}
	}
}

// A password that leaked is of no use after the edit that changes it, whatever else is wrong
// in the file; the rest of the BMC goes on, and the mending edit starts nothing anew.
func TestCredentialsEditedBesideAWrongValue(t *testing.T) {
	for old, by := range map[string]string{"port = ": "port = abc", "active = True": "active = maybe", "active": "efi = maybe\nactive"} {
		m, f := newManager(t)
		c := running(t, m, "a")
		spoil(t, m, old, by)
		m.Sync()
		_, beside, err := m.Edit("a", map[string]string{"password": "rotated"})
		if err != nil || beside == nil || !strings.Contains(beside.Error(), "goes on as before except for password: ") || strings.Contains(beside.Error(), "rotated") {
			t.Errorf("%s: %v, %v", by, err, beside)
		}
		s := login(t, c.Port, c.Username, "rotated")
		refused(t, c.Port, c.Username, c.Password)
		setOverIPMI(t, s, "by-ipmi")
		if _, _, err := m.Edit("a", map[string]string{"password": "rotated"}); err != nil {
			t.Fatal(err)
		}
		setOverIPMI(t, login(t, c.Port, c.Username, "rotated"), "by-ipmi")
		if _, beside, err := m.Edit("a", map[string]string{"username": "other", "console": "off"}); err != nil || beside == nil {
			t.Errorf("%s: %v, %v", by, err, beside)
		}
		login(t, c.Port, "other", "by-ipmi")
		refused(t, c.Port, "other", "rotated")
		if i, err := m.Show("a"); err != nil || i.Username != "other" || i.Console != "" || f.opened != 1 {
			t.Errorf("%s: %+v %v, machine opened %d times", by, i, err, f.opened)
		}
	}
}

// setOverIPMI gives the user of a configuration a password (Set User Password, 22.30).
func setOverIPMI(t *testing.T, c *ipmiclient.Client, password string) {
	t.Helper()
	data := append([]byte{0x82, 2}, make([]byte, 20)...)
	copy(data[2:], password)
	if cc, _, err := c.Do(wire.App, 0x47, data...); cc != 0 || err != nil {
		t.Fatalf("set the password over IPMI: %02xh, %v", cc, err)
	}
}

// refused is a login that must fail.
func refused(t *testing.T, port int, user, password string) {
	t.Helper()
	c, err := ipmiclient.Dial(t.Context(), net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), ipmiclient.Options{Username: user, Password: password})
	if err == nil {
		c.Close()
		t.Errorf("%s logs in with a password that was changed", user)
	}
}

// value is what a's file has for a key.
func value(t *testing.T, m *Manager, key string) string {
	t.Helper()
	f, err := parseINI("a", mustRead(t, m.store.file("a")))
	if err != nil {
		t.Fatal(err)
	}
	return f.text(configSection, key)
}

// What is told of a BMC that does not run is that it does not, and why.
func TestEditBesideAWrongValueOfABMCThatDoesNotRun(t *testing.T) {
	m, _ := newManager(t)
	c := running(t, m, "a")
	m.stop("a")
	spoil(t, m, "pa%%ss#;=", strings.Repeat("x", 21))
	m.Sync()
	_, beside, err := m.Edit("a", map[string]string{"username": "other"})
	if err != nil || beside == nil || !strings.HasPrefix(beside.Error(), "the edit is written, but the vBMC of domain a still does not run: ") || strings.Contains(beside.Error(), "xxx") {
		t.Errorf("%v, %v", err, beside)
	}
	if i, err := m.Show("a"); err != nil || i.Status != StatusError || i.Username != "other" {
		t.Errorf("%+v %v", i, err)
	}
	if _, err := m.Stop("a"); err != nil {
		t.Fatal(err)
	}
	_, beside, err = m.Edit("a", map[string]string{"username": "third"})
	if err != nil || beside == nil || !strings.Contains(beside.Error(), "vBMC of domain a cannot be started: ") {
		t.Errorf("stopped: %v, %v", err, beside)
	}
	if got := status(t, m, "a"); got != StatusDown {
		t.Errorf("a stopped BMC is %s", got)
	}
	if err := edit(m, "password", "short"); err != nil {
		t.Error(err)
	}
	if _, err := m.Start("a"); err != nil {
		t.Error(err)
	}
	login(t, c.Port, "third", "short")
}

// What somebody gives must be right, also when the file is wrong in the same or in another
// way; an edit of two wrong ones needs no order.
func TestWrongEditsBesideAWrongValue(t *testing.T) {
	m, _ := newManager(t)
	c := running(t, m, "a")
	spoil(t, m, "= 127.0.0.1", "= nowhere")
	spoil(t, m, "active", "kg = 0x1\nactive")
	before := mustRead(t, m.store.file("a"))
	for want, options := range map[string]map[string]string{
		`--address "nowhere": expected`:           {"address": "nowhere"},
		"--kg: after 0x":                          {"kg": "0x1"},
		"--efi \"maybe\": ":                       {"efi": "maybe"},
		"--cipher-suites: ":                       {"cipher_suites": "0", "username": "other"},
		"--port 70000: ":                          {"port": "70000"},
		"/a/config:6: address = \"nowhere\": ":    {"port": "auto"},
		"--address \"here\": ":                    {"port": "auto", "address": "here"},
		"A password and username are required to": {"libvirt_sasl_username": "u"},
	} {
		_, beside, err := m.Edit("a", options)
		if beside != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, %v, want %s", options, beside, err, want)
		}
	}
	if now := mustRead(t, m.store.file("a")); now != before {
		t.Errorf("a refused edit changed the file: %s", now)
	}
	if _, beside, err := m.Edit("a", map[string]string{"address": c.Address}); err != nil || beside == nil || !strings.Contains(beside.Error(), "/config:9: kg: ") {
		t.Errorf("one of two: %v, %v", beside, err)
	}
	if err := edit(m, "kg", "0x01"); err != nil {
		t.Error(err)
	}
}

// The port is tried when the option beside it, without which it could not be, is mended.
func TestAPortBesideAWrongAddressIsTriedLater(t *testing.T) {
	m, _ := newManager(t)
	c := running(t, m, "a")
	other := config("b", freePort(t))
	if _, err := m.Add(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	spoil(t, m, "= 127.0.0.1", "= nowhere")
	if _, beside, err := m.Edit("a", map[string]string{"port": strconv.Itoa(other.Port)}); err != nil || beside == nil {
		t.Errorf("%v, %v", beside, err)
	}
	if err := edit(m, "address", c.Address); err == nil || !strings.Contains(err.Error(), "is taken by the vBMC of domain b") {
		t.Errorf("%v", err)
	}
	login(t, c.Port, c.Username, c.Password)
}

// active is given by start and stop.
func TestStartMendsActive(t *testing.T) {
	m, f := newManager(t)
	c := running(t, m, "a")
	for _, ran := range []bool{true, false} {
		if !ran {
			m.stop("a")
		}
		opened := f.opened
		spoil(t, m, "active = True", "active = maybe")
		m.Sync()
		_, beside, err := m.Edit("a", map[string]string{"username": "admin"})
		if err != nil || beside == nil || !strings.Contains(errs.HintOf(beside), "vbmc start 'a'") || value(t, m, "active") != "maybe" {
			t.Errorf("%v, %v (%s)", err, beside, errs.HintOf(beside))
		}
		if changed, err := m.Start("a"); !changed || err != nil || value(t, m, "active") != "True" {
			t.Errorf("%v %v: %s", changed, err, mustRead(t, m.store.file("a")))
		}
		if again := f.opened - opened; again != map[bool]int{true: 0, false: 1}[ran] {
			t.Errorf("ran %v: machine opened %d times", ran, again)
		}
		login(t, c.Port, c.Username, c.Password)
	}
}

// A client that sets its password is not refused for a line that an administrator broke.
func TestPasswordOverIPMIBesideAWrongValue(t *testing.T) {
	for old, by := range map[string]string{"port = ": "port = abc", "active = True": "active = maybe", "= 127.0.0.1": "= nowhere"} {
		m, _ := newManager(t)
		running(t, m, "a")
		spoil(t, m, old, by)
		if err := m.setPassword("a", "new"); err != nil || value(t, m, "password") != "new" || !strings.Contains(mustRead(t, m.store.file("a")), by) {
			t.Errorf("%s: %v: %s", by, err, mustRead(t, m.store.file("a")))
		}
		if err := m.setPassword("a", strings.Repeat("x", 21)); err == nil {
			t.Errorf("%s: a password of 21 bytes was stored", by)
		}
	}
}
