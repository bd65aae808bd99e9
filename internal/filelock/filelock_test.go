package filelock

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestTakeIsRefusedWhileAnotherHolds(t *testing.T) {
	dir := t.TempDir()
	holder := open(t, dir)
	if err := Take(holder); err != nil {
		t.Fatal(err)
	}
	second := open(t, dir)
	if err := Take(second); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("taken twice: %v", err)
	}
	holder.Close()
	if err := Take(second); err != nil {
		t.Errorf("after the holder closed: %v", err)
	}
}

// A process that a killed holder left between fork and exec is one that has the
// file open for a short while.
func TestTakeOutwaitsAChildOfADeadHolder(t *testing.T) {
	dir := t.TempDir()
	holder := open(t, dir)
	if err := Take(holder); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "0.3")
	child.ExtraFiles = []*os.File{holder}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Wait() })
	holder.Close()
	if err := Take(open(t, dir)); err != nil {
		t.Errorf("with a child that ends soon: %v", err)
	}
}
