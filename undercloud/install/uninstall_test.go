package install

import (
	"os"
	"path/filepath"
	"testing"

	"trefoil/internal/errs"
)

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestUninstallRemovesOnlyAStateDirectory: the environment could name a home directory.
func TestUninstallRemovesOnlyAStateDirectory(t *testing.T) {
	o := options(t, good)
	touch(t, filepath.Join(o.Home, "thesis.txt"))
	o.StateDir = o.Home
	if err := Uninstall(t.Context(), o, false); !errs.Is(err, errs.Invalid) {
		t.Errorf("a home directory: %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.Home, "thesis.txt")); err != nil {
		t.Errorf("it was removed: %v", err)
	}
	o.StateDir = "//"
	if err := Uninstall(t.Context(), o, false); !errs.Is(err, errs.Invalid) {
		t.Errorf("the root directory: %v", err)
	}
}

func TestAStateDirectoryIsKnownByItsFiles(t *testing.T) {
	for _, mark := range []string{"undercloud.json", "network.json", "key"} {
		dir := filepath.Join(t.TempDir(), "state")
		touch(t, filepath.Join(dir, "images", "i"))
		if err := checkOurs(dir); !errs.Is(err, errs.Invalid) {
			t.Errorf("without %s: %v", mark, err)
		}
		touch(t, filepath.Join(dir, mark))
		if err := checkOurs(dir); err != nil {
			t.Errorf("with %s: %v", mark, err)
		}
		if err := removeState(dir); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(dir); !os.IsNotExist(err) {
			t.Errorf("left: %v", err)
		}
		if err := checkOurs(dir); err != nil {
			t.Errorf("once it is removed: %v", err)
		}
	}
}
