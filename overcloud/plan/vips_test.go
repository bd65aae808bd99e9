package plan_test

import (
	"context"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/templates"
)

// TestVirtualAddressesOfAFile: a file of virtual addresses fixes them, by network.
func TestVirtualAddressesOfAFile(t *testing.T) {
	o := realOptions(t, articleCounts(), isolated()...)
	o.VIPs = plan.File{Name: "vips.yaml", Data: []byte("- network: external\n  ip_address: 10.0.0.99\n- network: internal_api\n  ip_address: 172.16.2.99\n- network: ctlplane\n  ip_address: 192.168.24.99\n- network: storage\n")}
	p, err := plan.Build(context.Background(), scripted(t, "queens"), o)
	if err != nil {
		t.Fatal(err)
	}
	vips, _ := p.Outputs["VipMap"].(map[string]any)
	for net, want := range map[string]string{"external": "10.0.0.99", "internal_api": "172.16.2.99", "ctlplane": "192.168.24.99", "storage": "172.16.1.4"} {
		if vips[net] != want {
			t.Errorf("%s has %v, want %s", net, vips[net], want)
		}
	}
}

func TestVirtualAddressesThatCannotBe(t *testing.T) {
	o := article(t)
	o.VIPs = plan.File{Name: "vips.yaml", Data: []byte("- network: externl\n- network: external\n  ip_address: 192.0.2.1\n")}
	_, err := plan.Build(context.Background(), templates.FS, o)
	for _, want := range []string{"vips.yaml:1", "external", "vips.yaml:2", "192.0.2.1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v, want it to say %s", err, want)
		}
	}
}

// Virtual addresses that nobody will have are named: the tree makes that of ctlplane
// alone, and with one controller not even that.
func TestVirtualAddressesWithoutEffect(t *testing.T) {
	const external = "vips.yaml:1: the virtual address of network external has no effect: no template makes one (parameter PublicVirtualFixedIPs)"
	const control = "the virtual address of ctlplane (ControlFixedIPs) has no effect: with one controller"
	o := article(t)
	o.VIPs = plan.File{Name: "vips.yaml", Data: []byte("- network: external\n- network: ctlplane\n  ip_address: 192.168.24.99\n")}
	if p := build(t, o); !warns(p, external) || !warns(p, "vips.yaml:2: "+control) {
		t.Errorf("%q", p.Warnings)
	}
	several, _ := controllers(t, 3)
	several.VIPs = o.VIPs
	if p := build(t, several); !warns(p, external) || warns(p, control) || p.VirtualAddress() != "192.168.24.99" {
		t.Errorf("three: %s, %q", p.VirtualAddress(), p.Warnings)
	}
	o.VIPs = plan.File{}
	if p := build(t, o); warns(p, "virtual address") {
		t.Errorf("nobody asks: %q", p.Warnings)
	}
	o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  ControlFixedIPs: [{ip_address: 192.168.24.99}]\n")}}
	if p := build(t, o); !warns(p, "my.yaml:2: "+control) {
		t.Errorf("by a parameter: %q", p.Warnings)
	}
}

// What a file of addresses asks for is told with the file's line, not with another's.
func TestPlaceOfAVirtualAddress(t *testing.T) {
	o, _ := controllers(t, 3)
	o.Ctlplane = provisioning()
	o.VIPs = plan.File{Name: "vips.yaml", Data: []byte("- network: ctlplane\n  ip_address: 10.9.9.9\n")}
	if _, err := plan.Build(t.Context(), templates.FS, o); err == nil || !strings.Contains(err.Error(), "vips.yaml:1: ControlFixedIPs[0]: 10.9.9.9 is not in network ctlplane") {
		t.Errorf("got %v", err)
	}
}
