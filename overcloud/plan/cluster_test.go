package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/templates"
)

// controllers are the article's machines with as many controllers.
func controllers(t testing.TB, n int) (plan.Options, []plan.Node) {
	t.Helper()
	o := article(t)
	o.Counts["Controller"], o.Parameters["NtpServer"] = n, []any{"ntp.example.com"}
	nodes := slices.Clone(machines)
	for i := 1; i < n; i++ {
		nodes = append(nodes, plan.Node{Name: "overcloud-controller-" + string(rune('0'+i)), Role: "Controller", Index: i, Address: "192.168.255.1" + string(rune('5'+i))})
	}
	return o, nodes
}

func described(r resource.Resource) string {
	var b strings.Builder
	describe(&b, r)
	return b.String()
}

// added are the lines of a resource that it has beside what one controller has of it.
func added(node string, step int, before, now string) string {
	if strings.Contains(before, now) {
		return ""
	}
	head, rest, _ := strings.Cut(now, "\n")
	out := fmt.Sprintf("%s step %d%s\n", node, step, head)
	had := strings.Split(before, "\n")
	for line := range strings.Lines(rest) {
		if !slices.Contains(had, strings.TrimSuffix(line, "\n")) {
			out += line
		}
	}
	return out
}

// TestThreeControllersAreOneCloud: what differs from one controller, on the first and
// on another machine.
func TestThreeControllersAreOneCloud(t *testing.T) {
	o, nodes := controllers(t, 3)
	p := build(t, o)
	cfg, err := p.Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := build(t, article(t)).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]string{}
	for _, d := range alone["overcloud-controller-0"] {
		for _, r := range d.Resources {
			before[r.Key()] += described(r)
		}
	}
	var b strings.Builder
	for _, name := range []string{"overcloud-controller-0", "overcloud-controller-2"} {
		for _, d := range cfg[name] {
			for _, r := range d.Resources {
				fmt.Fprintf(&b, "%s", added(name, d.Step, before[r.Key()], described(r)))
			}
		}
	}
	golden.Check(t, "controllers.txt", b.String())
}

// TestEndpointsAreVirtual: the catalog, the outputs and what services are told.
func TestEndpointsAreVirtual(t *testing.T) {
	o, nodes := controllers(t, 3)
	o.Parameters["ControlFixedIPs"] = []any{map[string]any{"ip_address": "192.168.24.9"}}
	p := build(t, o)
	if got := p.CloudAddress(nodes); got != "192.168.24.9" || p.VirtualAddress() != got || p.WantedVirtualAddress() != got {
		t.Errorf("the cloud is at %q", got)
	}
	catalog, err := p.KeystoneResources(nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range catalog {
		for kind, url := range r.Endpoints {
			if !strings.HasPrefix(url, "http://192.168.24.9:") {
				t.Errorf("%s %s is %s", r.Name, kind, url)
			}
		}
	}
	out, err := p.OutputsFor(nodes)
	if err != nil || out["KeystoneURL"] != "http://192.168.24.9:5000" {
		t.Errorf("%v, %v", out["KeystoneURL"], err)
	}
	if kept := p.Isolated()[plan.VirtualKey("overcloud")]; kept != "192.168.24.9" {
		t.Errorf("kept for the next plan: %q", kept)
	}
	single := build(t, article(t))
	if single.VirtualAddress() != "" || single.CloudAddress(machines[1:2]) != "192.168.255.15" {
		t.Error("one controller has a virtual address")
	}
}

func TestVirtualAddressIsFreeAndKept(t *testing.T) {
	o, _ := controllers(t, 3)
	first := build(t, o)
	for _, s := range first.Servers {
		if s.Networks["ctlplane"] == first.VirtualAddress() {
			t.Errorf("%s has the virtual address", s.Name)
		}
	}
	o.Addresses = map[string]string{plan.VirtualKey("overcloud"): "192.168.24.77"}
	if got := build(t, o).VirtualAddress(); got != "192.168.24.77" {
		t.Errorf("it moved to %s", got)
	}
	o.Parameters["ControlFixedIPs"] = []any{map[string]any{"ip_address": "10.9.9.9"}}
	if _, err := plan.Build(t.Context(), templates.FS, o); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "10.9.9.9 is not in network ctlplane") {
		t.Errorf("an address outside the network: %v", err)
	}
}

func TestOneControllerMayBeLaidOutToGrow(t *testing.T) {
	o := article(t)
	o.Parameters["EnableHighAvailability"] = "true"
	p := build(t, o)
	if p.VirtualAddress() == "" || !slices.Contains(p.Roles[0].Packages, "haproxy") {
		t.Errorf("address %q, packages %q", p.VirtualAddress(), p.Roles[0].Packages)
	}
}

func TestWarningsOfSeveralControllers(t *testing.T) {
	o, _ := controllers(t, 3)
	says := func(what string) bool {
		return slices.ContainsFunc(build(t, o).Warnings, func(w string) bool { return strings.Contains(w, what) })
	}
	if says("glance_api") || says("each stands by itself") || says("cinder_volume") {
		t.Errorf("with Ceph: %q", build(t, o).Warnings)
	}
	o.Counts["CephStorage"] = 0
	if !says("glance_api on 3 machines keeps images on the disk of the machine that took them") || !says("cinder_volume on 3 machines") {
		t.Errorf("without Ceph: %q", build(t, o).Warnings)
	}
	o.Parameters["EnableHighAvailability"] = "false"
	if !says("mysql on 3 machines, rabbitmq on 3 machines: each stands by itself") {
		t.Errorf("not clustered: %q", build(t, o).Warnings)
	}
	delete(o.Parameters, "EnableHighAvailability")
	if o.Counts["Controller"] = 2; !says("mysql on 2 machines: when one of them dies") {
		t.Errorf("two: %q", build(t, o).Warnings)
	}
	o.Counts["Controller"] = 1
	if says("glance_api") || says("mysql") {
		t.Errorf("one: %q", build(t, o).Warnings)
	}
}
