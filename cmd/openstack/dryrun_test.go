package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/overcloud/plan/diff"
	"trefoil/overcloud/stack"
)

// The real APIs, the real engine, machines that do at once what they are told.
func TestDryRun(t *testing.T) {
	o := newOperator(t)
	o.engine()
	const deploy = "overcloud deploy --templates --control-scale 1 --control-flavor control --compute-flavor compute --ceph-storage-scale 0 --compute-scale "

	o.want(deploy+"1 --dry-run -f yaml", 2, "", "invalid choice: 'yaml'")
	o.want(deploy+"1 -f json", 2, "", "only with --dry-run")
	o.want(deploy+"9 --dry-run", 1, "", "ERRORS")
	code, out, errw := o.types(t.Context(), deploy+"1 --dry-run")
	if code != 3 || !strings.HasPrefix(out, "+-") || !strings.Contains(out, "| overcloud-novacompute-0 | Compute    | compute-1 |") ||
		!strings.Contains(out, "\nCompute (1):\n  hosts: ") || !strings.HasSuffix(out, "\nValidation Finished\n") {
		t.Errorf("first: code %d\n%s%s", code, out, errw)
	}
	if all, err := o.DB.Stacks(t.Context()); err != nil || len(all) != 0 {
		t.Fatalf("a dry run made %d stacks, %v", len(all), err)
	}
	if all, err := o.DB.Plans(t.Context()); err != nil || len(all) != 0 {
		t.Fatalf("a dry run made %d plans, %v", len(all), err)
	}

	o.want(deploy+"1", 0, "Overcloud Deployed", "")
	deployed, err := o.DB.Stack(t.Context(), "overcloud")
	if err != nil {
		t.Fatal(err)
	}
	o.want(deploy+"1 --dry-run", 0, "No machine would be added.\n\nNothing would change.\n\nValidation Finished\n", "")
	o.want(deploy+"2 --dry-run --validation-warnings-fatal", 3, "ComputeCount: 1 → 2", "")
	if n := o.Node("compute-2"); n.InstanceUUID != "" {
		t.Error("a dry run took a machine")
	}

	site := o.in(t.TempDir(), "site.yaml", "parameter_defaults:\n  KeystonePassword: Zq9secretNew\n  NovaComputeLibvirtTyp: kvm\n")
	code, out, errw = o.types(t.Context(), deploy+"0 --dry-run -f json -e "+site)
	var d diff.Diff
	if err := json.Unmarshal([]byte(out), &d); code != 3 || err != nil || d.Action != "update" || len(d.Nodes) != 1 || d.Nodes[0].Change != diff.Removed || d.Nodes[0].Machine != "compute-1" {
		t.Errorf("code %d %v\n%s%s", code, err, out, errw)
	}
	if strings.Contains(errw, "NovaComputeLibvirtTyp") || len(d.Findings) != 1 || d.Findings[0].Nearest != "NovaComputeLibvirtType" {
		t.Errorf("findings %+v, errors\n%s", d.Findings, errw)
	}
	if d.Warnings == nil || len(d.Warnings) > 0 {
		t.Errorf("warnings %q; nothing warrants one, and no list is null", d.Warnings)
	}
	for name, secret := range deployed.Passwords {
		if strings.Contains(out+errw, secret) || strings.Contains(out+errw, "Zq9secret") {
			t.Errorf("%s is shown", name)
		}
	}

	// What the deployment would be refused for, its dry run is not valid with, and shows the differences all the same.
	site = o.in(t.TempDir(), "site.yaml", "parameter_defaults:\n  RabbitPassword: Zq9secretNew\n")
	code, out, errw = o.types(t.Context(), deploy+"2 --dry-run -e "+site)
	if code != 1 || !strings.Contains(out, "ComputeCount: 1 → 2") || strings.Contains(out, "Validation Finished") || strings.Contains(out+errw, "Zq9secret") ||
		!strings.Contains(errw, "it cannot be deployed: RabbitPassword is another one than was deployed") || !strings.Contains(errw, "hint: give what the last deployment was given") {
		t.Errorf("code %d\n%s%s", code, out, errw)
	}
	o.want(deploy+"2 --dry-run -f json -e "+site, 1, `"refused": [`, "RabbitPassword")

	// The object has the warnings that no list of its own has; the terminal shows them all the same.
	site = o.in(t.TempDir(), "site.yaml", "parameter_defaults:\n  NeutronNetworkType: [vlan]\n  NovaComputeLibvirtTyp: kvm\n")
	code, out, errw = o.types(t.Context(), deploy+"2 --dry-run -f json -e "+site)
	d = diff.Diff{}
	if err := json.Unmarshal([]byte(out), &d); code != 3 || err != nil || len(d.Warnings) != strings.Count(errw, "WARNING: ") {
		t.Errorf("code %d, %v, warnings %q\n%s", code, err, d.Warnings, errw)
	}
	if !slices.ContainsFunc(d.Warnings, func(w string) bool {
		return strings.Contains(w, "NeutronNetworkType has vlan, and no interface of role Compute's machines") && strings.Contains(errw, "WARNING: "+w+"\n")
	}) {
		t.Errorf("warnings %q\n%s", d.Warnings, errw)
	}

	if _, err := o.DB.UpdateStack(t.Context(), deployed.ID, func(s *stack.Stack) error { s.State = stack.InProgress; return nil }); err != nil {
		t.Fatal(err)
	}
	o.want(deploy+"1 --dry-run", 0, "CREATE_IN_PROGRESS is under way", "")
	now, err := o.DB.Stack(t.Context(), "overcloud")
	if err != nil || now.Generation != deployed.Generation || now.Input.Counts["Compute"] != 1 {
		t.Errorf("a dry run changed the stack: %+v %v", now, err)
	}
}

// Introspection knows which machines can run virtual machines: it is told at the terminal.
func TestHypervisorsAreHeldAgainstTheirType(t *testing.T) {
	o := newOperator(t)
	o.engine()
	deploy := "overcloud deploy --templates --control-scale 1 --control-flavor control --compute-scale 1 --compute-flavor compute --ceph-storage-scale 0 --dry-run --libvirt-type "
	seen := func(flags string) {
		for _, name := range []string{"compute-1", "compute-2"} {
			o.SetNode(name, func(n *ironic.Node) {
				n.Properties = map[string]any{"capabilities": "profile:compute,cpu_aes:true" + flags, "local_gb": 40}
			})
		}
	}
	seen("")
	o.want(deploy+"kvm", 1, "", "no virtualisation (introspection saw no cpu_vt)")
	seen(",cpu_vt:true")
	o.SetNode("control-1", func(n *ironic.Node) { n.Properties["memory_mb"] = "2048" })
	o.want(deploy+"kvm", 3, "", "WARNING: too little memory for role Controller: control-1 has 2048 MiB, and its services take about 4")
	o.want(deploy+"kvm --validation-warnings-fatal", 1, "", "Configuration has 1 warnings")
	o.want(deploy+"qemu", 3, "", "WARNING: NovaComputeLibvirtType is qemu, and the machines chosen for role Compute (1) can run kvm")
	o.want(deploy+"qemu -f json", 3, "    \"NovaComputeLibvirtType is qemu, and the machines chosen for role Compute (1) can run kvm", "WARNING: NovaComputeLibvirtType is qemu")
}
