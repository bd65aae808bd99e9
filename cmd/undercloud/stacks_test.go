package main

import (
	"net/netip"
	"testing"

	"trefoil/undercloud/config"
)

// TestLeavesAreAllSubnetsButTheLocalOne: machines may ask for addresses in each.
func TestLeavesAreAllSubnetsButTheLocalOne(t *testing.T) {
	subnet := func(name, cidr, gateway string) config.Subnet {
		return config.Subnet{Name: name, CIDR: netip.MustParsePrefix(cidr), Gateway: netip.MustParseAddr(gateway)}
	}
	got := leaves(&config.Config{LocalSubnet: "spine", Subnets: []config.Subnet{subnet("leaf1", "10.1.0.0/24", "10.1.0.1"),
		subnet("spine", "10.0.0.0/24", "10.0.0.1"), subnet("leaf2", "10.2.0.0/24", "10.2.0.1")}})
	if len(got) != 2 || got[0].Name != "leaf1" || got[0].CIDR != "10.1.0.0/24" || got[1].CIDR != "10.2.0.0/24" || got[1].Gateway != "10.2.0.1" {
		t.Errorf("%+v", got)
	}
}
