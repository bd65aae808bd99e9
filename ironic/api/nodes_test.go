package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/openapi/openapitest"
)

func TestVersionNegotiation(t *testing.T) {
	r := newRig(t)
	for _, tc := range []struct {
		name, header, chosen string
		status               int
	}{
		{"no header is the lowest", "", "1.1", 200},
		{"latest is the highest", "latest", "1.110", 200},
		{"one in between", "1.34", "1.34", 200},
		{"below the range", "1.0", "", 406},
		{"above the range", "1.111", "", 406},
		{"another major", "2.1", "", 406},
		{"rubbish", "new", "", 406},
		{"a negative minor", "1.-3", "", 406},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := r.do("GET", "/v1/nodes", tc.header, "")
			a.want(t, tc.status, "")
			if got := a.header.Get("X-OpenStack-Ironic-API-Version"); got != tc.chosen {
				t.Errorf("chosen version %q, want %q", got, tc.chosen)
			}
			if a.header.Get("X-OpenStack-Ironic-API-Maximum-Version") != "1.110" {
				t.Errorf("maximum is %q", a.header.Get("X-OpenStack-Ironic-API-Maximum-Version"))
			}
		})
	}
}

func TestFieldsAppearWithTheirVersion(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n"})
	for field, since := range map[string]int{"driver_internal_info": 3, "name": 5, "inspection_started_at": 6, "clean_step": 7,
		"raid_config": 12, "network_interface": 20, "resource_class": 21, "boot_interface": 31, "storage_interface": 33,
		"traits": 37, "rescue_interface": 38, "bios_interface": 40, "fault": 42, "deploy_step": 44, "conductor_group": 46,
		"automated_clean": 47, "protected_reason": 48, "conductor": 49, "owner": 50, "description": 51, "allocation_uuid": 52,
		"retired": 61, "lessee": 65, "network_data": 66, "secure_boot": 75, "shard": 82, "parent_node": 83, "firmware_interface": 86,
		"service_step": 87, "disable_power_off": 95, "instance_name": 104, "health": 109} {
		below, at := fmt.Sprintf("1.%d", since-1), fmt.Sprintf("1.%d", since)
		if _, there := r.do("GET", "/v1/nodes/"+n.UUID, below, "").object(t)[field]; there {
			t.Errorf("%s is shown at %s", field, below)
		}
		if _, there := r.do("GET", "/v1/nodes/"+n.UUID, at, "").object(t)[field]; !there {
			t.Errorf("%s is not shown at %s", field, at)
		}
		if since > 8 {
			r.do("GET", "/v1/nodes?fields="+field, below, "").want(t, 406, "not acceptable")
			r.do("GET", "/v1/nodes?fields="+field, at, "").want(t, 200, "")
		}
	}
}

func TestStatesAreHiddenFromVersionsThatDoNotKnowThem(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "a", ProvisionState: "available"})
	r.add(ironic.Node{Name: "w", ProvisionState: "inspect wait"})
	for _, tc := range []struct {
		node, version string
		want          any
	}{
		{"a", "1.1", nil}, {"a", "1.2", "available"}, {"w", "1.38", "inspecting"}, {"w", "1.39", "inspect wait"},
	} {
		if got := r.do("GET", "/v1/nodes/"+tc.node, tc.version, "").object(t)["provision_state"]; got != tc.want {
			t.Errorf("%s at %s shows %v, want %v", tc.node, tc.version, got, tc.want)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n",
		DriverInfo:         map[string]any{"ipmi_password": "hunter2", "ipmi_address": "10.0.0.1", "snmp_auth_key": "hunter3"},
		InstanceInfo:       map[string]any{"configdrive": "hunter4", "image_url": "http://u:hunter5@h/", "nested": map[string]any{"root_password": "hunter6", "configdrive": "hunter9"}, "list": []any{map[string]any{"image_url": "hunter10"}}},
		DriverInternalInfo: map[string]any{"agent_secret_token": "hunter7", "agent_secret_token_pregenerated": true}})
	for _, path := range []string{"/v1/nodes/" + n.UUID, "/v1/nodes/detail", "/v1/nodes?detail=true", "/v1/nodes?fields=driver_info,instance_info,driver_internal_info"} {
		a := r.do("GET", path, "1.82", "")
		a.want(t, 200, "")
		if strings.Contains(a.body, "hunter") {
			t.Errorf("%s shows a secret: %s", path, a.body)
		}
		if !strings.Contains(a.body, `"ipmi_password":"******"`) || !strings.Contains(a.body, "10.0.0.1") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	a := r.do("PATCH", "/v1/nodes/n", "1.82", `[{"op":"add","path":"/driver_info/ipmi_password/x","value":"hunter8"}]`)
	a.want(t, 400, "Couldn't apply patch")
	if strings.Contains(a.body+r.logged.String(), "hunter") {
		t.Errorf("a refused patch shows a secret: %s", a.body)
	}
	a = r.do("PATCH", "/v1/nodes/n", "1.82", `[{"op":"replace","path":"/driver_info","value":{"ipmi_password":"******","ipmi_address":"10.0.0.2"}}]`)
	a.want(t, 200, "")
	if got := r.node("n").DriverInfo; got["ipmi_password"] != "hunter2" || got["ipmi_address"] != "10.0.0.2" {
		t.Errorf("writing back the mask lost the secret: %v", got)
	}
}

func TestCreateNodeRefusals(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "taken"})
	for _, tc := range []struct {
		name, body, version string
		status              int
		fault               string
	}{
		{"no driver", `{"name":"x"}`, "1.82", 400, "'driver' is a required property"},
		{"unknown driver", `{"driver":"x"}`, "1.82", 400, "No valid host was found"},
		{"unknown field", `{"driver":"ipmi","foo":1}`, "1.82", 400, "'foo' was unexpected"},
		{"read-only field", `{"driver":"ipmi","power_state":"power on"}`, "1.82", 400, "'power_state' was unexpected"},
		{"field of a later version", `{"driver":"ipmi","owner":"me"}`, "1.49", 406, "not acceptable"},
		{"wrong type", `{"driver":"ipmi","properties":[]}`, "1.82", 400, "is not of type 'object'"},
		{"wrong type of a name", `{"driver":"ipmi","name":5}`, "1.82", 400, "is not of type 'string'"},
		{"name taken", `{"driver":"ipmi","name":"taken"}`, "1.82", 409, "already exists"},
		{"name is a word of the API", `{"driver":"ipmi","name":"detail"}`, "1.82", 400, "invalid name 'detail'"},
		{"name is a uuid", `{"driver":"ipmi","name":"182740b8-c4b2-4952-b3f0-c423af88a5bc"}`, "1.82", 400, "invalid name"},
		{"name that is no host's, before 1.10", `{"driver":"ipmi","name":"a_b"}`, "1.9", 400, "invalid name 'a_b'"},
		{"bad uuid", `{"driver":"ipmi","uuid":"zz"}`, "1.82", 400, "Expected a UUID"},
		{"reason without its flag", `{"driver":"ipmi","retired_reason":"old"}`, "1.82", 400, "retired is True"},
		{"malformed JSON", `{"driver":`, "1.82", 400, "Malformed request body"},
		{"not an object", `["ipmi"]`, "1.82", 400, "expected a JSON object"},
		{"invalid UTF-8", "{\"driver\":\"\xff\"}", "1.82", 400, "UTF-8"},
		{"too deep", `{"driver":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "1.82", 400, "nested deeper"},
		{"too long", `{"driver":"` + strings.Repeat("x", 5<<20) + `"}`, "1.82", 413, "longer than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.do("POST", "/v1/nodes", tc.version, tc.body).want(t, tc.status, tc.fault)
		})
	}
	if nodes, _ := r.store.Nodes(context.Background(), ironic.NodeFilter{}); len(nodes) != 1 {
		t.Errorf("refusals left %d nodes", len(nodes))
	}
}

func TestCreateNodeStartsWhereItsVersionSays(t *testing.T) {
	r := newRig(t)
	a := r.do("POST", "/v1/nodes", "1.11", `{"driver":"ipmi","name":"new"}`)
	a.want(t, 201, "")
	if got := a.object(t)["provision_state"]; got != "enroll" {
		t.Errorf("at 1.11 a node starts %v", got)
	}
	if want := r.url + "/v1/nodes/" + r.node("new").UUID; a.header.Get("Location") != want {
		t.Errorf("Location %s, want %s", a.header.Get("Location"), want)
	}
	a = r.do("POST", "/v1/nodes", "1.10", `{"driver":"ipmi","name":"old"}`)
	if got := a.object(t)["provision_state"]; got != "available" {
		t.Errorf("at 1.10 a node starts %v", got)
	}
	for name, version := range map[string]string{"a_b~c": "1.10", "rack-1.example.org": "1.9"} {
		r.do("POST", "/v1/nodes", version, `{"driver":"ipmi","name":"`+name+`"}`).want(t, 201, "")
	}
}

func TestPagesFollowEachOther(t *testing.T) {
	r := newRig(t)
	for i := range 25 {
		r.add(ironic.Node{Name: fmt.Sprintf("n%02d", (i*7)%25), UUID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i)})
	}
	for _, query := range []string{"limit=10&sort_key=name&sort_dir=desc", "limit=10", "limit=7&detail=true", "limit=5&fields=name&driver=fake-hardware"} {
		var names []string
		for path := "/v1/nodes?" + query; path != ""; {
			m := r.do("GET", path, "1.82", "").object(t)
			for _, n := range m["nodes"].([]any) {
				names = append(names, n.(map[string]any)["name"].(string))
			}
			next, _ := m["next"].(string)
			path = strings.TrimPrefix(next, r.url)
		}
		seen := map[string]bool{}
		for _, n := range names {
			seen[n] = true
		}
		if len(names) != 25 || len(seen) != 25 {
			t.Errorf("%s: %d names, %d different", query, len(names), len(seen))
		}
		if strings.Contains(query, "desc") && (names[0] != "n24" || names[24] != "n00") {
			t.Errorf("%s: order %v", query, names)
		}
	}
}

func TestListRefusals(t *testing.T) {
	r := newRig(t)
	for _, tc := range []struct {
		query, version string
		status         int
		fault          string
	}{
		{"limit=-1", "1.82", 400, "positive"}, {"limit=x", "1.82", 400, "expected a number"},
		{"sort_dir=up", "1.82", 400, "sort direction"}, {"sort_key=extra", "1.82", 400, "invalid field for sorting"},
		{"sort_key=owner", "1.49", 406, ""}, {"marker=nope", "1.82", 400, "Expected UUID for marker: nope"},
		{"marker=182740b8-c4b2-4952-b3f0-c423af88a5bc", "1.82", 404, "Node 182740b8-c4b2-4952-b3f0-c423af88a5bc could not be found."},
		{"fields=uuid&detail=true", "1.82", 400, "subset"}, {"detail=true", "1.42", 406, ""},
		{"provision_state=dancing", "1.82", 400, "not valid"}, {"provision_state=active", "1.8", 406, ""},
		{"maintenance=maybe", "1.82", 400, "boolean"}, {"fault=tired", "1.82", 400, "Unrecognized fault"},
		{"color=red", "1.82", 400, "Unexpected arguments: color"}, {"owner=me", "1.49", 406, ""},
		{"%zz", "1.82", 400, "Malformed query"}, {"limit=1&limit=2", "1.82", 400, "more than once"},
	} {
		t.Run(tc.query, func(t *testing.T) {
			r.do("GET", "/v1/nodes?"+tc.query, tc.version, "").want(t, tc.status, tc.fault)
		})
	}
}

// What the table of fields lets sort by, the store must know, and the other way round.
func TestEverySortKeyOfTheAPIIsOneOfTheStore(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n"})
	r.do("POST", "/v1/ports", "1.110", `{"node_ident":"n","address":"52:54:00:00:00:01"}`).want(t, 201, "")
	for path, known := range map[string]map[string]bool{"/v1/nodes/" + n.UUID: keysOf(ironic.NodeSortKeys()), "/v1/ports/52:54:00:00:00:01": keysOf(ironic.PortSortKeys())} {
		list, _, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
		for field := range r.do("GET", path, "1.110", "").object(t) {
			a := r.do("GET", "/v1/"+list+"?sort_key="+field, "1.110", "")
			switch {
			case known[field]:
				a.want(t, 200, "")
			default:
				a.want(t, 400, "is an invalid field for sorting")
			}
			delete(known, field)
		}
		if len(known) > 0 {
			t.Errorf("%s: the store sorts by what is no field: %v", list, known)
		}
	}
}

func keysOf[F any](m map[string]F) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// As in Ironic, a marker needs not be in the list that it is the beginning of.
func TestAMarkerOutsideTheFilter(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "a", Owner: "me"})
	marker := r.add(ironic.Node{Name: "b", Owner: "you"})
	r.add(ironic.Node{Name: "c", Owner: "me"})
	list := r.do("GET", "/v1/nodes?owner=me&sort_key=name&marker="+marker.UUID, "1.82", "").object(t)
	if nodes := list["nodes"].([]any); len(nodes) != 1 || nodes[0].(map[string]any)["name"] != "c" || list["next"] != nil {
		t.Errorf("%v", list)
	}
}

func TestNextIsThereWheneverThePageIsFull(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"a", "b"} {
		r.add(ironic.Node{Name: name, Owner: "me"})
	}
	for query, full := range map[string]bool{"limit=1&owner=me": true, "limit=2&owner=me": true, "limit=3&owner=me": false, "limit=1&owner=you": false, "owner=me": false} {
		if m := r.do("GET", "/v1/nodes?"+query, "1.82", "").object(t); (m["next"] != nil) != full {
			t.Errorf("%s: %v", query, m["next"])
		}
	}
}

func TestFiltersNarrowTheList(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "a", Owner: "me", ProvisionState: "available", Maintenance: true, Retired: true})
	r.add(ironic.Node{Name: "b", Driver: "ipmi", ResourceClass: "big", Description: "the blue one", Shard: "s1",
		InstanceUUID: "182740b8-c4b2-4952-b3f0-c423af88a5bc"})
	for query, want := range map[string]string{
		"owner=me": "a", "provision_state=available": "a", "maintenance=True": "a", "retired=true": "a", "associated=false": "a",
		"driver=ipmi": "b", "resource_class=big": "b", "description_contains=blue": "b", "shard=s1,s2": "b", "associated=1": "b",
		"instance_uuid=182740b8-c4b2-4952-b3f0-c423af88a5bc": "b", "sharded=false": "a", "conductor=localhost&maintenance=false": "b",
	} {
		list := r.do("GET", "/v1/nodes?"+query, "1.82", "").object(t)["nodes"].([]any)
		if len(list) != 1 || list[0].(map[string]any)["name"] != want {
			t.Errorf("%s gives %v, want %s", query, list, want)
		}
	}
}

func TestDeleteRules(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "protected", Protected: true, Maintenance: true})
	r.add(ironic.Node{Name: "used", InstanceUUID: "182740b8-c4b2-4952-b3f0-c423af88a5bc"})
	r.add(ironic.Node{Name: "busy", ProvisionState: "deploying"})
	r.add(ironic.Node{Name: "free"})
	r.do("DELETE", "/v1/nodes/protected", "1.82", "").want(t, 403, "is protected")
	r.do("DELETE", "/v1/nodes/used", "1.82", "").want(t, 409, "is associated with instance")
	r.do("DELETE", "/v1/nodes/busy", "1.82", "").want(t, 409, "deploying")
	r.do("DELETE", "/v1/nodes/free", "1.82", "").want(t, 204, "")
	r.do("DELETE", "/v1/nodes/free", "1.82", "").want(t, 404, "Node free could not be found.")
}

func TestOurOwnFailuresTellNothing(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	r.conductor.Fail = func(string) error { return fmt.Errorf("dial /secret/socket: refused") }
	a := r.do("GET", "/v1/nodes/n/validate", "1.82", "")
	a.want(t, 500, "Internal error")
	id := a.header.Get("X-OpenStack-Request-Id")
	if strings.Contains(a.body, "socket") || !strings.Contains(a.fault(), id) || !strings.Contains(r.logged.String(), "socket") {
		t.Errorf("answer %s\nlog %s", a.body, r.logged)
	}
	r.conductor.Fail = func(string) error { panic("at the disco") }
	a = r.do("GET", "/v1/nodes/n/validate", "1.82", "")
	a.want(t, 500, "Internal error")
	if strings.Contains(a.body, "disco") || !strings.Contains(r.logged.String(), "disco") {
		t.Errorf("answer %s", a.body)
	}
	r.conductor.Fail = func(string) error {
		return errs.New(errs.Locked, "Node n is locked by host h").WithHint("wait")
	}
	r.do("PUT", "/v1/nodes/n/states/power", "1.82", `{"target":"power on"}`).want(t, 409, "is locked by host h")
}

func TestAuthGuardsAllButThePublicRoutes(t *testing.T) {
	deny := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { openapitest.Unauthorized(w) })
	}
	r := newRig(t)
	h := held(t, api.New(api.Config{Store: r.store, Conductor: r.conductor, Auth: deny}))
	for path, guarded := range map[string]bool{"/": false, "/v1": false, "/v1/": false, "/v1/lookup?addresses=x": false,
		"/v1/heartbeat/x": false, "/v1/continue_inspection": false, "/openapi.json": false, "/v1/nodes": true, "/v1/nodes/": true, "/v1/drivers": true,
		"/v1/nope": true, "/v1/lookup/x": true, "/v1/heartbeat": true} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if (w.Code == 401) != guarded {
			t.Errorf("GET %s gives %d", path, w.Code)
		}
	}
}

func TestDiscoveryDocuments(t *testing.T) {
	r := newRig(t)
	root := r.do("GET", "/", "", "").object(t)
	v1 := r.do("GET", "/v1/", "1.82", "").object(t)
	for name, v := range map[string]any{"/": root["default_version"], "/v1": v1["version"]} {
		version := v.(map[string]any)
		if version["min_version"] != "1.1" || version["version"] != "1.110" || version["status"] != "CURRENT" {
			t.Errorf("%s describes %v", name, version)
		}
	}
	if _, there := v1["conductors"]; !there {
		t.Error("no link to conductors at 1.82")
	}
	if _, there := r.do("GET", "/v1", "1.1", "").object(t)["conductors"]; there {
		t.Error("link to conductors at 1.1")
	}
	for name, since := range map[string]int{"nodes": 1, "chassis": 1, "lookup": 22, "portgroups": 23, "shards": 82, "continue_inspection": 84, "inspection_rules": 96} {
		for minor, want := range map[int]bool{since - 1: false, since: true} {
			if minor < 1 {
				continue
			}
			if _, there := r.do("GET", "/v1", fmt.Sprintf("1.%d", minor), "").object(t)[name]; there != want {
				t.Errorf("link to %s at 1.%d: %t", name, minor, there)
			}
		}
	}
}

func TestWrongMethodAndTooNewPath(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	a := r.do("POST", "/v1/shards", "1.82", `{}`)
	a.want(t, 405, "")
	if a.header.Get("Allow") != "GET" {
		t.Errorf("Allow %q", a.header.Get("Allow"))
	}
	r.do("GET", "/v1/nodes/n/traits", "1.36", "").want(t, 404, "")
	r.do("GET", "/v1/nodes/n/inventory", "1.80", "").want(t, 404, "")
	r.do("GET", "/v1/lookup?addresses=52:54:00:00:00:01", "1.21", "").want(t, 404, "")
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"limit=1&marker=x", "fields=uuid,name", "detail=true&sort_key=name", "owner=%00", "sort_dir=desc&limit=99999999999999999999"} {
		f.Add(seed, "1.82")
	}
	store, h := fuzzAPI(f)
	_ = store
	f.Fuzz(func(t *testing.T, query, version string) {
		req := httptest.NewRequest("GET", "/v1/nodes", nil)
		req.URL.RawQuery = query
		req.Header["X-Openstack-Ironic-Api-Version"] = []string{version}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	})
}
