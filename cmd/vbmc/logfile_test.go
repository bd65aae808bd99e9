package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestLogFileThatIsMovedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write := func(line string) {
		t.Helper()
		if _, err := io.WriteString(l, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("two")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write("three")
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	write("four")
	if old, now := read(t, path+".1"), read(t, path); old != "one\n" || now != "three\nfour\n" {
		t.Errorf("%q and %q, want one, and three and four", old, now)
	}
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", i.Mode(), err)
	}
	// Where no new file can be made the old one has the lines, and the reason.
	if err := os.Rename(path, path+".2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	write("five")
	if old := read(t, path+".2"); !strings.Contains(old, "is a directory\nfive\n") {
		t.Errorf("%q", old)
	}
	if err := l.Reopen(); err == nil {
		t.Error("a directory was opened as a log")
	}
}

// TestSIGHUP: the daemon goes on, its log is a new file, and what was edited is read.
func TestSIGHUP(t *testing.T) {
	home := t.TempDir()
	conf := filepath.Join(home, ".vbmc", "virtualbmc.conf")
	path := filepath.Join(home, "vbmcd.log")
	wrongBMC := func(name string) {
		t.Helper()
		dir := filepath.Join(home, ".vbmc", name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config"), []byte("[VirtualBMC]\nport = 99999\nactive = True\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wrongBMC("early")
	if err := os.WriteFile(conf, []byte("[default]\nserver_spawn_wait = 3600000\n[log]\nlogfile = ~/vbmcd.log\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	if code := run(t.Context(), []string{"/usr/bin/vbmcd"}, homeEnv(home), io.Discard, os.Stderr); code != 0 {
		t.Fatalf("code %d", code)
	}
	defer endDaemon(t, home)
	awaitText(t, path, "/early/config:2: port = 99999") // the first look is over, the next is in an hour
	wrongBMC("late")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pidOf(t, home), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	awaitText(t, path, "/late/config:2: port = 99999")
	if strings.Contains(read(t, path), "/early/") {
		t.Errorf("the old lines are in the new file: %s", read(t, path))
	}
	if c, err := net.Dial("unix", filepath.Join(home, ".vbmc", "vbmcd.sock")); err != nil {
		t.Errorf("the daemon is gone: %v", err)
	} else {
		c.Close()
	}
}

// TestDaemonsLogWithoutLogfile: the file of a daemon in the background can be moved too.
func TestDaemonsLogWithoutLogfile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if code := run(context.Background(), []string{"/usr/bin/vbmcd"}, homeEnv(home), io.Discard, os.Stderr); code != 0 {
		t.Fatalf("code %d", code)
	}
	defer endDaemon(t, home)
	path := filepath.Join(home, ".vbmc", "vbmcd.log")
	awaitText(t, path, "vbmc daemon is ready")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pidOf(t, home), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	awaitText(t, path, "log file is opened anew")
}
