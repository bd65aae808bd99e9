package plan_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack/eval"
	"trefoil/templates"
)

// apart is the article's deployment with isolated networks.
func apart(t *testing.T, parameters string) plan.Options {
	t.Helper()
	o := article(t)
	o.Environments = append(o.Environments, plan.File{Name: "environments/network-isolation.yaml"},
		plan.File{Name: "my.yaml", Data: []byte("parameter_defaults:\n  KernelPidMax: 65536\n" + parameters)})
	return o
}

func hostsOf(t *testing.T, p *plan.Plan) string {
	t.Helper()
	cfg, err := p.Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cfg["overcloud-controller-0"][0].Resources {
		if r.File != nil && r.File.Path == "/etc/hosts" {
			return r.File.Content
		}
	}
	return ""
}

func TestIsolatedNetworksHaveNamesAndAddressesOfTheirOwn(t *testing.T) {
	p := build(t, apart(t, "  ComputeIPs: {tenant: [172.16.0.50, 172.16.0.51]}\n"))
	hosts := hostsOf(t, p)
	for _, want := range []string{
		"192.168.255.15 overcloud-controller-0.localdomain overcloud-controller-0 overcloud-controller-0.ctlplane.localdomain overcloud-controller-0.ctlplane\n",
		"10.0.0.4 overcloud-controller-0.external.localdomain overcloud-controller-0.external\n",
		"172.16.2.4 overcloud-controller-0.internalapi.localdomain overcloud-controller-0.internalapi\n",
		"172.16.0.50 overcloud-novacompute-0.tenant.localdomain overcloud-novacompute-0.tenant\n",
		"172.16.0.51 overcloud-novacompute-1.tenant.localdomain",
		"overcloud-cephstorage-1.storagemgmt.localdomain",
	} {
		if !strings.Contains(hosts, want) {
			t.Errorf("no line %q in\n%s", want, hosts)
		}
	}
	if strings.Contains(hosts, "overcloud-cephstorage-0.tenant") {
		t.Error("a role without the network is on it")
	}
	if hosts := hostsOf(t, build(t, article(t))); strings.Contains(hosts, "internalapi") {
		t.Errorf("without isolation:\n%s", hosts)
	}
}

// TestAddressesAreKeptWhenAMachineLeaves: the third compute keeps its address when
// the second goes, and a fourth takes the lowest that is free.
func TestAddressesAreKeptWhenAMachineLeaves(t *testing.T) {
	o := apart(t, "")
	o.Counts = map[string]int{"Controller": 1, "Compute": 3, "CephStorage": 1}
	there := []plan.Node{{Name: "c0", Role: "Compute", Index: 0, Address: "192.168.24.30"}, {Name: "c1", Role: "Compute", Index: 1, Address: "192.168.24.31"},
		{Name: "c2", Role: "Compute", Index: 2, Address: "192.168.24.32"}}
	o.Machines = there
	first := build(t, o)
	address := func(p *plan.Plan, index int) string {
		for _, s := range p.Servers {
			if s.Role == "Compute" && s.Index == index {
				return s.Networks["internal_api"]
			}
		}
		return ""
	}
	kept := first.Isolated()
	for key := range kept {
		if strings.HasSuffix(key, "/ctlplane") {
			t.Errorf("%s is the undercloud's to keep", key)
		}
	}
	o.Addresses, o.Machines = kept, []plan.Node{there[0], there[2]}
	o.Counts = map[string]int{"Controller": 1, "Compute": 2, "CephStorage": 1}
	o.Parameters["ComputeRemovalPolicies"] = []any{map[string]any{"resource_list": []any{"1"}}}
	second := build(t, o)
	if a, b := address(first, 2), address(second, 2); a != b || a == "" {
		t.Errorf("compute 2 had %s and has %s", a, b)
	}
	o.Addresses, o.Counts = second.Isolated(), map[string]int{"Controller": 1, "Compute": 3, "CephStorage": 1}
	third := build(t, o)
	if a, b := address(third, 3), address(first, 1); a != b || a == "" {
		t.Errorf("compute 3 has %q; %q is free again", a, b)
	}
}

func TestExtraKernelSettings(t *testing.T) {
	o := apart(t, "  ExtraSysctlSettings: {vm.swappiness: {value: 10}, net.ipv4.ip_forward: {value: 0}}\n  ExtraKernelModules: {dm_multipath: {}, br_netfilter: {}}\n")
	cfg, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range cfg["overcloud-novacompute-0"][0].Resources {
		switch {
		case r.Sysctl != nil:
			got = append(got, r.Sysctl.Key+"="+r.Sysctl.Value)
		case r.KernelModule != nil && r.Service == "kernel":
			got = append(got, r.KernelModule.Name)
		}
	}
	all := strings.Join(got, " ")
	for _, want := range []string{"nf_conntrack br_netfilter dm_multipath", "vm.swappiness=10", "net.ipv4.ip_forward=0", "kernel.pid_max=65536"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %s", want, all)
		}
	}
}

func TestHostnameMapNamesMachines(t *testing.T) {
	o := article(t)
	o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  HostnameMap: {overcloud-novacompute-1: rack2-compute}\n")}}
	p, err := plan.Build(context.Background(), templates.FS, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range p.Servers {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "overcloud-controller-0 overcloud-novacompute-0 rack2-compute overcloud-cephstorage-0 overcloud-cephstorage-1" {
		t.Error(got)
	}
}

// A name for a machine that there may be later waits, and is told; one for a machine that
// was removed is what its file says still.
func TestHostnameMapOfMachinesThatAreNotThere(t *testing.T) {
	o := article(t)
	o.Removed = map[string][]int{"CephStorage": {0}}
	o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  HostnameMap: {overcloud-novacompute-2: rack2-compute, overcloud-cephstorage-0: gone, overcloud-cephstorage-2: kept, overcloud-objectstorage-0: other, mine-0: free}\n")}}
	want := []string{
		"my.yaml:2: HostnameMap: no machine of any role can be called mine-0: the name waits for such a role",
		"my.yaml:2: HostnameMap: there is no machine overcloud-novacompute-2, as role Compute has 2: the name waits for it",
		`my.yaml:2: HostnameMap: no machine of any role can be called overcloud-objectstorage-0; did you mean "overcloud-cephstorage-0"?: the name waits for such a role`,
	}
	if got := build(t, o).Warnings; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

// A network that only roles name still is told: machines are not on it.
func TestNetworkOfARoleThatIsNotDefinedIsTold(t *testing.T) {
	o := article(t)
	o.Networks = plan.File{Name: "n.yaml", Data: []byte("- {name: Storage, name_lower: storage, ip_subnet: 172.16.1.0/24}\n- {name: Own, name_lower: own, ip_subnet: 172.16.9.0/24, enabled: false}\n")}
	o.Roles = plan.File{Name: "r.yaml", Data: []byte("- name: Controller\n  tags: [primary, controller]\n  networks: [Own, Storage]\n" +
		"- name: Compute\n  networks:\n    - Storage\n    - Tenant\n    - Storage1\n- name: CephStorage\n- name: Spare\n  CountDefault: 0\n  networks: [Tenant]\n")}
	want := "r.yaml:7: role Compute: its machines are not on Tenant, Storage1: not in n.yaml, which has Storage, Own"
	got := slices.DeleteFunc(build(t, o).Warnings, func(w string) bool { return !strings.Contains(w, "n.yaml") })
	if !reflect.DeepEqual(got, []string{want}) {
		t.Errorf("got %q", got)
	}
}

// TestNicConfigs: what machines of two roles are told of their interfaces.
func TestNicConfigs(t *testing.T) {
	for _, name := range []string{"net-single-nic-with-vlans", "net-multiple-nics", "net-bond-with-vlans"} {
		o := apart(t, "  TenantMtu: 1600\n")
		o.Environments = append(o.Environments, plan.File{Name: "environments/" + name + ".yaml"})
		o.Machines = machines
		o.Ctlplane = eval.Subnet{CIDR: "192.168.255.0/24", Gateway: "192.168.255.1"}
		cfg, err := build(t, o).Configure(machines)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, machine := range []string{"overcloud-controller-0", "overcloud-novacompute-1"} {
			for _, r := range cfg[machine][0].Resources {
				if r.NetworkConfig == nil {
					continue
				}
				text, err := json.MarshalIndent(r.NetworkConfig, "", " ")
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "=== %s\n%s\n", machine, text)
			}
		}
		golden.Check(t, name+".txt", b.String())
	}
	cfg, err := build(t, article(t)).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cfg["overcloud-controller-0"][0].Resources {
		if r.NetworkConfig != nil {
			t.Error("the provisioning network alone needs no network_config")
		}
	}
}

// TestAddressesOfProvisionedMachines: node provision's environment says which they are.
func TestAddressesOfProvisionedMachines(t *testing.T) {
	o := article(t)
	o.Environments = []plan.File{{Name: "env.yaml", Data: []byte(`resource_registry:
  OS::TripleO::Network: network/deployed_networks.yaml
  OS::TripleO::Controller::Ports::InternalApiPort: network/ports/deployed_internal_api.yaml
  OS::TripleO::Controller::Ports::StoragePort: network/ports/deployed_storage.yaml
parameter_defaults:
  NodePortMap: {overcloud-controller-0: {internal_api: {ip_address: 172.16.2.77, ip_subnet: 172.16.2.77/24}}}
`)}}
	hosts := hostsOf(t, build(t, o))
	if !strings.Contains(hosts, "172.16.2.77 overcloud-controller-0.internalapi.localdomain") || strings.Contains(hosts, "overcloud-controller-0.storage") {
		t.Error(hosts)
	}
}

// warns tells whether a plan has a warning with such a text.
func warns(p *plan.Plan, text string) bool {
	return slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, text) })
}

// A service is asked, and speaks, on its network of ServiceNetMap; who has no address
// there is asked on ctlplane.
func TestServicesAreOnTheirNetworks(t *testing.T) {
	texts := func(o plan.Options, machine string) string {
		cfg, err := build(t, o).Configure(machines)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(cfg[machine]); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, c := range []struct {
		parameters, machine string
		want                []string
	}{
		{"", "overcloud-controller-0", []string{"mysql+pymysql://nova:<NovaPassword>@172.16.2.4/nova\\n", "listeners.tcp.1 = 172.16.2.4:5672", "-l 172.16.2.4",
			"mon_host = 172.16.1.4\\n", "local_ip = 172.16.0.4\\n", "my_ip = 172.16.2.4\\n", "novncproxy_host = 0.0.0.0\\n", "nova_metadata_host = 172.16.2.4\\n"}},
		{"", "overcloud-novacompute-1", []string{"local_ip = 172.16.0.6\\n", "server_proxyclient_address = 172.16.2.6\\n", "live_migration_inbound_addr = 172.16.2.6\\n",
			"rabbit://openstack:<RabbitPassword>@172.16.2.4:5672/"}},
		{"", "overcloud-cephstorage-1", []string{"public_addr = 172.16.1.8\\n", "cluster_addr = 172.16.3.6\\n"}},
		{"  ServiceNetMap: {MysqlNetwork: ctlplane, CephPublicNetwork: internal_api}\n", "overcloud-controller-0",
			[]string{"mysql+pymysql://nova:<NovaPassword>@192.168.255.15/nova\\n", "mon_host = 172.16.2.4\\n"}},
		// The storage machines are not on that network.
		{"  ServiceNetMap: {CephPublicNetwork: internal_api}\n", "overcloud-cephstorage-1", []string{"public_addr = 192.168.255.34\\n"}},
	} {
		got := texts(apart(t, c.parameters), c.machine)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s, %s: no %s", c.machine, c.parameters, want)
			}
		}
	}
}

// Networks that machines have addresses on are named where no service uses them, and
// names in ServiceNetMap that nobody asks for.
func TestNetworksThatNoServiceUsesAreNamed(t *testing.T) {
	const idle = ": machines have addresses there, and no service uses these:"
	o := apart(t, "  ServiceNetMap: {MySqlNetwork: internal_api, HorizonNetwork: ctlplane, NeutronTenantNetwork: ctlplane}\n")
	if p := build(t, o); !warns(p, "isolated networks external, tenant"+idle) || !warns(p, "my.yaml:3: ServiceNetMap: MySqlNetwork has no effect: no service asks for it; did you mean \"MysqlNetwork\"?") {
		t.Errorf("%q", p.Warnings)
	}
	if p := build(t, o); warns(p, "is not on network") {
		t.Errorf("%q", p.Warnings)
	}
	o.Environments = append(o.Environments, plan.File{Name: "less.yaml", Data: []byte("resource_registry:\n  OS::TripleO::Compute::Ports::InternalApiPort: network/ports/noop.yaml\n")})
	if p := build(t, o); !warns(p, "role Compute is not on network internal_api, where services are that its own need (rabbitmq, nova_conductor)") || warns(p, "role CephStorage is not") {
		t.Errorf("%q", p.Warnings)
	}
	o = apart(t, "  ServiceNetMap: {NeutronTenantNetwork: ctlplane}\n")
	if p := build(t, article(t)); warns(p, idle) || warns(p, "ServiceNetMap") {
		t.Errorf("without isolation: %q", p.Warnings)
	}
	tree := overlay(t, map[string]string{"deployment/kernel/kernel.yaml": service + "      service_name: kernel\n      needs: []\n" +
		"      step_config: {step_1: [{file: {path: /k, content: 'at %{each kernel ,}%{each.tenant}%{end}'}}]}\n"})
	p, err := plan.Build(t.Context(), tree, o)
	if err != nil {
		t.Fatal(err)
	}
	if !warns(p, "isolated networks external"+idle) {
		t.Errorf("a service uses one of them: %q", p.Warnings)
	}
}

// A network with the provisioning network's addresses is refused where machines are on it.
func TestNetworksOverTheProvisioningNetwork(t *testing.T) {
	const storage = "- name: Storage\n  name_lower: storage\n  ip_subnet: 192.168.24.128/25\n  allocation_pools: [{start: 192.168.24.130, end: 192.168.24.140}]\n"
	o := apart(t, "")
	o.Networks = plan.File{Name: "nets.yaml", Data: []byte("- {name: Tenant, name_lower: tenant, ip_subnet: 172.16.0.0/24, allocation_pools: [{start: 172.16.0.4, end: 172.16.0.250}]}\n" + storage)}
	const want = "nets.yaml:2: network Storage: 192.168.24.128/25 overlaps with 192.168.24.0/24 of the provisioning network (ctlplane)"
	if _, err := plan.Build(t.Context(), templates.FS, o); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Tenant") || errs.HintOf(err) == "" {
		t.Errorf("got %v\nwant %s", err, want)
	}
	o.Ctlplane = eval.Subnet{CIDR: "192.168.255.0/24", Gateway: "192.168.255.1"}
	build(t, o)
	o.Ctlplane, o.Environments = eval.Subnet{}, nil // nobody is on it
	build(t, o)
}
