package manager

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
)

// TestDoctor makes each fault on purpose.
func TestDoctor(t *testing.T) {
	m, f := newManager(t)
	running(t, m, "good")
	lost := running(t, m, "lost")
	f.gone = "lost"
	// "twin" and "taken" come by hand: add would refuse them.
	byHand := func(c Config) {
		t.Helper()
		if err := os.Mkdir(m.store.dir(c.Domain), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := m.store.save(c.Domain, c); err != nil {
			t.Fatal(err)
		}
	}
	byHand(config("twin", lost.Port))
	behindLink(t, m, "twin")
	busy, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	byHand(config("taken", busy.LocalAddr().(*net.UDPAddr).Port))
	open := config("open", freePort(t))
	open.Address, open.Password = "0.0.0.0", DefaultPassword
	byHand(open)
	foreign := config("foreign", freePort(t))
	foreign.Address = "192.0.2.1" // of documentation (RFC 5737)
	byHand(foreign)
	long := config("long", 70000)
	long.Password = strings.Repeat("x", 21)
	byHand(long)

	all, err := m.Doctor(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	has := func(domain, check string, v Verdict, detail string) {
		t.Helper()
		for _, f := range all {
			if f.Domain == domain && f.Check == check && f.Verdict == v && strings.Contains(f.Detail, detail) {
				return
			}
		}
		t.Errorf("no finding %s %s %s %q in:\n%+v", domain, check, v, detail, all)
	}
	has("good", "login, suite 17", Good, "127.0.0.1")
	has("good", "login, suite 3", Good, "127.0.0.1")
	has("good", "libvirt", Good, "")
	has("good", "port", Good, "")
	has("lost", "libvirt", Fault, "No domain with matching name lost")
	has("twin", "port", Fault, "also the port of the vBMC of domain lost")
	has("twin", "file mode", Warning, "0644")
	has("taken", "port", Fault, "held by manager.test (process ")
	has("foreign", "port", Fault, "192.0.2.1 is not an address of this machine")
	has("open", "password", Warning, "the default password")
	has("open", "port", Warning, "the BMC is stopped")
	has("long", "configuration", Fault, "/long/config:5: port = 70000: expected 1 to 65535")
	for _, f := range all {
		if f.Domain == "good" && f.Verdict != Good {
			t.Errorf("%+v", f)
		}
	}
	if _, err := m.Doctor(t.Context(), []string{"nobody"}, nil); err == nil || !strings.Contains(err.Error(), "No domain") {
		t.Errorf("doctor of nobody: %v", err)
	}
}

// A BMC that does not follow its file listens where it did: who answers at the file's port is
// another, and a login there says nothing of this one.
func TestDoctorLogsInToNoOther(t *testing.T) {
	busy, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for name, c := range map[string]struct {
		port   int  // 0: that of the other BMC
		unseen bool // the edit was not looked at yet
		want   Verdict
		detail string
	}{
		"another BMC's":     {0, false, Fault, "also the port of the vBMC of domain b"},
		"another program's": {busy.LocalAddr().(*net.UDPAddr).Port, false, Fault, "which it does not follow: vBMC of domain a cannot listen"},
		"a free one":        {freePort(t), true, Warning, "it follows in a moment"},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newManager(t)
			a, b := running(t, m, "a"), running(t, m, "b")
			port := cmp.Or(c.port, b.Port)
			spoil(t, m, fmt.Sprint("port = ", a.Port), fmt.Sprint("port = ", port))
			if !c.unseen {
				m.Sync()
			}
			all, err := m.Doctor(t.Context(), []string{"a"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			said := map[string]Finding{}
			for _, f := range all {
				if f.Domain == "a" && (f.Check == "port" || strings.HasPrefix(f.Check, "login")) {
					said[f.Check] = f
				}
			}
			if f := said["port"]; f.Verdict != c.want || !strings.Contains(f.Detail, c.detail) {
				t.Errorf("%+v", f)
			}
			want := fmt.Sprintf("not tried: this daemon listens on 127.0.0.1:%d, the file says 127.0.0.1:%d", a.Port, port)
			if f := said["login"]; len(said) != 2 || f.Verdict != Warning || f.Detail != want {
				t.Errorf("%+v, want %s", said, want)
			}
			if all, err = m.Doctor(t.Context(), []string{"b"}, nil); err != nil || !slices.ContainsFunc(all, func(f Finding) bool { return f.Check == "login, suite 17" && f.Verdict == Good }) {
				t.Errorf("b has its port: %+v, %v", all, err)
			}
		})
	}
}

// One hypervisor that does not answer takes its whole time, once: it is asked for all of its
// BMCs, while the others are asked too, and what it says is told of each.
func TestDoctorAsksEachHypervisorOnce(t *testing.T) {
	m, f := newManager(t)
	const each, other = 10, "qemu+tcp://192.0.2.1/system"
	for i := range 2 * each {
		c := config(fmt.Sprintf("vm%02d", i), freePort(t))
		if i >= each {
			c.LibvirtURI = other
		}
		if _, err := m.Add(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	asked, all := map[string]int{}, make(chan struct{})
	f.gone = "vm03"
	f.asked = func(uri string, domains []string) {
		mu.Lock()
		if asked[uri] += len(domains); len(asked) == 2 {
			close(all) // panics when one is asked again
		}
		mu.Unlock()
		select {
		case <-all:
		case <-time.After(time.Minute):
			t.Errorf("%s is asked, and no other before it has answered", uri)
		}
	}
	found, err := m.Doctor(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if asked[DefaultLibvirtURI] != each || asked[other] != each {
		t.Errorf("asked for %v domains", asked)
	}
	n := map[Verdict]int{}
	for _, f := range found {
		if f.Check == "libvirt" {
			n[f.Verdict]++
		}
	}
	if n[Good] != 2*each-1 || n[Fault] != 1 {
		t.Errorf("findings: %v of %d", n, 2*each)
	}
}

// TestDoctorKnowsWhoWasLockedOut: over IPMI it looks like a wrong password, which it is not.
func TestDoctorKnowsWhoWasLockedOut(t *testing.T) {
	for name, tc := range map[string]struct {
		cmd    byte
		data   []byte
		want   Verdict
		detail string
		logins int // that are tried all the same, at the level that is left
	}{
		"disabled": {0x47, []byte{2, 0}, Fault, "user admin is disabled", 0},
		"limited":  {0x43, []byte{1, 2, ipmiclient.User}, Warning, "user admin is limited to USER", 2},
		"channel":  {0x40, []byte{1, 0, 0x80 | ipmiclient.Operator}, Warning, "all users are limited to OPERATOR", 2},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newManager(t)
			c := running(t, m, "a")
			client, err := ipmiclient.Dial(t.Context(), c.Reachable()[0], ipmiclient.Options{Username: c.Username, Password: c.Password})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if cc, _, err := client.Do(wire.App, tc.cmd, tc.data...); err != nil || cc != 0 {
				t.Fatal(cc, err)
			}
			all, err := m.Doctor(t.Context(), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			logins, told := 0, false
			for _, f := range all {
				switch {
				case f.Check == "user":
					told = f.Verdict == tc.want && strings.Contains(f.Detail, tc.detail) && f.Hint != ""
				case strings.HasPrefix(f.Check, "login") && f.Verdict == Good:
					logins++
				}
			}
			if !told || logins != tc.logins {
				t.Errorf("%d logins: %+v", logins, all)
			}
			if i, err := m.Show("a"); err != nil || !strings.Contains(i.Live.Lockout, tc.detail) {
				t.Errorf("show: %+v %v", i.Live, err)
			}
		})
	}
}
