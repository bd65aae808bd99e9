package conductor_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/api"
)

// raider makes the agents build volumes.
func raider(t *testing.T, w *world, layout string) {
	t.Helper()
	var made map[string]any
	if err := json.Unmarshal([]byte(layout), &made); err != nil {
		t.Fatal(err)
	}
	offer := func(name string) any { return map[string]any{"step": name, "priority": 0, "interface": "raid"} }
	w.set(func(n *ironic.Node) { n.Interfaces["raid"] = "agent" })
	w.offers = map[string][]any{"clean_steps": {offer("create_configuration"), offer("delete_configuration")}, "deploy_steps": {offer("apply_configuration")}}
	w.results = map[string]map[string]any{"create_configuration": {"clean_result": made}, "apply_configuration": {"deploy_result": made}}
}

const mirror = `{"logical_disks": [{"raid_level": "1", "size_gb": 50, "is_root_volume": true, "root_device_hint": {"name": "/dev/md0"}}, {"raid_level": "0", "size_gb": "MAX"}]}`

// What the agent has built is shown, and deployed to.
func TestTheVolumesThatAnAgentBuiltAreKept(t *testing.T) {
	for name, build := range map[string]func(*world) *ironic.Node{
		"by cleaning": func(w *world) *ironic.Node {
			w.provision("clean", cleanSteps("raid.create_configuration"))
			return w.await("manageable")
		},
		"by cleaning, killed": func(w *world) *ironic.Node {
			w.crashAt("clean 0 create_configuration", true, func() { w.provision("clean", cleanSteps("raid.create_configuration")) })
			return w.await("manageable")
		},
		"by a deployment": func(w *world) *ironic.Node {
			w.set(func(n *ironic.Node) { n.ProvisionState = "available" })
			w.provision("active", func(r *api.ProvisionRequest) {
				r.DeploySteps = []map[string]any{{"interface": "raid", "step": "apply_configuration", "priority": 90, "args": map[string]any{}}}
			})
			return w.await("active")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.node("manageable")
			raider(t, w, mirror)
			n := build(w)
			disks, _ := n.RaidConfig["logical_disks"].([]any)
			when, _ := n.RaidConfig["last_updated"].(string)
			if _, err := time.Parse(time.DateTime, when); err != nil || len(disks) != 2 {
				t.Errorf("%v", n.RaidConfig)
			}
			hint, _ := n.Properties["root_device"].(map[string]any)
			if n.Properties["local_gb"] != "50" || hint["name"] != "/dev/md0" || n.Properties["capabilities"] != "profile:control,boot_mode:uefi,raid_level:1" {
				t.Errorf("%v", n.Properties)
			}
		})
	}
}

func TestVolumesThatWereDeletedAreForgotten(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	w.set(func(n *ironic.Node) {
		n.RaidConfig, n.Properties["root_device"] = map[string]any{"logical_disks": []any{}}, map[string]any{"name": "/dev/md0"}
	})
	raider(t, w, mirror)
	w.provision("clean", cleanSteps("raid.delete_configuration"))
	if n := w.await("manageable"); len(n.RaidConfig) > 0 || n.Properties["root_device"] != nil {
		t.Errorf("%v %v", n.RaidConfig, n.Properties)
	}
}

func TestAnAgentThatDoesNotSayWhatItBuiltFailsTheStep(t *testing.T) {
	for layout, want := range map[string]string{
		`{}`: "without saying what it has built",
		`{"logical_disks": [{"is_root_volume": true}, {"is_root_volume": true}]}`: "more than one root volume",
		volume(`"size_gb": 1e300`):                 "size_gb that is not from 1 to 1000000000",
		volume(`"size_gb": -5`):                    "size_gb that is not from 1 to 1000000000",
		volume(`"size_gb": 0`):                     "size_gb that is not from 1 to 1000000000",
		volume(`"size_gb": "50"`):                  `size_gb that is not a number or "MAX"`,
		volume(`"raid_level": "1,boot_mode:bios"`): "raid_level that is not a word without , and :",
		volume(`"raid_level": 1`):                  "raid_level that is not a word without , and :",
		volume(`"root_device_hint": "garbage"`):    "root_device_hint that is not an object",
		volume(`"root_device_hint": null`):         "root_device_hint that is not an object",
	} {
		w := newWorld(t, nil)
		w.node("manageable")
		raider(t, w, layout)
		w.provision("clean", cleanSteps("raid.create_configuration"))
		if n := w.await("clean failed"); !strings.Contains(n.LastError, want) || len(n.RaidConfig) > 0 || len(n.Properties) != 1 {
			t.Errorf("%q %v %v", n.LastError, n.RaidConfig, n.Properties)
		}
	}
}

// volume is a layout with a root volume that has one member more.
func volume(member string) string {
	return `{"logical_disks": [{"is_root_volume": true, ` + member + `}]}`
}
