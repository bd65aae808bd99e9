package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inBackground starts a daemon of its own, and returns its process and its directory.
func inBackground(t *testing.T, home string) (pid int, dir string) {
	t.Helper()
	t.Setenv("HOME", home) // the daemon is a process of its own
	if code, _, errs := vbmc(t, home, "list"); code != 0 {
		t.Fatalf("code %d, %s", code, errs)
	}
	t.Cleanup(func() { endDaemon(t, home) })
	return pidOf(t, home), filepath.Join(home, ".vbmc")
}

// halt stops a process, and returns when none of its threads runs any more: the signal is only on its
// way when kill returns.
func halt(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		runs := slices.ContainsFunc(threads, func(path string) bool {
			stat, err := os.ReadFile(path)
			_, behind, _ := strings.Cut(string(stat), ") ") // the name may hold spaces
			return err == nil && !strings.HasPrefix(behind, "T")
		})
		if len(threads) > 0 && !runs {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d did not stop within a minute", pid)
		}
	}
}

// TestAStoppedDaemonIsTold: by server_response_timeout, and not after two minutes.
func TestAStoppedDaemonIsTold(t *testing.T) {
	home := t.TempDir()
	pid, dir := inBackground(t, home)
	if err := os.WriteFile(filepath.Join(dir, "virtualbmc.conf"), []byte("[default]\nserver_response_timeout = 100\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	halt(t, pid)
	code, _, errs := vbmc(t, home, "list")
	second, _, secondErrs := vbmc(t, home, "daemon")
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if code != exitFailed || !strings.Contains(errs, fmt.Sprintf("the vbmc daemon (process %d) did not take the command within 100ms\nhint: ", pid)) {
		t.Errorf("code %d, %s", code, errs)
	}
	if want := fmt.Sprintf("(process %d) has configuration directory %s\nhint: is it stopped or hung?", pid, dir); second != exitFailed || !strings.Contains(secondErrs, want) {
		t.Errorf("a second daemon: code %d, %s", second, secondErrs)
	}
}

// TestASocketThatWasRemoved: the daemon that lives is named, whether a command would start
// another or not.
func TestASocketThatWasRemoved(t *testing.T) {
	home := t.TempDir()
	pid, dir := inBackground(t, home)
	if err := os.Remove(filepath.Join(dir, "vbmcd.sock")); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("no daemon answers on %[1]s/vbmcd.sock: another vbmc daemon (process %[2]d) has configuration directory %[1]s", dir, pid)
	for _, args := range []string{"list", "--no-daemon list"} {
		code, _, errs := vbmc(t, home, strings.Fields(args)...)
		if code != exitFailed || !strings.Contains(errs, want) || !strings.Contains(errs, fmt.Sprintf("kill %d", pid)) {
			t.Errorf("%s: code %d, %s, want %s", args, code, errs, want)
		}
	}
}
