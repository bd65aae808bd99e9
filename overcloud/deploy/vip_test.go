package deploy_test

import (
	"fmt"
	"strings"
	"testing"

	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// threeControllers is a world whose stack has them, about to be made.
func threeControllers(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, name := range []string{"control-2", "control-3"} {
		w.cloud.nodes = append(w.cloud.nodes, placement.Node{UUID: "uuid-" + name, Name: name, State: "available", PowerState: "power off",
			ResourceClass: "baremetal", Capabilities: map[string]string{"profile": "control"}})
	}
	w.begin(stack.Create, 1)
	if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error {
		s.Input.Counts["Controller"] = 3
		s.Input.Parameters = map[string]any{"NtpServer": []any{"ntp.example.com"}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
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

// TestClustersKeepTheirMajority: with fewer the database stops, and all of the cloud.
func TestClustersKeepTheirMajority(t *testing.T) {
	w := threeControllers(t)
	f := &fakeOvercloud{w: w, servers: map[string][]string{}, at: "http://192.168.255.9:5000/"}
	w.engine.Overcloud = f.open
	s := w.run("CREATE_COMPLETE")
	was := len(w.cloud.deployed)
	refused := func(how string) {
		t.Helper()
		s := w.run("UPDATE_FAILED")
		if text := fmt.Sprint(s.Failures); !strings.Contains(text, "the cluster of mysql on 3 machines loses its majority: the 1 that would stay stop serving") ||
			!strings.Contains(text, "the cluster of rabbitmq") || len(w.cloud.deployed) != was {
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
}
