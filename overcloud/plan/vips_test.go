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
