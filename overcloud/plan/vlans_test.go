package plan_test

import (
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/templates"
)

// TestVLANsThatNoMachineCanHave are told with the line that sets them, whatever the nic configs are.
func TestVLANsThatNoMachineCanHave(t *testing.T) {
	const twice = "StorageNetworkVlanID is 20, and so is that of InternalApi ("
	for name, c := range map[string]struct {
		parameters, nics string
		want             string // "" is no error
	}{
		"above the highest":                 {"  InternalApiNetworkVlanID: 5000\n", "single-nic-with-vlans", "my.yaml:3: InternalApiNetworkVlanID is 5000; expected 1 to 4094"},
		"the highest":                       {"  InternalApiNetworkVlanID: 4094\n", "single-nic-with-vlans", ""},
		"below none":                        {"  InternalApiNetworkVlanID: -1\n", "single-nic-with-vlans", "my.yaml:3: InternalApiNetworkVlanID is -1;"},
		"none, with a device of it":         {"  InternalApiNetworkVlanID: 0\n", "single-nic-with-vlans", "my.yaml:3: InternalApiNetworkVlanID is 0;"},
		"a fraction":                        {"  InternalApiNetworkVlanID: 20.5\n", "single-nic-with-vlans", "my.yaml:3: InternalApiNetworkVlanID is 20.5;"},
		"nobody who reads it":               {"  InternalApiNetworkVlanID: 5000\n", "multiple-nics", ""},
		"that of another network":           {"  StorageNetworkVlanID: 20\n", "single-nic-with-vlans", "my.yaml:3: " + twice + "network_data.yaml:"},
		"that of another, as Heat reads it": {"  StorageNetworkVlanID: 20.0\n", "single-nic-with-vlans", "my.yaml:3: " + twice + "network_data.yaml:"},
		"that of another, in a bridge":      {"  StorageNetworkVlanID: '20'\n", "bond-with-vlans", "would have both on bond1"},
		"two of one file":                   {"  StorageNetworkVlanID: 70\n  TenantNetworkVlanID: 70\n", "single-nic-with-vlans", "NetworkVlanID is 70, and so is that of "},
		"that of one which moved away":      {"  StorageNetworkVlanID: 20\n  InternalApiNetworkVlanID: 21\n", "single-nic-with-vlans", ""},
		"networks that no machine shares":   {"  StorageMgmtNetworkVlanID: 50\nresource_registry:\n  OS::TripleO::Controller::Ports::TenantPort: network/ports/noop.yaml\n", "multiple-nics", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := apart(t, c.parameters)
			o.Environments = append(o.Environments, plan.File{Name: "environments/net-" + c.nics + ".yaml"})
			_, err := plan.Build(t.Context(), templates.FS, o)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "\n") > 0):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
