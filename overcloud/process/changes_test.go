package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
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
