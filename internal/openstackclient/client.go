package openstackclient

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
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

// Program is Debian's client, and python the interpreter its modules are installed for.
const (
	Program = "/usr/bin/openstack"
	python  = "/usr/bin/python3"
)

//go:embed runner.py
var runner string

// limit is how long one command may take.
const limit = 2 * time.Minute

// Client runs commands one after another; it may be used by several goroutines.
type Client struct {
	// Home is HOME of all commands: the client reads it when it is imported.
	Home string

	mu      sync.Mutex
	jobs    io.Writer
	answers *bufio.Reader
	died    func() string
}

// Start imports the client's modules; the process ends with the test. A machine
// without the packages fails the test.
func Start(t testing.TB) *Client {
	t.Helper()
	if _, err := os.Stat(Program); err != nil {
		t.Fatalf("this test needs the real client: apt-get install python3-openstackclient python3-ironicclient python3-heatclient: %v", err)
	}
	jobs, theirJobs := pipe(t)
	theirAnswers, answers := pipe(t)
	c := &Client{Home: t.TempDir(), jobs: theirJobs, answers: bufio.NewReader(theirAnswers)}
	file := filepath.Join(t.TempDir(), "runner.py")
	if err := os.WriteFile(file, []byte(runner), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, file)
	cmd.Env = c.environment(nil)
	cmd.ExtraFiles = []*os.File{jobs, answers}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	jobs.Close()
	answers.Close()
	ended := sync.OnceFunc(func() { _ = cmd.Wait() })
	c.died = func() string { ended(); return said.String() }
	t.Cleanup(func() { theirJobs.Close(); ended(); theirAnswers.Close() })
	return c
}

// NeedsIntrospection skips a test, and says why, where the client has no commands of introspection: Debian 12's
// package of them holds no program, and the mirror of this machine may not have Debian 11's.
func NeedsIntrospection(t testing.TB) {
	t.Helper()
	cmd := exec.Command(python, "-c", "import ironic_inspector_client")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("no client of introspection: scripts/inspector-client fetches it, and PYTHONPATH leads to it (scripts/client does both): %s", out)
	}
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// environment is that of all commands, with more. PYTHONPATH may lead to clients that
// Debian has no package of.
func (c *Client) environment(more []string) []string {
	env := []string{"PATH=/usr/bin:/bin", "HOME=" + c.Home, "LC_ALL=C.UTF-8"}
	if path := os.Getenv("PYTHONPATH"); path != "" {
		env = append(env, "PYTHONPATH="+path)
	}
	return append(env, more...)
}

// Run types `openstack args...` with the variables of env in an otherwise bare
// environment, and returns what was printed and the exit code; one that takes more
// than two minutes is killed and has a negative one.
func (c *Client) Run(t testing.TB, env []string, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	dir := t.TempDir()
	out, errs := filepath.Join(dir, "out"), filepath.Join(dir, "err")
	exit = c.run(t, job{Args: args, Dir: c.Home, Out: out, Err: errs}, env)
	return read(t, out), read(t, errs), exit
}

// Combined is Run with both outputs in one, in the order in which they were written.
func (c *Client) Combined(t testing.TB, env []string, args ...string) (output string, exit int) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	exit = c.run(t, job{Args: args, Dir: c.Home, Out: out, Err: out}, env)
	return read(t, out), exit
}

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// job is a line that runner.py reads.
type job struct {
	Args []string          `json:"args"`
	Env  map[string]string `json:"env"`
	Dir  string            `json:"dir"`
	Out  string            `json:"out"`
	Err  string            `json:"err"`
}

func (c *Client) run(t testing.TB, j job, env []string) int {
	t.Helper()
	if j.Args == nil {
		j.Args = []string{}
	}
	j.Env = map[string]string{}
	for _, v := range c.environment(env) {
		name, value, _ := strings.Cut(v, "=")
		if name == "HOME" && value != c.Home {
			t.Fatalf("HOME is %s for all commands of this client, not %s: it is read when modules are imported", c.Home, value)
		}
		j.Env[name] = value
	}
	line, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := fmt.Fprintf(c.jobs, "%s\n", line); err != nil {
		t.Fatalf("the client's process is gone: %v\n%s", err, c.died())
	}
	pid := c.number(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })()
	return c.number(t)
}

// number reads a line of the runner.
func (c *Client) number(t testing.TB) int {
	t.Helper()
	line, err := c.answers.ReadString('\n')
	if err != nil {
		t.Fatalf("the client's process ended: %v\n%s", err, c.died())
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the client's process said %q", line)
	}
	return n
}
