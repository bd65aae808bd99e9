package provision_test

import (
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"trefoil/internal/errs"
	"trefoil/internal/golden"
	"trefoil/internal/yaml"
	"trefoil/overcloud/baremetal"
	"trefoil/overcloud/network"
	"trefoil/overcloud/network/provision"
	"trefoil/overcloud/session"
	"trefoil/undercloud/undercloudtest"
)

type world struct {
	t  *testing.T
	u  *undercloudtest.Cloud
	nw *gophercloud.ServiceClient
	c  *provision.Client
}

// newWorld is the real network API with the provisioning network.
func newWorld(t *testing.T) *world {
	t.Helper()
	u := undercloudtest.New(t)
	s, err := session.Open(t.Context(), gophercloud.AuthOptions{IdentityEndpoint: u.AuthURL + "/v3", Username: "admin", Password: undercloudtest.Password,
		DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}}, gophercloud.EndpointOpts{}, nil, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	nw, err := s.Network()
	if err != nil {
		t.Fatal(err)
	}
	c, err := provision.New(s)
	if err != nil {
		t.Fatal(err)
	}
	n, err := networks.Create(t.Context(), nw, networks.CreateOpts{Name: "ctlplane"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	gw := "192.168.24.1"
	err = subnets.Create(t.Context(), nw, subnets.CreateOpts{NetworkID: n.ID, Name: "ctlplane-subnet", CIDR: "192.168.24.0/24", IPVersion: 4, GatewayIP: &gw,
		AllocationPools: []subnets.AllocationPool{{Start: "192.168.24.5", End: "192.168.24.50"}}}).Err
	if err != nil {
		t.Fatal(err)
	}
	return &world{t, u, nw, c}
}

func (w *world) golden(name string, v any) {
	w.t.Helper()
	got, err := yaml.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}
	golden.Check(w.t, name, string(got))
}

func (w *world) nets(text string) []network.Network {
	w.t.Helper()
	nets, err := network.Parse("n.yaml", []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return nets
}

func (w *world) vips(text string) []network.VIP {
	w.t.Helper()
	vips, err := network.ParseVIPs("v.yaml", []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return vips
}

// changes are the requests since the last call that change something.
func (w *world) changes() []string {
	var out []string
	for _, r := range w.u.Requests() {
		if !strings.HasPrefix(r, "GET ") && !strings.Contains(r, "/tokens") {
			out = append(out, r)
		}
	}
	return out
}

const file = `
- name: InternalApi
  name_lower: internal_api
  vip: true
  mtu: 1350
  service_net_map_replace: internal_api
  subnets:
    internal_api_subnet:
      ip_subnet: 172.16.2.0/24
      gateway_ip: 172.16.2.1
      allocation_pools: [{start: 172.16.2.4, end: 172.16.2.250}]
      routes: [{destination: 172.16.64.0/20, nexthop: 172.16.2.1}]
      vlan: 20
    internal_api_leaf1: {ip_subnet: 172.16.3.0/24, vlan: 21, physical_network: leaf1}
- name: Tenant
  dns_domain: tenant.example.test.
  subnets: {tenant_subnet: {ip_subnet: 172.16.0.0/24}}
- name: Six
  vip: true
  ipv6: true
  subnets:
    six_subnet:
      ip_subnet: 10.6.0.0/24
      ipv6_subnet: 'fd00:6::/64'
      gateway_ipv6: 'fd00:6::1'
      ipv6_allocation_pools: [{start: 'fd00:6::10', end: 'fd00:6::ffff'}]
      ipv6_address_mode: dhcpv6-stateful
      ipv6_ra_mode: dhcpv6-stateful
- name: Unused
  enabled: false
  subnets: {unused: {ip_subnet: 10.99.0.0/24}}
`

const vipFile = `
- {network: ctlplane, dns_name: overcloud}
- {network: internal_api, subnet: internal_api_subnet}
- {network: six, ip_address: 'fd00:6::5', name: six_vip, dns_name: six}
`

func TestNetworksAreMadeOnceAndRead(t *testing.T) {
	w := newWorld(t)
	nets := w.nets(file)
	w.changes()
	if err := w.c.Networks(t.Context(), "n.yaml", nets); err != nil {
		t.Fatal(err)
	}
	if got := len(w.changes()); got != 16 { // 3 networks and 5 subnets, each made and tagged
		t.Errorf("%d changes", got)
	}
	env, err := w.c.Environment(t.Context(), nets, "/tht/")
	if err != nil {
		t.Fatal(err)
	}
	w.golden("networks.yaml", env)
	list, err := w.c.Extract(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.golden("extracted.yaml", list)

	again, err := yaml.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	w.changes()
	for _, text := range []string{file, string(again)} { // what was extracted is the same again
		if err := w.c.Networks(t.Context(), "n.yaml", w.nets(text)); err != nil {
			t.Fatal(err)
		}
		if got := w.changes(); len(got) != 0 {
			t.Errorf("a second time changes %v", got)
		}
	}
	if err := w.c.Networks(t.Context(), "n.yaml", w.nets(strings.Replace(file, "mtu: 1350", "mtu: 1400", 1))); err != nil {
		t.Fatal(err)
	}
	if got := w.changes(); len(got) != 1 || !strings.HasPrefix(got[0], "PUT /v2.0/networks/") {
		t.Errorf("another MTU: %v", got)
	}
	moved := strings.NewReplacer("172.16.0.0/24", "172.16.8.0/24", "172.16.3.0/24", "172.16.9.0/24").Replace(file)
	err = w.c.Networks(t.Context(), "n.yaml", w.nets(moved))
	if err == nil || strings.Count(err.Error(), "Cannot update cidr in existing subnet") != 2 || len(w.changes()) != 0 {
		t.Errorf("another range: %v", err)
	}
}

func TestVIPs(t *testing.T) {
	w := newWorld(t)
	nets := w.nets(file)
	if err := w.c.Networks(t.Context(), "n.yaml", nets); err != nil {
		t.Fatal(err)
	}
	vips := w.vips(vipFile)
	if err := w.c.VIPs(t.Context(), "overcloud", vips); err != nil {
		t.Fatal(err)
	}
	env, err := w.c.VIPEnvironment(t.Context(), "overcloud", vips, "/tht")
	if err != nil {
		t.Fatal(err)
	}
	w.golden("vips.yaml", env)
	list, err := w.c.ExtractVIPs(t.Context(), "overcloud")
	if err != nil {
		t.Fatal(err)
	}
	w.golden("vips-extracted.yaml", list)
	w.changes()
	if err := w.c.VIPs(t.Context(), "overcloud", vips); err != nil || len(w.changes()) != 0 {
		t.Errorf("a second time: %v", err)
	}
	// Another address for one, none for another; those of another stack stay.
	if err := w.c.VIPs(t.Context(), "other", w.vips("- {network: tenant}")); err != nil {
		t.Fatal(err)
	}
	fewer := w.vips("- {network: ctlplane}\n- {network: internal_api, ip_address: 172.16.3.9}\n")
	if err := w.c.VIPs(t.Context(), "overcloud", fewer); err != nil {
		t.Fatal(err)
	}
	if list, err = w.c.ExtractVIPs(t.Context(), "overcloud"); err != nil || len(list) != 2 || list[1]["ip_address"] != "172.16.3.9" || list[1]["subnet"] != "internal_api_leaf1" {
		t.Errorf("%v %v", list, err)
	}
	if list, err = w.c.ExtractVIPs(t.Context(), "other"); err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	if _, err := w.c.VIPEnvironment(t.Context(), "overcloud", vips, "/tht"); !errs.Is(err, errs.NotFound) {
		t.Errorf("a virtual IP that is gone: %v", err)
	}
}

// A maker that was killed between port and tags leaves a port behind; it is taken, not doubled.
func TestAnUntaggedPortIsAdopted(t *testing.T) {
	w := newWorld(t)
	all, err := networks.List(w.nw, networks.ListOpts{Name: "ctlplane"}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nets, err := networks.ExtractNetworks(all)
	if err != nil {
		t.Fatal(err)
	}
	left, err := ports.Create(t.Context(), w.nw, ports.CreateOpts{NetworkID: nets[0].ID, Name: "control_virtual_ip"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.c.VIPs(t.Context(), "overcloud", w.vips("- network: ctlplane")); err != nil {
		t.Fatal(err)
	}
	list, err := w.c.ExtractVIPs(t.Context(), "overcloud")
	if err != nil || len(list) != 1 || list[0]["ip_address"] != left.FixedIPs[0].IPAddress {
		t.Errorf("%v %v", list, err)
	}
}

func TestWrongVIPsAreToldAtOnceAndChangeNothing(t *testing.T) {
	w := newWorld(t)
	if err := w.c.Networks(t.Context(), "n.yaml", w.nets(file)); err != nil {
		t.Fatal(err)
	}
	w.changes()
	err := w.c.VIPs(t.Context(), "overcloud", w.vips("- {network: ctlplane}\n- {network: internal_apo}\n- {network: internal_api}\n- {network: tenant, subnet: tenant_subnot}\n- {network: six, ip_address: 1.2.3.4}\n"))
	want := `virtual IPs: v.yaml:2: Network internal_apo for Virtual IP not found; did you mean "internal_api"?
v.yaml:3: Network internal_api has multiple subnets, please add a subnet or an ip_address for the virtual ip on this network.
v.yaml:4: Subnet tenant_subnot for Virtual IP not found on network tenant; did you mean "tenant_subnet"?
v.yaml:5: Virtual IP 1.2.3.4 is in no subnet of network six`
	if err == nil || err.Error() != want || len(w.changes()) != 0 {
		t.Errorf("got %v", err)
	}
}

func TestNodePortsComeAndGoWithTheMachine(t *testing.T) {
	w := newWorld(t)
	if err := w.c.Networks(t.Context(), "n.yaml", w.nets(file)); err != nil {
		t.Fatal(err)
	}
	expand := func(text string) []baremetal.Instance {
		f, err := baremetal.Parse("b.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		d, err := f.Expand(baremetal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return d.Instances
	}
	wrong := expand("- name: A\n  count: 2\n  defaults: {networks: [{network: tenent}, {network: internal_api}]}\n")
	if err := w.c.CheckPorts(t.Context(), "b.yaml", wrong); err == nil || strings.Count(err.Error(), "\n") != 3 ||
		!strings.Contains(err.Error(), `Network tenent for instance overcloud-a-0 not found; did you mean "tenant"?`) {
		t.Errorf("got %v", err)
	}
	list := expand("- name: Controller\n  instances:\n  - {hostname: Ctrl0, networks: [{network: internal_api, fixed_ip: 172.16.2.77}, {network: tenant}]}\n")
	if err := w.c.CheckPorts(t.Context(), "b.yaml", list); err != nil {
		t.Fatal(err)
	}
	ctl := w.ctlplanePort("instance-1")
	got, capitals, err := w.c.Ports(t.Context(), "overcloud", []provision.Machine{{Instance: list[0], UUID: "instance-1"}})
	if err != nil {
		t.Fatal(err)
	}
	nets := got["Ctrl0"]
	if nets["internal_api"] != (baremetal.Address{IP: "172.16.2.77", CIDR: "172.16.2.0/24"}) || nets["tenant"].IP != "172.16.0.1" || nets["ctlplane"].IP != ctl || capitals["internal_api"] != "InternalApi" {
		t.Errorf("got %v %v", nets, capitals)
	}
	w.changes()
	if _, _, err := w.c.Ports(t.Context(), "overcloud", []provision.Machine{{Instance: list[0], UUID: "instance-1"}}); err != nil || len(w.changes()) != 0 {
		t.Errorf("a second time: %v", err)
	}
	if err := w.c.Unprovision(t.Context(), "n.yaml", w.nets(file)); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "network InternalApi is in use by 1 port(s), the first is Ctrl0_InternalApi") {
		t.Errorf("networks in use: %v", err)
	}
	// Asked for no more: the port goes.
	list = expand("- name: Controller\n  instances:\n  - {hostname: Ctrl0}\n")
	if got, _, err = w.c.Ports(t.Context(), "overcloud", []provision.Machine{{Instance: list[0], UUID: "instance-1"}}); err != nil || len(got["Ctrl0"]) != 1 {
		t.Errorf("%v %v", got, err)
	}
	if err := w.c.Unprovision(t.Context(), "n.yaml", w.nets(file)); err != nil {
		t.Fatal(err)
	}
	if left, err := w.c.Extract(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if err := w.c.Unprovision(t.Context(), "n.yaml", w.nets(file)); err != nil {
		t.Errorf("nothing left to delete: %v", err)
	}
}

// ctlplanePort is what the deployer makes for a machine.
func (w *world) ctlplanePort(instance string) string {
	w.t.Helper()
	pages, err := networks.List(w.nw, networks.ListOpts{Name: "ctlplane"}).AllPages(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	nets, err := networks.ExtractNetworks(pages)
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := ports.Create(w.t.Context(), w.nw, ports.CreateOpts{NetworkID: nets[0].ID, Name: "ctrl0-ctlplane", DeviceID: instance, DeviceOwner: "baremetal:none"}).Extract()
	if err != nil {
		w.t.Fatal(err)
	}
	return p.FixedIPs[0].IPAddress
}
