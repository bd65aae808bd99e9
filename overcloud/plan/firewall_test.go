package plan_test

import (
	"context"
	"io/fs"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/templates"
)

// walled is the article's deployment with more parameters.
func walled(t *testing.T, parameters string) plan.Options {
	t.Helper()
	o := article(t)
	o.Environments = append(o.Environments, plan.File{Name: "wall.yaml", Data: []byte("parameter_defaults:\n" + parameters)})
	return o
}

// ruleset is what the firewall's file of one of the article's machines holds; "" without one.
func ruleset(t *testing.T, o plan.Options, machine string) string {
	t.Helper()
	return rulesOf(t, build(t, o), machines, machine)
}

func rulesOf(t *testing.T, p *plan.Plan, nodes []plan.Node, machine string) string {
	t.Helper()
	cfg, err := p.Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cfg[machine][0].Resources {
		if r.File != nil && r.File.Path == "/etc/tripleo-firewall.nft" {
			return r.File.Content
		}
	}
	return ""
}

func TestFirewallOfARole(t *testing.T) {
	o := walled(t, "  ExtraFirewallRules:\n    301 my agent: {dport: 9100, proto: tcp, source: '%{node.address}/24'}\n")
	got := ruleset(t, o, "overcloud-controller-0")
	golden.Check(t, "firewall.txt", got)
	for _, machine := range machines {
		text := ruleset(t, o, machine.Name)
		if !strings.Contains(text, `tcp dport 22 accept comment "003 accept ssh"`) {
			t.Errorf("%s: SSH is locked out:\n%s", machine.Name, text)
		}
		nftTakes(t, text)
	}
}

// nftTakes asks nft whether it would load a text twice in a row, beside a table of
// another's: in a network namespace of its own, so that nothing of this machine changes.
func nftTakes(t *testing.T, text string) {
	t.Helper()
	nft, err := exec.LookPath("nft")
	if err != nil {
		return
	}
	cmd := exec.Command("unshare", "-rn", "sh", "-c", `cat >"$1" && "$2" add table ip neutron && "$2" -f "$1" && "$2" -f "$1" && "$2" list ruleset`, "sh", t.TempDir()+"/x.nft", nft)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil && (strings.Contains(string(out), "not permitted") || strings.Contains(string(out), "unshare")) {
		t.Skipf("no namespace can be made here: %s", out)
	}
	if err != nil || strings.Count(string(out), "chain input") != 1 || !strings.Contains(string(out), "table ip neutron") {
		t.Errorf("nft: %v\n%s\nof\n%s", err, out, text)
	}
}

func TestFirewallMayBeSwitchedOff(t *testing.T) {
	o := walled(t, "  ManageFirewall: false\n")
	if text := ruleset(t, o, "overcloud-controller-0"); text != "" {
		t.Errorf("got\n%s", text)
	}
	cfg, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cfg["overcloud-controller-0"][0].Resources {
		if r.Unit != nil && r.Unit.Name == "tripleo-firewall" && r.Unit.State == "stopped" {
			return
		}
	}
	t.Error("the unit is not stopped")
}

// TestFirewallOpensWhatIsListenedAt: each port at which a machine waits for a service of
// its own, and each of HAProxy, has a rule. A service that is new cannot forget its own.
func TestFirewallOpensWhatIsListenedAt(t *testing.T) {
	for _, n := range []int{1, 3} {
		o, nodes := controllers(t, n)
		p := build(t, o)
		cfg, err := p.Configure(nodes)
		if err != nil {
			t.Fatal(err)
		}
		listened := 0
		for _, node := range nodes {
			open := openPorts(t, rulesOf(t, p, nodes, node.Name))
			for port, who := range listens(t, cfg[node.Name], node.Address, p.VirtualAddress()) {
				listened++
				if !slices.ContainsFunc(open, func(r [2]int) bool { return r[0] <= port && port <= r[1] }) {
					t.Errorf("%s of %d controllers: %s listens at port %d, and no rule opens it: put firewall_rules into its template", node.Name, n, who, port)
				}
			}
		}
		if listened < 12*n { // each controller has a dozen of them
			t.Errorf("%d controllers: only %d ports were found", n, listened)
		}
	}
}

// TestFirewallOfHAProxyWhereverItRuns: it listens at the ports of services that are on other machines.
func TestFirewallOfHAProxyWhereverItRuns(t *testing.T) {
	roles, err := fs.ReadFile(templates.FS, "roles_data.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const haproxy, keepalived = "    - OS::TripleO::Services::HAproxy\n", "    - OS::TripleO::Services::Keepalived\n"
	text := strings.NewReplacer(haproxy, "", keepalived, "").Replace(string(roles))
	text += "- name: Balancer\n  HostnameFormatDefault: '%stackname%-balancer-%index%'\n  ServicesDefault:\n" + haproxy + keepalived + "    - OS::TripleO::Services::TripleoFirewall\n"
	o, nodes := controllers(t, 1)
	o.Roles = plan.File{Name: "roles_data.yaml", Data: []byte(text)}
	o.Counts["Balancer"] = 2
	nodes = append(nodes, plan.Node{Name: "overcloud-balancer-0", Role: "Balancer", Address: "192.168.255.51"}, plan.Node{Name: "overcloud-balancer-1", Role: "Balancer", Index: 1, Address: "192.168.255.52"})
	rules := rulesOf(t, build(t, o), nodes, "overcloud-balancer-0")
	for _, want := range []string{"tcp dport 5000 ", "tcp dport 8776 ", "tcp dport 3306 "} {
		if !strings.Contains(rules, want) {
			t.Errorf("no rule with %s:\n%s", want, rules)
		}
	}
	if strings.Contains(rules, "11211") || strings.Contains(rulesOf(t, build(t, o), nodes, "overcloud-novacompute-0"), "dport 5000") {
		t.Errorf("what is not behind HAProxy is open at it, or elsewhere:\n%s", rules)
	}
}

func TestFirewallOpensGREWhereTunnelsAreOfIt(t *testing.T) {
	const rule = `meta l4proto 47 ct state new accept comment "136 neutron gre networks"`
	for types, want := range map[string]bool{"[vxlan]": false, "[gre, vxlan]": true} {
		if got := ruleset(t, walled(t, "  NeutronTunnelTypes: "+types+"\n"), "overcloud-novacompute-0"); strings.Contains(got, rule) != want {
			t.Errorf("tunnels of %s:\n%s", types, got)
		}
	}
}

// listens are the ports that a machine's documents wait for at its own address, and those
// that HAProxy has there or at the virtual one, each with what listens.
func listens(t *testing.T, docs []resource.Document, own, virtual string) map[int]string {
	t.Helper()
	out := map[int]string{}
	add := func(at, who string) {
		host, port, err := net.SplitHostPort(at)
		if err != nil {
			host, port = at, "80"
		}
		if n, err := strconv.Atoi(port); err == nil && (host == own || host == virtual) {
			out[n] = who
		}
	}
	for _, d := range docs {
		for _, r := range d.Resources {
			if r.Wait != nil && r.Wait.TCP != "" {
				add(r.Wait.TCP, r.Service)
			}
			if r.Wait != nil && r.Wait.HTTP != "" {
				at, err := url.Parse(r.Wait.HTTP)
				if err != nil {
					t.Fatal(err)
				}
				add(at.Host, r.Service)
			}
			if r.File != nil && r.File.Path == "/etc/haproxy/haproxy.cfg" {
				for _, m := range regexp.MustCompile(`(?m)^\s+(?:bind|peer \S+) (\S+)$`).FindAllStringSubmatch(r.File.Content, -1) {
					add(m[1], "haproxy")
				}
			}
		}
	}
	return out
}

// openPorts are the ranges of ports that a rule set opens to somebody.
func openPorts(t *testing.T, rules string) [][2]int {
	t.Helper()
	var out [][2]int
	for _, m := range regexp.MustCompile(`dport ([^{}\s]+|\{[^}]*\})`).FindAllStringSubmatch(rules, -1) {
		for port := range strings.SplitSeq(strings.Trim(m[1], "{ }"), ", ") {
			from, to, isRange := strings.Cut(port, "-")
			if !isRange {
				to = from
			}
			a, err := strconv.Atoi(from)
			b, err2 := strconv.Atoi(to)
			if err != nil || err2 != nil {
				t.Fatalf("ports %q", port)
			}
			out = append(out, [2]int{a, b})
		}
	}
	return out
}

func TestFirewallRuleThatCannotBeIsNamedBeforeAnythingIsDone(t *testing.T) {
	o := walled(t, "  ExtraFirewallRules:\n    301 my agent: {dprt: 9100}\n")
	_, err := plan.Build(context.Background(), templates.FS, o)
	for _, want := range []string{"service tripleo_firewall", "tripleo-firewall-baremetal.yaml", `"301 my agent"`, `unknown key "dprt"; did you mean "dport"?`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
}

// TestOpenDatabaseClusterIsWarnedOf: whoever joins is given all data.
func TestOpenDatabaseClusterIsWarnedOf(t *testing.T) {
	for name, c := range map[string]struct {
		parameters, environment string
		controllers             int
		warned                  bool
	}{
		"a firewall":          {"  ManageFirewall: true\n", "", 3, false},
		"it is switched off":  {"  ManageFirewall: false\n", "", 3, true},
		"there is none":       {"  ManageFirewall: true\n", "resource_registry: {OS::TripleO::Services::TripleoFirewall: OS::Heat::None}\n", 3, true},
		"one controller":      {"  ManageFirewall: false\n", "", 1, false},
		"one that is to grow": {"  ManageFirewall: false\n  EnableHighAvailability: 'true'\n", "", 1, true},
	} {
		o := walled(t, c.parameters)
		o.Counts["Controller"], o.Parameters["NtpServer"] = c.controllers, []any{"ntp.example.com"}
		if c.environment != "" {
			o.Environments = append(o.Environments, plan.File{Name: "/home/stack/none.yaml", Data: []byte(c.environment)})
		}
		all := strings.Join(build(t, o).Warnings, "\n")
		if strings.Contains(all, "role Controller: the ports of its database cluster (4444, 4567, 4568) are open") != c.warned {
			t.Errorf("%s: %s", name, all)
		}
	}
}
