package plan_test

import (
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
		err := build(t, o).Deployable()
		switch {
		case x.want == "" && err != nil:
			t.Errorf("%s: %v", x.name, err)
		case x.want != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), x.want) || errs.HintOf(err) == ""):
			t.Errorf("%s: got %v", x.name, err)
		}
	}
}
