package plan_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack/eval"
	"trefoil/templates"
)

// onCtlplane are the addresses on ctlplane by machine.
func onCtlplane(p *plan.Plan) map[string]string {
	out := map[string]string{}
	for _, s := range p.Servers {
		out[s.Name] = s.Networks["ctlplane"]
	}
	return out
}

// TestAddressesOnCtlplaneAreThoseAskedFor: of a parameter, as JSON too, and of a file; nobody else is
// planned there. Machines that are there keep theirs, which is told.
func TestAddressesOnCtlplaneAreThoseAskedFor(t *testing.T) {
	for _, ips := range []string{"{ctlplane: [192.168.24.40, 192.168.24.5]}", `'{"ctlplane": ["192.168.24.40", "192.168.24.5"]}'`} {
		o := article(t)
		o.Ctlplane = provisioning()
		o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  ComputeIPs: " + ips + "\n")}}
		o.Fixed = []plan.Fixed{{Role: "Controller", Host: "ctl", Network: "ctlplane", IP: "192.168.24.6", File: "nodes.yaml", Line: 3}}
		p := build(t, o)
		if got := onCtlplane(p); got["overcloud-novacompute-0"] != "192.168.24.40" || got["overcloud-novacompute-1"] != "192.168.24.5" || got["overcloud-controller-0"] != "192.168.24.6" || got["overcloud-cephstorage-0"] != "192.168.24.7" {
			t.Errorf("%s: planned %v", ips, got)
		}
		if p.FixedAddress("Compute", 1) != "192.168.24.5" || p.FixedAddress("Compute", 2) != "" || p.FixedAddress("Controller", 0) != "" {
			t.Errorf("%s: asked for %q, %q, %q", ips, p.FixedAddress("Compute", 1), p.FixedAddress("Compute", 2), p.FixedAddress("Controller", 0))
		}
		if text := strings.Join(p.Warnings, "\n"); strings.Contains(text, "has no effect: overcloud") {
			t.Error(text)
		}
		o.Machines = []plan.Node{{Name: "overcloud-novacompute-0", Role: "Compute", Address: "192.168.24.17"}, {Name: "overcloud-novacompute-1", Role: "Compute", Index: 1, Address: "192.168.24.5"}}
		p = build(t, o)
		if got := onCtlplane(p); got["overcloud-novacompute-0"] != "192.168.24.17" || got["overcloud-novacompute-1"] != "192.168.24.5" {
			t.Errorf("%s: machines that are there: %v", ips, got)
		}
		text := strings.Join(p.Warnings, "\n")
		if !strings.Contains(text, "my.yaml:2: ComputeIPs ctlplane[0]: 192.168.24.40 has no effect: overcloud-novacompute-0 has 192.168.24.17") || strings.Contains(text, "ctlplane[1]") {
			t.Error(text)
		}
	}
}

// TestAddressesInJSONAreReadAsTheOthers: what is wrong with them is told of the environment's line.
func TestAddressesInJSONAreReadAsTheOthers(t *testing.T) {
	for _, c := range []struct{ parameter, want string }{
		{`ControllerIPs: '{"nope": ["1.2.3.4"]}'`, `ControllerIPs: there is no network "nope"`},
		{`ControllerIPs: '["192.168.24.5"]'`, `ControllerIPs: expected a list of addresses by network`},
		{`ControllerIPs: '{"ctlplane": "192.168.24.5"}'`, `ControllerIPs: ctlplane: expected a list of addresses`},
		{`ControllerIPs: '3'`, `ControllerIPs: expected a list of addresses by network, internal_api: [172.16.2.9]; found 3`},
		{`ControllerIPs: 192.168.24.5`, `ControllerIPs: expected a list of addresses by network`},
		{`ControlFixedIPs: 192.168.24.5`, `ControlFixedIPs: expected [{ip_address: 192.0.2.9}], one address; found 192.168.24.5`},
		{`HostnameMap: ''`, `HostnameMap: expected host names by name`},
		{`HostnameMap: one`, `HostnameMap: expected host names by name`},
		{`ControlFixedIPs: '[{"ip_addres": "192.168.24.5"}]'`, `ControlFixedIPs: expected [{ip_address: 192.0.2.9}], one address; unknown key "ip_addres"`},
		{`ControlFixedIPs: '[{"ip_address": "10.9.9.9"}]'`, `ControlFixedIPs[0]: 10.9.9.9 is not in network ctlplane`},
		{`HostnameMap: '{"overcloud-controller-0": "a_b"}'`, `HostnameMap: overcloud-controller-0 is to be called "a_b"`},
		{`HostnameMap: '["a"]'`, `HostnameMap: expected host names by name`},
	} {
		o := article(t)
		o.Ctlplane = provisioning()
		o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  " + c.parameter + "\n")}}
		if _, err := plan.Build(t.Context(), templates.FS, o); err == nil || !strings.Contains(err.Error(), "my.yaml:2: "+c.want) {
			t.Errorf("%s: got %v, want %q", c.parameter, err, c.want)
		}
	}
	o := article(t)
	o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults: {ControllerIPs: '', ControlFixedIPs: '', ComputeIPs: '{}'}\n")}}
	build(t, o) // none of them, as Heat has it
}

// TestAddressesOfAFileOfMachinesAreHeldWithTheOthers: against networks, and those of parameters.
func TestAddressesOfAFileOfMachinesAreHeldWithTheOthers(t *testing.T) {
	env := "parameter_defaults:\n  ControlFixedIPs: [{ip_address: 192.168.24.9}]\n  ControllerIPs: {ctlplane: [192.168.24.41], internal_api: [172.16.2.9]}\n  ComputeIPs: {ctlplane: [192.168.24.42]}\n"
	for _, c := range []struct{ role, network, ip, want string }{
		{"Controller", "ctlplane", "192.168.24.41", ""}, // the same said twice
		{"Controller", "ctlplane", "192.168.24.77", "192.168.24.77, and ControllerIPs ctlplane[0] (my.yaml:3) is 192.168.24.41: which is it?"},
		{"CephStorage", "ctlplane", "192.168.24.42", "192.168.24.42 is also that of ComputeIPs ctlplane[0]"},
		{"CephStorage", "ctlplane", "192.168.24.9", "192.168.24.9 is also that of ControlFixedIPs[0]"},
		{"CephStorage", "ctlplane", "192.168.24.1", "192.168.24.1 is the gateway of network ctlplane"},
		{"CephStorage", "ctlplane", "192.168.24.255", "it is the first or the last address of network ctlplane"},
		{"CephStorage", "ctlplane", "10.9.9.9", "10.9.9.9 is not in network ctlplane (192.168.24.0/24)"},
		{"CephStorage", "internal_api", "172.16.2.9", "172.16.2.9 is also that of ControllerIPs internal_api[0]"},
		{"CephStorage", "internal_api", "192.168.24.43", "192.168.24.43 is not in network internal_api"},
	} {
		o := article(t)
		o.Ctlplane = provisioning()
		o.Environments = []plan.File{{Name: "my.yaml", Data: []byte(env)}}
		o.Fixed = []plan.Fixed{{Role: c.role, Host: "one", Network: c.network, IP: c.ip, File: "nodes.yaml", Line: 7}}
		_, err := plan.Build(context.Background(), templates.FS, o)
		if c.want == "" && err == nil {
			continue
		}
		text := fmt.Sprint(err)
		if where := "nodes.yaml:7: instance one: fixed_ip of network " + c.network + ": "; !errs.Is(err, errs.Invalid) || c.want == "" || !strings.Contains(text, where) || !strings.Contains(text, c.want) || strings.Contains(text, "\n") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestAddressOfTheStackIsNoMachines: the virtual address that it has, though nobody asks for it now.
func TestAddressOfTheStackIsNoMachines(t *testing.T) {
	o := plan.Options{Stack: "overcloud", Ctlplane: eval.Subnet{CIDR: "192.168.24.0/24"}, Addresses: map[string]string{plan.VirtualKey("overcloud"): "192.168.24.9"},
		Fixed: []plan.Fixed{{Role: "Compute", Host: "one", Network: "ctlplane", IP: "192.168.24.9"}}}
	if err := plan.CheckFixed(o); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "192.168.24.9 is also that of the stack's virtual address") {
		t.Error(err)
	}
	o.Fixed[0].IP = "192.168.24.10"
	if err := plan.CheckFixed(o); err != nil {
		t.Error(err)
	}
}

// TestAddressThatAnotherMachineHasIsRefused: where machines are deployed and where they are only
// provisioned; not that of a machine that leaves, nor what has no effect.
func TestAddressThatAnotherMachineHasIsRefused(t *testing.T) {
	there := []plan.Node{{Name: "overcloud-controller-0", Role: "Controller", Address: "192.168.24.20"},
		{Name: "overcloud-novacompute-0", Role: "Compute", Address: "192.168.24.21"}, {Name: "overcloud-novacompute-2", Role: "Compute", Index: 2, Address: "192.168.24.22"}}
	file := func(role, host string, index int, ip string) []plan.Fixed {
		return []plan.Fixed{{Role: role, Host: host, Index: index, Network: "ctlplane", IP: ip, File: "nodes.yaml", Line: 7}}
	}
	for name, c := range map[string]struct {
		env   string
		fixed []plan.Fixed
		want  string
	}{
		"a new machine": {fixed: file("CephStorage", "overcloud-cephstorage-1", 1, "192.168.24.20"), want: "nodes.yaml:7: instance overcloud-cephstorage-1: fixed_ip of network ctlplane: 192.168.24.20 is that of overcloud-controller-0, which is there and keeps it"},
		"a parameter":   {env: "CephStorageIPs: {ctlplane: [192.168.24.90, 192.168.24.21]}", want: "my.yaml:2: CephStorageIPs ctlplane[1]: 192.168.24.21 is that of overcloud-novacompute-0"},
		"its own, another keeps its own, no such machine": {env: "ControllerIPs: {ctlplane: [192.168.24.21]}\n  CephStorageIPs: {ctlplane: [192.168.24.90, 192.168.24.91, 192.168.24.20]}",
			fixed: file("Compute", "overcloud-novacompute-2", 1, "192.168.24.22")},
		"one that leaves": {env: "ComputeCount: 1", fixed: file("CephStorage", "overcloud-cephstorage-1", 1, "192.168.24.22")},
	} {
		o := article(t)
		o.Ctlplane, o.Machines, o.Fixed = provisioning(), there, c.fixed
		o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  " + c.env + "\n")}}
		_, err := plan.Build(t.Context(), templates.FS, o)
		told := errs.Is(err, errs.Invalid) && c.want != "" && strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), "\n")
		if c.want == "" && err != nil || c.want != "" && !told {
			t.Errorf("%s: %v", name, err)
		}
		if err := plan.CheckFixed(o); c.fixed != nil && name != "one that leaves" && (err != nil) != (c.want != "") {
			t.Errorf("%s, provisioned only: %v", name, err)
		}
	}
}

// TestAddressesBehindRoutersAreCheckedToo: where the provisioning network has several subnets.
func TestAddressesBehindRoutersAreCheckedToo(t *testing.T) {
	for ip, want := range map[string]string{"10.1.0.9": "", "10.1.0.1": "10.1.0.1 is the gateway of network ctlplane", "10.1.0.255": "it is the first or the last address", "10.2.0.9": "10.2.0.9 is not in network ctlplane (192.168.24.0/24, 10.1.0.0/24)"} {
		err := plan.CheckFixed(plan.Options{Ctlplane: provisioning(), Leaves: []eval.Subnet{{CIDR: "10.1.0.0/24", Gateway: "10.1.0.1"}},
			Fixed: []plan.Fixed{{Role: "Compute", Host: "one", Network: "ctlplane", IP: ip}}})
		if want == "" && err != nil || want != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", ip, err)
		}
	}
}
