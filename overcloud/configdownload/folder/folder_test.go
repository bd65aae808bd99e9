package folder_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/configdownload"
	"trefoil/overcloud/configdownload/folder"
)

func read(t *testing.T, parts ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func gone(t *testing.T, parts ...string) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(parts...)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is there: %v", parts, err)
	}
}

func write(t *testing.T, dir string, files configdownload.Files, keep bool) {
	t.Helper()
	if err := folder.Write(dir, files, keep); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	write(t, dir, configdownload.Files{"Role/x.yaml": []byte("secret"), "run.sh": []byte("#!/bin/sh\n")}, true)
	for name, want := range map[string]fs.FileMode{".": 0o700, "Role": 0o700, "Role/x.yaml": 0o600, "run.sh": 0o700, folder.Manifest: 0o600} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", name, st.Mode(), err, want)
		}
	}
}

func TestSecondTimeReplacesWhatIsOurs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config")
	write(t, dir, configdownload.Files{"a": []byte("1"), "old/b": []byte("1")}, true)
	if err := os.WriteFile(filepath.Join(dir, "old", "mine"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, dir, configdownload.Files{"a": []byte("2")}, true)
	if read(t, dir, "a") != "2" || read(t, dir, "old", "mine") != "mine" {
		t.Error("a is not new, or a file of the operator's is lost")
	}
	gone(t, dir, "old", "b")
	write(t, dir, configdownload.Files{"a": []byte("3")}, false)
	gone(t, dir, "old", "mine")
	left, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(left) != 1 {
		t.Errorf("left beside the directory: %v %v", left, err)
	}
}

func TestDirectoryOfOthersIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, keep := range []bool{true, false} {
		if err := folder.Write(dir, configdownload.Files{"a": nil}, keep); !errs.Is(err, errs.Conflict) {
			t.Errorf("keep %v: %v", keep, err)
		}
	}
	gone(t, dir, "a")
	if err := folder.Write(filepath.Join(dir, "new"), configdownload.Files{"../a": nil}, true); !errs.Is(err, errs.Invalid) {
		t.Errorf("a file outside: %v", err)
	}
	gone(t, dir, "new")
}

func TestEveryRunIsACommit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: there is no history to look at")
	}
	dir := filepath.Join(t.TempDir(), "config")
	for _, text := range []string{"1", "2", "2"} {
		write(t, dir, configdownload.Files{"a": []byte(text)}, true)
		if err := folder.Commit(context.Background(), dir, "run "+text); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("git", "-C", dir, "log", "--format=%s").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "run 2\nrun 1" {
		t.Errorf("history: %s %v", out, err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := folder.Commit(context.Background(), dir, "again"); !errors.Is(err, folder.ErrNoGit) {
		t.Errorf("without git: %v", err)
	}
}
