//go:build e2e

package plan_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trefoil/overcloud/plan"
)

// The machines of the test; they see nothing of the host's networks.
const (
	clientAddress  = "192.168.24.250"
	virtualAddress = "192.168.24.9"
)

// patience is for a machine that has other things to do.
var patience = flag.Duration("patience", 5*time.Minute, "how long a program of the e2e test may take to do what is waited for")

// ensemble are three controllers and what is in front of them.
type ensemble struct {
	t    *testing.T
	hub  string
	all  []*controller
	tool string // os-apply-config
}

// TestThreeControllers: the files that a plan gives to three controllers make one
// database, one message bus and one address of them, with the real programs, and what
// is killed comes back with all it had.
func TestThreeControllers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test makes namespaces: run it as root")
	}
	for _, name := range []string{"mariadbd", "haproxy", "keepalived", "rabbitmq-server", "rsync", "mysql", "curl"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is not there: apt-get install haproxy keepalived mariadb-server galera-4 rabbitmq-server rsync curl", name)
		}
	}
	e := newEnsemble(t)
	for _, part := range []struct {
		name string
		test func(*testing.T)
	}{
		{"database", e.database}, {"virtual address", e.address}, {"a database server dies", e.failover}, {"two of three database servers die", e.survivor},
		{"a machine is cut off", e.cutOff}, {"a database server leaves its cluster", e.left}, {"all database servers die", e.allKilled}, {"all database servers are stopped", e.allStopped},
		{"data are half copied", e.torn},
		{"message bus", e.bus}, {"all of the message bus dies", e.busKilled}, {"all of the message bus is stopped", e.busStopped}, {"a member of the message bus is another one", e.busReplaced},
	} {
		if !t.Run(part.name, part.test) {
			return // what follows stands on it
		}
	}
}

func newEnsemble(t *testing.T) *ensemble {
	t.Helper()
	o := article(t)
	o.Counts["Controller"] = 3
	o.Parameters["NtpServer"] = []any{"ntp.example.com"}
	o.Parameters["ControlFixedIPs"] = []any{map[string]any{"ip_address": virtualAddress}}
	o.Parameters["InnodbBufferPoolSize"] = "32M"
	o.Parameters["MysqlPerformanceSchema"] = false
	o.Parameters["HAProxyMaxConnections"] = 1000 // as many as a container may open files for
	o.Passwords["RabbitPassword"], o.Passwords["RabbitCookie"] = "e2e", "e2e-cookie"
	o.Passwords["HAProxyStatsPassword"], o.Passwords["KeepalivedPassword"] = "e2e", "e2e"
	p := build(t, o)
	nodes := append([]plan.Node(nil), machines...)
	var controllers []plan.Node
	for i := range 3 {
		controllers = append(controllers, plan.Node{Name: fmt.Sprintf("overcloud-controller-%d", i), Role: "Controller", Index: i, Address: fmt.Sprintf("192.168.24.%d", 11+i)})
	}
	for _, n := range nodes {
		if n.Role != "Controller" {
			controllers = append(controllers, n)
		}
	}
	cfg, err := p.Configure(controllers)
	if err != nil {
		t.Fatal(err)
	}
	e := &ensemble{t: t, tool: tool(t)}
	hub, names := wire(t, controllers[:3], clientAddress)
	e.hub = hub
	for i, ns := range names {
		e.all = append(e.all, newController(t, controllers[i], ns, cfg[controllers[i].Name]))
	}
	return e
}

// tool is this tree's os-apply-config: the one in TREFOIL_BIN, or a fresh one.
func tool(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("TREFOIL_BIN"); dir != "" {
		return filepath.Join(dir, "os-apply-config")
	}
	// The servers' own users run it: a directory of tests is closed to them.
	dir, err := os.MkdirTemp("", "trefoil-ha-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "os-apply-config")
	cmd := exec.Command("go", "build", "-o", path, "trefoil/cmd/os-apply-config")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build os-apply-config: %v\n%s", err, out)
	}
	return path
}

func (e *ensemble) logs(names ...string) func() string {
	return func() string {
		var b strings.Builder
		for _, c := range e.all {
			for _, n := range names {
				fmt.Fprintf(&b, "--- %s: %s\n%s\n", c.node.Name, n, c.log(n))
			}
		}
		return b.String()
	}
}

// curl asks from the client's side.
func (e *ensemble) curl(url string) (string, error) {
	out, err := exec.Command("ip", "netns", "exec", e.hub, "curl", "-sS", "--fail", "--max-time", "5", url).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// side runs f for all machines at once.
func (e *ensemble) side(f func(*controller)) {
	var wg sync.WaitGroup
	for _, c := range e.all {
		wg.Go(func() { f(c) })
	}
	wg.Wait()
}

// holder is the machine that has the virtual address; it is an error if not exactly one has.
func (e *ensemble) holder() (*controller, error) {
	var has []*controller
	for _, c := range e.all {
		out, err := exec.Command("ip", "-n", c.ns, "-o", "address", "show", "to", virtualAddress).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		if len(out) > 0 {
			has = append(has, c)
		}
	}
	if len(has) != 1 {
		return nil, fmt.Errorf("%d machines have the virtual address", len(has))
	}
	return has[0], nil
}

// who is the machine whose Keystone answers at the virtual address.
func (e *ensemble) who() (string, error) { return e.curl("http://" + virtualAddress + ":5000/v3/") }

// keystone plays Keystone: it answers with its machine's name.
const keystone = `import http.server,sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(sys.argv[2].encode())
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer((sys.argv[1], 5000), H).serve_forever()`

func (e *ensemble) address(t *testing.T) {
	for _, c := range e.all {
		if out, err := c.run("root", "haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"); err != nil || strings.Contains(out, "WARNING") {
			t.Errorf("haproxy -c on %s: %v\n%s", c.node.Name, err, out)
		}
		for _, x := range [][]string{{"sh", "-c", `set -- $(ip -o -4 address show to ` + c.node.Address + `) && echo "\$CONTROL_INTERFACE=$2" > /etc/keepalived/interface.conf`},
			{"keepalived", "-t", "-f", "/etc/keepalived/keepalived.conf"}} {
			if out, err := c.run("root", x...); err != nil {
				t.Errorf("%s on %s: %v\n%s", x[0], c.node.Name, err, out)
			}
		}
		c.start("keystone", "root", "/usr/bin/python3", "-c", keystone, c.node.Address, c.node.Name)
		c.start("haproxy", "root", "haproxy", "-W", "-f", "/etc/haproxy/haproxy.cfg", "-p", "/run/haproxy.pid")
		c.start("keepalived", "root", "keepalived", "-n", "-l", "-f", "/etc/keepalived/keepalived.conf", "-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid")
	}
	logs := e.logs("keepalived", "haproxy")
	within(t, *patience, "one machine has the virtual address", func() error { _, err := e.holder(); return err }, logs)
	within(t, *patience, "Keystone answers there", func() error { _, err := e.who(); return err }, logs)
	for what, stop := range map[string]func(*controller){
		"the address moves when keepalived is killed": func(c *controller) { c.kill("keepalived", syscall.SIGKILL); e.drop(c) },
		"the address moves when haproxy is killed":    func(c *controller) { c.kill("haproxy", syscall.SIGKILL); c.unbind() },
	} {
		first, err := e.holder()
		if err != nil {
			t.Fatal(err)
		}
		stop(first)
		within(t, *patience, what, func() error {
			now, err := e.holder()
			if err == nil && now == first {
				err = errors.New("it is where it was")
			}
			if err == nil {
				_, err = e.who()
			}
			return err
		}, logs)
		first.start("haproxy", "root", "haproxy", "-W", "-f", "/etc/haproxy/haproxy.cfg", "-p", "/run/haproxy.pid")
		first.start("keepalived", "root", "keepalived", "-n", "-l", "-f", "/etc/keepalived/keepalived.conf", "-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid")
	}
}

// unbind does for a machine whose HAProxy has ended what its systemd does there.
func (c *controller) unbind() {
	c.t.Helper()
	if f := c.files["/etc/systemd/system/keepalived.service.d/overcloud.conf"]; f == nil || !strings.Contains(f.Content, "\nBindsTo=haproxy.service\n") {
		c.t.Fatal("keepalived outlives its HAProxy: the address stays where nobody answers")
	}
	c.kill("keepalived", syscall.SIGTERM)
}

// drop takes the address from a machine whose keepalived was killed, as its death does.
func (e *ensemble) drop(c *controller) {
	_ = exec.Command("ip", "-n", c.ns, "address", "delete", virtualAddress+"/32", "dev", "eth0").Run()
}
