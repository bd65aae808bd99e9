package cloud_test

import (
	"net/netip"
	"testing"

	"github.com/google/uuid"

	"trefoil/overcloud/network"
	"trefoil/overcloud/network/provision"
)

func TestEnsureVIP(t *testing.T) {
	w := newWorld(t)
	w.ctlplane(t)
	ctx, id := t.Context(), uuid.NewString()
	ensure := func(ip string) string {
		t.Helper()
		got, err := w.cloud.EnsureVIP(ctx, "overcloud", id, ip)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := ensure("")
	if again := ensure(""); again != first || first == "" {
		t.Errorf("%q, and then %q", first, again)
	}
	n := w.under.AddNode("a", nil, "52:54:00:aa:00:01")
	if p, err := w.cloud.EnsurePort(ctx, n.UUID, "overcloud-controller-0", uuid.NewString(), ""); err != nil || p.IP == first {
		t.Errorf("a machine gets %s: %v", p.IP, err)
	}
	if moved := ensure("192.168.255.19"); moved != "192.168.255.19" {
		t.Errorf("asked for another, it is %s", moved)
	}
	if got, err := w.cloud.EnsureVIP(ctx, "overcloud", id, "10.9.9.9"); err == nil {
		t.Errorf("it has an address of another network: %s", got)
	}
	if kept := ensure(""); kept != "192.168.255.19" {
		t.Errorf("the address that it had is lost: %s", kept)
	}
	if other, err := w.cloud.EnsureVIP(ctx, "two", uuid.NewString(), ""); err != nil || other == "192.168.255.19" {
		t.Errorf("another stack has %s: %v", other, err)
	}
	if err := w.cloud.DeletePorts(ctx, id); err != nil {
		t.Fatal(err)
	}
	if free, err := w.cloud.EnsureVIP(ctx, "three", uuid.NewString(), "192.168.255.19"); err != nil || free != "192.168.255.19" {
		t.Errorf("it was not given back: %s %v", free, err)
	}
}

// TestVIPStaysWhereItIsAskedFor: its port was deleted by hand, or vip provision made one
// for a stack that has its own.
func TestVIPStaysWhereItIsAskedFor(t *testing.T) {
	w := newWorld(t)
	w.ctlplane(t)
	ctx, id := t.Context(), uuid.NewString()
	first, err := w.cloud.EnsureVIP(ctx, "overcloud", id, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cloud.DeletePorts(ctx, id); err != nil {
		t.Fatal(err)
	}
	c, err := provision.New(w.s)
	if err == nil {
		err = c.VIPs(ctx, "overcloud", []network.VIP{{Network: network.ControlPlane, IP: netip.MustParseAddr("192.168.255.19")}})
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the port is made anew, and found
		if again, err := w.cloud.EnsureVIP(ctx, "overcloud", id, first); err != nil || again != first {
			t.Errorf("it was %s and is %s: %v", first, again, err)
		}
	}
	if moved, err := w.cloud.EnsureVIP(ctx, "overcloud", id, "192.168.255.19"); err != nil || moved != "192.168.255.19" {
		t.Errorf("asked for the provisioned one, it has %s: %v", moved, err)
	}
}
