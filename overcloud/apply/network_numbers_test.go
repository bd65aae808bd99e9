package apply

import (
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/resource"
)

const numbersFile = "etc/systemd/network/05-overcloud-nics"

// card puts a card into the machine, or changes one.
func (n *node) card(name, mac, carrier string) {
	n.put("sys/class/net/"+name+"/device/x", "")
	n.put("sys/class/net/"+name+"/address", mac+"\n")
	n.put("sys/class/net/"+name+"/carrier", carrier+"\n")
}

// tenant is a machine with the provisioning network on nic1 and another network on nic2.
func tenant(address string) resource.Resource {
	r := vlans(address)
	r.NetworkConfig.Objects[1] = resource.NetObject{Type: "interface", Name: "nic2", Addresses: []resource.NetAddress{{IPNetmask: address}}}
	return r
}

func (n *node) reloaded() bool { return slices.Contains(n.sys.ran, "networkctl reload") }

// A card whose link is down is the card that it was: a spare one must not take over its network.
func TestACardWithoutALinkKeepsItsNetwork(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", tenant("172.16.0.4/24"))
	n.card("ens10", "52:54:00:00:00:01", "0")
	n.must("unchanged network_config:node\ndone", tenant("172.16.0.4/24"))
	n.card("ens4", "52:54:00:00:00:04", "1") // between the two
	n.must("changed network_config:node\ndone", tenant("172.16.0.4/24"))
	if got := n.read(numbersFile); n.reloaded() || !strings.Contains(got, "nic3 52:54:00:00:00:04 ens4\n") {
		t.Errorf("ran %q for a spare card; %s", n.sys.ran, got)
	}
	n.must("changed network_config:node\ndone", tenant("172.16.0.5/24"))
	if got := n.read("etc/systemd/network/05-overcloud-ens10.network"); !strings.Contains(got, "172.16.0.5/24") || strings.Contains(strings.Join(n.ours(), " "), "ens4") {
		t.Errorf("%v: %s", n.ours(), got)
	}
}

func TestABondThatLostACardIsChangedLikeAnyOther(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", bonded("bond_mode=active-backup", 20))
	n.card("ens10", "52:54:00:00:00:01", "0")
	n.must("unchanged network_config:node\ndone", bonded("bond_mode=active-backup", 20))
	n.must("changed network_config:node\ndone", bonded("bond_mode=balance-slb", 25))
	if got := n.ports(); got != "bond1 ens3 ens10 bond_mode=balance-slb; vlan25" {
		t.Error(got)
	}
}

// A machine of an earlier release has no numbers. They are written down, and nothing else happens.
func TestTheNumbersOfAnEarlierReleaseAreWrittenDown(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", bonded("bond_mode=active-backup", 20))
	n.remove(numbersFile)
	n.card("ens10", "52:54:00:00:00:01", "0")
	n.card("ens11", "52:54:00:00:00:02", "1")
	n.must("changed network_config:node\ndone", bonded("bond_mode=active-backup", 20))
	got := n.read(numbersFile)
	if n.reloaded() || !strings.HasSuffix(got, "\nnic1 52:54:00:00:00:00 ens3\nnic2 52:54:00:00:00:01 ens10\nnic3 52:54:00:00:00:02 ens11\n") {
		t.Errorf("ran %q; %s", n.sys.ran, got)
	}
	n.must("unchanged network_config:node\ndone", bonded("bond_mode=active-backup", 20))
}

func TestAReplacedCardIsTold(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", tenant("172.16.0.4/24"))
	n.card("ens10", "52:54:00:00:00:99", "1")
	n.must("told network_config:node\nchanged network_config:node\ndone", tenant("172.16.0.4/24"))
	i := slices.IndexFunc(n.events, func(e resource.Event) bool { return e.Event == "told" })
	if told := n.events[i].Told; told != "nic2 is another card: ens10 had the address 52:54:00:00:00:01, and has 52:54:00:00:00:99 now" || n.reloaded() {
		t.Errorf("%q; ran %q", told, n.sys.ran)
	}
	n.must("unchanged network_config:node\ndone", tenant("172.16.0.4/24"))
}

// One in another slot is behind those that are known: nobody knows what its wire is for.
func TestACardThatIsGoneIsNotReplacedByAnyOther(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", tenant("172.16.0.4/24"))
	before := n.read(numbersFile)
	n.remove("sys/class/net/ens10")
	n.card("ens11", "52:54:00:00:00:99", "1")
	_, err := n.apply(tenant("172.16.0.4/24"))
	e := n.events[len(n.events)-1]
	if err == nil || !strings.Contains(e.Error, "nic2: its card, ens10 with the address 52:54:00:00:00:01, is not in the machine any more") ||
		!strings.Contains(e.Hint, "nic3 = ens11") || !strings.Contains(e.Hint, "/"+numbersFile) || n.read(numbersFile) != before {
		t.Errorf("event %+v", e)
	}
	n.put(numbersFile, strings.ReplaceAll(before, "nic2 52:54:00:00:00:01 ens10\n", "")) // what the hint says
	n.must("changed network_config:node\ndone", tenant("172.16.0.4/24"))
	if got := n.read("etc/systemd/network/05-overcloud-ens11.network"); !strings.Contains(got, "172.16.0.4/24") {
		t.Error(got)
	}
}

// Numbers are kept with the network that was tried with them: what did not work is wired otherwise next time.
func TestATryThatFailsNumbersNothing(t *testing.T) {
	n := wired(t)
	n.silentRouter()
	n.card("ens10", "52:54:00:00:00:01", "0")
	n.card("ens11", "52:54:00:00:00:02", "1")
	if _, err := n.apply(tenant("172.16.0.4/24")); err == nil || len(n.ours()) > 0 {
		t.Fatalf("%v; %v", err, n.ours())
	}
	n.sys.probe = func(resource.Wait) error { return nil }
	n.card("ens10", "52:54:00:00:00:01", "1")
	n.must("changed network_config:node\ndone", tenant("172.16.0.4/24"))
	if got := n.read(numbersFile); !strings.Contains(got, "nic2 52:54:00:00:00:01 ens10\n") {
		t.Error(got)
	}
}

// In a bond of the kernel all cards show the address of the first. Virtual functions come and go.
func TestACardIsKnownByItsOwnAddress(t *testing.T) {
	n := wired(t)
	n.card("ens10", "52:54:00:00:00:00", "1")
	n.put("sys/class/net/ens10/bonding_slave/perm_hwaddr", "52:54:00:00:00:01\n")
	n.card("ens10v0", "52:54:00:00:00:77", "1")
	n.put("sys/class/net/ens10v0/device/physfn/x", "")
	n.must("changed network_config:node\ndone", tenant("172.16.0.4/24"))
	if got := n.read(numbersFile); !strings.HasSuffix(got, "\nnic1 52:54:00:00:00:00 ens3\nnic2 52:54:00:00:00:01 ens10\n") {
		t.Error(got)
	}
}

// An address that was taken away comes back, also where all files are as they are to be.
func TestAnAddressThatIsGoneIsBroughtBack(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", tenant("172.16.0.4/24"))
	gone := true
	n.sys.stdout["ip"] = func() string {
		if gone {
			return "[]"
		}
		return n.addresses()
	}
	n.sys.onRun = func(args []string) {
		if args[0] == "networkctl" {
			gone = false
		}
	}
	got, err := n.apply(tenant("172.16.0.4/24"), fileRes("/etc/x", "so that all is looked at"))
	if err != nil || !strings.Contains(got, "changed network_config:node") || !n.reloaded() || gone {
		t.Errorf("%v: %s; ran %q", err, got, n.sys.ran)
	}
}

// Where a network does not come up, its card's link is the first thing to look at.
func TestAHintNamesTheCardWithoutALink(t *testing.T) {
	n := wired(t)
	n.must("changed network_config:node\ndone", tenant("172.16.0.4/24"))
	n.card("ens10", "52:54:00:00:00:01", "0")
	n.silentRouter()
	_, err := n.apply(tenant("172.16.0.5/24"))
	if e := n.events[len(n.events)-1]; err == nil || !strings.Contains(e.Hint, "nic2, ens10, has no link") {
		t.Errorf("event %+v", e)
	}
}
