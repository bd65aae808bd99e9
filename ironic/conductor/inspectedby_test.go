package conductor_test

import (
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver/fake"
	"trefoil/ironic/inspect"
)

// withBMC is an inventory of the test's machine that has seen its BMC.
func withBMC(payload, addr string) string {
	return strings.Replace(payload, `"boot":`, `"bmc_address": "`+addr+`", "boot":`, 1)
}

// Two machines with the same BMC card on USB are two, and their BMCs tell them apart where nothing else does.
func TestTwoMachinesThatShareAnAddressAreTwo(t *testing.T) {
	const card = `{"name": "usb0", "mac_address": "be:3a:f2:b6:05:9f", "has_carrier": true}, {"name": "lo",`
	usb := func(s string) string { return strings.Replace(s, `{"name": "lo",`, card, 1) }
	other := func(s string) string {
		s = strings.ReplaceAll(s, "52:54:00:00:99", "52:54:00:00:77")
		return strings.Replace(strings.ReplaceAll(s, "52-54-00-00-99", "52-54-00-00-77"), "192.0.2.50", "192.0.2.51", 1)
	}
	for _, add := range []inspect.AddPorts{inspect.AddPXE, inspect.AddActive, inspect.AddAll, inspect.AddNone} {
		w := newWorld(t, func(c *conductor.Config) { discovering(c); c.AddPorts = add })
		first, err := w.c.ContinueInspection(t.Context(), []byte(usb(stranger())))
		if err != nil {
			t.Fatal(err)
		}
		second, err := w.c.ContinueInspection(t.Context(), []byte(other(usb(stranger()))))
		if err != nil || second == first {
			t.Errorf("%s: the second machine is %q, the first %q: %v", add, second, first, err)
		}
		if inv, err := w.db.Inventory(t.Context(), second); err != nil || inv.Inventory["bmc_address"] != "192.0.2.51" {
			t.Errorf("%s: the second's inventory: %v %v", add, inv, err)
		}
		// A card that really is in both, by its address.
		third := strings.Replace(usb(stranger()), "192.0.2.50", "192.0.2.52", 1)
		if _, err := w.c.ContinueInspection(t.Context(), []byte(third)); !errs.Is(err, errs.NotFound) ||
			!strings.Contains(err.Error(), "its BMC is at 192.0.2.52, and that node's at 192.0.2.50") {
			t.Errorf("%s: a machine with another BMC passes for the first: %v", add, err)
		}
	}
}

func TestAnInventoryOfTwoNodesIsFiledUnderNeither(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	w.say("dead")
	w.provision("inspect")
	w.await("inspect wait")
	b := &ironic.Node{UUID: "00000000-0000-4000-8000-000000000002", Name: "control-2", Driver: fake.Name, ProvisionState: "active",
		DriverInfo: map[string]any{"ipmi_address": "192.0.2.61"}}
	if err := w.db.CreateNode(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	_, err := w.c.ContinueInspection(t.Context(), []byte(withBMC(inventory, "192.0.2.61")))
	if want := "is of node control-1 by its MAC address " + mac + ", and of node control-2 by its BMC address 192.0.2.61"; !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
	if _, err := w.db.Inventory(t.Context(), "00000000-0000-4000-8000-000000000001"); !errs.Is(err, errs.NotFound) {
		t.Errorf("it was filed all the same: %v", err)
	}
	w.set(func(n *ironic.Node) { n.DriverInfo = map[string]any{"ipmi_address": "192.0.2.60"} })
	if _, err := w.c.ContinueInspection(t.Context(), []byte(withBMC(inventory, "192.0.2.60"))); err != nil {
		t.Fatal(err)
	}
	w.await("manageable")
	if h := w.history(); !strings.Contains(h, "which is this node's by the MAC address "+mac+" and the BMC address 192.0.2.60") {
		t.Errorf("history:\n%s", h)
	}
}

// A BMC that nodes know by another address, such as one behind a forwarder, contradicts nothing.
func TestABMCThatNoNodeHasIsTold(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	w.set(func(n *ironic.Node) { n.DriverInfo = map[string]any{"ipmi_address": "192.0.2.60"} })
	w.say("dead")
	w.provision("inspect")
	w.await("inspect wait")
	if _, err := w.c.ContinueInspection(t.Context(), []byte(withBMC(inventory, "10.0.0.7"))); err != nil {
		t.Fatal(err)
	}
	w.await("manageable")
	if h := w.history(); !strings.Contains(h, "MAC address "+mac+"; its BMC is at 10.0.0.7, which no node has") {
		t.Errorf("history:\n%s", h)
	}
}

// What is filed under neither of two nodes is not learnt by a discovered one of them, whose first inventory told of no BMC.
func TestADiscoveredNodeDoesNotLearnTheBMCOfAnother(t *testing.T) {
	w := newWorld(t, discovering)
	w.node("manageable")
	w.set(func(n *ironic.Node) { n.DriverInfo = map[string]any{"ipmi_address": "192.0.2.61"} })
	w.rule(ironic.RuleInspector, "no", 0, nil, ops{{"action": "fail", "message": "not of ours"}}) // it has yet to learn
	if _, err := w.c.ContinueInspection(t.Context(), []byte(strings.Replace(stranger(), `"bmc_address": "192.0.2.50", `, "", 1))); !errs.Is(err, errs.Invalid) {
		t.Fatal(err)
	}
	if err := w.db.DeleteInspectionRules(t.Context(), ironic.RuleInspector); err != nil {
		t.Fatal(err)
	}
	_, err := w.c.ContinueInspection(t.Context(), []byte(strings.Replace(stranger(), "192.0.2.50", "192.0.2.61", 1)))
	if !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "and of node control-1 by its BMC address 192.0.2.61: it is filed under neither") {
		t.Errorf("%v", err)
	}
	nodes, err := w.db.Nodes(t.Context(), ironic.NodeFilter{ProvisionState: "enroll"})
	if err != nil || len(nodes) != 1 {
		t.Fatalf("%d discovered, %v", len(nodes), err)
	}
	if inv, err := w.db.Inventory(t.Context(), nodes[0].UUID); err != nil || inv.Inventory["bmc_address"] != nil {
		t.Errorf("it was learnt all the same: %v %v", inv, err)
	}
}

// Anybody may send an inventory with an address that is known: nobody's BMC is looked for where no node waits.
func TestNoBMCIsLookedForWhereNobodyWaits(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	b := &ironic.Node{UUID: "00000000-0000-4000-8000-000000000002", Name: "control-2", Driver: fake.Name, ProvisionState: "active",
		DriverInfo: map[string]any{"ipmi_address": "192.0.2.61"}}
	if err := w.db.CreateNode(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := w.c.ContinueInspection(t.Context(), []byte(withBMC(inventory, "192.0.2.61"))); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), `control-1, which is in state "manageable" and waits for none`) {
		t.Errorf("%v", err)
	}
}

// Once names of BMCs resolve too slowly they contradict nothing, and addresses still do.
func TestSlowNamesHideNoAddress(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.NamesTimeout = -1 }) // over at once
	w.node("manageable")
	for i, host := range []string{"localhost", "192.0.2.61"} {
		n := &ironic.Node{UUID: fmt.Sprintf("00000000-0000-4000-8000-00000000001%d", i), Name: fmt.Sprintf("other-%d", i), Driver: fake.Name, ProvisionState: "active",
			DriverInfo: map[string]any{"ipmi_address": host}}
		if err := w.db.CreateNode(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	w.say("dead")
	w.provision("inspect")
	w.await("inspect wait")
	if _, err := w.c.ContinueInspection(t.Context(), []byte(withBMC(inventory, "192.0.2.61"))); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "of node other-1 by its BMC address 192.0.2.61") {
		t.Errorf("%v", err)
	}
	if _, err := w.c.ContinueInspection(t.Context(), []byte(withBMC(inventory, "127.0.0.1"))); err != nil {
		t.Error(err)
	}
	w.await("manageable")
}

// A stranger can not keep a node's inventory from it by claiming its BMC first.
func TestADiscoveredNodeIsNotInTheWayOfOneThatPeopleMade(t *testing.T) {
	w := newWorld(t, discovering)
	w.node("manageable")
	w.set(func(n *ironic.Node) { n.DriverInfo = map[string]any{"ipmi_address": "192.0.2.60"} }) // a forwarder's
	claim, err := w.c.ContinueInspection(t.Context(), []byte(strings.Replace(stranger(), "192.0.2.50", "10.0.0.7", 1)))
	if err != nil {
		t.Fatal(err)
	}
	w.say("dead")
	w.provision("inspect")
	w.await("inspect wait")
	if id, err := w.c.ContinueInspection(t.Context(), []byte(withBMC(inventory, "10.0.0.7"))); err != nil || id == claim {
		t.Fatalf("%s: %v", id, err)
	}
	w.await("manageable")
	if h := w.history(); !strings.Contains(h, "its BMC is at 10.0.0.7, which no node has but "+claim+", which discovery made") {
		t.Errorf("history:\n%s", h)
	}
}
