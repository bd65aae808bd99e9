package plan_test

import (
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/templates"
)

// What people rightly put into lists is taken, whichever way it is written.
func TestListsThatAreTaken(t *testing.T) {
	o := article(t)
	o.Environments = []plan.File{{Name: "my.yaml", Data: []byte(`parameter_defaults:
  NeutronFlatNetworks: '*'
  NeutronNetworkVLANRanges: 'datacentre:1:4094,storage,a.b-c_d:100:199'
  NeutronBridgeMappings: ['datacentre:br-ex', 'storage:br-st']
  NeutronVniRanges: ['1:16777215', '20:30']
  NeutronTunnelIdRanges: '1:4294967295'
  NeutronPublicInterface: [enp0s31f6, eth1.100]
  NeutronDhcpAgentDnsmasqDnsServers: [192.0.2.53, '2001:db8::53', '::1']
  NeutronPluginExtensions: []
  NeutronServicePlugins: 'router, qos'
  HorizonAllowedHosts: [.example.com, cloud, 192.0.2.9, '[2001:db8::9]']
  ExtraHostFileEntries: ['192.0.2.9 a.example.com a  # mine', '', '2001:db8::9 b']
  NtpServer: 'ntp1.example.com,192.0.2.123,2001:db8::123'
  NtpPool: []
`)}}
	if _, err := plan.Build(t.Context(), templates.FS, o); err != nil {
		t.Error(err)
	}
	o.Environments[0].Data = []byte("parameter_defaults:\n\n  NeutronNetworkVLANRanges: [storage, 'datacentre:0:9']\n")
	_, err := plan.Build(t.Context(), templates.FS, o)
	for _, want := range []string{"my.yaml:3: parameter NeutronNetworkVLANRanges ", `has the item "datacentre:0:9"`, "as in datacentre:100:199"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
