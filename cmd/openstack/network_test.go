package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"trefoil/overcloud/session"
)

// ctlplane makes the provisioning network, as undercloud install does.
func (o *operator) ctlplane() {
	o.t.Helper()
	s, err := session.FromEnv(o.t.Context(), session.Options{})
	if err != nil {
		o.t.Fatal(err)
	}
	nw, err := s.Network()
	if err != nil {
		o.t.Fatal(err)
	}
	n, err := networks.Create(o.t.Context(), nw, networks.CreateOpts{Name: "ctlplane"}).Extract()
	if err != nil {
		o.t.Fatal(err)
	}
	err = subnets.Create(o.t.Context(), nw, subnets.CreateOpts{NetworkID: n.ID, Name: "ctlplane-subnet", CIDR: "192.168.24.0/24", IPVersion: 4,
		AllocationPools: []subnets.AllocationPool{{Start: "192.168.24.5", End: "192.168.24.50"}}}).Err
	if err != nil {
		o.t.Fatal(err)
	}
}

// in writes a file into the test's directory and returns its path.
func (o *operator) in(dir, name, text string) string {
	o.t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

func (o *operator) holds(path string, parts ...string) {
	o.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		o.t.Error(err)
	}
	for _, part := range parts {
		if !strings.Contains(string(data), part) {
			o.t.Errorf("%s lacks %q:\n%s", path, part, data)
		}
	}
}

func TestNetworkProvisionExtractUnprovision(t *testing.T) {
	o := newOperator(t)
	o.ctlplane()
	dir := t.TempDir()
	nets := o.in(dir, "nets.yaml", "- name: InternalApi\n  name_lower: internal_api\n  vip: true\n  subnets: {internal_api_subnet: {ip_subnet: 172.16.2.0/24, vlan: 20}}\n")
	vips := o.in(dir, "vips.yaml", "- {network: ctlplane, dns_name: overcloud}\n- {network: internal_api}\n")
	out := filepath.Join(dir, "out.yaml")

	o.want("overcloud network provision "+nets, 2, "", "required: -o/--output")
	o.want("overcloud network provision "+filepath.Join(dir, "none")+" -o "+out, 1, "", "Network configuration file does not exist: ")
	o.want("overcloud network provision "+nets+" -o "+dir+"/no/where", 1, "", "there is no directory")
	o.want("overcloud network vip provision --stack overcloud "+vips+" -o "+out, 1, "", "Network internal_api for Virtual IP not found")
	o.want("overcloud network provision "+nets+" -o "+out+" --templates /tht", 0, "", "")
	o.holds(out, "OS::TripleO::Network: /tht/network/deployed_networks.yaml", "tripleo_network_name=InternalApi")

	o.Requests()
	o.want("overcloud network provision "+nets+" -o "+out, 1, "", "Will not overwrite existing file: "+out)
	for _, r := range o.Requests() {
		if !strings.HasPrefix(r, http.MethodGet) {
			t.Errorf("refused and yet asked %s", r)
		}
	}
	o.want("overcloud network vip provision --stack overcloud "+vips+" -y -o "+out, 0, "", "")
	o.holds(out, "ControlPlaneVipPort: /usr/share/openstack-tripleo-heat-templates/network/ports/deployed_vip_ctlplane.yaml", "ip_subnet: 172.16.2.1/24")
	o.want("overcloud network vip extract --stack overcloud -y -o "+out, 0, "", "")
	o.holds(out, "name: control_virtual_ip", "network: internal_api")
	o.want("overcloud network vip extract --stack other -y -o "+out, 1, "", "stack other has no virtual IPs")
	o.want("overcloud network extract --stack overcloud -y -o "+out, 0, "", "")
	o.holds(out, "ip_subnet: 172.16.2.0/24", "vlan: 20")

	o.want("overcloud network unprovision "+nets, 1, "", "Action not confirmed, exiting.")
	o.want("overcloud network unprovision -y "+nets, 1, "", "network InternalApi is in use by 1 port(s), the first is internal_api_virtual_ip")
	o.want("overcloud network vip provision --stack overcloud "+o.in(dir, "none.yaml", "[]\n")+" -y -o "+out, 0, "", "")
	o.want("overcloud network unprovision -y "+nets, 0, "", "")
	o.want("overcloud network unprovision "+nets, 0, "Nothing to unprovision, exiting", "") // and nobody is asked
	o.want("overcloud network extract --stack overcloud -y -o "+out, 1, "", "stack overcloud has no networks")
}
