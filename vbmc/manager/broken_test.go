package manager

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// spoil replaces a text in a's file; the whole of it when old is "".
func spoil(t *testing.T, m *Manager, old, by string) {
	t.Helper()
	text := by
	if old != "" {
		if text = mustRead(t, m.store.file("a")); !strings.Contains(text, old) {
			t.Fatalf("%q is not in %s", old, text)
		}
		text = strings.Replace(text, old, by, 1)
	}
	if err := os.WriteFile(m.store.file("a"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file that is broken under a BMC that runs: it goes on, list and show tell its settings
// and the line, stop stops it, and it stays so when the file is mended.
func TestABrokenFileUnderARunningBMC(t *testing.T) {
	for _, row := range []struct{ old, by, line string }{
		{"port = ", "port = abc", "/a/config:5: [VirtualBMC] port = "},
		{"active = True", "active = maybe", `/a/config:8: [VirtualBMC] active = "maybe"`},
		{"address", "junk\naddress", "/a/config:6: expected KEY = VALUE (change that line"},
		{"[VirtualBMC]", "[VirtualBMC", "/a/config:1: section header has no ]"},
		{"", "junk", "/a/config:1: expected KEY = VALUE"},
	} {
		m, f := newManager(t)
		c := running(t, m, "a")
		spoil(t, m, row.old, row.by)
		m.Sync()
		all, err := m.List()
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		shown, err := m.Show("a")
		if err != nil || shown.Live == nil {
			t.Errorf("%s: show: %+v, %v", row.by, shown, err)
		}
		for _, i := range []Info{all[0], shown} {
			if i.Status != StatusRunning || i.Port != c.Port || i.Address != c.Address || i.Username != c.Username || !strings.Contains(i.Reason, row.line) {
				t.Errorf("%s: %+v, want what runs and %s", row.by, i, row.line)
			}
		}
		login(t, c.Port, c.Username, c.Password)
		if changed, err := m.Stop("a"); err != nil || !changed || f.open != 0 {
			t.Errorf("%s: stop: %v %v, %d machines open", row.by, changed, err, f.open)
		}
		if strings.Contains(mustRead(t, m.store.file("a")), row.by) && row.old != "" {
			spoil(t, m, row.by, row.old) // mended, but for what stop wrote
		}
		m.Sync()
		if s := m.running["a"]; s != nil {
			t.Errorf("%s: it runs again: %s", row.by, mustRead(t, m.store.file("a")))
		}
	}
}

// What a stopped BMC shows of a broken file is the error alone.
func TestABrokenFileOfAStoppedBMC(t *testing.T) {
	m, _ := newManager(t)
	running(t, m, "a")
	if _, err := m.Stop("a"); err != nil {
		t.Fatal(err)
	}
	spoil(t, m, "port = ", "port = abc")
	if _, err := m.Show("a"); err == nil || !strings.Contains(err.Error(), "/a/config:5: ") {
		t.Errorf("%v", err)
	}
	if changed, err := m.Stop("a"); changed || err != nil {
		t.Errorf("stop of what does not run: %v %v", changed, err)
	}
}

// An edit of the broken option mends the file.
func TestEditMendsABrokenPort(t *testing.T) {
	m, f := newManager(t)
	c := running(t, m, "a")
	set := func(key, value string) error { return edit(m, key, value) }
	spoil(t, m, "port = ", "port = abc")
	m.Sync()
	if err := set("port", strconv.Itoa(c.Port)); err != nil {
		t.Fatal(err)
	}
	if i, err := m.Show("a"); err != nil || i.Reason != "" || i.Port != c.Port || f.opened != 1 {
		t.Errorf("%+v %v, machine opened %d times", i, err, f.opened)
	}
	spoil(t, m, "port = ", "port = abc")
	other := freePort(t)
	if err := set("port", strconv.Itoa(other)); err != nil {
		t.Fatal(err)
	}
	login(t, other, c.Username, c.Password)
}

// An edit that cannot work leaves file and BMC as they were, also a broken file.
func TestARefusedEditLeavesABrokenFile(t *testing.T) {
	m, _ := newManager(t)
	c := running(t, m, "a")
	spoil(t, m, fmt.Sprintf("port = %d", c.Port), "# mine\nport = abc")
	broken := mustRead(t, m.store.file("a"))
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, port := range []string{strconv.Itoa(taken.LocalAddr().(*net.UDPAddr).Port), "99999", "x"} {
		if err := edit(m, "port", port); err == nil {
			t.Errorf("port %s is taken", port)
		}
	}
	in := m.running["a"]
	undo := m.undoer("a") // of an edit whose BMC did not start anew
	m.stop("a")
	before, _ := m.store.load("a")
	spoil(t, m, "port = abc", "port = 1")
	if err := undo(before); err != nil || m.running["a"] == nil || m.running["a"] == in {
		t.Errorf("undo: %v", err)
	}
	if now := mustRead(t, m.store.file("a")); now != broken {
		t.Errorf("the file is now %s", now)
	}
	login(t, c.Port, c.Username, c.Password)
}
