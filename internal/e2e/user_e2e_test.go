//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// user is somebody at a terminal inside the lab's namespace.
type user struct {
	t    *testing.T
	root string // of the repository
	dir  string // everything the test keeps; removed when it passes
	env  []string
}

const labName = "e2e"

// part is what the user does next, as a test of its own.
type part struct {
	name   string
	do     func()
	needed bool // by all that follows
}

// does runs one part after another, until one fails that the others need.
func (u *user) does(parts ...part) {
	whole := u.t
	defer func() { u.t = whole }()
	for _, p := range parts {
		if !whole.Run(p.name, func(t *testing.T) { u.t = t; p.do() }) && p.needed {
			return
		}
	}
}

// inLab is a user with nothing yet, beside a lab of their own that goes when the test ends.
func inLab(t *testing.T, lab string) *user {
	t.Helper()
	u := newUser(t)
	u.start("openstack lab delete "+labName+" >/dev/null 2>&1; rm -rf "+u.dir+"/undercloud "+u.dir+"/home/*; true", true).wait(0)
	t.Cleanup(func() { u.cleanUp() })
	u.start(fmt.Sprintf("openstack lab create --file %s/internal/e2e/%s --output %s", u.root, lab, u.home("inspection.json")), true).wait(0)
	conf, err := os.ReadFile(filepath.Join(u.root, "examples", "undercloud.conf"))
	must(t, err)
	must(t, os.WriteFile(u.home("undercloud.conf"), conf, 0o644))
	must(t, os.Symlink(filepath.Join(filepath.Dir(u.dir), "images"), u.home("images")))
	return u
}

func newUser(t *testing.T) *user {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("machines, networks and images need root")
	}
	root, err := filepath.Abs("../..")
	must(t, err)
	base := os.Getenv("TREFOIL")
	if base == "" {
		base = "/var/lib/trefoil"
	}
	u := &user{t: t, root: root, dir: filepath.Join(base, "test", "whole")}
	home := filepath.Join(u.dir, "home")
	must(t, os.MkdirAll(home, 0o755))
	u.env = append(os.Environ(), "HOME="+home, "PATH="+filepath.Join(root, "bin")+":"+os.Getenv("PATH"),
		"UNDERCLOUD_STATE_DIR="+filepath.Join(u.dir, "undercloud"), "UNDERCLOUD_CONFIG_ROOT="+filepath.Join(u.dir, "root"))
	return u
}

func (u *user) home(name string) string { return filepath.Join(u.dir, "home", name) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// job is a command that runs.
type job struct {
	u     *user
	line  string
	cmd   *exec.Cmd
	out   lockedBuffer
	done  chan error
	began time.Time
}

// lockedBuffer can be read while a command writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start types a command inside the lab; outside says that it is for the host.
func (u *user) start(line string, outside bool) *job {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Hour)
	u.t.Cleanup(cancel)
	args := []string{"lab", "exec", labName, "--", "bash", "-c", "cd; [ ! -f stackrc ] || source stackrc; " + line}
	name := filepath.Join(u.root, "bin", "openstack")
	if outside {
		name, args = "bash", []string{"-c", line}
	}
	j := &job{u: u, line: line, cmd: exec.CommandContext(ctx, name, args...), done: make(chan error, 1), began: time.Now()}
	j.cmd.Env, j.cmd.Dir = u.env, u.dir
	w := io.MultiWriter(&j.out, prefixed{line: strings.Fields(line)[min(1, len(strings.Fields(line))-1)]})
	j.cmd.Stdout, j.cmd.Stderr = w, w
	j.cmd.Cancel = func() error { return j.cmd.Process.Signal(syscall.SIGTERM) }
	j.cmd.WaitDelay = 10 * time.Second
	must(u.t, j.cmd.Start())
	go func() { j.done <- j.cmd.Wait() }()
	return j
}

// prefixed shows a command's output as it comes: a CI that hangs says where.
type prefixed struct{ line string }

func (p prefixed) Write(b []byte) (int, error) {
	for l := range strings.Lines(string(b)) {
		fmt.Fprintf(os.Stderr, "    %s | %s\n", time.Now().Format("15:04:05"), strings.TrimRight(l, "\n"))
	}
	return len(b), nil
}

// wait returns the output of a command that must end with the given exit code.
func (j *job) wait(code int) string {
	j.u.t.Helper()
	err := <-j.done
	got := j.cmd.ProcessState.ExitCode()
	out := j.out.String()
	if got != code {
		j.u.t.Fatalf("%s\nended with %d (%v), want %d:\n%s\n%s", j.line, got, err, code, out, j.u.diagnosis())
	}
	j.u.t.Logf("%4.0f s  %s", time.Since(j.began).Seconds(), j.line)
	return out
}

// says waits until a command that runs has printed a text.
func (j *job) says(text string, limit time.Duration) {
	j.u.t.Helper()
	for deadline := time.Now().Add(limit); !strings.Contains(j.out.String(), text); time.Sleep(time.Second) {
		if len(j.done) > 0 || time.Now().After(deadline) {
			j.u.t.Fatalf("%s\ndid not say %q:\n%s\n%s", j.line, text, j.out.String(), j.u.diagnosis())
		}
	}
}

// ok types a command that must succeed.
func (u *user) ok(line string) string { u.t.Helper(); return u.start(line, false).wait(0) }

// ssh logs in as the article does; the host key must be known already.
func (u *user) ssh(server, command string) string {
	u.t.Helper()
	return u.ok(u.sshLine(server, command))
}

func (u *user) sshLine(server, command string) string {
	// ssh takes files from the passwd file's home, whatever HOME says.
	return "ssh -o ConnectTimeout=20 -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=$HOME/.ssh/known_hosts -i $HOME/.ssh/id_rsa heat-admin@$(openstack server list -f value -c Name -c Networks | sed -n 's/^" + server + " ctlplane=//p') '" + command + "'"
}

// fails types a command that must end with 1.
func (u *user) fails(line string) string { u.t.Helper(); return u.start(line, false).wait(1) }

// until polls a quiet command until f likes its output.
func (u *user) until(what, line string, limit time.Duration, f func(string) bool) {
	u.t.Helper()
	u.look(nil, what, line, limit, f)
}

// meanwhile is until for what happens before the job has ended.
func (j *job) meanwhile(what, line string, limit time.Duration, f func(string) bool) {
	j.u.t.Helper()
	j.u.look(j, what, line, limit, f)
}

func (u *user) look(while *job, what, line string, limit time.Duration, f func(string) bool) {
	u.t.Helper()
	deadline := time.Now().Add(limit)
	var last string
	for time.Now().Before(deadline) {
		over := while != nil && len(while.done) > 0
		cmd := exec.Command(filepath.Join(u.root, "bin", "openstack"), "lab", "exec", labName, "--", "bash", "-c", "cd; [ ! -f stackrc ] || source stackrc; "+line)
		cmd.Env, cmd.Dir = u.env, u.dir
		out, err := cmd.CombinedOutput()
		if last = string(out); err == nil && f(last) {
			return
		}
		if over {
			u.t.Fatalf("%s\nended without %s; last seen:\n%s\n%s", while.line, what, last, u.diagnosis())
		}
		time.Sleep(time.Second) // between two looks; the deadline decides
	}
	u.t.Fatalf("waited %s for %s; last seen:\n%s\n%s", limit, what, last, u.diagnosis())
}

// kill ends the undercloud as a crash would, and starts it again.
func (u *user) kill() {
	u.t.Helper()
	st := u.ok("undercloud status")
	f := strings.Fields(st)
	var pid int
	for i, w := range f {
		if w == "process" && i+1 < len(f) {
			pid, _ = strconv.Atoi(f[i+1])
		}
	}
	if pid <= 1 {
		u.t.Fatalf("no process in %q", st)
	}
	must(u.t, syscall.Kill(pid, syscall.SIGKILL))
	u.t.Logf("kill -9 %d (undercloud)", pid)
	u.ok("undercloud start")
}

// diagnosis is what one wants to see when something failed.
func (u *user) diagnosis() string {
	var b strings.Builder
	log, err := os.ReadFile(filepath.Join(u.dir, "undercloud", "undercloud.log"))
	if err == nil {
		lines := strings.Split(string(log), "\n")
		var kept []string
		for _, l := range lines {
			if !strings.Contains(l, `"msg":"request"`) {
				kept = append(kept, l)
			}
		}
		fmt.Fprintf(&b, "--- undercloud.log\n%s\n", strings.Join(kept[max(0, len(kept)-60):], "\n"))
	}
	return b.String()
}

func wants(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("%q is missing in:\n%s", w, out)
		}
	}
}

func (u *user) cleanUp() {
	if os.Getenv("TREFOIL_KEEP") != "" {
		u.t.Logf("kept for you to look at: lab %s, %s", labName, u.dir)
		return
	}
	for _, line := range []string{"openstack lab exec " + labName + " -- openstack undercloud uninstall --purge", "openstack lab delete " + labName} {
		cmd := exec.Command("bash", "-c", line)
		cmd.Env, cmd.Dir = u.env, u.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			u.t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if out, _ := exec.Command("ip", "netns", "list").Output(); strings.Contains(string(out), "trefoil-e2e") {
		u.t.Errorf("the namespace outlived its lab:\n%s", out)
	}
	if !u.t.Failed() {
		_ = os.RemoveAll(u.dir)
	}
}
