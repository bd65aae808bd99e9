package placement_test

import (
	"errors"
	"strings"
	"testing"

	"trefoil/overcloud/placement"
)

// A machine whose processor cannot run virtual machines is passed over, and where there
// is no other it is told before an image is written to it.
func TestMachinesWithoutVirtualisation(t *testing.T) {
	seen := func(name, vt string) placement.Node {
		n := node(name, "compute")
		n.Capabilities["cpu_hugepages"] = "true" // what introspection always finds
		if vt != "" {
			n.Capabilities["cpu_vt"] = vt
		}
		return n
	}
	kvm := []placement.Want{{Role: "Compute", Count: 1, Profile: "compute", KVM: true}}
	got, err := placement.Place([]placement.Node{seen("plain", ""), seen("able", "true")}, kvm, nil)
	if err != nil || got[0].Node.Name != "able" {
		t.Errorf("%+v %v", got, err)
	}
	_, err = placement.Place([]placement.Node{seen("plain", "")}, kvm, nil)
	var no *placement.NoFit
	if !errors.As(err, &no) || len(no.Rows) != 1 || !strings.Contains(no.Rows[0].Rule, "no virtualisation") || !strings.Contains(no.Rows[0].Remedy, "--libvirt-type qemu") {
		t.Errorf("%+v %v", no, err)
	}
	pinned := []placement.Want{{Role: "Compute", Count: 1, Pins: []placement.Pin{{Name: "c", Node: "plain", KVM: true}}}}
	if _, err = placement.Place([]placement.Node{seen("plain", "")}, pinned, nil); !errors.As(err, &no) || len(no.Rows) != 1 || !strings.Contains(no.Rows[0].Rule, "no virtualisation") {
		t.Errorf("a machine that is named: %v", err)
	}
	if _, err = placement.Place([]placement.Node{node("unseen", "compute")}, kvm, nil); err != nil {
		t.Errorf("nothing is known of the processor: %v", err)
	}
	kvm[0].KVM = false
	if _, err = placement.Place([]placement.Node{seen("plain", "")}, kvm, nil); err != nil {
		t.Errorf("emulation needs nothing: %v", err)
	}
}
