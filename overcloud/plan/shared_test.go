package plan_test

import (
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
)

// Machines that cannot be one cloud are not deployed, and it is said what to do; they
// can be planned, as image build does.
func TestSeveralControllersThatAreNoCloud(t *testing.T) {
	without := func(services ...string) string {
		out := "resource_registry:\n"
		for _, s := range services {
			out += "  OS::TripleO::Services::" + s + ": OS::Heat::None\n"
		}
		return out
	}
	for _, x := range []struct {
		name, environment, want string
		n                       int
	}{
		{"three of them", "", "", 3},
		{"nobody has the address", without("Keepalived"), "the cloud is to answer at 192.168.24.", 3},
		{"what takes the address away", without("Keepalived"), "so that nobody would have the address: the resource_registry leaves OS::TripleO::Services::Keepalived out (OS::Heat::None)", 3},
		{"nobody answers at it", without("HAproxy", "Keepalived"), "no machine runs haproxy, so that nobody would answer there", 3},
		{"not clustered", "parameter_defaults: {EnableHighAvailability: 'false'}\n", "mysql on 3 machines, rabbitmq on 3 machines: each would stand by itself", 3},
		{"one that is to grow, without an address", "parameter_defaults: {EnableHighAvailability: 'true'}\n" + without("Keepalived"), "no machine runs keepalived", 1},
		{"one", without("Keepalived"), "", 1},
	} {
		o, _ := controllers(t, x.n)
		if x.environment != "" {
			o.Environments = []plan.File{{Name: "/home/stack/e.yaml", Data: []byte(x.environment)}}
		}
		err := build(t, o).Shared()
		switch {
		case x.want == "" && err != nil:
			t.Errorf("%s: %v", x.name, err)
		case x.want != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), x.want) || errs.HintOf(err) == ""):
			t.Errorf("%s: got %v", x.name, err)
		}
	}
}

// TestWhatStandsIsNotRefused: a stack that is deployed like that can be updated and made
// smaller, with a warning; one that would only become so is refused.
func TestWhatStandsIsNotRefused(t *testing.T) {
	warned := func(p *plan.Plan, what string) bool {
		return slices.ContainsFunc(p.Warnings, func(w string) bool {
			return strings.Contains(w, "stack overcloud stands like this already: ") && strings.Contains(w, what)
		})
	}
	o, nodes := controllers(t, 3)
	o.Environments = []plan.File{{Name: "/home/stack/e.yaml", Data: []byte("parameter_defaults: {EnableHighAvailability: 'false'}\n")}}
	o.Machines = slices.Clone(nodes)
	if p := build(t, o); p.Shared() == nil || warned(p, "mysql") {
		t.Errorf("machines that were only provisioned: %v, warnings %q", p.Shared(), p.Warnings)
	}
	for i := range o.Machines {
		o.Machines[i].Configured = true
	}
	if p := build(t, o); p.Shared() != nil || !warned(p, "mysql on 3 machines") {
		t.Errorf("its update: %v, warnings %q", p.Shared(), p.Warnings)
	}
	o.Counts["Controller"] = 2
	if p := build(t, o); p.Shared() != nil || !warned(p, "mysql on 2 machines, rabbitmq on 2 machines") {
		t.Errorf("made smaller: %v, warnings %q", p.Shared(), p.Warnings)
	}
	o.Machines = slices.DeleteFunc(o.Machines, func(n plan.Node) bool { return n.Role == "Controller" && n.Index > 0 })
	if err := build(t, o).Shared(); !errs.Is(err, errs.Invalid) {
		t.Errorf("one controller that would become two clouds: %v", err)
	}
	o, nodes = controllers(t, 3)
	o.Environments = []plan.File{{Name: "/home/stack/e.yaml", Data: []byte("resource_registry: {OS::TripleO::Services::Keepalived: OS::Heat::None}\n")}}
	o.Addresses, o.AddressHeld = map[string]string{plan.VirtualKey("overcloud"): "192.168.24.77"}, true
	if p := build(t, o); p.Shared() != nil || !warned(p, "no machine runs keepalived") {
		t.Errorf("laid out for the address: %v, warnings %q", p.Shared(), p.Warnings)
	}
}

// TestAnotherLoadBalancerHasTheAddress: then HAProxy and keepalived are nobody's, and what
// the other one has to do is told, not refused.
func TestAnotherLoadBalancerHasTheAddress(t *testing.T) {
	warning := func(p *plan.Plan) string {
		i := slices.IndexFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "EnableLoadBalancer") })
		if i < 0 {
			t.Fatalf("no warning in %q", p.Warnings)
		}
		return p.Warnings[i]
	}
	o, nodes := controllers(t, 3)
	o.Parameters["ControlFixedIPs"] = []any{map[string]any{"ip_address": "192.168.24.9"}}
	o.Environments = []plan.File{{Name: "environments/external-loadbalancer-vip.yaml"}}
	p := build(t, o)
	if err := p.Shared(); err != nil || p.VirtualAddress() != "192.168.24.9" || !p.Clustered("mysql") {
		t.Errorf("got %v, address %q", err, p.VirtualAddress())
	}
	for _, want := range []string{"environments/external-loadbalancer-vip.yaml:", "must answer at 192.168.24.9", "3306 mysql", "5000 keystone", "9696 neutron_api"} {
		if w := warning(p); !strings.Contains(w, want) {
			t.Errorf("%q does not tell %q", w, want)
		}
	}
	if text := fileOf(t, o, nodes, "overcloud-controller-1", "/etc/cinder/cinder.conf"); strings.Contains(text, "backend_host") {
		t.Errorf("the machines share a name, and none knows whose turn it is:\n%s", text)
	}
	if !slices.ContainsFunc(p.Warnings, func(w string) bool {
		return strings.Contains(w, "each of 3 cinder-volumes manages its own volumes in Ceph")
	}) {
		t.Errorf("Cinder: %q", p.Warnings)
	}
	// The parameter alone does it too: TripleO's own file leaves keepalived in.
	o.Environments = []plan.File{{Name: "/home/stack/e.yaml", Data: []byte("resource_registry: {OS::TripleO::Services::HAproxy: OS::Heat::None}\nparameter_defaults: {EnableLoadBalancer: false}\n")}}
	p = build(t, o)
	cfg, err := p.Configure(nodes)
	if err != nil || p.Shared() != nil {
		t.Fatalf("%v, %v", err, p.Shared())
	}
	for _, d := range cfg["overcloud-controller-0"] {
		for _, r := range d.Resources {
			if r.Service == "keepalived" || r.Service == "haproxy" {
				t.Errorf("step %d: %s", d.Step, r.Key())
			}
		}
	}
	one, _ := controllers(t, 1)
	one.Environments = []plan.File{{Name: "environments/external-loadbalancer-vip.yaml"}}
	if w := warning(build(t, one)); !strings.Contains(w, "has no effect: with one controller") {
		t.Errorf("one controller: %q", w)
	}
}
