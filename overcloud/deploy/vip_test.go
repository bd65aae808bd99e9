package deploy_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// counts writes down an action for as many controllers.
func (w *world) counts(action string, controllers int, parameters map[string]any) {
	w.t.Helper()
	w.begin(action, 1)
	if _, err := w.db.UpdateStack(w.t.Context(), "id", func(s *stack.Stack) error {
		s.Input.Counts["Controller"] = controllers
		s.Input.Parameters = map[string]any{"NtpServer": []any{"ntp.example.com"}}
		maps.Copy(s.Input.Parameters, parameters)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

// threeControllers is a world whose stack has them, about to be made.
func threeControllers(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, name := range []string{"control-2", "control-3"} {
		w.cloud.nodes = append(w.cloud.nodes, placement.Node{UUID: "uuid-" + name, Name: name, State: "available", PowerState: "power off",
			ResourceClass: "baremetal", Capabilities: map[string]string{"profile": "control"}})
	}
	w.counts(stack.Create, 3, nil)
	return w
}

// TestSeveralControllersAnswerAtOneAddress: it is taken before the machines get theirs,
// kept with the stack, and is what the catalog and the user are told.
func TestSeveralControllersAnswerAtOneAddress(t *testing.T) {
	w := threeControllers(t)
	s := w.run("CREATE_COMPLETE")
	if s.Addresses[plan.VirtualKey("overcloud")] != "192.168.255.9" {
		t.Errorf("kept: %v", s.Addresses)
	}
	out := s.Outputs
	if out["KeystoneURL"] != "http://192.168.255.9:5000/" || w.catalog.wanted.URL != out["KeystoneURL"] {
		t.Errorf("Keystone is at %v, the catalog was made at %s", out["KeystoneURL"], w.catalog.wanted.URL)
	}
	for _, r := range w.catalog.wanted.Resources {
		for kind, url := range r.Endpoints {
			if !strings.HasPrefix(url, "http://192.168.255.9:") {
				t.Errorf("%s %s is %s", r.Name, kind, url)
			}
		}
	}
	if w.begin(stack.Delete, 1); w.engine.Run(t.Context(), "id") != nil || !w.cloud.released["id"] {
		t.Errorf("the address is not given back: %v", w.cloud.released)
	}
}

func TestOneControllerTakesNoFurtherAddress(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	if s := w.run("CREATE_COMPLETE"); len(s.Addresses) > 0 || s.Outputs["KeystoneURL"] != "http://192.168.255.11:5000/" {
		t.Errorf("%v, %v", s.Addresses, s.Outputs["KeystoneURL"])
	}
}

// TestOneControllerIsNotMadeSeveral: nothing is touched, nothing is written down, and the
// service refuses it before the action begins.
func TestOneControllerIsNotMadeSeveral(t *testing.T) {
	w := threeControllers(t)
	w.counts(stack.Create, 1, nil)
	w.run("CREATE_COMPLETE")
	was := w.cloud.deploys
	w.counts(stack.Update, 3, nil)
	s, err := w.db.Stack(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Check(t.Context(), s); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "laid out for one controller") {
		t.Errorf("the service accepts it: %v", err)
	}
	if s = w.run("UPDATE_FAILED"); !strings.Contains(fmt.Sprint(s.Failures), "laid out for one controller") || len(s.Addresses) > 0 || w.cloud.deploys != was {
		t.Errorf("%v, addresses %v, %d deploys", s.Failures, s.Addresses, w.cloud.deploys)
	}
	w.counts(stack.Update, 1, nil)
	w.run("UPDATE_COMPLETE")
}

// TestMachinesThatWereOnlyProvisionedMayBeSeveral: nothing listens on them yet, nor on
// those of a deployment that was killed before it had taken the address.
func TestMachinesThatWereOnlyProvisionedMayBeSeveral(t *testing.T) {
	w := threeControllers(t)
	if err := w.db.PutStackNode(t.Context(), "id", stack.Node{Node: plan.Node{Name: "overcloud-controller-0", Role: "Controller", UUID: "uuid-control-1"}, InstanceUUID: "of-before", Resource: "Controller", Hashes: map[int]string{}}); err != nil {
		t.Fatal(err)
	}
	if s := w.run("CREATE_COMPLETE"); s.Outputs["VipMap"] == nil {
		t.Errorf("no address: %v", s.Outputs)
	}
}

// TestAddressThatWasOnlyTakenIsGivenUp: the machines of a deployment that failed before
// their first step know nothing of it.
func TestAddressThatWasOnlyTakenIsGivenUp(t *testing.T) {
	for how, p := range map[string]map[string]any{"one is asked for": nil, "it is not wanted": {"EnableHighAvailability": "false"}} {
		w := threeControllers(t)
		w.cloud.failNode = "uuid-control-2"
		if s := w.run("CREATE_FAILED"); s.Addresses[plan.VirtualKey("overcloud")] == "" {
			t.Fatal("the world is not as the test needs it")
		}
		w.cloud.failNode = ""
		w.counts(stack.Update, 1, p)
		if s := w.run("UPDATE_COMPLETE"); len(s.Addresses) > 0 || !w.cloud.released["id"] || s.Outputs["VipMap"] != nil {
			t.Errorf("%s: addresses %v, given back %v, outputs %v", how, s.Addresses, w.cloud.released, s.Outputs["VipMap"])
		}
	}
}

// TestAddressThatMachinesKnowIsKept: theirs is a cluster, also where the deployment failed
// later, and one that is left.
func TestAddressThatMachinesKnowIsKept(t *testing.T) {
	w := threeControllers(t)
	w.nodes.fail = "3 overcloud-controller-0"
	w.run("CREATE_FAILED")
	w.nodes.fail = ""
	w.counts(stack.Update, 1, nil)
	if s := w.run("UPDATE_COMPLETE"); s.Addresses[plan.VirtualKey("overcloud")] != "192.168.255.9" || s.Outputs["KeystoneURL"] != "http://192.168.255.9:5000/" || w.cloud.released["id"] {
		t.Errorf("addresses %v, Keystone at %v", s.Addresses, s.Outputs["KeystoneURL"])
	}
	w.counts(stack.Update, 1, map[string]any{"EnableHighAvailability": "false"})
	if s := w.run("UPDATE_FAILED"); !strings.Contains(fmt.Sprint(s.Failures), "has the virtual address 192.168.255.9") || s.Addresses[plan.VirtualKey("overcloud")] == "" {
		t.Errorf("%v, %v", s.Failures, s.Addresses)
	}
}

// TestAddressIsAskedForAgain: a port that was deleted, or one that vip provision made
// since, does not move the cloud.
func TestAddressIsAskedForAgain(t *testing.T) {
	w := threeControllers(t)
	w.run("CREATE_COMPLETE")
	w.cloud.vip = "192.168.255.77" // what it would give now
	w.counts(stack.Update, 3, nil)
	if s := w.run("UPDATE_COMPLETE"); s.Addresses[plan.VirtualKey("overcloud")] != "192.168.255.9" || s.Outputs["KeystoneURL"] != "http://192.168.255.9:5000/" {
		t.Errorf("it moved without being asked: %v, %v", s.Addresses, s.Outputs["KeystoneURL"])
	}
	w.counts(stack.Update, 3, map[string]any{"ControlFixedIPs": []any{map[string]any{"ip_address": "192.168.24.19"}}})
	if s := w.run("UPDATE_COMPLETE"); s.Addresses[plan.VirtualKey("overcloud")] != "192.168.24.19" {
		t.Errorf("it does not move where it is asked to: %v", s.Addresses)
	}
}

// TestClustersKeepTheirMajority: with fewer the database stops, and all of the cloud.
func TestClustersKeepTheirMajority(t *testing.T) {
	w := threeControllers(t)
	f := &fakeOvercloud{w: w, servers: map[string][]string{}, at: "http://192.168.255.9:5000/"}
	monitors := &fakeCeph{}
	w.engine.Overcloud, w.engine.Ceph = f.open, monitors
	s := w.run("CREATE_COMPLETE")
	was := len(w.cloud.deployed)
	refused := func(how string) {
		t.Helper()
		s := w.run("UPDATE_FAILED")
		if text := fmt.Sprint(s.Failures); !strings.Contains(text, "the cluster of mysql on 3 machines loses its majority: the 1 that would stay stop serving") ||
			!strings.Contains(text, "the cluster of rabbitmq") || !strings.Contains(text, "the cluster of ceph_mon on 3 machines loses") || len(w.cloud.deployed) != was {
			t.Errorf("%s: %s", how, text)
		}
	}
	w.deletes(deletion(false, "overcloud-controller-1", "overcloud-controller-2"))
	refused("two of three are deleted")
	in := s.Input
	in.Counts = map[string]int{"Controller": 1, "Compute": 1, "CephStorage": in.Counts["CephStorage"]}
	w.asks(stack.Update, in)
	refused("one is asked for")
	in = s.Input
	in.Only, in.Unprovision = stack.OnlyDelete, []string{"overcloud-controller-2"}
	w.asks(stack.Update, in)
	if w.run("UPDATE_COMPLETE"); len(w.cloud.deployed) != was-1 {
		t.Errorf("one of three does not go: %v", w.cloud.deployed)
	}
	if got := strings.Join(monitors.asked, "; "); got != "overcloud-controller-0: mon rm overcloud-controller-2" {
		t.Errorf("Ceph was asked %q", got)
	}
	w.deletes(deletion(false, "overcloud-controller-1"))
	if s = w.run("UPDATE_FAILED"); !strings.HasPrefix(s.Failures[0].Hint, "add a third machine first") {
		t.Errorf("one of two cannot go, and fewer than one is no help: %+v", s.Failures)
	}
}
