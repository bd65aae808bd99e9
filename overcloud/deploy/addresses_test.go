package deploy_test

import (
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/deploy"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/eval"
)

// TestAddressesThatAreAskedForAreTakenFirst: before the virtual address, which takes any, and
// before those of other machines; by a parameter, too.
func TestAddressesThatAreAskedForAreTakenFirst(t *testing.T) {
	w := threeControllers(t)
	w.counts(stack.Create, 3, map[string]any{"ControllerIPs": map[string]any{"ctlplane": []any{"192.168.24.50", "192.168.24.5"}},
		"ComputeIPs": map[string]any{"ctlplane": []any{"192.168.24.6"}}})
	w.run("CREATE_COMPLETE")
	vip := slices.Index(w.cloud.order, "vip any")
	if vip < 0 {
		t.Fatalf("no virtual address: %v", w.cloud.order)
	}
	first := slices.Sorted(slices.Values(w.cloud.order[:vip]))
	if want := []string{"overcloud-controller-0 192.168.24.50", "overcloud-controller-1 192.168.24.5", "overcloud-novacompute-0 192.168.24.6"}; !slices.Equal(first, want) {
		t.Errorf("before the virtual address: %v, want %v", first, want)
	}
	if !slices.Contains(w.cloud.order[vip:], "overcloud-controller-2 any") || !slices.Contains(w.cloud.order[vip:], "overcloud-controller-0 192.168.24.50") {
		t.Errorf("behind it: %v", w.cloud.order[vip:])
	}
	nodes, err := w.db.StackNodes(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if got := w.cloud.asked[n.UUID].Address.IP; got != n.Address || n.Name == "overcloud-controller-1" && got != "192.168.24.5" {
			t.Errorf("%s has %s, and was deployed with %s", n.Name, n.Address, got)
		}
	}
}

// TestAddressesOfAFileAreCheckedBeforeAnyMachine: where machines are only provisioned, and where
// they are deployed.
func TestAddressesOfAFileAreCheckedBeforeAnyMachine(t *testing.T) {
	for address, want := range map[string]string{
		"192.168.255.1": "/b.yaml:3: instance ctl: fixed_ip of network ctlplane: 192.168.255.1 is the gateway of network ctlplane",
		"192.168.7.7":   "192.168.7.7 is not in network ctlplane (192.168.255.0/24, 192.168.20.0/24)",
		"192.168.20.9":  "", // behind a router
	} {
		only := provisionOf(strings.ReplaceAll(twoRoles, "192.168.255.77", address))
		whole := newWorld(t).begin(stack.Create, 2).Input
		whole.BaremetalFile, whole.Files, whole.Counts = only.BaremetalFile, only.Files, map[string]int{"CephStorage": 0}
		for _, in := range []stack.Input{only, whole} {
			w := newWorld(t)
			w.engine.Plan = deploy.Plans{Ctlplane: eval.Subnet{CIDR: "192.168.255.0/24", Gateway: "192.168.255.1"},
				Leaves: []eval.Subnet{{CIDR: "192.168.20.0/24", Gateway: "192.168.20.1"}}}.Of
			w.begin(stack.Create, 2) // with passwords
			w.asks(stack.Update, in)
			if want == "" {
				w.run("UPDATE_COMPLETE")
			} else if s := w.run("UPDATE_FAILED"); !strings.Contains(s.Failures[0].Error, want) || len(w.cloud.order) > 0 {
				t.Errorf("%s: %q; taken: %v", address, s.Failures[0].Error, w.cloud.order)
			}
		}
	}
}

// TestAddressOfAMachineThatStaysIsNoOthers: it is refused before a machine is taken for it.
func TestAddressOfAMachineThatStaysIsNoOthers(t *testing.T) {
	w := newWorld(t)
	w.asks(stack.Create, provisionOf("- {name: Compute, count: 1, defaults: {profile: compute}}\n"))
	w.run("CREATE_COMPLETE")
	nodes, err := w.db.StackNodes(t.Context(), "id")
	if err != nil || len(nodes) != 1 || nodes[0].Address == "" {
		t.Fatalf("%+v %v", nodes, err)
	}
	w.asks(stack.Update, provisionOf("- name: Controller\n  instances: [{hostname: ctl, networks: [{network: ctlplane, fixed_ip: "+nodes[0].Address+"}]}]\n"))
	want := "/b.yaml:2: instance ctl: fixed_ip of network ctlplane: " + nodes[0].Address + " is that of " + nodes[0].Name + ", which is there and keeps it"
	if s := w.run("UPDATE_FAILED"); s.Failures[0].Phase != "plan" || s.Failures[0].Error != want || w.cloud.deploys != 1 {
		t.Errorf("%+v, %d deploys", s.Failures, w.cloud.deploys)
	}
}
