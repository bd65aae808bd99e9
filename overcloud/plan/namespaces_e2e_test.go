//go:build e2e

package plan_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
)

// controller is one machine played by namespaces of its own: of the network, of mounts
// and of its name. Its programs are the real ones, their files those of the plan.
type controller struct {
	t     *testing.T
	node  plan.Node
	ns    string
	dir   string
	files map[string]*resource.File

	holder int // process behind whose death the namespaces end

	mu       sync.Mutex
	programs map[string]*program
}

// program is one that was started and not yet ended.
type program struct {
	cmd  *exec.Cmd
	out  *os.File
	done chan struct{}
}

// own are the directories that a controller has for itself; those with content begin
// as copies of the host's.
var own = []string{"/etc/mysql", "/etc/haproxy", "/etc/keepalived", "/etc/rabbitmq", "/run", "/var/lib/mysql", "/var/lib/rabbitmq", "/var/log/rabbitmq"}

// sh runs a program to its end, and the test ends with it if it fails.
func sh(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// prefix of the namespaces' names; the number of the test's process follows.
const prefix = "trefoil-ha-"

// sweep removes the namespaces of tests that were killed.
func sweep() {
	entries, _ := os.ReadDir("/run/netns")
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), prefix)
		pid, _, _ := strings.Cut(rest, "-")
		if _, err := os.Stat("/proc/" + pid); ours && err != nil {
			_ = exec.Command("ip", "netns", "delete", e.Name()).Run()
		}
	}
}

// wire makes a namespace with a bridge, one for each machine, and the cables between
// them. Nothing of it is in the host's own.
func wire(t *testing.T, nodes []plan.Node, client string) (hub string, names []string) {
	t.Helper()
	sweep()
	hub = fmt.Sprintf("%s%d", prefix, os.Getpid())
	all := []string{hub}
	for i := range nodes {
		all = append(all, fmt.Sprintf("%s-%d", hub, i))
	}
	t.Cleanup(func() {
		for _, ns := range all {
			_ = exec.Command("ip", "netns", "delete", ns).Run()
		}
	})
	for _, ns := range all {
		sh(t, "ip", "netns", "add", ns)
		sh(t, "ip", "-n", ns, "link", "set", "lo", "up")
	}
	sh(t, "ip", "-n", hub, "link", "add", "br0", "type", "bridge")
	sh(t, "ip", "-n", hub, "address", "add", client+"/24", "dev", "br0")
	sh(t, "ip", "-n", hub, "link", "set", "br0", "up")
	for i, n := range nodes {
		ns, port := all[i+1], fmt.Sprintf("p%d", i)
		sh(t, "ip", "link", "add", port, "netns", hub, "type", "veth", "peer", "name", "eth0", "netns", ns)
		sh(t, "ip", "-n", hub, "link", "set", port, "master", "br0", "up")
		sh(t, "ip", "-n", ns, "address", "add", n.Address+"/24", "dev", "eth0")
		sh(t, "ip", "-n", ns, "link", "set", "eth0", "up")
		sh(t, "ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=1")
	}
	return hub, all[1:]
}

// newController gives a machine its directories and writes the files of its documents
// into them, whatever step they are of.
func newController(t *testing.T, n plan.Node, ns string, docs []resource.Document) *controller {
	t.Helper()
	c := &controller{t: t, node: n, ns: ns, dir: filepath.Join(t.TempDir(), n.Name), files: map[string]*resource.File{}, programs: map[string]*program{}}
	for _, d := range own {
		if err := os.MkdirAll(c.dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(d, "/etc") {
			sh(t, "cp", "-a", d+"/.", c.dir+d)
		}
	}
	c.give("mysql", "/var/lib/mysql", "/run/mysqld")
	c.give("rabbitmq", "/var/lib/rabbitmq", "/var/log/rabbitmq", "/run/rabbitmq")
	c.give("root", "/run/haproxy")
	for _, d := range docs {
		for _, r := range d.Resources {
			if r.File == nil {
				continue
			}
			c.files[r.File.Path] = r.File
			if slices.ContainsFunc(own, func(dir string) bool { return strings.HasPrefix(r.File.Path, dir+"/") }) || r.File.Path == "/etc/hosts" || r.File.Path == rabbitMember {
				c.write(r.File)
			}
		}
	}
	c.enter()
	t.Cleanup(func() {
		for name := range c.programs {
			c.kill(name, syscall.SIGKILL)
		}
	})
	return c
}

// give makes directories that belong to a user.
func (c *controller) give(name string, dirs ...string) {
	c.t.Helper()
	for _, d := range dirs {
		if err := os.MkdirAll(c.dir+d, 0o755); err != nil {
			c.t.Fatal(err)
		}
		c.chown(c.dir+d, name, name)
	}
}

func (c *controller) chown(path, owner, group string) {
	c.t.Helper()
	u, err := user.Lookup(owner)
	if err != nil {
		c.t.Fatalf("%v: is the package installed?", err)
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		c.t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(g.Gid)
	if err := os.Chown(path, uid, gid); err != nil {
		c.t.Fatal(err)
	}
}

func (c *controller) write(f *resource.File) {
	c.t.Helper()
	mode, err := strconv.ParseUint(f.Mode, 8, 32)
	if err != nil {
		mode = 0o644
	}
	if err := os.MkdirAll(filepath.Dir(c.dir+f.Path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.dir+f.Path, []byte(f.Content), os.FileMode(mode)); err != nil {
		c.t.Fatal(err)
	}
	if f.Owner != "" {
		c.chown(c.dir+f.Path, f.Owner, f.Group)
	}
}

// enter makes the machine's namespaces. Its programs are in one of processes, which ends
// with the one that sleeps, and that one with the test, however it ends.
func (c *controller) enter() {
	c.t.Helper()
	var script strings.Builder
	for _, d := range own {
		fmt.Fprintf(&script, "mount --bind %s%s %s && ", c.dir, d, d)
	}
	fmt.Fprintf(&script, "mount -t proc proc /proc && mount --bind %s/etc/hosts /etc/hosts && hostname %s && echo ready && while sleep 3600 & wait $!; do :; done", c.dir, c.node.Name)
	cmd := exec.Command("ip", "netns", "exec", c.ns, "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "sh", "-c", script.String())
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		c.t.Fatalf("%s: its namespaces are not there: %q %v", c.node.Name, line, err)
	}
	c.holder = cmd.Process.Pid
}

// command is a program on the machine, as a user of it.
func (c *controller) command(ctx context.Context, as string, args ...string) *exec.Cmd {
	all := []string{"--target", strconv.Itoa(c.holder), "--mount", "--uts", "--net", fmt.Sprintf("--pid=/proc/%d/ns/pid_for_children", c.holder)}
	if as != "root" {
		all = append(all, "setpriv", "--reuid", as, "--regid", as, "--init-groups", "--")
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(all, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/var/lib/" + as}
	cmd.Dir = "/"
	return cmd
}

// run runs a program to its end on the machine.
func (c *controller) run(as string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), *patience)
	defer cancel()
	out, err := c.command(ctx, as, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// start runs a program that stays, in a process group of its own.
func (c *controller) start(name, as string, args ...string) {
	c.t.Helper()
	out, err := os.OpenFile(filepath.Join(c.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := c.command(context.Background(), as, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	p := &program{cmd, out, make(chan struct{})}
	go func() { _ = cmd.Wait(); out.Close(); close(p.done) }()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.programs[name] = p
}

// kill sends a signal to a program and what it has begun, and returns when it has ended.
func (c *controller) kill(name string, signal syscall.Signal) {
	c.mu.Lock()
	p := c.programs[name]
	delete(c.programs, name)
	c.mu.Unlock()
	if p == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, signal)
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// log is the end of what a program has written.
func (c *controller) log(name string) string {
	data, _ := os.ReadFile(filepath.Join(c.dir, name+".log"))
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-100):], []byte("\n")))
}

// within looks until what is asked for is so, and says how long it took.
func within(t *testing.T, limit time.Duration, what string, is func() error, logs func() string) {
	t.Helper()
	began := time.Now()
	for {
		err := is()
		if err == nil {
			t.Logf("%s: %.1f s", what, time.Since(began).Seconds())
			return
		}
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %s: %v\n%s", what, limit, err, logs())
		}
		time.Sleep(200 * time.Millisecond)
	}
}
