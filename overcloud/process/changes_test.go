package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A move that fails in the middle (here: a file came into the way after the
// check) takes back what was moved before it.
func TestCommitTakesBack(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "old a")
	write(t, filepath.Join(dir, "gone"), "kept")
	write(t, filepath.Join(dir, "z"), "in the way")
	c := &changes{root: dir, files: []file{
		{name: "a", data: []byte("new a"), mode: 0o644}, {name: "gone", remove: true},
		{name: "new/b", data: []byte("b"), mode: 0o644}, {name: "z/c", data: []byte("c"), mode: 0o644},
	}}
	if err := c.commit(t.Context()); err == nil {
		t.Fatal("no error")
	}
	for name, want := range map[string]string{"a": "old a", "gone": "kept", "z": "in the way"} {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 3 {
		t.Errorf("left over: %v", left)
	}
}

func TestCancelledCommitWritesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, root := range []string{dir, filepath.Join(dir, "fresh")} {
		c := &changes{root: root, files: []file{{name: "a", mode: 0o644}}}
		if err := c.commit(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// twoFiles replaces a, removes gone and makes new/b in a tree that it makes.
func twoFiles(t *testing.T) *changes {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "old a")
	write(t, filepath.Join(dir, "gone"), "kept")
	return &changes{root: dir, files: []file{
		{name: "a", data: []byte("new a"), mode: 0o644}, {name: "gone", remove: true}, {name: "new/b", data: []byte("b"), mode: 0o644},
	}}
}

// asBefore checks twoFiles' tree.
func asBefore(t *testing.T, dir string) {
	t.Helper()
	for name, want := range map[string]string{"a": "old a", "gone": "kept"} {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left over: %v", left)
	}
}

// The next run takes back what one that was killed after any number of moves did.
func TestNextRunTakesBackWhatAKilledOneBegan(t *testing.T) {
	for moves := range 4 {
		c := twoFiles(t)
		if _, err := c.open(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.write(t.Context()), c.note()); err != nil {
			t.Fatal(err)
		}
		for _, f := range c.files[:moves] {
			if err := c.move(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := restore(c.root, false); err == nil {
			t.Error("a run that still goes on was taken back")
		}
		c.stage.Keep()
		if err := restore(c.root, true); err == nil {
			t.Error("a dry run reads a tree that is changed in part")
		}
		if err := restore(c.root, false); err != nil {
			t.Fatal(err)
		}
		asBefore(t, c.root)
	}
}

// Where taking back fails (the place of an original is a directory that is not
// empty), the originals stay in the stage, the error names it, and the next run
// goes on.
func TestOriginalsStayWhereTakingBackFails(t *testing.T) {
	c := twoFiles(t)
	if _, err := c.open(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.write(t.Context()), c.note(), c.move(c.files[0]), c.move(c.files[1])); err != nil {
		t.Fatal(err)
	}
	c.stage.Keep()
	way := filepath.Join(c.root, "gone")
	if err := os.MkdirAll(filepath.Join(way, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := restore(c.root, false)
	if err == nil || !strings.Contains(errs.HintOf(err), filepath.Join(c.root, stageName, "old")) {
		t.Fatalf("got %v, hint %q", err, errs.HintOf(err))
	}
	if err := os.RemoveAll(way); err != nil {
		t.Fatal(err)
	}
	if err := restore(c.root, false); err != nil {
		t.Fatal(err)
	}
	asBefore(t, c.root)
}

func TestFailedCommitAfterALeftOverStage(t *testing.T) {
	c := twoFiles(t)
	write(t, filepath.Join(c.root, "z"), "in the way")
	c.files = append(c.files, file{name: "z/c", mode: 0o644})
	if err := os.MkdirAll(filepath.Join(c.root, stageName), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := c.commit(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing was written") {
		t.Fatalf("got %v", err)
	}
	if err := os.Remove(filepath.Join(c.root, "z")); err != nil {
		t.Fatal(err)
	}
	asBefore(t, c.root)
}
