package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"trefoil/ironic"
)

func TestProvisionVerbs(t *testing.T) {
	steps := `,"clean_steps":[{"interface":"deploy","step":"erase_devices_metadata"}]}`
	for _, tc := range []struct {
		name    string
		node    ironic.Node
		body    string
		version string
		status  int
		fault   string
	}{
		{"manage", ironic.Node{}, `{"target":"manage"}`, "1.4", 202, ""},
		{"manage before it existed", ironic.Node{}, `{"target":"manage"}`, "1.3", 406, ""},
		{"inspect before it existed", ironic.Node{ProvisionState: "manageable"}, `{"target":"inspect"}`, "1.5", 406, ""},
		{"deploy is active since 1.73", ironic.Node{ProvisionState: "available"}, `{"target":"deploy"}`, "1.72", 406, ""},
		{"service before it existed", ironic.Node{ProvisionState: "active"}, `{"target":"service"}`, "1.86", 406, ""},
		{"unknown verb", ironic.Node{}, `{"target":"dance"}`, "1.82", 400, `"dance" can not be performed`},
		{"verb that does not fit", ironic.Node{}, `{"target":"active"}`, "1.82", 400, `while it is in state "enroll"`},
		{"no target", ironic.Node{}, `{}`, "1.82", 400, "'target' is a required property"},
		{"unknown member", ironic.Node{}, `{"target":"manage","foo":1}`, "1.82", 400, "'foo' was unexpected"},
		{"deploy in maintenance", ironic.Node{ProvisionState: "available", Maintenance: true}, `{"target":"active"}`, "1.82", 400, "The provisioning operation can't be performed on node"},
		{"undeploy of a protected node", ironic.Node{ProvisionState: "active", Protected: true}, `{"target":"deleted"}`, "1.82", 403, "protected"},
		{"provide of a retired node", ironic.Node{ProvisionState: "manageable", Retired: true}, `{"target":"provide"}`, "1.82", 400, "retired"},
		{"config drive as text", ironic.Node{ProvisionState: "available"}, `{"target":"active","configdrive":"H4sI"}`, "1.6", 202, ""},
		{"config drive as object", ironic.Node{ProvisionState: "available"}, `{"target":"active","configdrive":{"user_data":"x"}}`, "1.56", 202, ""},
		{"config drive as object, too early", ironic.Node{ProvisionState: "available"}, `{"target":"active","configdrive":{}}`, "1.55", 400, "1.56"},
		{"config drive with rebuild", ironic.Node{ProvisionState: "active"}, `{"target":"rebuild","configdrive":"H4sI"}`, "1.35", 202, ""},
		{"config drive with rebuild, too early", ironic.Node{ProvisionState: "active"}, `{"target":"rebuild","configdrive":"H4sI"}`, "1.34", 400, "only supported when setting provision state to active"},
		{"config drive with manage", ironic.Node{}, `{"target":"manage","configdrive":"x"}`, "1.82", 400, "config drive"},
		{"clean without steps", ironic.Node{ProvisionState: "manageable"}, `{"target":"clean"}`, "1.82", 400, "clean_steps"},
		{"clean with steps", ironic.Node{ProvisionState: "manageable"}, `{"target":"clean"` + steps, "1.15", 202, ""},
		{"steps without a name", ironic.Node{ProvisionState: "manageable"}, `{"target":"clean","clean_steps":[{"interface":"deploy"}]}`, "1.82", 400, "'step' is a required"},
		{"steps with another verb", ironic.Node{}, `{"target":"manage"` + steps, "1.82", 400, "clean_steps"},
		{"deploy steps too early", ironic.Node{ProvisionState: "available"}, `{"target":"active","deploy_steps":[]}`, "1.68", 406, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			tc.node.Name = "n"
			r.add(tc.node)
			a := r.do("PUT", "/v1/nodes/n/states/provision", tc.version, tc.body)
			a.want(t, tc.status, tc.fault)
			if tc.status == 202 && (a.body != "" || a.header.Get("Location") != r.url+"/v1/nodes/n/states") {
				t.Errorf("body %q, Location %q", a.body, a.header.Get("Location"))
			}
			asked := slices.ContainsFunc(r.conductor.Calls, func(c string) bool { return strings.HasPrefix(c, "Provision") })
			if asked && tc.status != 202 && tc.name != "verb that does not fit" {
				t.Errorf("the conductor was asked: %v", r.conductor.Calls)
			}
		})
	}
}

func TestPower(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n", PowerState: "power off"})
	r.add(ironic.Node{Name: "cleaning", ProvisionState: "clean wait"})
	r.do("PUT", "/v1/nodes/n/states/power", "1.1", `{"target":"power on"}`).want(t, 202, "")
	r.do("PUT", "/v1/nodes/n/states/power", "1.27", `{"target":"soft power off","timeout":30}`).want(t, 202, "")
	r.do("PUT", "/v1/nodes/n/states/power", "1.27", `{"target":"soft power off","timeout":86400}`).want(t, 202, "")
	r.do("PUT", "/v1/nodes/n/states/power", "1.26", `{"target":"soft power off"}`).want(t, 406, "")
	r.do("PUT", "/v1/nodes/n/states/power", "1.26", `{"target":"power off","timeout":30}`).want(t, 406, "")
	r.do("PUT", "/v1/nodes/n/states/power", "1.27", `{"target":"power off","timeout":0}`).want(t, 400, "minimum")
	r.do("PUT", "/v1/nodes/n/states/power", "1.27", `{"target":"power off","timeout":"1"}`).want(t, 400, "integer")
	r.do("PUT", "/v1/nodes/n/states/power", "1.27", `{"target":"up"}`).want(t, 400, `"up" can not be performed`)
	r.do("PUT", "/v1/nodes/cleaning/states/power", "1.27", `{"target":"power off"}`).want(t, 400, "clean wait")
	if !slices.Contains(r.conductor.Calls, "SetPower[soft power off 30]") || r.node("n").PowerState != "power off" {
		t.Errorf("calls %v", r.conductor.Calls)
	}
}

func TestMaintenance(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n", Fault: "power failure"})
	r.do("PUT", "/v1/nodes/n/maintenance", "1.1", `{"reason":"broken fan"}`).want(t, 202, "")
	if n := r.node("n"); !n.Maintenance || n.MaintenanceReason != "broken fan" {
		t.Errorf("node %+v", n)
	}
	r.do("PUT", "/v1/nodes/n/maintenance", "1.1", ``).want(t, 202, "")
	r.do("PUT", "/v1/nodes/n/maintenance", "1.1", `{"why":"x"}`).want(t, 400, "'why' was unexpected")
	r.do("DELETE", "/v1/nodes/n/maintenance", "1.1", ``).want(t, 202, "")
	if n := r.node("n"); n.Maintenance || n.MaintenanceReason != "" || n.Fault != "" {
		t.Errorf("node %+v", n)
	}
}

func TestBootDevice(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n"})
	r.do("PUT", "/v1/nodes/n/management/boot_device", "1.1", `{"boot_device":"disk","persistent":true}`).want(t, 204, "")
	r.do("PUT", "/v1/nodes/n/management/boot_device", "1.1", `{"boot_device":"tape"}`).want(t, 400, "tape")
	r.do("PUT", "/v1/nodes/n/management/boot_device", "1.1", `{"boot_device":"pxe","persistent":"maybe"}`).want(t, 400, "boolean")
	if m := r.do("GET", "/v1/nodes/"+n.UUID+"/management/boot_device", "1.1", "").object(t); m["boot_device"] != "disk" || m["persistent"] != false {
		t.Errorf("boot device %v", m)
	}
	if got := r.do("GET", "/v1/nodes/n/management/boot_device/supported", "1.1", "").body; got != `{"supported_boot_devices":["pxe","disk"]}` {
		t.Errorf("supported %s", got)
	}
}

func TestTraits(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	r.do("PUT", "/v1/nodes/n/traits", "1.37", `{"traits":["HW_CPU_X86_VMX","CUSTOM_B","CUSTOM_B"]}`).want(t, 204, "")
	r.do("PUT", "/v1/nodes/n/traits/CUSTOM_A", "1.37", ``).want(t, 204, "")
	if got := r.do("GET", "/v1/nodes/n/traits", "1.37", "").body; got != `{"traits":["CUSTOM_A","CUSTOM_B","HW_CPU_X86_VMX"]}` {
		t.Errorf("traits %s", got)
	}
	r.do("PUT", "/v1/nodes/n/traits/bad", "1.37", ``).want(t, 400, "'bad' is not valid")
	r.do("PUT", "/v1/nodes/n/traits/CUSTOM_C", "1.37", `{}`).want(t, 400, "No body")
	r.do("PUT", "/v1/nodes/n/traits", "1.37", `{"traits":"CUSTOM_A"}`).want(t, 400, "array")
	r.do("DELETE", "/v1/nodes/n/traits/CUSTOM_X", "1.37", ``).want(t, 404, "doesn't have a trait")
	r.do("DELETE", "/v1/nodes/n/traits/CUSTOM_A", "1.37", ``).want(t, 204, "")
	many := `"CUSTOM_0"`
	for i := range 50 {
		many += `,"CUSTOM_` + strings.Repeat("X", i+1) + `"`
	}
	r.do("PUT", "/v1/nodes/n/traits", "1.37", `{"traits":[`+many+`]}`).want(t, 400, "more than 50")
	r.do("DELETE", "/v1/nodes/n/traits", "1.37", ``).want(t, 204, "")
	if got := r.do("GET", "/v1/nodes/n", "1.37", "").object(t)["traits"]; len(got.([]any)) != 0 {
		t.Errorf("traits %v", got)
	}
}

func TestVIFsTakeFreePorts(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n"})
	r.do("POST", "/v1/nodes/n/vifs", "1.28", `{"id":"v0"}`).want(t, 400, "not enough free physical ports")
	for _, mac := range []string{"52:54:00:00:00:01", "52:54:00:00:00:02"} {
		p := &ironic.Port{UUID: "00000000-0000-4000-8000-0000000000" + mac[15:], NodeUUID: n.UUID, Address: mac, PXEEnabled: mac[16] == '2'}
		if err := r.store.CreatePort(context.Background(), p); err != nil {
			t.Fatal(err)
		}
	}
	r.do("POST", "/v1/nodes/n/vifs", "1.28", `{"id":"v1"}`).want(t, 204, "")
	r.do("POST", "/v1/nodes/n/vifs", "1.28", `{"id":"v1"}`).want(t, 409, "already attached")
	r.do("POST", "/v1/nodes/n/vifs", "1.28", `{"id":"v2"}`).want(t, 204, "")
	r.do("POST", "/v1/nodes/n/vifs", "1.28", `{"id":"v3"}`).want(t, 400, "not enough free")
	if p, _ := r.store.Port(context.Background(), "52:54:00:00:00:02"); p.InternalInfo["tenant_vif_port_id"] != "v1" {
		t.Errorf("the PXE port was not taken first: %v", p.InternalInfo)
	}
	r.do("DELETE", "/v1/ports/52:54:00:00:00:02", "1.82", "").want(t, 409, "VIF v1 is attached")
	r.do("DELETE", "/v1/nodes/n/vifs/v1", "1.28", "").want(t, 204, "")
	r.do("DELETE", "/v1/nodes/n/vifs/v1", "1.28", "").want(t, 400, "not attached")
	if got := r.do("GET", "/v1/nodes/n/vifs", "1.28", "").body; got != `{"vifs":[{"id":"v2"}]}` {
		t.Errorf("vifs %s", got)
	}
}

func TestHistoryAndInventory(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n"})
	ctx := context.Background()
	for _, event := range []string{"first", "second"} {
		if err := r.store.AddHistory(ctx, ironic.HistoryEntry{NodeUUID: n.UUID, EventType: "power", Event: event, Severity: "ERROR"}); err != nil {
			t.Fatal(err)
		}
	}
	list := r.do("GET", "/v1/nodes/n/history", "1.78", "").object(t)["history"].([]any)
	first := list[0].(map[string]any)
	if len(list) != 2 || first["event"] != "first" || first["event_type"] != nil {
		t.Errorf("history %v", list)
	}
	if one := r.do("GET", "/v1/nodes/n/history/"+first["uuid"].(string), "1.78", "").object(t); one["event_type"] != "power" {
		t.Errorf("entry %v", one)
	}
	if page := r.do("GET", "/v1/nodes/n/history?limit=1", "1.78", "").object(t); page["next"] == nil {
		t.Errorf("page %v", page)
	}
	r.do("GET", "/v1/nodes/n/history/nope", "1.78", "").want(t, 404, "")
	if err := r.store.SaveInventory(ctx, ironic.Inventory{NodeUUID: n.UUID, Inventory: map[string]any{"hostname": "h"}}); err != nil {
		t.Fatal(err)
	}
	if got := r.do("GET", "/v1/nodes/n/inventory", "1.81", "").body; got != `{"inventory":{"hostname":"h"},"plugin_data":{}}` {
		t.Errorf("inventory %s", got)
	}
}

func TestRamdiskRoutes(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n", ProvisionState: "clean wait"})
	if err := r.store.CreatePort(context.Background(), &ironic.Port{UUID: "p", NodeUUID: n.UUID, Address: "52:54:00:00:00:01"}); err != nil {
		t.Fatal(err)
	}
	m := r.do("GET", "/v1/lookup?addresses=80:00:02:08,52-54-00-00-00-01", "1.62", "").object(t)
	if m["node"].(map[string]any)["uuid"] != n.UUID || m["config"].(map[string]any)["agent_token"] != "token" {
		t.Errorf("lookup %v", m)
	}
	r.do("GET", "/v1/lookup?addresses=52:54:00:00:00:99", "1.62", "").want(t, 404, "Resource could not be found.")
	r.do("GET", "/v1/lookup", "1.62", "").want(t, 404, "")
	r.do("GET", "/v1/lookup?node_uuid=zz", "1.62", "").want(t, 400, "UUID")
	beat := `{"callback_url":"https://10.0.0.1:9999","agent_token":"token","agent_version":"1"}`
	r.do("POST", "/v1/heartbeat/"+n.UUID, "1.68", beat).want(t, 202, "")
	r.do("POST", "/v1/heartbeat/"+n.UUID, "1.61", beat).want(t, 400, "agent_token not recognised")
	r.do("POST", "/v1/heartbeat/"+n.UUID, "1.68", `{"agent_token":"token"}`).want(t, 400, "callback_url")
	r.do("POST", "/v1/heartbeat/"+n.UUID, "1.68", `{"callback_url":"x","agent_token":"wrong"}`).want(t, 400, "Invalid or missing agent token")
	r.do("POST", "/v1/heartbeat/nobody", "1.68", beat).want(t, 404, "")
	data := `{"inventory":{"interfaces":[{"mac_address":"52:54:00:00:00:01"}]}}`
	for _, version := range []string{"", "1.82", "1.110", "1.999"} { // ramdisks send versions of their own
		a := r.do("POST", "/v1/continue_inspection", version, data)
		if a.status != 202 || a.body != `{"uuid":"`+n.UUID+`"}` {
			t.Errorf("version %q: %d %s", version, a.status, a.body)
		}
	}
	r.do("POST", "/v1/continue_inspection", "", `{`).want(t, 400, "Malformed")
	r.do("POST", "/v1/continue_inspection", "", `{"inventory":{"disks":[{"size":"big"}]}}`).want(t, 400, `inventory.disks[0].size: expected a whole number of 64 bits, found the text "big"`)
}

func TestRAIDLayoutIsKeptForTheNextCleaning(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	r.add(ironic.Node{Name: "none", Interfaces: map[string]string{"raid": "no-raid"}})
	body := `{"logical_disks":[{"size_gb":100,"raid_level":"5","is_root_volume":true}]}`
	r.do("PUT", "/v1/nodes/n/states/raid", "1.12", body).want(t, 204, "")
	r.do("PUT", "/v1/nodes/none/states/raid", "1.12", body).want(t, 404, "does not support raid")
	r.do("PUT", "/v1/nodes/n/states/raid", "1.12", `{"logical_disks":[{"size_gb":"much","raid_level":"5"}]}`).want(t, 400, "size_gb")
	r.do("PUT", "/v1/nodes/n/states/raid", "1.12", `{"logical_disks":[{"size_gb":1,"raid_level":"7"}]}`).want(t, 400, "'7' is not one of")
	r.do("PUT", "/v1/nodes/n/states/raid", "1.12", `{"logical_disks":[{"size_gb":0,"raid_level":"1"}]}`).want(t, 400, "size_gb")
	r.do("PUT", "/v1/nodes/n/states/raid", "1.12", `{"logical_disks":[{"size_gb":1,"raid_level":"1","raidlevel":"1"}]}`).want(t, 400, "'raidlevel' was unexpected")
	r.do("PUT", "/v1/nodes/n/states/raid", "1.12", `{"logical_disks":[{"size_gb":1,"raid_level":"1","is_root_volume":true},{"size_gb":1,"raid_level":"1","is_root_volume":true}]}`).
		want(t, 400, "cannot have more than one root volume")
	r.do("PUT", "/v1/nodes/n/states/raid", "1.12", `{"logical_disks":[{"size_gb":1,"raid_level":"1","is_root_volume":"yes"}]}`).want(t, 400, "is_root_volume")
	right := map[string]any{"controller": "c", "disk_type": "ssd", "interface_type": "sas", "is_root_volume": true, "number_of_physical_disks": 2,
		"physical_disks": []string{"a"}, "raid_level": "1", "share_physical_disks": false, "size_gb": "MAX", "volume_name": "v"}
	for member := range r.do("GET", "/v1/drivers/fake-hardware/raid/logical_disk_properties", "1.12", "").object(t) {
		for _, c := range []struct {
			value  any
			status int
		}{{right[member], 204}, {0.5, 400}} {
			disk := maps.Clone(right)
			disk[member] = c.value
			text, _ := json.Marshal(map[string]any{"logical_disks": []any{disk}})
			r.do("PUT", "/v1/nodes/n/states/raid", "1.12", string(text)).want(t, c.status, "")
		}
	}
	if got := r.do("GET", "/v1/nodes/n/states", "1.12", "").object(t)["target_raid_config"].(map[string]any); got["logical_disks"] == nil {
		t.Errorf("target %v", got)
	}
}

func TestUnsupportedFunctionsAreRefused(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	for path, part := range map[string]string{"states/boot_mode": "set_boot_mode", "states/secure_boot": "set_secure_boot_state",
		"management/inject_nmi": "inject_nmi"} {
		r.do("PUT", "/v1/nodes/n/"+path, "1.82", `{"target":"uefi"}`).want(t, 400, "does not support "+part)
	}
	r.do("PUT", "/v1/nodes/n/states/console", "1.82", `{"enabled":true}`).want(t, 400, "does not support console")
	r.do("GET", "/v1/nodes/n/vmedia", "1.93", "").want(t, 400, "does not support virtual media")
	r.do("POST", "/v1/nodes/n/vendor_passthru?method=x", "1.82", `{}`).want(t, 400, "No handler for method x")
}

func TestAbortOfAnInspectionCameWithItsVersion(t *testing.T) {
	for state, since := range map[string]int{"inspect wait": 41, "clean wait": 13, "wait call-back": 110} {
		r := newRig(t)
		r.add(ironic.Node{Name: "n", ProvisionState: state})
		r.do("PUT", "/v1/nodes/n/states/provision", fmt.Sprintf("1.%d", since-1), `{"target":"abort"}`).want(t, 406, "")
		r.do("PUT", "/v1/nodes/n/states/provision", fmt.Sprintf("1.%d", since), `{"target":"abort"}`).want(t, 202, "")
	}
}
