package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"trefoil/overcloud/resource"
)

// wired is a machine with two interfaces whose networkd gives what its files say.
func wired(t *testing.T) *node {
	n := newNode(t)
	for i, name := range []string{"ens3", "ens10"} {
		n.put("sys/class/net/"+name+"/device/x", "")
		n.put("sys/class/net/"+name+"/address", fmt.Sprintf("52:54:00:00:00:0%d\n", i))
		n.put("sys/class/net/"+name+"/carrier", "1\n")
	}
	n.put("sys/class/net/lo/address", "00:00:00:00:00:00\n")
	n.put("etc/systemd/network/10-link0.network", "[Network]\nAddress=192.168.24.9/24\n")
	n.sys.stdout = map[string]func() string{"ip": n.addresses}
	n.sys.probe = func(resource.Wait) error { return fmt.Errorf("dial: %w", syscall.ECONNREFUSED) }
	return n
}

// addresses is what `ip -json address show` prints: files of ours hide first boot's.
func (n *node) addresses() string {
	var files []string
	for _, pattern := range []string{"run/systemd/network/04-*", "etc/systemd/network/05-*", "etc/systemd/network/10-*"} {
		if files, _ = filepath.Glob(filepath.Join(n.Root, pattern)); len(files) > 0 {
			break
		}
	}
	type info struct {
		Local  string `json:"local"`
		Prefix int    `json:"prefixlen"`
	}
	var list []info
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			n.t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if a, ok := strings.CutPrefix(strings.TrimSpace(line), "Address="); ok {
				ip, bits, _ := strings.Cut(a, "/")
				i := info{Local: ip}
				fmt.Sscan(bits, &i.Prefix)
				list = append(list, i)
			}
		}
	}
	out, err := json.Marshal([]map[string]any{{"ifname": "x", "addr_info": list}})
	if err != nil {
		n.t.Fatal(err)
	}
	return string(out)
}

func (n *node) ours() []string {
	var out []string
	for _, dir := range []string{"etc", "run"} {
		list, _ := filepath.Glob(filepath.Join(n.Root, dir, "systemd/network/0*"))
		for _, f := range list {
			out = append(out, dir+"/"+filepath.Base(f))
		}
	}
	return out
}

func vlans(address string) resource.Resource {
	return resource.Resource{Type: "network_config", NetworkConfig: &resource.NetworkConfig{Check: []string{"192.168.24.1"}, Objects: []resource.NetObject{
		{Type: "interface", Name: "nic1", Addresses: []resource.NetAddress{{IPNetmask: "192.168.24.9/24"}}},
		{Type: "vlan", Device: "nic1", VLANID: 20, Addresses: []resource.NetAddress{{IPNetmask: address}}},
	}}}
}

func TestNetworkIsTriedThenKept(t *testing.T) {
	n := wired(t)
	r := vlans("172.16.2.4/24")
	n.must("changed network_config:node\ndone", r)
	if got := strings.Join(n.ours(), " "); got != "etc/05-overcloud-ens3.network etc/05-overcloud-nics etc/05-overcloud-vlan20.netdev etc/05-overcloud-vlan20.network" {
		t.Error(got)
	}
	if got := n.read("etc/systemd/network/05-overcloud-ens3.network"); !strings.Contains(got, "VLAN=vlan20") || !strings.Contains(got, "Name=ens3") {
		t.Error(got)
	}
	n.must("unchanged network_config:node\ndone", r)
	if slices.Contains(n.sys.ran, "networkctl reload") {
		t.Errorf("ran %q", n.sys.ran)
	}
	n.must("changed network_config:node\ndone", vlans("172.16.2.5/24"))
	if got := n.read("etc/systemd/network/05-overcloud-vlan20.network"); !strings.Contains(got, "172.16.2.5/24") {
		t.Error(got)
	}
}

func TestNetworkThatCutsTheMachineOffIsTakenBack(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", vlans("172.16.2.4/24"))
	before := n.read("etc/systemd/network/05-overcloud-vlan20.network")
	n.sys.probe = func(resource.Wait) error { // while the new one is tried the router is silent
		if tried, _ := filepath.Glob(filepath.Join(n.Root, "run/systemd/network/04-*")); len(tried) > 0 {
			return errors.New("i/o timeout")
		}
		return nil
	}
	_, err := n.apply(vlans("172.16.2.7/24"))
	e := n.events[len(n.events)-1]
	if err == nil || !strings.Contains(e.Error, "taken back") || !strings.Contains(e.Error, "192.168.24.1") || !strings.Contains(e.Hint, "nic config") {
		t.Errorf("event %+v", e)
	}
	if n.read("etc/systemd/network/05-overcloud-vlan20.network") != before || strings.Contains(strings.Join(n.ours(), " "), "run/") {
		t.Errorf("not as before: %v", n.ours())
	}
	if last := n.sys.ran[len(n.sys.ran)-1]; last != "networkctl reload" {
		t.Errorf("the last word was %q", last)
	}
}

// A router that never answered cannot say that the machine is cut off.
func TestSilentRouterIsNoReasonToGoBack(t *testing.T) {
	n := wired(t)
	n.sys.probe = func(resource.Wait) error { return errors.New("i/o timeout") }
	n.must("changed network_config:node\ndone", vlans("172.16.2.4/24"))
}

// Stopped while it tries: all lies below /run, which the next boot does not see;
// the next run tries again.
func TestNetworkTriedByAStoppedRunIsNotKept(t *testing.T) {
	n := wired(t)
	ctx, kill := context.WithCancel(t.Context())
	seen := ""
	n.sys.onRun = func(args []string) {
		if args[0] == "networkctl" && seen == "" {
			seen = strings.Join(n.ours(), " ")
			kill()
		}
	}
	if _, err := n.Apply(ctx, &resource.Document{Step: 3, Resources: []resource.Resource{vlans("172.16.2.4/24")}}); err == nil {
		t.Fatal("no error")
	}
	if seen == "" || strings.Contains(seen, "etc/") {
		t.Errorf("when it was killed there was %q", seen)
	}
	n.sys.onRun = nil
	n.must("changed network_config:node\ndone", vlans("172.16.2.4/24"))
}

func TestNetworkWithoutTheInterfaceChangesNothing(t *testing.T) {
	n := wired(t)
	r := vlans("172.16.2.4/24")
	r.NetworkConfig.Objects[0].Name, r.NetworkConfig.Objects[1].Device = "nic3", "nic3"
	_, err := n.apply(r)
	e := n.events[len(n.events)-1]
	if err == nil || !strings.Contains(e.Error, "nic3: the machine has 2 interfaces that have or had a link") || !strings.Contains(e.Hint, "nic1 = ens3, nic2 = ens10") || len(n.ours()) > 0 {
		t.Errorf("event %+v, files %v", e, n.ours())
	}
}

func TestOpenVSwitchBridgeIsTakenBackToo(t *testing.T) {
	n := wired(t)
	r := resource.Resource{Type: "network_config", NetworkConfig: &resource.NetworkConfig{Check: []string{"192.168.24.1"}, Objects: []resource.NetObject{
		{Type: "ovs_bridge", Name: "br-ex", Addresses: []resource.NetAddress{{IPNetmask: "192.168.24.9/24"}}, Members: []resource.NetObject{
			{Type: "interface", Name: "nic1"}, {Type: "vlan", VLANID: 20, Addresses: []resource.NetAddress{{IPNetmask: "172.16.2.4/24"}}}}}}}}
	n.must("changed network_config:node\ndone", r)
	if got := n.sys.bridges["br-ex"]; !slices.Contains(got, "ens3") || !slices.Contains(got, "vlan20") {
		t.Errorf("ports %v", got)
	}
	n = wired(t)
	n.sys.probe = func(resource.Wait) error {
		if tried, _ := filepath.Glob(filepath.Join(n.Root, "run/systemd/network/04-*")); len(tried) > 0 {
			return errors.New("i/o timeout")
		}
		return nil
	}
	if _, err := n.apply(r); err == nil || n.sys.bridges["br-ex"] != nil {
		t.Errorf("%v; bridges %v", err, n.sys.bridges)
	}
}
