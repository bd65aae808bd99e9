package folder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/overcloud/configdownload"
	"trefoil/overcloud/stage"
)

// earlier makes a directory that Write made, with a history and a file of the operator's.
func earlier(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "config")
	if err := Write(dir, configdownload.Files{"a": []byte("1")}, true); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, ".git", "HEAD"), "history")
	put(t, filepath.Join(dir, "mine"), "mine")
	return dir
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// has checks files of dir, and that nothing stands beside it.
func has(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	for name, text := range want {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != text {
			t.Errorf("%s: %q %v, want %q", name, got, err, text)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("beside the directory: %v %v", left, err)
	}
}

// killed opens dir's place and lets go of it after step, as a kill would.
func killed(t *testing.T, dir string, exchange func(a, b string) error, step func(p *place) error) {
	t.Helper()
	p, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	p.exchange = exchange
	if err := step(p); err != nil {
		t.Fatal(err)
	}
	p.work.Keep()
}

func unsupported(string, string) error { return errors.ErrUnsupported }

func TestNextRunPutsRightWhatAKilledOneLeft(t *testing.T) {
	fillIt := func(p *place) error { return fill(p.fresh(), configdownload.Files{"a": []byte("2"), "b": nil}) }
	swapped := func(p *place) error { _, err := p.swap(); return err }
	both := func(p *place) error { return errors.Join(fillIt(p), swapped(p)) }
	for name, tt := range map[string]struct {
		exchange func(a, b string) error
		step     func(p *place) error
	}{
		"while it was written": {stage.Exchange, fillIt},
		"after the exchange":   {stage.Exchange, both},
		"after two renames":    {unsupported, both},
		"between two renames": {unsupported, func(p *place) error {
			return errors.Join(fillIt(p), os.Rename(p.dir, p.before()))
		}},
		"while the earlier one was deleted": {stage.Exchange, func(p *place) error {
			put(t, filepath.Join(p.work.Path, "gone", "a"), "1")
			return nil
		}},
		"with only a part carried": {stage.Exchange, func(p *place) error {
			return errors.Join(both(p), os.Rename(filepath.Join(p.fresh(), "mine"), filepath.Join(p.dir, "mine")))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := earlier(t)
			killed(t, dir, tt.exchange, tt.step)
			if err := Write(dir, configdownload.Files{"a": []byte("3")}, true); err != nil {
				t.Fatal(err)
			}
			has(t, dir, map[string]string{"a": "3", "mine": "mine", ".git/HEAD": "history"})
		})
	}
}

// What cannot be carried (a directory of the operator's is now a file of ours)
// leaves all as it was; where that fails too, the only copy is kept and named.
func TestFailureKeepsTheOnlyCopy(t *testing.T) {
	files := configdownload.Files{"a": []byte("2"), "sub": nil}
	for name, exchange := range map[string]func(a, b string) error{"exchange": stage.Exchange, "renames": unsupported} {
		t.Run(name, func(t *testing.T) {
			dir := earlier(t)
			put(t, filepath.Join(dir, "sub", "own"), "own")
			p, err := open(dir)
			if err != nil {
				t.Fatal(err)
			}
			p.exchange = exchange
			if err := p.write(files, true); err == nil {
				t.Fatal("no error")
			}
			if err := p.done(nil); err != nil {
				t.Fatal(err)
			}
			has(t, dir, map[string]string{"a": "1", "sub/own": "own", "mine": "mine", ".git/HEAD": "history"})
		})
	}
	dir := earlier(t)
	put(t, filepath.Join(dir, "sub", "own"), "own")
	p, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	p.exchange = func(a, b string) error {
		if calls++; calls > 1 {
			return errors.New("no way back")
		}
		return stage.Exchange(a, b)
	}
	err = p.write(files, true)
	var kept *keptError
	if !errors.As(err, &kept) || !strings.Contains(err.Error(), "no way back") {
		t.Fatalf("got %v", err)
	}
	_ = p.done(err)
	if err := Write(dir, configdownload.Files{"a": []byte("3")}, true); err != nil {
		t.Fatal(err)
	}
	has(t, dir, map[string]string{"a": "3", "sub/own": "own", "mine": "mine", ".git/HEAD": "history"})
}
