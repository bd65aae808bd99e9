package manager

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

func TestASecondDaemonIsRefusedAndNamed(t *testing.T) {
	s := Settings{ConfigDir: filepath.Join(t.TempDir(), "vbmc")}
	release, err := s.Claim(func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("another vbmc daemon (process %d) has configuration directory %s", os.Getpid(), s.ConfigDir)
	if _, err := s.Claim(func(error) {}); !errs.Is(err, errs.Conflict) || err.Error() != want || !strings.Contains(errs.HintOf(err), "config_dir") {
		t.Errorf("%v, hint %q; want %q", err, errs.HintOf(err), want)
	}
	release()
	again, err := s.Claim(func(error) {})
	if err != nil {
		t.Fatalf("after the first ended: %v", err)
	}
	again()
}

// TestAKilledDaemonLeavesNothingInTheWay: this test's program claims the directory,
// says so and is killed.
func TestAKilledDaemonLeavesNothingInTheWay(t *testing.T) {
	if dir := os.Getenv("VBMC_TEST_CLAIM"); dir != "" {
		if _, err := (Settings{ConfigDir: dir}).Claim(func(error) {}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("claimed")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		return
	}
	s := Settings{ConfigDir: t.TempDir()}
	cmd := exec.Command(os.Args[0], "-test.run=^TestAKilledDaemonLeavesNothingInTheWay$")
	cmd.Env = append(os.Environ(), "VBMC_TEST_CLAIM="+s.ConfigDir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("claimed"))
	if _, err := io.ReadFull(out, said); err != nil || string(said) != "claimed" {
		t.Fatalf("%q %v", said, err)
	}
	if _, err := s.Claim(func(error) {}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("(process %d)", cmd.Process.Pid)) {
		t.Errorf("while it lives: %v", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	release, err := s.Claim(func(error) {})
	if err != nil {
		t.Fatalf("after it was killed: %v", err)
	}
	release()
}

// TestWhatAKilledDaemonHadNotWrittenIsRemoved: ours by its name, and nothing else, nor behind a
// link, nor while another has the directory.
func TestWhatAKilledDaemonHadNotWrittenIsRemoved(t *testing.T) {
	s, away := Settings{ConfigDir: t.TempDir()}, t.TempDir()
	gone := []string{".new-1", "a/.new-12345", "a/.state-6", "a/bmc/.new-7"}
	stay := []string{"a/config", "a/.new-", "a/.new-mine", "a/new-1", "a/bmc/users.json"}
	for _, f := range append(gone, stay...) {
		path := filepath.Join(s.ConfigDir, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	linked := filepath.Join(away, ".new-1")
	if err := errors.Join(os.WriteFile(linked, nil, 0o600), os.Symlink(away, filepath.Join(s.ConfigDir, "link"))); err != nil {
		t.Fatal(err)
	}
	release, err := s.Claim(func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	is := func(f string) bool { _, err := os.Lstat(f); return err == nil }
	for _, f := range gone {
		if is(filepath.Join(s.ConfigDir, f)) {
			t.Errorf("%s is still there", f)
		}
	}
	for _, f := range stay {
		if !is(filepath.Join(s.ConfigDir, f)) {
			t.Errorf("%s is gone", f)
		}
	}
	if !is(linked) {
		t.Error("a link was followed")
	}
	if pid, held := s.Holder(); !held || pid != os.Getpid() {
		t.Errorf("holder: %d, %v", pid, held)
	}
	late := filepath.Join(s.ConfigDir, "a/.new-8")
	if err := os.WriteFile(late, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(func(error) {}); !errs.Is(err, errs.Conflict) || !is(late) {
		t.Errorf("while another has it: %v", err)
	}
}

// A link that somebody put there while the directory was open to all is not followed.
func TestClaimFollowsNoLink(t *testing.T) {
	s := Settings{ConfigDir: t.TempDir()}
	target := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(target, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(s.ConfigDir, "vbmcd.lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(func(error) {}); err == nil {
		t.Error("a link was locked")
	}
	if mustRead(t, target) != "text" {
		t.Error("the link's target was written")
	}
}
