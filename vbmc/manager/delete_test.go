package manager

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/internal/errs"
)

// TestABootOrderThatCannotBeKept: the state is the only copy of it, and stays.
func TestABootOrderThatCannotBeKept(t *testing.T) {
	m, f := newManager(t)
	if _, err := m.Add(t.Context(), config("a", freePort(t))); err != nil {
		t.Fatal(err)
	}
	state := m.store.state("a")
	if err := os.WriteFile(state, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.full = errors.New("no space left")
	if _, err := m.Delete("a"); err == nil || !strings.Contains(err.Error(), "no space left") || !strings.Contains(errs.HintOf(err), state) {
		t.Errorf("%v, hint %q", err, errs.HintOf(err))
	}
	if mustRead(t, state) != "{}" || status(t, m, "a") != StatusDown {
		t.Error("something was removed")
	}
	f.full = nil
	if _, err := m.Delete("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(m.store.dir("a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}

// TestLeaveIntoAFullDisk is that of a real state, and of one that nobody can read.
func TestLeaveIntoAFullDisk(t *testing.T) {
	for text, kept := range map[string]bool{
		`{"of":{"uri":"test:///x","domain":"a"},"undo":[{"before":{},"wrote":{}}]}`: true,
		`{"of":{"uri":"test:///x","domain":"a"}}`:                                   false,
		`{"of":`: false,
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "left") // where a directory should be
		m := New(Settings{ConfigDir: filepath.Join(dir, "vbmc")}, &Libvirt{Log: slog.New(slog.DiscardHandler), Dir: file}, slog.New(slog.DiscardHandler))
		c := config("a", freePort(t))
		state := m.store.state("a")
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.MkdirAll(m.store.dir("a"), 0o700), m.store.save("a", c), os.WriteFile(state, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		_, err := m.Delete("a")
		if (err != nil) != kept {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := os.Lstat(state); (err == nil) != kept {
			t.Errorf("%s: the state: %v", text, err)
		}
	}
}

// TestADeleteOfManyWaitsOnce, and nobody waits for it meanwhile: Await holds no lock.
func TestADeleteOfManyWaitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := New(Settings{}, &fakes{}, slog.New(slog.NewTextHandler(&log, nil)))
		back := make(chan struct{})
		close(back)
		all := make([]Deleted, 50)
		for i := range all {
			all[i] = Deleted{name: "away"}
		}
		all[49] = Deleted{name: "back", order: back}
		began := time.Now()
		m.mu.Lock()
		m.Await(all)
		m.mu.Unlock()
		if d := time.Since(began); d != orderWait {
			t.Errorf("waited %v, want %v", d, orderWait)
		}
		if n := strings.Count(log.String(), "domain=away"); n != 49 || strings.Contains(log.String(), "domain=back") {
			t.Errorf("log: %s", log.String())
		}
	})
}
