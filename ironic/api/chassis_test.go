package api_test

import (
	"testing"

	"trefoil/ironic"
)

func TestChassisLife(t *testing.T) {
	r := newRig(t)
	a := r.do("POST", "/v1/chassis", "1.1", `{"description":"rack 1","extra":{"row":"b"}}`)
	a.want(t, 201, "")
	id := a.object(t)["uuid"].(string)
	if a.header.Get("Location") != r.url+"/v1/chassis/"+id {
		t.Errorf("Location %s", a.header.Get("Location"))
	}
	r.do("POST", "/v1/nodes", "1.11", `{"driver":"ipmi","name":"in","chassis_uuid":"`+id+`"}`).want(t, 201, "")
	r.add(ironic.Node{Name: "out"})
	for path, want := range map[string]int{"/v1/chassis": 1, "/v1/chassis/detail": 1, "/v1/chassis?fields=description": 1} {
		if list := r.do("GET", path, "1.43", "").object(t)["chassis"].([]any); len(list) != want {
			t.Errorf("%s gives %v", path, list)
		}
	}
	for _, path := range []string{"/v1/chassis/" + id + "/nodes", "/v1/chassis/" + id + "/nodes/detail", "/v1/nodes?chassis_uuid=" + id} {
		if got := names(t, r.do("GET", path, "1.43", "")); len(got) != 1 || !got["in"] {
			t.Errorf("%s gives %v", path, got)
		}
	}
	r.do("PATCH", "/v1/chassis/"+id, "1.1", `[{"op":"replace","path":"/description","value":"rack 2"},{"op":"remove","path":"/extra/row"}]`).want(t, 200, "")
	got := r.do("GET", "/v1/chassis/"+id, "1.1", "").object(t)
	if got["description"] != "rack 2" || len(got["extra"].(map[string]any)) != 0 || got["nodes"] == nil || got["updated_at"] == nil {
		t.Errorf("chassis %v", got)
	}
	r.do("DELETE", "/v1/chassis/"+id, "1.1", "").want(t, 400, "contains nodes")
	r.do("PATCH", "/v1/nodes/in", "1.24", `[{"op":"remove","path":"/chassis_uuid"}]`).want(t, 406, "")
	r.do("PATCH", "/v1/nodes/in", "1.25", `[{"op":"remove","path":"/chassis_uuid"}]`).want(t, 200, "")
	r.do("DELETE", "/v1/chassis/"+id, "1.1", "").want(t, 204, "")
	r.do("GET", "/v1/chassis/"+id, "1.1", "").want(t, 404, "Chassis "+id+" could not be found.")
}

func TestChassisRefusals(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	const nobody = "182740b8-c4b2-4952-b3f0-c423af88a5bc"
	r.do("POST", "/v1/chassis", "1.1", `{"uuid":"`+nobody+`"}`).want(t, 201, "")
	r.do("POST", "/v1/chassis", "1.1", `{"uuid":"`+nobody+`"}`).want(t, 409, "already exists")
	r.do("DELETE", "/v1/chassis/"+nobody, "1.1", "").want(t, 204, "")
	r.do("POST", "/v1/chassis", "1.1", `{"name":"x"}`).want(t, 400, "'name' was unexpected")
	r.do("GET", "/v1/chassis/rack1", "1.1", "").want(t, 400, "Expected a UUID")
	r.do("GET", "/v1/chassis/"+nobody+"/nodes", "1.1", "").want(t, 404, "could not be found")
	r.do("GET", "/v1/nodes?chassis_uuid="+nobody, "1.1", "").want(t, 404, "could not be found")
	r.do("GET", "/v1/chassis?color=red", "1.1", "").want(t, 400, "Unexpected arguments")
	r.do("POST", "/v1/nodes", "1.11", `{"driver":"ipmi","chassis_uuid":"`+nobody+`"}`).want(t, 400, "Chassis "+nobody)
	r.do("PATCH", "/v1/nodes/n", "1.11", `[{"op":"add","path":"/chassis_uuid","value":"`+nobody+`"}]`).want(t, 400, "Chassis "+nobody)
}
