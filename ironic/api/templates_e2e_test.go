//go:build e2e

package api_test

import (
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
)

// TestRealClientKeepsDeployTemplates takes Debian's openstack client through the life of
// deploy templates, and of a node that is deployed with one, over the real conductor.
func TestRealClientKeepsDeployTemplates(t *testing.T) {
	client := openstackclient.Start(t)
	url := realService(t, nil)
	const steps = `[{"interface":"bios","step":"factory_reset","args":{},"priority":95}]`
	for _, c := range []struct {
		command, says string
		exit          int
	}{
		{"deploy template create CUSTOM_RESET --steps " + steps + " --extra a=b -f value -c name -c steps -c extra", "{'a': 'b'}\nCUSTOM_RESET\n[{'interface': 'bios', 'step': 'factory_reset', 'args': {}, 'priority': 95}]", 0},
		{"deploy template create CUSTOM_RESET --steps " + steps, "A deploy template with name CUSTOM_RESET already exists.", 1},
		{"deploy template create reset --steps " + steps, "'reset' does not match '^CUSTOM_[A-Z0-9_]+$'", 1},
		{"deploy template list -f value -c Name", "CUSTOM_RESET", 0},
		{"deploy template list --long -f value -c Steps", "'priority': 95", 0},
		{"deploy template list --fields name extra -f value", "CUSTOM_RESET {'a': 'b'}", 0},
		{`deploy template set CUSTOM_RESET --name CUSTOM_ODD --steps [{"interface":"bios","step":"polish","args":{"password":"geheim"},"priority":"9"}] --extra c=d`, "", 0},
		{"deploy template unset CUSTOM_ODD --extra a", "", 0},
		{"deploy template show CUSTOM_ODD -f value -c extra -c steps", "{'c': 'd'}\n[{'interface': 'bios', 'step': 'polish', 'args': {'password': '******'}, 'priority': 9}]", 0},
		{"deploy template show CUSTOM_ODD --fields name", "CUSTOM_ODD", 0},
		{"node create --driver fake-hardware --name node-0", "node-0", 0},
		{"node add trait node-0 CUSTOM_ODD", "", 0},
		{`node set node-0 --instance-info traits=["CUSTOM_ODD"]`, "", 0},
		{"node manage node-0 --wait 30", "", 0},
		{"node provide node-0 --wait 30", "", 0},
		{"node deploy node-0", "Matching deploy templates: CUSTOM_ODD. Errors: node does not support this deploy step: {'interface': 'bios', 'step': 'polish'}", 1},
		{"node validate node-0 -f value", "Matching deploy templates: CUSTOM_ODD.", 0},
		{"deploy template set CUSTOM_ODD --steps " + steps, "", 0},
		{"node deploy node-0 --wait 30", "", 0},
		{"node show node-0 --fields provision_state -f value", "active", 0},
		{"node history list node-0 --long -f csv", "runs deploy step factory_reset", 0},
		{"deploy template delete CUSTOM_ODD", "Deleted deploy template CUSTOM_ODD", 0},
		{"deploy template show CUSTOM_ODD", "Deploy template CUSTOM_ODD could not be found.", 1},
	} {
		got, exit := runClient(t, client, url, "openstack baremetal "+c.command)
		if exit != c.exit || !strings.Contains(got, c.says) {
			t.Errorf("%s: exit code %d, want %d with %q:\n%s", c.command, exit, c.exit, c.says, got)
		}
	}
}
