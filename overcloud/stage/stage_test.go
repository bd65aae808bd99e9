package stage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/stage"
)

func TestOnlyOneWorksInIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".work")
	d, err := stage.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stage.Open(path); !errs.Is(err, errs.Conflict) {
		t.Errorf("a second one: %v", err)
	}
	if err := os.WriteFile(filepath.Join(path, "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.Keep()
	if d, err = stage.Open(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(path, "left")); err != nil {
		t.Error("what was left is gone:", err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("not removed:", err)
	}
}

func TestExchange(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, d := range []string{a, b} {
		if err := os.MkdirAll(filepath.Join(d, "was-"+filepath.Base(d)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	err := stage.Exchange(a, b)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this file system cannot exchange directories")
	}
	if _, serr := os.Stat(filepath.Join(a, "was-b")); err != nil || serr != nil {
		t.Error(err, serr)
	}
	if err := stage.Exchange(a, filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Error("with nothing:", err)
	}
}
