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

// files are those below a prefix, by the rest of their names.
func (n *node) files(prefix string) map[string]string {
	list, err := filepath.Glob(filepath.Join(n.Root, prefix) + "*")
	if err != nil || len(list) == 0 {
		n.t.Fatal(list, err)
	}
	out := map[string]string{}
	for _, f := range list {
		name := strings.TrimPrefix(f, filepath.Join(n.Root, prefix))
		out[name] = n.read(prefix + name)
	}
	return out
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

// What an older release made is not written down. That is made up for without a try, and
// whatever else changes, such a bond is left as it is: nothing could make it again.
func TestABondThatNobodyWroteDownIsLeftAlone(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", bonded("bond_mode=active-backup", 20))
	record := "etc/systemd/network/05-overcloud-openvswitch.json"
	n.remove(record)
	n.sys.ran = nil
	n.must("changed network_config:node\ndone", bonded("bond_mode=active-backup", 20))
	if slices.ContainsFunc(n.sys.ran, func(c string) bool {
		return strings.Contains(c, "reload") || strings.Contains(c, "add-")
	}) || !strings.Contains(n.read(record), "active-backup") {
		t.Errorf("ran %q", n.sys.ran)
	}
	n.remove(record)
	n.silentRouter()
	before := n.ports()
	if _, err := n.apply(bonded("bond_mode=balance-slb", 25)); err == nil || n.ports() != before {
		t.Errorf("%v: %s", err, n.ports())
	}
	n.sys.probe = func(resource.Wait) error { return nil }
	n.must("changed network_config:node\ndone", bonded("bond_mode=balance-tcp", 20))
	if got := n.ports(); got != before {
		t.Error(got)
	}
}

func bridge(name string, members ...resource.NetObject) resource.Resource {
	return resource.Resource{Type: "network_config", NetworkConfig: &resource.NetworkConfig{Check: []string{"192.168.24.1"},
		Objects: []resource.NetObject{{Type: "ovs_bridge", Name: name, Members: members}}}}
}

// A card that a try moved to another bridge is back in its own when the try fails, and is
// moved by the next one, whether or not it was written down where it was.
func TestACardMovesFromOneBridgeToAnother(t *testing.T) {
	card := resource.NetObject{Type: "interface", Name: "nic1"}
	for _, known := range []bool{true, false} {
		n := wired(t)
		n.must("changed network_config:node\ndone", bridge("br-ex", card))
		if !known {
			n.remove("etc/systemd/network/05-overcloud-openvswitch.json")
		}
		n.silentRouter()
		if _, err := n.apply(bridge("br-new", card)); err == nil || n.ports() != "ens3" || n.sys.bridges["br-new"] != nil {
			t.Errorf("written down: %v: %v: taken back to %v", known, err, n.sys.bridges)
		}
		n.sys.probe = func(resource.Wait) error { return nil }
		n.must("changed network_config:node\ndone", bridge("br-new", card))
		if n.ports() != "" || !slices.Contains(n.sys.bridges["br-new"], "ens3") {
			t.Errorf("written down: %v: moved to %v", known, n.sys.bridges)
		}
	}
}

// A run that is killed while it tries leaves what it tried. The next one, to whatever
// configuration, begins from there.
func TestWhatAKilledRunTriedIsTakenBack(t *testing.T) {
	n := wired(t)
	first := bonded("bond_mode=active-backup", 20)
	n.must("changed network_config:node\ndone", first)
	before, kept := n.ports(), n.files("etc/systemd/network/05-overcloud-")
	n.must("changed network_config:node\ndone", bonded("bond_mode=balance-slb", 25))
	for name, text := range n.files("etc/systemd/network/05-overcloud-") { // as the kill finds it
		n.put("run/systemd/network/04-overcloud-"+name, text)
		n.remove("etc/systemd/network/05-overcloud-" + name)
	}
	for name, text := range kept {
		n.put("etc/systemd/network/05-overcloud-"+name, text)
	}
	n.must("changed network_config:node\ndone", first)
	if got := n.ports(); got != before || strings.Contains(strings.Join(n.ours(), " "), "run/") {
		t.Errorf("%s; %v", got, n.ours())
	}
}

// A bond without options is not another one each time.
func TestABondWithoutOptionsStays(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", bonded("", 20))
	n.sys.ran = nil
	n.must("changed network_config:node\ndone", bonded("", 25))
	if slices.ContainsFunc(n.sys.ran, func(c string) bool { return strings.Contains(c, "del-port bond1") }) {
		t.Errorf("ran %q", n.sys.ran)
	}
}

// While a network is tried, what it has not is there without its address: the file of
// before would give it one.
func TestADeviceThatIsNotWantedLosesItsAddressInTheTry(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", vlans("172.16.2.4/24"))
	seen := ""
	n.sys.onRun = func(args []string) {
		if path := "run/systemd/network/04-overcloud-vlan20.network"; args[0] == "networkctl" && seen == "" {
			seen = n.read(path)
		}
	}
	n.must("changed network_config:node\ndone", bonded("", 25))
	if !strings.Contains(seen, "Name=vlan20") || strings.Contains(seen, "Address=1") {
		t.Errorf("%q", seen)
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
