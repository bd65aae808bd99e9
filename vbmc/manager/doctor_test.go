package manager

import (
	"net"
	"os"
	"strings"
	"testing"
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
	long := config("long", 70000)
	long.Password = strings.Repeat("x", 21)
	byHand(long)

	all, err := m.Doctor(t.Context(), nil)
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
	has("open", "password", Warning, "the default password")
	has("open", "port", Warning, "the BMC is stopped")
	has("long", "configuration", Fault, "/long/config:5: port = 70000: expected 1 to 65535")
	for _, f := range all {
		if f.Domain == "good" && f.Verdict != Good {
			t.Errorf("%+v", f)
		}
	}
	if _, err := m.Doctor(t.Context(), []string{"nobody"}); err == nil || !strings.Contains(err.Error(), "No domain") {
		t.Errorf("doctor of nobody: %v", err)
	}
}

func TestFirewall(t *testing.T) {
	shut := "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t\ttcp dport 623 accept\n\t\t%\n\t}\n}\n"
	for rule, want := range map[string]bool{
		"":                     false,
		"udp dport 623 accept": true,
		"udp dport { 53, 620-630 } counter accept": true,
		"udp dport 624 accept":                     false,
		"udp dport 623 drop":                       false,
		"meta l4proto udp accept":                  true,
	} {
		if got := admits(strings.Replace(shut, "%", rule, 1), 623); got != want {
			t.Errorf("%q: %v, want %v", rule, got, want)
		}
	}
	if !admits("", 623) || !admits(strings.Replace(shut, "policy drop", "policy accept", 1), 623) {
		t.Error("a filter that drops nothing admits all")
	}
}
