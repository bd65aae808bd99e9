package manager

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// watched is a manager of a few BMCs that the kernel tells of, and what it logs.
func watched(t *testing.T, names ...string) (*Manager, *bytes.Buffer) {
	t.Helper()
	m, _ := newManager(t)
	var log bytes.Buffer
	m.watch = newWatch(m.settings.ConfigDir, slog.New(slog.NewTextHandler(&log, nil)))
	for _, name := range names {
		if err := os.Mkdir(m.store.dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := m.store.save(name, config(name, 7000)); err != nil {
			t.Fatal(err)
		}
	}
	return m, &log
}

// looked has the manager take a look as if all files had been there for long.
func looked(m *Manager) {
	m.Sync()
	m.spared, m.settled = 0, true
}

// spares tells whether the manager would spare its next look.
func spares(m *Manager) bool {
	m.look()
	return m.spared > 0
}

func TestTheKernelTellsOfEveryChange(t *testing.T) {
	m, log := watched(t, "a", "b", "c", "d")
	elsewhere := t.TempDir()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(file, text string) { t.Helper(); do(os.WriteFile(file, []byte(text), 0o600)) }
	for _, c := range []struct {
		name   string
		change func()
	}{
		{"an edit in place", func() { write(m.store.file("a"), "[VirtualBMC]\nport = 7001\n") }},
		{"one of a file whose directory was replaced before", func() { write(m.store.file("a"), "[VirtualBMC]\nport = 7002\n") }},
		{"an edit by rename", func() { do(m.store.save("a", config("a", 7003))) }},
		{"a mode", func() { do(os.Chmod(m.store.file("a"), 0o644)) }},
		{"a new directory", func() { do(os.Mkdir(m.store.dir("e"), 0o700)) }},
		{"the file in it", func() { write(m.store.file("e"), "[VirtualBMC]\nport = 7004\n") }},
		{"an edit of that", func() { write(m.store.file("e"), "[VirtualBMC]\nport = 7005\n") }},
		{"a file that goes", func() { do(os.Remove(m.store.file("b"))) }},
		{"a directory that goes", func() { do(os.RemoveAll(m.store.dir("c"))) }},
		{"a directory that goes elsewhere", func() { do(os.Rename(m.store.dir("d"), filepath.Join(elsewhere, "d"))) }},
		{"one that comes from there", func() { do(os.Rename(filepath.Join(elsewhere, "d"), m.store.dir("d"))) }},
		{"an edit in that", func() { write(m.store.file("d"), "[VirtualBMC]\nport = 7006\n") }},
		{"a directory in the place of another", func() {
			do(os.Rename(m.store.dir("a"), filepath.Join(elsewhere, "a")))
			do(os.Rename(m.store.dir("e"), m.store.dir("a")))
		}},
		{"an edit in that one", func() { write(m.store.file("a"), "[VirtualBMC]\nport = 7006\n") }},
		{"all of it", func() { do(os.Rename(m.store.root, filepath.Join(elsewhere, "all"))) }},
	} {
		looked(m)
		m.watch.quiet() // what watches that were given back say of themselves
		if m.settled = true; !spares(m) {
			t.Errorf("before %s: a look is not spared", c.name)
		}
		if c.change(); m.watch.quiet() {
			t.Errorf("%s: not told", c.name)
		}
	}
	if log.Len() > 0 {
		t.Errorf("log: %s", log)
	}
}

// What the daemon itself keeps beside a configuration is no reason to look, nor is a moment in which
// there is nothing to watch.
func TestALookIsSparedWhereNothingWaitsForIt(t *testing.T) {
	m, _ := watched(t, "a")
	m.Sync()
	if m.settled {
		t.Error("a file that was written a moment ago is trusted")
	}
	looked(m)
	if err := os.WriteFile(m.store.state("a"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !spares(m) {
		t.Error("the boot state of a machine counts as an edit")
	}
	looked(m)
	m.faults["a"] = fault{"the port is taken"}
	if spares(m) {
		t.Error("what could not run is not tried again")
	}
	delete(m.faults, "a")
	looked(m)
	n := 0
	for ; spares(m) && n <= mostSpared; n++ {
		m.settled = true
	}
	if n != mostSpared {
		t.Errorf("%d looks in a row were spared, want %d", n, mostSpared)
	}
	ended := make(chan struct{})
	close(ended)
	looked(m)
	m.running["b"] = &instance{stopped: ended, cancel: func() {}, release: func() {}}
	if spares(m); m.running["b"] != nil {
		t.Error("a BMC whose socket failed was not seen")
	}
}

// Where the kernel cannot tell, every look is taken, and that is said once.
func TestWhereTheKernelCannotTell(t *testing.T) {
	link := func(m *Manager) {
		if err := os.Rename(m.store.file("a"), filepath.Join(m.store.root, "shared")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../shared", m.store.file("a")); err != nil {
			t.Fatal(err)
		}
	}
	for want, prepare := range map[string]func(m *Manager){
		"fs.inotify.max_user_watches must hold one for each BMC": func(m *Manager) {
			add := m.watch.add
			m.watch.add = func(path string, mask uint32) (int, error) {
				if strings.HasSuffix(path, "/b") {
					return -1, unix.ENOSPC
				}
				return add(path, mask)
			}
		},
		"a/config is a link or has several names": link,
		"c is a symbolic link": func(m *Manager) {
			if err := os.Symlink("a", m.store.dir("c")); err != nil {
				t.Fatal(err)
			}
		},
		"restart": func(m *Manager) { m.watch.off(unix.EMFILE) },
	} {
		m, log := watched(t, "a", "b")
		prepare(m)
		for range 3 {
			if looked(m); spares(m) {
				t.Errorf("%s: a look is spared", want)
			}
		}
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), want) {
			t.Errorf("want %q once, got\n%s", want, log)
		}
	}
}

// TestRunLooksAgain: from the daemon's loop, whatever the kernel tells.
func TestRunLooksAgain(t *testing.T) {
	m, _ := newManager(t)
	m.settings.Rescan = time.Millisecond
	ready, ended := make(chan struct{}), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	go func() { defer close(ended); m.Run(ctx, func() { close(ready) }) }()
	<-ready
	c := config("a", freePort(t))
	c.Active = true
	if err := os.Mkdir(m.store.dir("a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := m.store.save("a", c); err != nil {
		t.Fatal(err)
	}
	for status(t, m, "a") != StatusRunning {
		time.Sleep(time.Millisecond) // until the test's own deadline
	}
	stop()
	<-ended
}
