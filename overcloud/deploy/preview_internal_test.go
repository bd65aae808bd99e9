package deploy

import (
	"slices"
	"testing"

	"trefoil/overcloud/stack"
)

func TestEveryFileOfTheInputCanBeForgotten(t *testing.T) {
	old := stack.Input{Environments: []string{"/e"}, RolesFile: "/r", NetworksFile: "/n", VIPFile: "/v", BaremetalFile: "/b"}
	const rest = " was given to the last deployment and is not given to this one"
	want := []string{"environment /e" + rest, "roles file /r" + rest, "networks file /n" + rest, "virtual IPs file /v" + rest, "baremetal file /b" + rest}
	if got := forgotten(old, stack.Input{}); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := forgotten(old, old); got != nil {
		t.Errorf("of the same input: %q", got)
	}
}
