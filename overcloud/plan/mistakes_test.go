package plan_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"trefoil/internal/errs"
	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack/eval"
	"trefoil/templates"
)

// overlay is the default tree with some files replaced.
func overlay(t testing.TB, files map[string]string) fs.FS {
	t.Helper()
	m := fstest.MapFS{}
	err := fs.WalkDir(templates.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(templates.FS, name)
		m[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

const service = "heat_template_version: queens\nparameters:\n  ServiceNetMap: {type: json, default: {}}\n  EndpointMap: {type: json, default: {}}\n  CephBackend: {type: boolean, default: false}\n" +
	"  DefaultPasswords: {type: json, default: {}}\n  RoleName: {type: string, default: ''}\n  RoleParameters: {type: json, default: {}}\noutputs:\n  role_data:\n    value:\n"

// provisioning is a network of the undercloud that the plan knows.
func provisioning() eval.Subnet {
	return eval.Subnet{CIDR: "192.168.24.0/24", Gateway: "192.168.24.1", Pools: []eval.Pool{{Start: "192.168.24.5", End: "192.168.24.254"}}}
}

// mistake is what somebody may get wrong: files of the tree, or what is given beside it.
type mistake struct {
	name  string
	files map[string]string
	o     plan.Options
}

func mistakes() []mistake {
	kernel := func(text string) map[string]string {
		return map[string]string{"deployment/kernel/kernel.yaml": service + text}
	}
	role := func(text string) plan.Options {
		return plan.Options{Roles: plan.File{Name: "my_roles.yaml", Data: []byte(text)}}
	}
	env := func(text string) plan.Options {
		return plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n" + text)}}, Counts: map[string]int{"Controller": 2, "Compute": 2},
			Ctlplane: provisioning()}
	}
	return []mistake{
		{"service that nobody knows", nil, role("- name: Controller\n  tags: [primary, controller]\n  ServicesDefault:\n    - OS::TripleO::Services::Kernel\n    - OS::TripleO::Services::Keyston\n")},
		{"unknown key of a role", nil, role("- name: Controller\n  CountDefalt: 1\n")},
		{"batch of no machines", nil, role("- name: Controller\n  update_serial: 0\n")},
		{"network of a role that has a slip", nil, plan.Options{Roles: plan.File{Name: "my_roles.yaml", Data: []byte("- name: A\n  networks:\n    - Storag\n    - Tenant\n    - Own\n- name: B\n  networks:\n    internalApi: {subnet: internal_api_subnet}\n")}}},
		{"default route by a network that is not there", nil, role("- name: A\n  networks: [External, Gone]\n  default_route_networks:\n    - Extrenal\n    - ControlPlane\n    - Gone\n    - Nowhere\n")},
		{"role without a name", nil, role("- CountDefault: 1\n")},
		{"role given twice", nil, role("- name: A\n- name: A\n")},
		{"roles file that is no list", nil, role("name: A\n")},
		{"unknown function in a service", kernel("      service_name: kernel\n      summary: {list_jion: ['', []]}\n"), plan.Options{}},
		{"unknown parameter in a service", kernel("      service_name: kernel\n      summary: {get_param: RoleNam}\n"), plan.Options{}},
		{"unknown key of role_data", kernel("      service_name: kernel\n      step_configs: {}\n"), plan.Options{}},
		{"unknown step", kernel("      service_name: kernel\n      step_config: {step_6: []}\n"), plan.Options{}},
		{"unknown resource", kernel("      service_name: kernel\n      step_config: {step_1: [{fiel: {path: /a}}]}\n"), plan.Options{}},
		{"unknown field of a resource", kernel("      service_name: kernel\n      step_config: {step_1: [{file: {pth: /a}}]}\n"), plan.Options{}},
		{"number where a text is wanted", kernel("      service_name: kernel\n      step_config: {step_1: [{file: {path: /a, mode: 0644}}]}\n"), plan.Options{}},
		{"resource that cannot be", kernel("      service_name: kernel\n      step_config: {step_1: [{file: {path: a/b}}]}\n"), plan.Options{}},
		{"unknown name of a machine", kernel("      service_name: kernel\n      step_config: {step_1: [{file: {path: /a, content: '%{node.adress}'}}]}\n"), plan.Options{}},
		{"broken Jinja", map[string]string{"overcloud.j2.yaml": "a:\n{% for role in roles %}\n"}, plan.Options{}},
		{"undefined in Jinja", map[string]string{"overcloud.j2.yaml": "{{ role.name }}\n"}, plan.Options{}},
		{"unknown key of an environment", nil, plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("parameter_default: {A: 1}\n")}}}},
		{"value that a parameter refuses", nil, plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  NovaComputeLibvirtType: xen\n")}}}},
		{"region that would be two lines", nil, env("  KeystoneRegion: \"one\\ndebug = true\"\n")},
		{"password that would end in the middle of a URL", nil, env("  RabbitPassword: s3cret@elsewhere\n")},
		{"lists and maps where a text is wanted", nil, env("  NtpServer: [a]\n  AdminPassword: [s3cret, b]\n  KeystoneRegion: [one, two]\n  TimeZone: {s3cret: b}\n")},
		{"map that is none", nil, env("  NtpServer: [a]\n  ComputeParameters: [{AdminPassword: s3cret}]\n  ControllerParameters: 5\n  ServiceNetMap: [a]\n")},
		{"map that is text and no JSON", nil, env("  NtpServer: [a]\n  ComputeParameters: 'AdminPassword: s3cret'\n  ControllerParameters: '[a]'\n")},
		{"texts of a role that are lists", nil, role("- name: Controller\n  tags: primary\n  networks: External\n  default_route_networks: ControlPlane\n  ServicesDefault: OS::TripleO::Services::Kernel\n")},
		{"counts that are none", nil, env("  NtpServer: [a]\n  CephStorageCount: 1.5\n  ComputeCount: many\n")},
		{"count in a role that is none", nil, role("- name: Controller\n  CountDefault: x\n")},
		{"null for a password", nil, env("  NtpServer: [a]\n  AdminPassword:\n  RabbitPassword: null\n")},
		{"port that is none", nil, env("  KeystonePort: 70000\n")},
		{"service on a network that is not there", nil, env("  NtpServer: [a]\n  ServiceNetMap: {MysqlNetwork: internal}\n")},
		{"protocol that nothing speaks", nil, plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  EndpointProtocol: https\n")}}}},
		{"registry with a missing template", nil, plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("resource_registry:\n  OS::TripleO::Services::Kernel: gone.yaml\n")}}}},
		{"scale of a role that is not there", nil, plan.Options{Counts: map[string]int{"BlockStorage": 1}}},
		{"controllers without a clock", nil, env("  NtpServer: []\n")},
		{"HostnameMap that names two alike", nil, env("  NtpServer: [a]\n  HostnameMap:\n    overcloud-controller-0: one\n    overcloud-controller-1: One\n    overcloud-novacompute-0: a_b\n")},
		{"HostnameMap of machines that nobody is", nil, env("  NtpServer: [a]\n  HostnameMap: {overcloud-controler-0: one,\n    overcloud-controller-01: two, overcloud-compute-0: three, mine-0: four}\n")},
		{"two roles that name their machines alike", nil, env("  NtpServer: [a]\n  ComputeHostnameFormat: '%stackname%-controller-%index%'\n")},
		{"HostnameMap that takes another's name", nil, env("  NtpServer: [a]\n  HostnameMap:\n    overcloud-controller-0: overcloud-controller-1\n")},
		{"fixed addresses that cannot be", nil, env("  NtpServer: [a]\n  ControlFixedIPs: [{ip_address: 192.168.25.9}]\n  PublicVirtualFixedIPs: [{ip_address: 10.0.0.1}]\n" +
			"  InternalApiVirtualFixedIPs: [{ip_address: 172.16.2.7}]\n  ControllerIPs:\n    internal_api: [172.16.2.7, 172.16.1.8]\n    storage: [nine]\n")},
		{"addresses that no machine can have", nil, env("  NtpServer: [a]\n  ControlFixedIPs: [{ip_address: 192.168.24.255}]\n  ControllerIPs:\n    internal_api: [172.16.2.0, 172.16.2.255]\n")},
		{"virtual address in a wrong shape", nil, env("  NtpServer: [a]\n  ControlFixedIPs: [{ip_addres: 192.168.24.9}]\n  InternalApiVirtualFixedIPs: [172.16.2.9]\n  PublicVirtualFixedIPs: {ip_address: 10.0.0.9}\n  StorageVirtualFixedIPs: [{ip_address: 172.16.1.8}, {ip_address: 172.16.1.9}]\n")},
		{"machines' addresses in a wrong shape", nil, env("  NtpServer: [a]\n  ControllerIPs: {internal_apii: [172.16.2.9],\n    storage: 172.16.1.9}\n  ComputeIPs: [172.16.2.9]\n")},
		{"HostnameMap in a wrong shape", nil, env("  NtpServer: [a]\n  HostnameMap: [a]\n")},
		{"HostnameMap with names that are none", nil, env("  NtpServer: [a]\n  HostnameMap: {overcloud-controller-0: localhost, overcloud-controller-1: '1234'}\n")},
		{"names that are no host names", nil, env("  NtpServer: [a]\n  ComputeHostnameFormat: \"a%index%\\nb\"\n")},
		{"names that leave a directory", nil, env("  NtpServer: [a]\n  ComputeHostnameFormat: '../../x%index%'\n")},
		{"clocks that are blanks", nil, env("  NtpServer: [' ']\n")},
		{"type of networks that there is not", nil, env("  NtpServer: [a]\n  NeutronNetworkType: gree\n")},
		{"lists that no file can hold", nil, env("  NtpServer: [one two]\n  NeutronFlatNetworks: [data centre]\n  NeutronNetworkVLANRanges: 'datacentre:1:4095'\n  NeutronBridgeMappings: [datacentre]\n" +
			"  NeutronVniRanges: ['0:9']\n  NeutronTunnelIdRanges: ['1-9']\n  NeutronPublicInterface: ['eth1; reboot']\n  NeutronDhcpAgentDnsmasqDnsServers: [ns.example.com]\n" +
			"  NeutronMechanismDrivers: [\"a\\nb\"]\n  NeutronPluginExtensions: ['']\n  NeutronServicePlugins: [a b]\n  HorizonAllowedHosts: ['*.example.com']\n" +
			"  ExtraHostFileEntries: [host 192.0.2.9]\n  CephMgrDisabledModules: [a b]\n  NtpPool: ['#']\n")},
		{"networks that Neutron's server ends over", nil, env("  NtpServer: [a]\n  NeutronNetworkType: [vlan, gre]\n  NeutronNetworkVLANRanges: ['datacentre:1:9', 'datacentre:200:100']\n" +
			"  NeutronVniRanges: ['1:16777216']\n  NeutronTunnelIdRanges: '20:10'\n")},
		{"tunnels that no agent makes", nil, env("  NtpServer: [a]\n  NeutronNetworkType: [gre, vlan]\n  NeutronTypeDrivers: [vlan, gre]\n")},
		{"lists without the tenants' default", nil, env("  NtpServer: [a]\n  NeutronTypeDrivers: [flat]\n  NeutronTunnelTypes: []\n")},
		{"registry that names no template", nil, plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("resource_registry:\n  OS::TripleO::Services::Kernel: /etc/passwd\n")}}}},
		{"compute without a switch", nil, plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("resource_registry:\n  OS::TripleO::Services::ComputeNeutronOvsAgent: OS::Heat::None\n")}}}},
		{"virtual address that two files give", nil, plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  ControlFixedIPs: [{ip_address: 192.168.24.11}]\n")}},
			VIPs: plan.File{Name: "vips.yaml", Data: []byte("- {network: ctlplane, ip_address: 192.168.24.9}\n")}}},
		{"names that clash", nil, plan.Options{Counts: map[string]int{"Compute": 2}, Parameters: map[string]any{"ComputeHostnameFormat": "compute"}}},
	}
}

// TestMistakesAreNamed: testdata/errors.txt is what each of them is told.
func TestMistakesAreNamed(t *testing.T) {
	var b strings.Builder
	for _, tt := range mistakes() {
		tt.o.Passwords = passwords(t)
		_, err := plan.Build(context.Background(), overlay(t, tt.files), tt.o)
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		if errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%s: code is %s", tt.name, errs.CodeOf(err))
		}
		fmt.Fprintf(&b, "=== %s\n%s\n", tt.name, err)
		if h := errs.HintOf(err); h != "" {
			fmt.Fprintf(&b, "hint: %s\n", h)
		}
		b.WriteString("\n")
	}
	golden.Check(t, "errors.txt", b.String())
}
