package manager

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openToAll makes a domain's directory as virtualbmc's daemon does, with a umask of 0.
func openToAll(t *testing.T, m *Manager, name string) {
	t.Helper()
	c := config(name, freePort(t))
	for _, step := range []error{
		os.Mkdir(m.store.dir(name), 0o777), os.Chmod(m.store.dir(name), 0o777),
		os.WriteFile(m.store.file(name), []byte(c.ini()), 0o666), os.Chmod(m.store.file(name), 0o666),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
}

// behindLink moves a configuration elsewhere, open to all, and leaves a link to it: the
// daemon closes files of its own, and follows none.
func behindLink(t *testing.T, m *Manager, name string) {
	t.Helper()
	file, away := m.store.file(name), filepath.Join(t.TempDir(), name)
	if err := errors.Join(os.Rename(file, away), os.Chmod(away, 0o644), os.Symlink(away, file)); err != nil {
		t.Fatal(err)
	}
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	i, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return i.Mode().Perm()
}

// TestWhatVirtualbmcLeavesOpenIsClosed: at load, and told in the log without the password.
func TestWhatVirtualbmcLeavesOpenIsClosed(t *testing.T) {
	m, _ := newManager(t)
	var log bytes.Buffer
	m.log = slog.New(slog.NewTextHandler(&log, nil))
	openToAll(t, m, "a")
	m.Sync()
	if d, f := modeOf(t, m.store.dir("a")), modeOf(t, m.store.file("a")); d != 0o700 || f != 0o600 {
		t.Errorf("directory %04o, file %04o, want 0700 and 0600", d, f)
	}
	said := log.String()
	if !strings.Contains(said, "mode=0777") || !strings.Contains(said, "mode=0666") || !strings.Contains(said, "domain=a") || strings.Contains(said, "pa%") {
		t.Errorf("log: %s", said)
	}
	log.Reset()
	m.Sync()
	if log.Len() > 0 {
		t.Errorf("told again: %s", log.String())
	}
}

// TestNoModeOfAnotherFileIsChanged: others could put links into a directory that was
// open to them; a daemon of root must not close /etc/passwd.
func TestNoModeOfAnotherFileIsChanged(t *testing.T) {
	m, _ := newManager(t)
	for name, link := range map[string]func(string, string) error{"soft": os.Symlink, "hard": os.Link} {
		openToAll(t, m, name)
		precious := filepath.Join(filepath.Dir(m.settings.ConfigDir), name)
		if err := os.Rename(m.store.file(name), precious); err != nil {
			t.Fatal(err)
		}
		if err := link(precious, m.store.file(name)); err != nil {
			t.Fatal(err)
		}
		m.Sync()
		if f := modeOf(t, precious); f != 0o666 {
			t.Errorf("%s link: mode %04o of what it leads to, want 0666 as it was", name, f)
		}
	}
}

func TestConfigurationDirectoryIsClosed(t *testing.T) {
	for was, want := range map[fs.FileMode]fs.FileMode{0o777: 0o700, 0o775: 0o700, 0o755: 0o755, 0o700: 0o700, 0o777 | fs.ModeSticky: 0o777} {
		s := Settings{ConfigDir: filepath.Join(t.TempDir(), strconv.Itoa(int(was)))}
		if err := os.Mkdir(s.ConfigDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(s.ConfigDir, was); err != nil {
			t.Fatal(err)
		}
		told := ""
		release, err := s.Claim(func(err error) { told += err.Error() })
		if err != nil {
			t.Fatal(err)
		}
		release()
		if closed := was != want && was.Perm() != want; closed != strings.Contains(told, fmt.Sprintf("%s had mode %04o", s.ConfigDir, was)) {
			t.Errorf("%v: told %q", was, told)
		}
		if got := modeOf(t, s.ConfigDir); got != want {
			t.Errorf("%v: mode %04o, want %04o", was, got, want)
		}
	}
}

// TestWhatNobodyCanReadIsNotOpen: a mode that even the daemon is refused by lets no other in.
func TestWhatNobodyCanReadIsNotOpen(t *testing.T) {
	dropOverride(t)
	m, _ := newManager(t)
	var log bytes.Buffer
	m.log = slog.New(slog.NewTextHandler(&log, nil))
	openToAll(t, m, "a")
	if err := os.Chmod(m.store.file("a"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Show("a"); err == nil || !strings.Contains(err.Error(), "the configuration of domain a cannot be read") {
		t.Errorf("%v", err)
	}
	if strings.Contains(log.String(), "others may get at the password") {
		t.Errorf("%s", log.String())
	}
}

// dropOverride has files refuse root, too, what their modes say, for the rest of the test: the
// thread goes with the test's goroutine.
func dropOverride(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&head, &caps[0]); err != nil {
		t.Fatal(err)
	}
	caps[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&head, &caps[0]); err != nil {
		t.Fatal(err)
	}
}
