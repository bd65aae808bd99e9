package conductor_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver/fake"
)

// stranger is the inventory of a machine that no node is of.
func stranger() string {
	s := strings.ReplaceAll(inventory, "52:54:00:00:00", "52:54:00:00:99")
	s = strings.ReplaceAll(s, "52-54-00-00-00", "52-54-00-00-99")
	return strings.Replace(s, `"boot":`, `"bmc_address": "192.0.2.50", "bmc_v6address": "::/0", "boot":`, 1)
}

func discovering(c *conductor.Config) { c.DiscoveryDriver = fake.Name }

func TestAnUnknownMachineIsEnrolled(t *testing.T) {
	w := newWorld(t, discovering)
	w.node("manageable")
	w.rule(ironic.RuleInspector, "credentials", 0, ops{{"op": "eq", "field": "data://auto_discovered", "value": true}},
		ops{set("driver_info/ipmi_username", "admin"), {"action": "extend-attribute", "path": "/extra/seen", "value": "once"}})
	id, err := w.c.ContinueInspection(t.Context(), []byte(stranger()))
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.c.ContinueInspection(t.Context(), []byte(stranger()))
	if err != nil || again != id {
		t.Errorf("the same machine again: %s %v, before %s", again, err, id)
	}
	n, err := w.db.Node(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if n.ProvisionState != "enroll" || n.Driver != fake.Name || n.DriverInfo["ipmi_address"] != "192.0.2.50" || n.DriverInfo["ipmi_username"] != "admin" ||
		n.Properties["cpus"] != "4" || n.Interfaces["power"] == "" || n.LastError != "" || n.InspectionFinishedAt == nil || fmt.Sprint(n.Extra["seen"]) != "[once]" {
		t.Errorf("%+v", n)
	}
	ports, err := w.db.Ports(t.Context(), ironic.PortFilter{NodeUUID: id})
	if err != nil || len(ports) != 1 || ports[0].Address != "52:54:00:00:99:01" || !ports[0].PXEEnabled {
		t.Errorf("%+v %v", ports, err)
	}
	if inv, err := w.db.Inventory(t.Context(), id); err != nil || inv.PluginData["auto_discovered"] != true {
		t.Errorf("%+v %v", inv, err)
	}
	if nodes, err := w.db.Nodes(t.Context(), ironic.NodeFilter{}); err != nil || len(nodes) != 2 {
		t.Errorf("%d nodes, %v", len(nodes), err)
	}
	// Somebody takes it in hand: from then on it is a node like others.
	if _, err := w.db.UpdateNode(t.Context(), id, func(n *ironic.Node) error { n.ProvisionState = "manageable"; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.c.ContinueInspection(t.Context(), []byte(stranger())); !errs.Is(err, errs.NotFound) {
		t.Errorf("once it is managed: %v", err)
	}
}

func TestWhatIsNoStrangerIsNotEnrolled(t *testing.T) {
	off := newWorld(t, nil)
	if _, err := off.c.ContinueInspection(t.Context(), []byte(stranger())); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "52:54:00:00:99:01") ||
		!strings.Contains(err.Error(), "192.0.2.50") {
		t.Errorf("discovery is off: %v", err)
	}
	w := newWorld(t, discovering)
	w.node("manageable")
	b := &ironic.Node{UUID: "00000000-0000-4000-8000-000000000002", Name: "control-2", Driver: fake.Name, ProvisionState: "manageable"}
	if err := w.db.CreateNode(t.Context(), b, &ironic.Port{UUID: "p2", Address: "52:54:00:00:88:01"}); err != nil {
		t.Fatal(err)
	}
	for what, payload := range map[string]string{
		"a known address":                inventory,
		"addresses of two nodes":         strings.Replace(strings.Replace(stranger(), "52:54:00:00:99:02", mac, 1), `{"name": "lo",`, `{"name": "eth2", "mac_address": "52:54:00:00:88:01"}, {"name": "lo",`, 1),
		"a known address beside unknown": strings.Replace(stranger(), "52:54:00:00:99:02", mac, 1),
	} {
		if _, err := w.c.ContinueInspection(t.Context(), []byte(payload)); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.set(func(n *ironic.Node) { n.DriverInfo = map[string]any{"ipmi_address": "192.0.2.50"} })
	if _, err := w.c.ContinueInspection(t.Context(), []byte(stranger())); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "is that of node control-1") {
		t.Errorf("a known BMC: %v", err)
	}
	for key, host := range map[string]string{"ipmi_address": "localhost", "redfish_address": "https://localhost:8000"} {
		w.set(func(n *ironic.Node) { n.DriverInfo = map[string]any{key: host} })
		named := strings.Replace(stranger(), "192.0.2.50", "127.0.0.1", 1)
		if _, err := w.c.ContinueInspection(t.Context(), []byte(named)); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "is that of node control-1") {
			t.Errorf("a BMC known as %s: %v", host, err)
		}
	}
	if nodes, err := w.db.Nodes(t.Context(), ironic.NodeFilter{}); err != nil || len(nodes) != 2 {
		t.Errorf("%d nodes, %v", len(nodes), err)
	}
}

func TestTwoInventoriesOfOneStrangerMakeOneNode(t *testing.T) {
	w := newWorld(t, discovering)
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			id, err := w.c.ContinueInspection(t.Context(), []byte(stranger()))
			if err != nil {
				t.Error(err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("%v", ids)
		}
	}
	if nodes, err := w.db.Nodes(t.Context(), ironic.NodeFilter{}); err != nil || len(nodes) != 1 {
		t.Errorf("%d nodes, %v", len(nodes), err)
	}
}

// What a rule objects to stands at the node; the sender, who needs no password, is told nothing of it.
func TestARuleThatRefusesAStrangerIsTheNodesError(t *testing.T) {
	w := newWorld(t, discovering)
	w.rule(ironic.RuleInspector, "no", 0, nil, ops{{"action": "fail", "message": "not of ours"}})
	_, err := w.c.ContinueInspection(t.Context(), []byte(stranger()))
	if !errs.Is(err, errs.Invalid) || strings.Contains(err.Error(), "not of ours") {
		t.Errorf("%v", err)
	}
	nodes, err := w.db.Nodes(t.Context(), ironic.NodeFilter{})
	if err != nil || len(nodes) != 1 || !strings.Contains(nodes[0].LastError, "not of ours") || nodes[0].ProvisionState != "enroll" || nodes[0].Properties["cpus"] != nil {
		t.Errorf("%+v %v", nodes, err)
	}
	if err := w.db.DeleteInspectionRules(t.Context(), ironic.RuleInspector); err != nil {
		t.Fatal(err)
	}
	if _, err := w.c.ContinueInspection(t.Context(), []byte(stranger())); err != nil {
		t.Errorf("once the rule is gone: %v", err)
	}
	if n, err := w.db.Node(t.Context(), nodes[0].UUID); err != nil || n.LastError != "" || n.Properties["cpus"] != "4" {
		t.Errorf("%+v %v", n, err)
	}
}

// onLine calls do when a line that begins with words is logged.
type onLine struct {
	slog.Handler
	words string
	do    func()
}

func (o *onLine) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, o.words) {
		o.do()
	}
	return o.Handler.Handle(ctx, r)
}

// Whoever takes a discovered machine in hand gets nothing of it written any more.
func TestADiscoveredNodeThatWasTakenIsLeftAlone(t *testing.T) {
	for _, at := range []string{"machine discovered", "a discovered machine's inventory could not be processed"} {
		var w *world
		w = newWorld(t, func(c *conductor.Config) {
			discovering(c)
			c.Log = slog.New(&onLine{Handler: slog.NewTextHandler(io.Discard, nil), words: at, do: func() {
				nodes, err := w.db.Nodes(t.Context(), ironic.NodeFilter{})
				if err != nil || len(nodes) != 1 {
					t.Errorf("%d nodes, %v", len(nodes), err)
					return
				}
				if _, err := w.db.UpdateNode(t.Context(), nodes[0].UUID, func(n *ironic.Node) error { n.ProvisionState = "manageable"; return nil }); err != nil {
					t.Error(err)
				}
			}})
		})
		w.rule(ironic.RuleInspector, "no", 0, nil, ops{{"action": "fail", "message": "not of ours"}})
		if _, err := w.c.ContinueInspection(t.Context(), []byte(stranger())); !errs.Is(err, errs.Conflict) {
			t.Errorf("%s: %v", at, err)
		}
		if nodes, err := w.db.Nodes(t.Context(), ironic.NodeFilter{}); err != nil || len(nodes) != 1 || nodes[0].ProvisionState != "manageable" || nodes[0].LastError != "" {
			t.Errorf("%s: %+v %v", at, nodes, err)
		}
	}
}

func TestWhatUnknownMachinesBoot(t *testing.T) {
	w := newWorld(t, discovering)
	w.node("manageable")
	e, ok := w.c.UnknownMachine(t.Context(), "52:54:00:00:99:01")
	if !ok || e.Kernel != "/k" || e.Ramdisk != "/r" || fmt.Sprint(e.Params) != "[ipa-inspection-callback-url=http://192.0.2.1:6385/v1/continue_inspection]" {
		t.Errorf("%+v %v", e, ok)
	}
	if _, ok := w.c.UnknownMachine(t.Context(), ""); !ok {
		t.Error("the files alone are refused")
	}
	if _, ok := w.c.UnknownMachine(t.Context(), mac); ok {
		t.Error("the address of a port is unknown")
	}
	if _, ok := newWorld(t, nil).c.UnknownMachine(t.Context(), "52:54:00:00:99:01"); ok {
		t.Error("discovery is off")
	}
	images := newWorld(t, func(c *conductor.Config) { discovering(c); c.DeployKernel = "" })
	if e, ok := images.c.UnknownMachine(t.Context(), "52:54:00:00:99:01"); ok { // the test's image service has none of that name
		t.Errorf("%+v", e)
	}
}

// Whoever is on the provisioning network may send inventories: they are bounded.
func TestAnInventoryThatIsTooMuchIsNotEnrolled(t *testing.T) {
	w := newWorld(t, discovering)
	var cards []string
	for i := range 65 {
		cards = append(cards, fmt.Sprintf(`{"name":"e%d","mac_address":"52:54:00:77:00:%02x"}`, i, i))
	}
	for what, payload := range map[string]string{
		"addresses": `{"inventory":{"interfaces":[` + strings.Join(cards, ",") + `]}}`,
		"bytes":     strings.Replace(stranger(), "{", `{"junk":"`+strings.Repeat("x", 2<<20)+`",`, 1),
	} {
		if _, err := w.c.ContinueInspection(t.Context(), []byte(payload)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "discovery takes") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if nodes, err := w.db.Nodes(t.Context(), ironic.NodeFilter{}); err != nil || len(nodes) != 0 {
		t.Errorf("%d nodes, %v", len(nodes), err)
	}
}
