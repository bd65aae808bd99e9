package manager

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhatIsStoredOutlivesAPowerCut: each directory is written to disk behind what
// changed in it.
func TestWhatIsStoredOutlivesAPowerCut(t *testing.T) {
	m, _ := newManager(t)
	var synced []string // with what the directory had in it
	m.store.disk.syncDir = func(dir string) error {
		entries, err := os.ReadDir(dir)
		rel, _ := filepath.Rel(m.settings.ConfigDir, dir)
		for _, e := range entries {
			rel += " " + e.Name()
		}
		synced = append(synced, rel)
		return err
	}
	if _, err := m.Add(t.Context(), config("a", freePort(t))); err != nil {
		t.Fatal(err)
	}
	if err := m.store.bmc("a").Save("sel", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Delete("a"); err != nil {
		t.Fatal(err)
	}
	want := []string{"a config", ". a", "a bmc config", "a/bmc sel.json", "."}
	if !slices.Equal(synced, want) {
		t.Errorf("synced %q, want %q", synced, want)
	}
	m.store.disk.syncDir = func(string) error { return errors.New("disk on fire") }
	if _, err := m.Add(t.Context(), config("a", freePort(t))); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("add: %v", err)
	}
}

// hide makes a domain's configuration unreachable by an error that is not absence, for
// root too: its directory becomes a link to itself. put puts it back.
func hide(t *testing.T, m *Manager, name string) (put func()) {
	t.Helper()
	dir := m.store.dir(name)
	away := filepath.Join(filepath.Dir(m.settings.ConfigDir), "away-"+name)
	if err := errors.Join(os.Rename(dir, away), os.Symlink(name, dir)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(os.Remove(dir), os.Rename(away, dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnUnreadableConfigurationIsNotAGoneOne: an error of disk or permissions stops and
// deletes nothing, and is told.
func TestAnUnreadableConfigurationIsNotAGoneOne(t *testing.T) {
	m, f := newManager(t)
	c := running(t, m, "a")
	s := login(t, c.Port, "admin", c.Password)
	put := hide(t, m, "a")
	m.Sync()
	all, err := m.List()
	if err != nil || len(all) != 1 || all[0].Status != StatusRunning || !strings.Contains(all[0].Reason, "too many levels") {
		t.Errorf("%+v %v, want running and the reason", all, err)
	}
	const want = "too many levels of symbolic links"
	for what, do := range map[string]func() error{
		"stop":   func() error { _, err := m.Stop("a"); return err },
		"edit":   func() error { _, _, err := m.Edit("a", nil); return err },
		"add":    func() error { _, err := m.Add(t.Context(), config("a", freePort(t))); return err },
		"remove": func() error { return m.store.remove("a") },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	if _, err := m.Add(t.Context(), config("b", c.Port)); err == nil || !strings.Contains(err.Error(), "domain a") {
		t.Errorf("its port is free: %v", err)
	}
	put()
	m.Sync()
	if i, err := m.Show("a"); err != nil || i.Status != StatusRunning || i.Reason != "" {
		t.Errorf("after it is back: %+v %v", i, err)
	}
	if cc, _, err := s.Do(0, 1); cc != 0 || err != nil || f.opened != 1 { // Get Chassis Status
		t.Errorf("the session ended: %#x %v, machine opened %d times", cc, err, f.opened)
	}
}
