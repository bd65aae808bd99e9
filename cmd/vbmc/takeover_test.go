package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trefoil/vbmc/control"
)

// serviceManager is a $NOTIFY_SOCKET and what a daemon that it starts finds set.
func serviceManager(t *testing.T, home string) (told *net.UnixConn, env func(string) string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "notify")
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { told.Close() })
	return told, func(key string) string {
		if key == "NOTIFY_SOCKET" {
			return socket
		}
		return homeEnv(home)(key)
	}
}

// TestTheServiceTakesOver: a command has started a daemon while the service was down. There
// is one daemon when the service is up, its own, and it has the BMC's port.
func TestTheServiceTakesOver(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home) // the daemon of the command is a process of its own
	port := configured(t, home)
	if code, _, errs := vbmc(t, home, "list"); code != 0 {
		t.Fatalf("list: %d %q", code, errs)
	}
	old, logFile := pidOf(t, home), filepath.Join(home, ".vbmc", "vbmcd.log")
	t.Cleanup(func() {
		if t.Failed() {
			_ = syscall.Kill(old, syscall.SIGKILL)
		}
	})
	awaitText(t, logFile, "Started vBMC instance for domain a") // it has the port
	told, env := serviceManager(t, home)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan int, 1)
	log := newHeard()
	go func() { done <- run(ctx, []string{"/usr/bin/vbmcd", "--foreground"}, env, log, log) }()
	log.await(t, fmt.Sprintf("the vbmc daemon that a command had started (process %d) made room for this one", old))
	_ = told.SetReadDeadline(time.Now().Add(awaitLimit))
	said := make([]byte, 100)
	if n, err := told.Read(said); err != nil || string(said[:n]) != "READY=1" {
		text, _ := log.now()
		t.Fatalf("%q %v: %s", said[:n], err, text)
	}
	r, err := control.Call(t.Context(), filepath.Join(home, ".vbmc", "vbmcd.sock"), control.Request{Command: "list"})
	if err != nil || r.PID != os.Getpid() || len(r.BMCs) != 1 || r.BMCs[0].Status != "running" || r.BMCs[0].Port != port {
		t.Errorf("list of process %d: %+v %v", os.Getpid(), r, err)
	}
	if pid := strings.TrimSpace(read(t, filepath.Join(home, ".vbmc", "master.pid"))); pid != fmt.Sprint(os.Getpid()) {
		t.Errorf("the pid file has %s", pid)
	}
	stop()
	if code := <-done; code != 0 {
		text, _ := log.now()
		t.Errorf("the service ended with %d: %s", code, text)
	}
	if text := read(t, logFile); !strings.Contains(text, "makes room") {
		t.Errorf("the log of the command's daemon does not say why it ended:\n%s", text)
	}
}

// TestTheServiceEndsNobodyElse: a daemon that somebody started by hand, or another service,
// stays, and the refusal says which it is and what to do.
func TestTheServiceEndsNobodyElse(t *testing.T) {
	home := t.TempDir()
	serving(t, home)
	_, env := serviceManager(t, home)
	log := newHeard()
	code := run(t.Context(), []string{"/usr/bin/vbmcd", "--foreground"}, env, log, log)
	want := fmt.Sprintf("another vbmc daemon (process %d) has configuration directory %s/.vbmc\nhint: stop it first (kill %d)", os.Getpid(), home, os.Getpid())
	if text, _ := log.now(); code != 1 || !strings.Contains(text, want) {
		t.Errorf("code %d, %q; want 1 and %q", code, text, want)
	}
	if code, out, errs := vbmc(t, home, "list", "--no-daemon", "-f", "value"); code != 0 || !strings.Contains(out, "a running") {
		t.Errorf("the first one: %d %q %q", code, out, errs)
	}
}

// TestAServiceThatCannotServeEndsNobody: one that cannot write its pid file, or its log, would end
// the daemon of a command each time it is started again, for nothing.
func TestAServiceThatCannotServeEndsNobody(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	configured(t, home)
	if code, _, errs := vbmc(t, home, "list"); code != 0 {
		t.Fatalf("list: %d %q", code, errs)
	}
	defer endDaemon(t, home)
	old := pidOf(t, home)
	_, env := serviceManager(t, home)
	conf := filepath.Join(t.TempDir(), "vbmc.conf")
	for text, want := range map[string]string{
		"[default]\npid_file = " + home + "/nowhere/vbmcd.pid\n": "pid_file: " + home + "/nowhere cannot be written to",
		"[log]\nlogfile = " + home + "/.vbmc\n":                  home + "/.vbmc",
	} {
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		settings := func(key string) string {
			if key == "VIRTUALBMC_CONFIG" {
				return conf
			}
			return env(key)
		}
		log := newHeard()
		code := run(t.Context(), []string{"/usr/bin/vbmcd", "--foreground"}, settings, log, log)
		if text, _ := log.now(); code != 1 || !strings.Contains(text, want) {
			t.Errorf("code %d, %q; want 1 and %q", code, text, want)
		}
		if now := pidOf(t, home); now != old || syscall.Kill(old, 0) != nil {
			t.Errorf("the daemon of the command was %d, and now there is %d", old, now)
		}
	}
}

// TestACommandsDaemonIsNotItsCallersService: a service that calls vbmc is not told that it
// were ready itself.
func TestACommandsDaemonIsNotItsCallersService(t *testing.T) {
	home := t.TempDir()
	told, env := serviceManager(t, home)
	t.Setenv("HOME", home)
	t.Setenv("NOTIFY_SOCKET", env("NOTIFY_SOCKET"))
	if code, _, errs := vbmc(t, home, "list"); code != 0 {
		t.Fatalf("list: %d %q", code, errs)
	}
	endDaemon(t, home) // what it had to tell it has told
	_ = told.SetReadDeadline(time.Now())
	said := make([]byte, 100)
	if n, err := told.Read(said); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the caller's service manager was told %q, %v", said[:n], err)
	}
}
