package network_test

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// The modes of an IPv6 subnet are kept, and refused where they make no sense.
func TestIPv6ModesOfASubnet(t *testing.T) {
	f := newFixture(t)
	n, err := networks.Create(t.Context(), f.c, networks.CreateOpts{Name: "six"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	ask := func(cidr string, version int, mode string) (*subnets.Subnet, error) {
		o := subnets.CreateOpts{NetworkID: n.ID, Name: "s", CIDR: cidr, IPVersion: 6, IPv6AddressMode: mode, IPv6RAMode: mode}
		if version == 4 {
			o.IPVersion = 4
		}
		return subnets.Create(t.Context(), f.c, o).Extract()
	}
	if _, err := ask("10.0.0.0/24", 4, "slaac"); err == nil {
		t.Error("taken for IPv4")
	}
	if _, err := ask("fd00::/64", 6, "slack"); err == nil {
		t.Error("an unknown mode is taken")
	}
	s, err := ask("fd00::/64", 6, "dhcpv6-stateless")
	if err != nil || s.IPv6AddressMode != "dhcpv6-stateless" || s.IPv6RAMode != "dhcpv6-stateless" {
		t.Errorf("%+v %v", s, err)
	}
	if s, err = subnets.Get(t.Context(), f.c, s.ID).Extract(); err != nil || s.IPv6RAMode != "dhcpv6-stateless" {
		t.Errorf("read back: %+v %v", s, err)
	}
	if s, err = subnets.Get(t.Context(), f.c, f.subnet).Extract(); err != nil || s.IPv6RAMode != "" {
		t.Errorf("IPv4: %+v %v", s, err)
	}
}
