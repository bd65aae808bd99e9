package plan_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/templates"
)

// TestPhysicalNetworksThatLeadNowhere are told: Neutron binds servers to them all the same.
func TestPhysicalNetworksThatLeadNowhere(t *testing.T) {
	const (
		vlan     = "  NeutronNetworkType: [vlan, vxlan]\n"
		compute  = "my.yaml:3: NeutronNetworkType has vlan, and no interface of role Compute's machines is in br-ex, the bridge of datacentre"
		control  = "my.yaml:3: NeutronNetworkType has vlan, and no interface of role Controller's machines is in br-ex"
		controls = "  NeutronPublicInterface: [eth1]\n"
	)
	for name, c := range map[string]struct {
		parameters string
		nics       string // environment with nic configs
		want       []string
	}{
		"tunnels alone":                 {},
		"VLANs without wires":           {vlan, "", []string{control, compute}},
		"a wire for routers":            {vlan + controls, "", []string{compute}},
		"a wire for each":               {vlan + controls + "  ComputeParameters: {NeutronPublicInterface: [eth2]}\n", "", nil},
		"a role that has none":          {vlan + controls + "  ControllerParameters: {NeutronPublicInterface: []}\n", "", []string{control, compute}},
		"VLANs of another network":      {vlan + "  NeutronNetworkVLANRanges: ['storage:1:9', datacentre, ' storage:20:29']\n", "", []string{"my.yaml:4: NeutronNetworkVLANRanges gives tenants VLANs of storage, and NeutronBridgeMappings of no role has it"}},
		"of one that a role maps":       {vlan + "  NeutronNetworkVLANRanges: ['storage:1:9']\n  ComputeParameters: {NeutronBridgeMappings: ['storage:br-ex'], NeutronPublicInterface: eth1}\n", "", nil},
		"VLANs of nothing":              {vlan + "  NeutronNetworkVLANRanges: [datacentre]\n", "", []string{"my.yaml:3: NeutronNetworkType has vlan, and no physical network of NeutronNetworkVLANRanges has VLANs for tenants: Neutron goes on to vxlan;"}},
		"and nothing else":              {"  NeutronNetworkType: vlan\n  NeutronNetworkVLANRanges: []\n", "", []string{"my.yaml:3: NeutronNetworkType has vlan, and no physical network of NeutronNetworkVLANRanges has VLANs for tenants: no tenant can make a network;"}},
		"computes that have no bridge":  {vlan + controls + "  ComputeParameters: {NeutronBridgeMappings: []}\n", "", nil},
		"nic configs with a bridge":     {vlan, "net-multiple-nics", []string{compute}},
		"one that bonds":                {vlan, "net-bond-with-vlans", []string{compute}},
		"one without":                   {vlan, "net-single-nic-with-vlans", []string{control, compute}},
		"a bridge that nobody makes":    {"\n  NeutronBridgeMappings: 'datacentre:br-ex,storage:br-st'\n", "", []string{"my.yaml:4: role Controller: no service or nic config makes the bridge br-st of physical network storage", "my.yaml:4: role Compute: "}},
		"for one role":                  {"  ComputeParameters:\n    NeutronBridgeMappings: [storage:br-st]\n", "", []string{"my.yaml:4: role Compute: no service or nic config makes the bridge br-st"}},
		"for one role, as JSON":         {"  ComputeParameters: '{\"NeutronBridgeMappings\": [\"storage:br-st\"]}'\n", "", []string{"my.yaml:3: role Compute: no service or nic config makes the bridge br-st"}},
		"of a role without any machine": {vlan + "  ControllerParameters: {NeutronPublicInterface: 'eth1,eth2'}\n  ComputeCount: 0\n", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := article(t)
			if c.nics != "" || strings.Contains(c.parameters, "ComputeCount") {
				o = apart(t, "")
				delete(o.Counts, "Compute")
			}
			o.Environments = append(o.Environments, plan.File{Name: "my.yaml", Data: []byte("parameter_defaults:\n  KernelPidMax: 65536\n" + c.parameters)})
			if c.nics != "" {
				o.Counts["Compute"] = 2
				o.Environments = append(o.Environments, plan.File{Name: "environments/" + c.nics + ".yaml"})
			}
			got := slices.DeleteFunc(build(t, o).Warnings, func(w string) bool {
				return (!strings.Contains(w, "role ") || !strings.Contains(w, "br-")) && !strings.Contains(w, "VLANs for tenants")
			})
			if len(got) != len(c.want) {
				t.Fatalf("got %q", got)
			}
			for i, w := range got {
				if !strings.HasPrefix(w, c.want[i]) {
					t.Errorf("got %q, want %q", w, c.want[i])
				}
			}
		})
	}
}

// TestTunnelsOfAgentsThatDoNotTellThem are not judged: a tree that somebody copied says nothing of them.
func TestTunnelsOfAgentsThatDoNotTellThem(t *testing.T) {
	const file, setting = "deployment/neutron/neutron-ovs-agent.yaml", "        neutron::agents::ml2::ovs::tunnel_types: {get_param: NeutronTunnelTypes}\n"
	data, err := fs.ReadFile(templates.FS, file)
	if err != nil || !strings.Contains(string(data), setting) {
		t.Fatalf("no setting to take away, %v", err)
	}
	o := article(t)
	o.Environments = append(o.Environments, plan.File{Name: "my.yaml", Data: []byte("parameter_defaults:\n  NeutronNetworkType: [vxlan, gre]\n  NeutronTypeDrivers: [vxlan, gre]\n")})
	if _, err := plan.Build(t.Context(), overlay(t, map[string]string{file: strings.Replace(string(data), setting, "", 1)}), o); err != nil {
		t.Error(err)
	}
	if _, err := plan.Build(t.Context(), templates.FS, o); err == nil || !strings.HasPrefix(err.Error(), "my.yaml:2: NeutronNetworkType has gre, and NeutronTunnelTypes (vxlan) has not") {
		t.Errorf("ours tells them: %v", err)
	}
}

// TestInterfacesOfTheBridge: those of all roles are for machines with routers, those of a role for its own.
func TestInterfacesOfTheBridge(t *testing.T) {
	in := func(parameters, machine string) (ports []string, mappings string) {
		o := article(t)
		o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  NeutronPublicInterface: [eth1]\n" + parameters)}}
		cfg, err := build(t, o).Configure(machines)
		if err != nil {
			t.Fatal(err)
		}
		files := []string{}
		each(cfg[machine], func(step int, r resource.Resource) {
			switch {
			case r.OVSPort != nil:
				ports = append(ports, r.OVSPort.Bridge+" "+r.OVSPort.Name)
			case r.File != nil && strings.HasPrefix(r.File.Path, "/etc/systemd/network/20-"):
				files = append(files, r.File.Path)
			case r.File != nil && r.File.Path == "/etc/neutron/plugins/ml2/openvswitch_agent.ini":
				_, mappings, _ = strings.Cut(r.File.Content, "bridge_mappings = ")
				mappings, _, _ = strings.Cut(mappings, "\n")
			}
		})
		if len(files) != len(ports) {
			t.Errorf("%s: %q have files, %q are ports", machine, files, ports)
		}
		return ports, mappings
	}
	const own = "  ComputeParameters: {NeutronPublicInterface: 'eth2,eth3', NeutronBridgeMappings: [physnet1:br-ex]}\n"
	for _, c := range []struct{ parameters, machine, ports, mappings string }{
		{"", "overcloud-controller-0", "br-ex eth1", "datacentre:br-ex"},
		{"", "overcloud-novacompute-0", "", "datacentre:br-ex"},
		{own, "overcloud-controller-0", "br-ex eth1", "datacentre:br-ex"},
		{own, "overcloud-novacompute-0", "br-ex eth2,br-ex eth3", "physnet1:br-ex"},
		{"  ControllerParameters: {NeutronPublicInterface: []}\n  ComputeParameters: {NeutronBridgeMappings: []}\n", "overcloud-controller-0", "", "datacentre:br-ex"},
		{"  ComputeParameters: {NeutronBridgeMappings: []}\n", "overcloud-novacompute-0", "", ""},
	} {
		ports, mappings := in(c.parameters, c.machine)
		if strings.Join(ports, ",") != c.ports || mappings != c.mappings {
			t.Errorf("%s, %s: ports %q, mappings %q", c.machine, c.parameters, ports, mappings)
		}
	}
	o := article(t)
	for _, parameters := range []string{"{NeutronPublicInterface: ['eth1; reboot']}", "{NeutronBridgeMappings: [datacentre]}"} {
		o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  ComputeParameters: " + parameters + "\n")}}
		if _, err := plan.Build(t.Context(), templates.FS, o); err == nil || !strings.Contains(err.Error(), "does not match the pattern") {
			t.Errorf("%s: %v", parameters, err)
		}
	}
}

// each calls f for every resource of a machine's steps.
func each(docs []resource.Document, f func(step int, r resource.Resource)) {
	for _, d := range docs {
		for _, r := range d.Resources {
			f(d.Step, r)
		}
	}
}
