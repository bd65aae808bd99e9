//go:build e2e

package api_test

import (
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
)

// TestRealClientKeepsVolumes takes Debian's openstack client through its commands
// for volumes, over the real conductor and SQLite.
func TestRealClientKeepsVolumes(t *testing.T) {
	client := openstackclient.Start(t)
	url := realService(t, nil)
	const node, other = "4ab611e7-f466-4b9f-ba8d-dd57fbd60aa2", "75e85f1a-7305-4d7e-a86e-02b2822c857a"
	const c1, t1 = "60665831-2dd2-4f6e-90a1-f4f5354e003f", "182740b8-c4b2-4952-b3f0-c423af88a5bc"
	for _, c := range []struct {
		command, says string
		exit          int
	}{
		{"node create --driver fake-hardware --name n --uuid " + node, "", 0},
		{"node create --driver fake-hardware --name other --uuid " + other, "", 0},
		{"node manage n --wait 30", "", 0},
		{"node manage other --wait 30", "", 0},
		{"volume connector create --node " + node + " --type iqn --connector-id iqn.n --extra rack=b --uuid " + c1 +
			" -f value -c connector_id -c extra -c node_uuid -c type", "iqn.n\n{'rack': 'b'}\n" + node + "\niqn", 0},
		{"volume connector create --node " + other + " --type iqn --connector-id iqn.n", "A volume connector with type iqn and connector ID iqn.n already exists. (HTTP 409)", 1},
		{"volume connector list -f value", c1 + " " + node + " iqn iqn.n", 0},
		{"volume connector list --node other -f value", "", 0},
		{"volume connector list --long -f value -c Extra", "{'rack': 'b'}", 0},
		{"volume connector set " + c1 + " --type ip --connector-id 192.0.2.7 --extra row=3", "", 0},
		{"volume connector unset " + c1 + " --extra rack", "", 0},
		{"volume connector show " + c1 + " -f value -c connector_id -c extra -c type", "192.0.2.7\n{'row': 3}\nip", 0},
		{"volume connector show " + c1 + " --fields type -f value", "ip", 0},
		{"volume target create --node " + node + " --type iscsi --boot-index 0 --volume-id vol-1 --property target_iqn=iqn.x --property auth_password=hunter2 --uuid " + t1 +
			" -f value -c boot_index -c properties -c volume_id -c volume_type", "0\n{'auth_password': '******', 'target_iqn': 'iqn.x'}\nvol-1\niscsi", 0},
		{"volume target create --node " + node + " --type iscsi --boot-index 0 --volume-id vol-2", "A volume target with boot index '0' for the same node already exists. (HTTP 409)", 1},
		{"volume target list --node n -f value", t1 + " " + node + " iscsi 0 vol-1", 0},
		{"volume target list --limit 0 --fields boot_index volume_id -f value", "0 vol-1", 0},
		{"volume target set " + t1 + " --boot-index 1 --volume-id vol-3 --property target_lun=2", "", 0},
		{"volume target unset " + t1 + " --property target_iqn", "", 0},
		{"volume target show " + t1 + " -f value -c boot_index -c properties -c volume_id", "1\n{'auth_password': '******', 'target_lun': 2}\nvol-3", 0},
		{"volume target set " + t1 + " --node " + other, "", 0},
		{"volume target delete " + t1, "Deleted volume target " + t1, 0},
		{"volume connector delete " + c1, "Deleted volume connector " + c1, 0},
		{"volume connector delete " + c1, "Volume connector " + c1 + " could not be found.", 1},
		{"volume target list -f value", "", 0},
	} {
		got, exit := runClient(t, client, url, "openstack baremetal "+c.command)
		if exit != c.exit || !strings.Contains(got, c.says) {
			t.Errorf("%s: exit code %d, want %d with %q:\n%s", c.command, exit, c.exit, c.says, got)
		}
	}
}
