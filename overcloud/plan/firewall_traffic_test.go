package plan_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
)

// Who is no machine of the cloud: the undercloud, and anybody else whose packets come there.
const undercloud, stranger = "192.168.255.1", "192.168.3.3"

// traffic is what goes from machines to machines of a cloud, or must not. Both are names
// of services, and who is no machine.
type traffic struct {
	from, to string
	tcp      []int
	udp      []int
	shut     bool
}

// talk is what a cloud is made of; with several controllers, that of theirs too.
func talk(several bool) []traffic {
	out := []traffic{
		{from: undercloud, to: "kernel", tcp: []int{22}},
		{from: stranger, to: "keystone", tcp: []int{5000, 9292, 8778, 8774, 6080, 9696, 8776, 80}},
		{from: "neutron_metadata", to: "nova_metadata", tcp: []int{8775}},
		{from: "nova_vnc_proxy", to: "nova_compute", tcp: []int{5900, 6899}},
		{from: "nova_compute", to: "nova_compute", tcp: []int{22, 49152, 49215}},
		{from: "nova_compute", to: "cinder_volume", tcp: []int{3260}},
		{from: "nova_compute", to: "rabbitmq", tcp: []int{5672}},
		{from: "neutron_ovs_agent", to: "neutron_ovs_agent", udp: []int{4789}},
		{from: "ceph_client", to: "ceph_mon", tcp: []int{3300, 6789}},
		{from: "ceph_client", to: "ceph_osd", tcp: []int{6800, 7300}},
		{from: "ceph_osd", to: "ceph_osd", tcp: []int{6801}},
		{from: "ceph_osd", to: "ceph_mgr", tcp: []int{6800}},
		{from: "ntp", to: "ntp", udp: []int{123}},
		{from: "keystone", to: "mysql", tcp: []int{3306}},
		{from: "keystone", to: "memcached", tcp: []int{11211}},
		{from: stranger, to: "kernel", tcp: []int{111, 8080}, udp: []int{69}, shut: true},
		{from: stranger, to: "mysql", tcp: []int{3306, 4444, 4567, 4568, 9200}, shut: true},
		{from: stranger, to: "memcached", tcp: []int{11211}, shut: true},
		{from: "nova_compute", to: "rabbitmq", tcp: []int{4369, 25672}, shut: true},
		{from: "nova_compute", to: "ceph_osd", tcp: []int{5900}, shut: true},
	}
	if several {
		out = append(out, traffic{from: "mysql", to: "mysql", tcp: []int{4444, 4567, 4568, 9200}},
			traffic{from: "haproxy", to: "mysql", tcp: []int{9200}},
			traffic{from: "rabbitmq", to: "rabbitmq", tcp: []int{4369, 25672}},
			traffic{from: stranger, to: "haproxy", tcp: []int{1993}},
			traffic{from: "haproxy", to: "haproxy", tcp: []int{1994}},
			traffic{from: stranger, to: "haproxy", tcp: []int{1994}, shut: true})
	}
	return out
}

// probe is one try to reach a port of a machine.
type probe struct {
	From, Network, To string
	Shut              bool
}

// probes of everything that is to reach a machine, or not.
func probes(p *plan.Plan, nodes []plan.Node, to plan.Node, all []traffic) []probe {
	var out []probe
	for _, t := range all {
		if !p.Runs(to.Role, t.to) {
			continue
		}
		var from []string
		if _, err := netip.ParseAddr(t.from); err == nil {
			from = append(from, t.from)
		}
		for _, n := range nodes {
			if n.Name != to.Name && p.Runs(n.Role, t.from) {
				from = append(from, n.Address)
			}
		}
		for _, f := range from {
			for _, port := range t.tcp {
				out = append(out, probe{f, "tcp", fmt.Sprintf("%s:%d", to.Address, port), t.shut})
			}
			for _, port := range t.udp {
				out = append(out, probe{f, "udp", fmt.Sprintf("%s:%d", to.Address, port), t.shut})
			}
		}
	}
	return out
}

// between makes two namespaces with a cable: $machine, where the rest of the script
// runs, and the one of all others, which `there` enters.
const between = `set -e
unshare -n sleep 600 & peer=$!
trap 'kill $peer' EXIT
until [ "$(readlink /proc/$peer/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
there() { nsenter -t $peer -n "$@"; }
ip link set lo up
ip link add eth0 type veth peer name eth1 netns $peer
ip address add $machine/16 dev eth0
ip link set eth0 up
for a in $others; do there ip address add $a/16 dev eth1; done
there ip link set eth1 up
echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
`

// inNamespaces runs a script behind between, with the program of this test as $self.
// What it starts of itself does what $FIREWALL_PEER says.
func inNamespaces(t *testing.T, script string, env ...string) string {
	t.Helper()
	for _, name := range []string{"nft", "ip", "unshare", "nsenter"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	if out, err := exec.Command("unshare", "-rn", "true").CombinedOutput(); err != nil {
		t.Skipf("no namespace can be made here: %s", out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-rn", "sh", "-c", between+script, "sh")
	cmd.Env = append(append(os.Environ(), "self="+self), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestFirewallLetsTheCloudTalk: the kernel itself is asked, with packets, whether
// everything that a cloud says to a machine of it arrives, and what is nobody's business
// does not.
func TestFirewallLetsTheCloudTalk(t *testing.T) {
	o, _ := controllers(t, 1)
	three, nodes := controllers(t, 3)
	for _, c := range []struct {
		o        plan.Options
		nodes    []plan.Node
		machines []string
	}{
		{o, machines, []string{"overcloud-controller-0", "overcloud-novacompute-0", "overcloud-cephstorage-0"}},
		{three, nodes, []string{"overcloud-controller-1"}},
	} {
		p := build(t, c.o)
		for _, name := range c.machines {
			t.Run(fmt.Sprintf("%s of %d", name, len(c.nodes)), func(t *testing.T) {
				t.Parallel()
				to := c.nodes[slices.IndexFunc(c.nodes, func(n plan.Node) bool { return n.Name == name })]
				tries(t, rulesOf(t, p, c.nodes, name), to, c.nodes, probes(p, c.nodes, to, talk(len(c.nodes) > len(machines))))
			})
		}
	}
}

// tries makes all probes at the rules of a machine.
func tries(t *testing.T, rules string, to plan.Node, nodes []plan.Node, all []probe) {
	others := []string{undercloud, stranger}
	for _, n := range nodes {
		if n.Name != to.Name {
			others = append(others, n.Address)
		}
	}
	dir := t.TempDir()
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"rules.nft": rules, "probes.json": string(data)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := inNamespaces(t, "nft -f $dir/rules.nft\nFIREWALL_PEER=dial there $self\n", "dir="+dir, "machine="+to.Address, "others="+strings.Join(others, " "))
	if !strings.Contains(out, fmt.Sprintf("%d tried", len(all))) || len(all) < 10 {
		t.Fatalf("%d probes:\n%s", len(all), out)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "wrong: ") {
			t.Error(strings.TrimSpace(line))
		}
	}
}

// TestFirewallKeepsWhatHasBegun: a machine that gets its firewall while it serves, and
// that the kernel has tracked no connection of, still hears what others say to it first:
// a message bus to a service that waits for it.
func TestFirewallKeepsWhatHasBegun(t *testing.T) {
	dir := t.TempDir()
	rules := ruleset(t, article(t), "overcloud-cephstorage-0")
	if err := os.WriteFile(filepath.Join(dir, "rules.nft"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	out := inNamespaces(t, `
FIREWALL_PEER=speak there $self & speaker=$!
until [ -e $dir/listening ]; do sleep 0.1; done
FIREWALL_PEER=hear $self & hearer=$!
until [ -e $dir/connected ]; do sleep 0.1; done
nft -f $dir/rules.nft
touch $dir/loaded
wait $hearer $speaker
`, "dir="+dir, "machine=192.168.255.44", "others="+undercloud)
	if !strings.Contains(out, "heard") {
		t.Error(out)
	}
}
