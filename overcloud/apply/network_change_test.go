package apply

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/resource"
)

// bonded is a machine with two cards as a bond of Open vSwitch, and a VLAN beside it.
func bonded(options string, vlan int) resource.Resource {
	return resource.Resource{Type: "network_config", NetworkConfig: &resource.NetworkConfig{Check: []string{"192.168.24.1"}, Objects: []resource.NetObject{
		{Type: "ovs_bridge", Name: "br-ex", Members: []resource.NetObject{
			{Type: "ovs_bond", Name: "bond1", OVSOptions: options, Members: []resource.NetObject{{Type: "interface", Name: "nic1"}, {Type: "interface", Name: "nic2"}}},
			{Type: "vlan", Device: "bond1", VLANID: vlan, Addresses: []resource.NetAddress{{IPNetmask: "172.16.2.4/24"}}}}}}}}
}

// silentRouter lets no try of a network succeed.
func (n *node) silentRouter() {
	n.sys.probe = func(resource.Wait) error {
		if tried, _ := filepath.Glob(filepath.Join(n.Root, "run/systemd/network/04-*")); len(tried) > 0 {
			return errors.New("i/o timeout")
		}
		return nil
	}
}

// ports are those of br-ex, with what they were made with.
func (n *node) ports() string {
	var out []string
	for _, p := range n.sys.bridges["br-ex"] {
		if p == "bond1" {
			p += " " + n.sys.options[p]
		}
		if p != "" {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func TestABondOfOpenVSwitchIsMadeAnewWhenItIsToBeAnother(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", bonded("bond_mode=active-backup", 20))
	before := n.ports()
	if before != "bond1 ens3 ens10 bond_mode=active-backup; vlan20" {
		t.Fatal(before)
	}
	slb := bonded("bond_mode=balance-slb other_config:bond-rebalance-interval=20000", 25)
	n.silentRouter()
	if _, err := n.apply(slb); err == nil || n.ports() != before {
		t.Errorf("%v: taken back to %s", err, n.ports())
	}
	n.sys.probe = func(resource.Wait) error { return nil }
	n.must("changed network_config:node\ndone", slb)
	if got := n.ports(); got != "bond1 ens3 ens10 bond_mode=balance-slb other_config:bond-rebalance-interval=20000; vlan25" {
		t.Error(got)
	}
	n.must("unchanged network_config:node\ndone", slb)
}

// What an older release made is not written down. It is made anew, and kept when that fails.
func TestABondThatNobodyWroteDown(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", bonded("bond_mode=active-backup", 20))
	n.remove("etc/systemd/network/05-overcloud-openvswitch.json")
	n.silentRouter()
	if _, err := n.apply(bonded("bond_mode=balance-slb", 20)); err == nil || !strings.Contains(n.ports(), "bond1 ") {
		t.Errorf("%v: %s", err, n.ports())
	}
	n.sys.probe = func(resource.Wait) error { return nil }
	n.must("changed network_config:node\ndone", bonded("bond_mode=balance-tcp", 20))
	if got := n.ports(); got != "bond1 ens3 ens10 bond_mode=balance-tcp; vlan20" {
		t.Error(got)
	}
}

// A bridge stays for Neutron's sake when it is not asked for any more; its cards are free.
func TestABridgeThatIsNotWantedLosesItsPorts(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", bonded("bond_mode=active-backup", 20))
	n.sys.bridges["br-ex"] = append(n.sys.bridges["br-ex"], "phy-br-ex")
	n.must("changed network_config:node\ndone", vlans("172.16.2.4/24"))
	if got := n.ports(); got != "phy-br-ex" {
		t.Error(got)
	}
}

// networkd removes no device and changes none: an old VLAN would keep the address.
func TestDevicesThatAreToBeOthersGo(t *testing.T) {
	deleted := func(n *node) string {
		var out []string
		for _, line := range n.sys.ran {
			if d, ok := strings.CutPrefix(line, "ip link delete dev "); ok {
				out = append(out, d)
			}
		}
		return strings.Join(out, " ")
	}
	for name, c := range map[string]struct {
		change func(*resource.NetworkConfig)
		want   string
	}{
		"nothing":        {func(*resource.NetworkConfig) {}, ""},
		"address":        {func(c *resource.NetworkConfig) { c.Objects[1].Addresses[0].IPNetmask = "172.16.2.5/24" }, ""},
		"number":         {func(c *resource.NetworkConfig) { c.Objects[1].VLANID = 25 }, "vlan20"},
		"packet size":    {func(c *resource.NetworkConfig) { c.Objects[1].MTU = 1400 }, "vlan20"},
		"another device": {func(c *resource.NetworkConfig) { c.Objects[0].Name, c.Objects[1].Device = "nic2", "nic2" }, "vlan20"},
	} {
		t.Run(name, func(t *testing.T) {
			n := wired(t)
			n.must("changed network_config:node\ndone", vlans("172.16.2.4/24"))
			n.put("sys/class/net/vlan20/address", "52:54:00:00:00:00\n")
			r := vlans("172.16.2.4/24")
			c.change(r.NetworkConfig)
			n.sys.onRun = func(args []string) { // as the kernel does
				if strings.HasPrefix(strings.Join(args, " "), "ip link delete") {
					n.remove("sys/class/net/" + args[len(args)-1])
				}
			}
			n.sys.ran = nil
			if _, err := n.apply(r); err != nil || deleted(n) != c.want {
				t.Errorf("%v; deleted %q, want %q", err, deleted(n), c.want)
			}
		})
	}
}
