package conductor_test

import (
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/driver/fake"
)

// cards gives the world's node two parts that are off.
func (w *world) cards() (one, two *ironic.Node) {
	w.t.Helper()
	card := func(uuid, name string) *ironic.Node {
		n := &ironic.Node{UUID: uuid, Name: name, Driver: fake.Name, ProvisionState: "manageable", PowerState: ironic.PowerOff,
			ParentNode: w.row().UUID, Interfaces: map[string]string{"boot": "fake", "deploy": "fake", "bios": "fake"}}
		w.ok(w.db.CreateNode(w.t.Context(), n))
		return n
	}
	return card("00000000-0000-4000-8000-00000000000a", "card-a"), card("00000000-0000-4000-8000-00000000000b", "card-b")
}

// onCards is a step that runs on child nodes: on all, or on these.
func onCards(iface, step string, limit ...any) map[string]any {
	s := map[string]any{"interface": iface, "step": step, "execute_on_child_nodes": true}
	if limit != nil {
		s["limit_child_node_execution"] = limit
	}
	return s
}

func cleanBy(list ...map[string]any) func(*api.ProvisionRequest) {
	return func(r *api.ProvisionRequest) { r.CleanSteps = list }
}

// tells looks for a line in a node's history.
func (w *world) tells(n *ironic.Node, line string) {
	w.t.Helper()
	told, err := w.db.History(w.t.Context(), n.UUID)
	if err != nil || !slices.ContainsFunc(told, func(e ironic.HistoryEntry) bool { return e.Severity+" "+e.Event == line }) {
		w.t.Errorf("%s's history has no %q: %v, %v", n.Name, line, told, err)
	}
}

func TestAChildNodesHistoryTellsOfAStepThatFailed(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	fakeDeploy(w)
	one, _ := w.cards()
	for _, step := range []map[string]any{onCards("bios", "factory_reset", one.UUID), onCards("power", "power_on", one.UUID)} {
		w.drv.Fail = func(uuid, action string) error {
			if uuid == one.UUID {
				return errs.New(errs.Invalid, "the card is loose")
			}
			return nil
		}
		w.provision("clean", cleanBy(step))
		w.await("clean failed")
		w.drv.Fail = nil
		w.provision("manage")
		w.await("manageable")
	}
	w.tells(one, "ERROR clean step factory_reset of node control-1 failed: the card is loose")
	w.tells(one, "ERROR clean step power_on of node control-1 failed: power on node card-a: the card is loose")
}

func TestStepsRunOnChildNodes(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	fakeDeploy(w)
	one, two := w.cards()
	w.provision("clean", cleanBy(onCards("power", "power_on"), onCards("power", "power_off", one.UUID), onCards("bios", "factory_reset")))
	parent := w.await("manageable")
	if parent.PowerState != ironic.PowerOn || parent.LastError != "" || w.boots != 0 {
		t.Errorf("the parent is %q (%s) after %d ramdisks", parent.PowerState, parent.LastError, w.boots)
	}
	for n, want := range map[*ironic.Node]string{one: ironic.PowerOff, two: ironic.PowerOn} {
		row, err := w.db.Node(t.Context(), n.UUID)
		w.ok(err)
		at, err := w.drv.PowerState(t.Context(), row)
		if err != nil || row.PowerState != want || at != want || row.ProvisionState != "manageable" || row.Reservation != "" {
			t.Errorf("%s: %q, the machine %q, in %q, held by %q", n.Name, row.PowerState, at, row.ProvisionState, row.Reservation)
		}
	}
	w.tells(one, "INFO power off: done, by clean step power_off of node control-1")
	w.tells(two, "INFO clean step factory_reset of node control-1: done")
	if h := w.history(); !strings.Contains(h, "step power_on ran on 2 child nodes: card-a, card-b") || !strings.Contains(h, "step power_off ran on 1 child nodes: card-a") {
		t.Errorf("history:\n%s", h)
	}
}

// The steps of the parent that stand between find its ramdisk: that it is off is about the children alone.
func TestAStepOnChildNodesLeavesTheParentsRamdiskUp(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	eraser(w, false)
	one, _ := w.cards()
	w.provision("clean", cleanBy(onCards("power", "power_off"), map[string]any{"interface": "deploy", "step": "erase_devices_metadata"}, onCards("power", "reboot", one.UUID)))
	w.await("manageable")
	if got := w.steps(); got != "erase_devices_metadata" || w.boots != 1 {
		t.Errorf("agents ran %s in %d ramdisks", got, w.boots)
	}
}

func TestStepsOnChildNodesThatAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	eraser(w, false)
	one, two := w.cards()
	_, err := w.db.UpdateNode(t.Context(), two.UUID, func(n *ironic.Node) error { n.DisablePowerOff = true; return nil })
	w.ok(err)
	for name, c := range map[string]struct {
		step map[string]any
		want string
	}{
		"an agent's step":      {onCards("deploy", "flash", one.UUID), "child node card-a: node does not support this clean step: {'interface': 'deploy', 'step': 'flash'}"},
		"an unknown one":       {onCards("raid", "polish"), "child node card-a: node does not support this clean step"},
		"a foreign node":       {onCards("power", "power_on", w.row().UUID), "which is no child node of node control-1"},
		"one that stays on":    {onCards("power", "power_off"), "child node card-b: Node card-b must not be switched off"},
		"a hold":               {onCards("deploy", "hold"), "step hold cannot run on child nodes"},
		"a wait":               {onCards("deploy", "wait"), "step wait cannot run on child nodes"},
		"a name":               {onCards("power", "power_on", "card-a"), "'card-a' is no UUID of a child node"},
		"no list":              {map[string]any{"interface": "power", "step": "power_on", "limit_child_node_execution": "card-a"}, "is not of type 'array'"},
		"a text for a boolean": {map[string]any{"interface": "power", "step": "power_on", "execute_on_child_nodes": "true"}, "is not of type 'boolean'"},
	} {
		err := w.c.Provision(t.Context(), "control-1", api.ProvisionRequest{Target: "clean", CleanSteps: []map[string]any{c.step}})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.want) || w.row().ProvisionState != "manageable" {
			t.Errorf("%s: %v, want %s; now %s", name, err, c.want, w.row().ProvisionState)
		}
	}
}

func TestAChildNodeThatIsAtWorkIsLeftAlone(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	fakeDeploy(w)
	one, _ := w.cards()
	_, err := w.db.UpdateNode(t.Context(), one.UUID, func(n *ironic.Node) error {
		n.DriverInternalInfo = map[string]any{"job_id": "x", "job_kind": "clean"}
		return nil
	})
	w.ok(err)
	w.provision("clean", cleanBy(onCards("power", "power_on")))
	if n := w.await("clean failed"); !strings.Contains(n.LastError, one.UUID) || !strings.Contains(n.LastError, "clean") {
		t.Errorf("last_error %q", n.LastError)
	}
}
