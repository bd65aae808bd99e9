package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
)

func TestPatchChangesWhatItSays(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n", Properties: map[string]any{"cpus": 4}, Owner: "me"})
	r.do("PATCH", "/v1/nodes/n", "1.82", `[
		{"op":"add","path":"/properties/capabilities","value":"profile:control,boot_option:local"},
		{"op":"replace","path":"/name","value":"control-0"},
		{"op":"replace","path":"/maintenance","value":"true"},
		{"op":"remove","path":"/owner"},
		{"op":"add","path":"/resource_class","value":"baremetal"},
		{"op":"add","path":"/extra/a~1b","value":[1]},
		{"op":"add","path":"/extra/a~1b/0","value":0},
		{"op":"remove","path":"/properties/cpus"},
		{"op":"add","path":"/automated_clean","value":false}]`).want(t, 200, "")
	n := r.node("control-0")
	if n.Properties["capabilities"] != "profile:control,boot_option:local" || n.Properties["cpus"] != nil {
		t.Errorf("properties %v", n.Properties)
	}
	if !n.Maintenance || n.Owner != "" || n.ResourceClass != "baremetal" || n.AutomatedClean == nil || *n.AutomatedClean {
		t.Errorf("node %+v", n)
	}
	if list, _ := n.Extra["a/b"].([]any); len(list) != 2 {
		t.Errorf("extra %v", n.Extra)
	}
}

func TestPatchRefusalsLeaveTheNodeAsItWas(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "other"})
	r.add(ironic.Node{Name: "n"})
	before, _ := json.Marshal(r.node("n"))
	for _, tc := range []struct {
		name, body, version string
		status              int
		fault               string
	}{
		{"not a list", `{}`, "1.82", 400, "expected a list"},
		{"null", `null`, "1.82", 400, "expected a list"},
		{"operation is no object", `[1]`, "1.82", 400, "must be an object"},
		{"unknown operation", `[{"op":"move","path":"/extra","from":"/name"}]`, "1.82", 400, "'from' was unexpected"},
		{"test is not offered", `[{"op":"test","path":"/extra","value":1}]`, "1.82", 400, "is not one of"},
		{"no path", `[{"op":"remove"}]`, "1.82", 400, "'path' is a required property"},
		{"path without slash", `[{"op":"remove","path":"extra"}]`, "1.82", 400, "is not a path"},
		{"no value", `[{"op":"add","path":"/extra/a"}]`, "1.82", 400, "'value' is required"},
		{"read-only", `[{"op":"replace","path":"/power_state","value":"on"}]`, "1.82", 400, "Cannot patch /power_state. Only the following"},
		{"traits have their own resource", `[{"op":"add","path":"/traits/-","value":"CUSTOM_A"}]`, "1.82", 400, "Cannot patch"},
		{"too new", `[{"op":"add","path":"/owner","value":"x"}]`, "1.49", 406, ""},
		{"second step fails", `[{"op":"add","path":"/extra/a","value":1},{"op":"remove","path":"/extra/b"}]`, "1.82", 400,
			"Couldn't apply patch '{'op': 'remove', 'path': '/extra/b'}'. Reason: can't remove a non-existent object 'b'"},
		{"replace of nothing", `[{"op":"replace","path":"/extra/b","value":1}]`, "1.82", 400, "can't replace a non-existent object 'b'"},
		{"parent is missing", `[{"op":"add","path":"/extra/a/b","value":1}]`, "1.82", 400, "Couldn't apply patch"},
		{"wrong type", `[{"op":"replace","path":"/extra","value":"text"}]`, "1.82", 400, "is not of type 'object'"},
		{"not a boolean", `[{"op":"replace","path":"/maintenance","value":"perhaps"}]`, "1.82", 400, "'boolean'"},
		{"bad name", `[{"op":"replace","path":"/name","value":"a b"}]`, "1.82", 400, "Cannot change name to invalid name 'a b'"},
		{"name taken", `[{"op":"replace","path":"/name","value":"other"}]`, "1.82", 409, "already exists"},
		{"driver removed", `[{"op":"remove","path":"/driver"}]`, "1.82", 400, "can not be removed"},
		{"driver unknown", `[{"op":"replace","path":"/driver","value":"abacus"}]`, "1.82", 400, "abacus"},
		{"protected too early", `[{"op":"replace","path":"/protected","value":true}]`, "1.82", 409, "can not be protected"},
		{"reason without flag", `[{"op":"replace","path":"/protected_reason","value":"x"}]`, "1.82", 400, "protected is True"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.do("PATCH", "/v1/nodes/n", tc.version, tc.body).want(t, tc.status, tc.fault)
			if after, _ := json.Marshal(r.node("n")); string(after) != string(before) {
				t.Errorf("node changed:\n%s\n%s", before, after)
			}
		})
	}
	r.do("PATCH", "/v1/nodes/n?reset_interfaces=true", "1.82", `[{"op":"add","path":"/extra/a","value":1}]`).want(t, 400, "reset_interfaces")
}

func TestPatchDependsOnTheState(t *testing.T) {
	const instance = "182740b8-c4b2-4952-b3f0-c423af88a5bc"
	extra := `[{"op":"add","path":"/extra/a","value":1}]`
	for _, tc := range []struct {
		name   string
		node   ironic.Node
		patch  string
		status int
		fault  string
	}{
		{"while cleaning", ironic.Node{ProvisionState: "cleaning", TargetProvisionState: "available"}, extra, 409, "state transition is in progress: host localhost (it is in state \"cleaning\""},
		{"while deploying", ironic.Node{ProvisionState: "wait call-back", TargetProvisionState: "active"}, extra, 409, "in progress"},
		{"while waiting for inspection", ironic.Node{ProvisionState: "inspect wait", TargetProvisionState: "manageable"}, extra, 200, ""},
		{"after a failed deployment", ironic.Node{ProvisionState: "deploy failed", TargetProvisionState: "active"}, extra, 200, ""},
		{"freeing an instance in maintenance", ironic.Node{ProvisionState: "cleaning", TargetProvisionState: "available", Maintenance: true,
			InstanceUUID: instance}, `[{"op":"remove","path":"/instance_uuid"}]`, 200, ""},
		{"interface of an active node", ironic.Node{ProvisionState: "active"}, `[{"op":"replace","path":"/boot_interface","value":"x"}]`, 409, "boot_interface"},
		{"interface of an active node in maintenance", ironic.Node{ProvisionState: "active", Maintenance: true},
			`[{"op":"replace","path":"/boot_interface","value":"x"}]`, 200, ""},
		{"resource class of an active node", ironic.Node{ProvisionState: "active", ResourceClass: "a"},
			`[{"op":"replace","path":"/resource_class","value":"b"}]`, 409, "resource_class"},
		{"second instance", ironic.Node{InstanceUUID: instance},
			`[{"op":"replace","path":"/instance_uuid","value":"282740b8-c4b2-4952-b3f0-c423af88a5bc"}]`, 409, "is associated with instance"},
		{"driver with a console on", ironic.Node{ConsoleEnabled: true}, `[{"op":"replace","path":"/driver","value":"ipmi"}]`, 409, "console"},
		{"console with a console on", ironic.Node{ConsoleEnabled: true}, `[{"op":"replace","path":"/console_interface","value":"no-console"}]`, 409, "console_interface updated while its console is enabled"},
		{"owner of an allocated node", ironic.Node{AllocationUUID: instance}, `[{"op":"replace","path":"/owner","value":"x"}]`, 409, "allocated"},
		{"protecting an active node", ironic.Node{ProvisionState: "active"},
			`[{"op":"replace","path":"/protected","value":true},{"op":"add","path":"/protected_reason","value":"mine"}]`, 200, ""},
		{"retiring an available node", ironic.Node{ProvisionState: "available"}, `[{"op":"replace","path":"/retired","value":true}]`, 409, "can not be retired"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			tc.node.Name = "n"
			r.add(tc.node)
			r.do("PATCH", "/v1/nodes/n", "1.82", tc.patch).want(t, tc.status, tc.fault)
		})
	}
}

func TestUnsettingAFlagClearsItsReason(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n", ProvisionState: "active", Protected: true, ProtectedReason: "a", Retired: true, RetiredReason: "b",
		Maintenance: true, MaintenanceReason: "c", Fault: "power failure"})
	r.do("PATCH", "/v1/nodes/n", "1.82", `[{"op":"replace","path":"/protected","value":false},
		{"op":"remove","path":"/retired"},{"op":"replace","path":"/maintenance","value":"no"}]`).want(t, 200, "")
	if n := r.node("n"); n.Protected || n.Retired || n.Maintenance || n.ProtectedReason+n.RetiredReason+n.MaintenanceReason+n.Fault != "" {
		t.Errorf("node %+v", n)
	}
}

func TestResetInterfacesGoesWithTheDriver(t *testing.T) {
	r := newRig(t)
	n := ironic.Node{Name: "n", Interfaces: map[string]string{"boot": "odd"}}
	r.add(n)
	r.do("PATCH", "/v1/nodes/n?reset_interfaces=true", "1.82", `[{"op":"replace","path":"/driver","value":"ipmi"}]`).want(t, 200, "")
	if got := r.node("n"); got.Driver != "ipmi" || got.Interfaces["boot"] != "fake" {
		t.Errorf("node %+v", got)
	}
}

func TestOneInstanceStaysOnOneNode(t *testing.T) {
	const instance = "182740b8-c4b2-4952-b3f0-c423af88a5bc"
	r := newRig(t)
	r.add(ironic.Node{Name: "a", UUID: "00000000-0000-4000-8000-000000000001", InstanceUUID: instance})
	r.add(ironic.Node{Name: "b", UUID: "00000000-0000-4000-8000-000000000002"})
	r.do("PATCH", "/v1/nodes/b", "1.82", `[{"op":"add","path":"/instance_uuid","value":"`+instance+`"}]`).want(t, 409, "already associated")
}

// fuzzAPI is an API with one node, without a socket.
func fuzzAPI(f *testing.F) (*apitest.Store, http.Handler) {
	store := apitest.NewStore()
	conductor := apitest.NewConductor(store)
	n := &ironic.Node{UUID: "00000000-0000-4000-8000-000000000001", Name: "n", Driver: "ipmi", ProvisionState: "enroll",
		DriverInfo: map[string]any{"ipmi_password": "hunter2"}, Properties: map[string]any{"cpus": 4}}
	if err := conductor.CheckCreate(context.Background(), n); err != nil {
		f.Fatal(err)
	}
	if err := store.CreateNode(context.Background(), n); err != nil {
		f.Fatal(err)
	}
	return store, api.New(api.Config{Store: store, Conductor: conductor, Log: slog.New(slog.DiscardHandler)})
}

// FuzzBody sends anything to everything that reads a body.
func FuzzBody(f *testing.F) {
	routes := []string{"POST /v1/nodes", "POST /v1/ports", "PUT /v1/nodes/n/states/provision", "PUT /v1/nodes/n/states/power",
		"PUT /v1/nodes/n/states/raid", "PUT /v1/nodes/n/maintenance", "PUT /v1/nodes/n/traits", "POST /v1/nodes/n/vifs",
		"PUT /v1/nodes/n/management/boot_device", "POST /v1/heartbeat/n", "POST /v1/continue_inspection", "PATCH /v1/ports/p"}
	for _, seed := range []string{`{"driver":"ipmi","name":"x"}`, `{"target":"clean","clean_steps":[{"interface":"a","step":"b"}]}`,
		`{"target":"soft power off","timeout":1}`, `{"callback_url":"x","agent_token":"token"}`, `{"traits":["CUSTOM_A"]}`, `null`, `[]`,
		`{"node_uuid":"00000000-0000-4000-8000-000000000001","address":"52:54:00:00:00:01"}`, `{"logical_disks":[{"size_gb":1,"raid_level":"1"}]}`} {
		f.Add(seed)
	}
	_, h := fuzzAPI(f)
	f.Fuzz(func(t *testing.T, body string) {
		for _, route := range routes {
			method, path, _ := strings.Cut(route, " ")
			req := httptest.NewRequest(method, path, strings.NewReader(body))
			req.Header.Set("X-OpenStack-Ironic-API-Version", "1.82")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code >= 500 || w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s: status %d: %s", route, w.Code, w.Body)
			}
		}
	})
}

func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`[{"op":"add","path":"/extra/a","value":{"b":[1,2]}}]`, `[{"op":"remove","path":"/name"}]`, `[]`,
		`[{"op":"replace","path":"/driver_info","value":{"ipmi_password":"******"}}]`, `[{"op":"add","path":"/extra/-1","value":1e999}]`,
		`[{"op":"add","path":"/properties/~01","value":null},{"op":"replace","path":"/properties","value":null}]`,
	} {
		f.Add(seed)
	}
	store, h := fuzzAPI(f)
	f.Fuzz(func(t *testing.T, patch string) {
		req := httptest.NewRequest("PATCH", "/v1/nodes/00000000-0000-4000-8000-000000000001", strings.NewReader(patch))
		req.Header.Set("X-OpenStack-Ironic-API-Version", "1.82")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "hunter2") {
			t.Fatalf("the answer shows a secret: %s", w.Body)
		}
		n, err := store.Node(context.Background(), "00000000-0000-4000-8000-000000000001")
		if err != nil || n.ProvisionState != "enroll" || n.Driver == "" {
			t.Fatalf("the patch broke the node: %+v %v", n, err)
		}
	})
}

// What no body may nest, operations may not nest either.
func TestAPatchDoesNotNestWithoutEnd(t *testing.T) {
	r := newRig(t)
	r.do("POST", "/v1/nodes", "1.80", `{"name":"n","driver":"fake-hardware"}`).want(t, 201, "")
	path, ops := "/extra", []string{}
	for range 80 {
		path += "/a"
		ops = append(ops, `{"op":"add","path":"`+path+`","value":{}}`)
	}
	r.do("PATCH", "/v1/nodes/n", "1.80", "["+strings.Join(ops, ",")+"]").want(t, 400, "nested deeper than 64 levels")
	r.do("PATCH", "/v1/nodes/n", "1.80", "["+strings.Join(ops[:40], ",")+"]").want(t, 200, "")
}

func TestAFilterTakesSoManyNames(t *testing.T) {
	r := newRig(t)
	many := strings.Repeat("a,", 1000) + "a"
	for path, version := range map[string]string{"nodes?shard=": "1.82", "ports?shard=": "1.82", "portgroups?shard=": "1.106",
		"ports?conductor_groups=": "1.99", "portgroups?conductor_groups=": "1.99"} {
		r.do("GET", "/v1/"+path+many, version, "").want(t, 400, "1001 names; at most 1000")
		r.do("GET", "/v1/"+path+many[2:], version, "").want(t, 200, "")
	}
}
