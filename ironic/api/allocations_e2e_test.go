//go:build e2e

package api_test

import (
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
)

// TestRealClientAllocates takes Debian's openstack client through the life of
// allocations over the real conductor.
func TestRealClientAllocates(t *testing.T) {
	client := openstackclient.Start(t)
	url := realService(t, nil)
	for _, c := range []struct {
		command, says string
		exit          int
	}{
		{"node create --driver fake-hardware --name node-0 --resource-class baremetal -f value -c name", "node-0", 0},
		{"allocation create --resource-class baremetal --name early --wait 30", "no available nodes match the resource class baremetal.", 1},
		{"allocation delete early", "Deleted allocation early", 0},
		{"node manage node-0 --wait 30", "", 0},
		{"node provide node-0 --wait 30", "", 0},
		{"allocation create --resource-class baremetal --name web-1 --candidate-node node-0 --extra a=b --wait 30 -f value -c state", "active", 0},
		{"allocation create --resource-class baremetal --name web-1", "An allocation with name web-1 already exists.", 1},
		{"allocation list --node node-0 -f value -c Name -c State", "web-1 active", 0},
		{"allocation set web-1 --name web-2 --extra c=d", "", 0},
		{"allocation unset web-2 --extra a", "", 0},
		{"allocation show web-2 -f value -c extra -c last_error -c name", "{'c': 'd'}\nNone\nweb-2", 0},
		{"node show node-0 --fields allocation_uuid instance_uuid -f json", `"allocation_uuid": "`, 0},
		{"allocation delete web-2", "Deleted allocation web-2", 0},
		{"node show node-0 --fields allocation_uuid instance_uuid -f value", "None\nNone", 0},
		{"allocation show web-2", "Allocation web-2 could not be found.", 1},
	} {
		got, exit := runClient(t, client, url, "openstack baremetal "+c.command)
		if exit != c.exit || !strings.Contains(got, c.says) {
			t.Errorf("%s: exit code %d, want %d with %q:\n%s", c.command, exit, c.exit, c.says, got)
		}
	}
}
