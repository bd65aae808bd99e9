package plan_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack/eval"
	"trefoil/templates"
)

// physnetMTU are the values that machines have in Neutron's configuration, each once.
func physnetMTU(t *testing.T, o plan.Options) []string {
	t.Helper()
	cfg, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, docs := range cfg {
		for _, d := range docs {
			for _, r := range d.Resources {
				if r.File != nil && r.File.Path == "/etc/neutron/neutron.conf" {
					out = append(out, regexp.MustCompile(`global_physnet_mtu = (.*)`).FindStringSubmatch(r.File.Content)[1])
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Servers' packets fit into those of the network that their tunnels are on, whatever the
// provisioning network carries.
func TestServersPacketsFitIntoTheirTunnels(t *testing.T) {
	const jumbo = "- {name: Tenant, name_lower: tenant, vlan: 50, mtu: 8000, ip_subnet: 172.16.0.0/24}\n- {name: Own, name_lower: own, mtu: 1300, ip_subnet: 172.16.9.0/24}\n"
	const provisioned = "  DeployedNetworkEnvironment: {net_attributes_map: {tenant: {network: {mtu: 1350}}}}\n"
	nics := plan.File{Name: "environments/net-single-nic-with-vlans.yaml"}
	for name, c := range map[string]struct {
		isolated   bool
		networks   string // network_data; empty: the tree's
		parameters string
		nics       bool
		want       string
	}{
		"all on the provisioning network":     {want: "9000"},
		"isolated, 1500 in network_data":      {isolated: true, want: "1500"},
		"isolated, jumbo frames":              {isolated: true, networks: jumbo, want: "8000"},
		"an environment for the nic configs":  {isolated: true, networks: jumbo, parameters: "  TenantMtu: 1600\n", nics: true, want: "1600"},
		"a number without a fraction":         {isolated: true, networks: jumbo, parameters: "  TenantMtu: 1400.0\n", nics: true, want: "1400"},
		"and as a text":                       {isolated: true, networks: jumbo, parameters: "  TenantMtu: '1e3'\n", nics: true, want: "1000"},
		"and nobody who reads it":             {isolated: true, networks: jumbo, parameters: "  TenantMtu: 1600\n", want: "8000"},
		"as network provision made it":        {isolated: true, networks: jumbo, parameters: provisioned, want: "1350"},
		"tunnels moved to the provisioning":   {isolated: true, networks: jumbo, parameters: "  ServiceNetMap: {NeutronTenantNetwork: ctlplane}\n", want: "9000"},
		"which nic configs make smaller":      {isolated: true, networks: jumbo, parameters: "  ServiceNetMap: {NeutronTenantNetwork: ctlplane}\n  ControlPlaneMtu: 1400\n", nics: true, want: "1400"},
		"said for Neutron":                    {isolated: true, parameters: "  NeutronGlobalPhysnetMtu: 1700\n", want: "1700"},
		"a role that is not on the network":   {isolated: true, networks: jumbo, parameters: "resource_registry:\n  OS::TripleO::Compute::Ports::TenantPort: network/ports/noop.yaml\n", want: "8000"},
		"a small network that no tunnel uses": {isolated: true, networks: jumbo, parameters: "  OwnMtu: 1280\n", nics: true, want: "8000"},
	} {
		t.Run(name, func(t *testing.T) {
			o := article(t)
			if c.isolated {
				o = apart(t, c.parameters)
			}
			if c.networks != "" {
				o.Networks = plan.File{Name: "n.yaml", Data: []byte(c.networks)}
			}
			if c.nics {
				o.Environments = append(o.Environments, nics)
			}
			o.Ctlplane = eval.Subnet{CIDR: "192.168.255.0/24", Gateway: "192.168.255.1", MTU: 9000}
			if got := physnetMTU(t, o); !slices.Equal(got, []string{c.want}) {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
	o := apart(t, "resource_registry:\n  OS::TripleO::Compute::Ports::TenantPort: network/ports/noop.yaml\n")
	o.Networks = plan.File{Name: "n.yaml", Data: []byte(jumbo)}
	if got := physnetMTU(t, o); !slices.Equal(got, []string{"1500"}) {
		t.Errorf("computes send their tunnels by a smaller provisioning network: %v", got)
	}
}

// A size that no interface takes is told with the line that sets it, whatever the nic configs are.
func TestPacketsThatNoInterfaceTakes(t *testing.T) {
	o := apart(t, "  TenantMtu: 100\n  ControlPlaneMtu: 65536\n  InternalApiMtu: 100.0\n  StorageMgmtMtu: 1400.5\n  ExternalMtu: true\n  StorageMtu: 0.0\n")
	o.Environments = append(o.Environments, plan.File{Name: "environments/net-multiple-nics.yaml"})
	_, err := plan.Build(t.Context(), templates.FS, o)
	for _, want := range []string{"TenantMtu is 100; expected 576 to 65535 bytes of a packet, a whole number", "ControlPlaneMtu is 65536;", "InternalApiMtu is 100.0;", "StorageMgmtMtu is 1400.5;", "ExternalMtu is True;"} {
		if err == nil || !regexp.MustCompile(`(?m)^my\.yaml:\d+: `+want).MatchString(err.Error()) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "StorageMtu") {
		t.Errorf("0 is none: %v", err)
	}
}
