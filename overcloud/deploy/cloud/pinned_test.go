package cloud_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"trefoil/ironic"
)

// What a baremetal_deployment file may ask of a machine reaches placement, the port and the node.
func TestWhatAnInstanceAsksFor(t *testing.T) {
	w := newWorld(t)
	w.ctlplane(t)
	n := w.under.AddNode("a", func(n *ironic.Node) { n.ConductorGroup, n.Traits = "rack2", []string{"CUSTOM_GPU"} }, "52:54:00:aa:00:01")
	all, err := w.cloud.Nodes(t.Context())
	if err != nil || all[0].ConductorGroup != "rack2" || fmt.Sprint(all[0].Traits) != "[CUSTOM_GPU]" {
		t.Fatalf("%+v %v", all, err)
	}
	d := anInstance()
	if d.Address, err = w.cloud.EnsurePort(t.Context(), n.UUID, "x", uuid.NewString(), "192.168.255.44"); err != nil || d.Address.IP != "192.168.255.44" {
		t.Fatalf("%+v %v", d.Address, err)
	}
	d.Flavor, d.RootGB, d.SwapMB = "", 30, 512
	d.CloudConfig = map[string]any{"bootcmd": []any{"a"}, "ssh_deletekeys": false}
	d.MetaData = map[string]any{"instance-type": "Compute", "name": "not this"}
	if err := w.cloud.Deploy(t.Context(), n.UUID, d); err != nil {
		t.Fatal(err)
	}
	info := w.under.Node("a").InstanceInfo
	if _, has := info["flavor"]; has || fmt.Sprint(info["root_gb"], info["swap_mb"]) != "30 512" {
		t.Errorf("instance_info %v", info)
	}
	drive, err := json.Marshal(w.asked[0].ConfigDrive)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"instance-type":"Compute"`, `"name":"overcloud-controller-0"`, `\"bootcmd\":[\"a\"]`, `\"ssh_deletekeys\":true`} {
		if !strings.Contains(string(drive), part) {
			t.Errorf("no %s in %s", part, drive)
		}
	}
}
