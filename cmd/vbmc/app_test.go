package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"trefoil/vbmc/manager"
)

// vbmc runs the program with a home of its own.
func vbmc(t *testing.T, home string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"vbmc"}, args...), homeEnv(home), &o, &e)
	return code, o.String(), e.String()
}

func homeEnv(home string) func(string) string {
	return func(k string) string { return map[string]string{"HOME": home}[k] }
}

// TestMain lets this test's program be the daemon that a command starts, and a console.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "daemon") || len(os.Args) > 1 && os.Args[1] == "sol" {
		main()
		return
	}
	os.Exit(m.Run())
}

// pidOf is the process of the daemon in the background.
func pidOf(t *testing.T, home string) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(read(t, filepath.Join(home, ".vbmc", "master.pid"))))
	if err != nil || pid == os.Getpid() {
		t.Fatal(pid, err)
	}
	return pid
}

// endDaemon ends the daemon in the background and waits for it.
func endDaemon(t *testing.T, home string) {
	t.Helper()
	if err := syscall.Kill(pidOf(t, home), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range 10 { // each waits two seconds
		release, err := manager.Settings{ConfigDir: filepath.Join(home, ".vbmc")}.Claim(func(error) {})
		if err == nil {
			release()
			return
		}
	}
	t.Fatal("the daemon does not end by SIGTERM")
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestVbmcdTwice: the second one says who is there, in the background too.
func TestVbmcdTwice(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home) // the daemon is a process of its own
	vbmcd := func() (int, string) {
		var errs bytes.Buffer
		code := run(t.Context(), []string{"/usr/bin/vbmcd"}, homeEnv(home), io.Discard, &errs)
		return code, errs.String()
	}
	if code, errs := vbmcd(); code != 0 {
		t.Fatalf("code %d, %s", code, errs)
	}
	pid := strings.TrimSpace(read(t, filepath.Join(home, ".vbmc", "master.pid")))
	if code, errs := vbmcd(); code != 1 || !strings.Contains(errs, "another vbmc daemon (process "+pid+") has") {
		t.Errorf("code %d, %s; want 1 and process %s", code, errs, pid)
	}
	endDaemon(t, home)
}

func TestWrongCommandLines(t *testing.T) {
	home := t.TempDir()
	for args, want := range map[string]string{
		"add":                 "the following arguments are required: domain_name",
		"start":               "the following arguments are required: domain_names",
		"add a --prot 1":      "vbmc: error: unrecognized arguments: --prot; did you mean \"--port\"?\n",
		"list --nosuch":       "vbmc: error: unrecognized arguments: --nosuch\n",
		"list -x":             "vbmc: error: unrecognized arguments: -x\n",
		"show a --nosuch=1":   "vbmc: error: unrecognized arguments: --nosuch\n",
		"--nosuch list":       "vbmc: error: unrecognized arguments: --nosuch\n",
		"edit a --port":       "vbmc: error: argument --port: expected one argument\n",
		"add a --port x":      "vbmc: error: argument --port: invalid int value: 'x' (expected a number or auto)\n",
		"edit a --port x":     "vbmc: error: argument --port: invalid int value: 'x' (expected a number or auto)\n",
		"add a --port -1":     "invalid int value: '-1'",
		"add a b":             "vbmc: error: unrecognized arguments: b\n",
		"edit a b c --port 1": "vbmc: error: unrecognized arguments: b c\n",
		"show a b":            "vbmc: error: unrecognized arguments: b\n",
		"show":                "vbmc: error: the following arguments are required: domain_name\n",
		"sol a b":             "vbmc: error: unrecognized arguments: b\n",
		"log a b":             "vbmc: error: unrecognized arguments: b\n",
		"list a":              "vbmc: error: unrecognized arguments: a\n",
		"complete a":          "vbmc: error: unrecognized arguments: a\n",
		"daemon a":            "vbmc: error: unrecognized arguments: a\n",
		"add --all a":         "--all takes no domain_name",
		"strat a":             "Did you mean: start?",
		"dameon":              "Did you mean: daemon?",
		"list3":               "Did you mean: list?",
		"dx":                  "Did you mean: delete?",
		"edit a --p 1":        "vbmc: error: ambiguous option: --p could match --password, --password-file, --port\n",
		"edit a --po x":       "vbmc: error: argument --port: invalid int value: 'x'",
	} {
		code, _, errs := vbmc(t, home, strings.Fields(args)...)
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("vbmc %s: code %d, %q, want 2 and %q", args, code, errs, want)
		}
	}
}

func TestNoDaemon(t *testing.T) {
	code, _, errs := vbmc(t, t.TempDir(), "list", "--no-daemon")
	if code != exitFailed || !strings.Contains(errs, "is not running") || !strings.Contains(errs, "vbmcd") {
		t.Errorf("code %d, %q", code, errs)
	}
}

// TestDaemon talks to a daemon in the foreground, as another process would.
func TestDaemon(t *testing.T) {
	home := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan int, 1)
	log := newHeard()
	go func() { done <- run(ctx, []string{"/usr/bin/vbmcd", "--foreground"}, homeEnv(home), log, log) }()
	socket := filepath.Join(home, ".vbmc", "vbmcd.sock")
	log.await(t, "vbmc daemon is ready")
	if code, out, errs := vbmc(t, home, "list", "--no-daemon"); code != 0 || out != "\n" {
		t.Errorf("empty list: code %d, %q, %q", code, out, errs)
	}
	if code, _, errs := vbmc(t, home, "--no-daemon", "start", "a"); code != 1 || !strings.Contains(errs, "(1): No domain with matching name a was found") {
		t.Errorf("start of an unknown one: code %d, %q", code, errs)
	}
	uri := "qemu+unix:///system?socket=" + filepath.Join(home, "none")
	if code, _, errs := vbmc(t, home, "add", "a", "--no-daemon", "--port", "7001", "--libvirt-uri", uri); code != 1 ||
		!strings.Contains(errs, `(1): Command failed: Fail to establish a connection with libvirt URI "`+uri+`"`) {
		t.Errorf("add without libvirt: code %d, %q", code, errs)
	}
	if code, _, errs := vbmc(t, home, "daemon", "--foreground"); code != 1 || !strings.Contains(errs, fmt.Sprintf("another vbmc daemon (process %d) has", os.Getpid())) {
		t.Errorf("second daemon: code %d, %q", code, errs)
	}
	stop()
	if code := <-done; code != 0 {
		text, _ := log.now()
		t.Errorf("daemon ended with %d: %s", code, text)
	}
	if _, err := net.Dial("unix", socket); err == nil {
		t.Error("the socket is still there")
	}
}
