package api_test

import (
	"fmt"
	"strings"
	"testing"

	"trefoil/ironic"
)

const runbookSteps = `[{"interface":"bios","step":"factory_reset","order":2},{"interface":"deploy","step":"erase_devices_metadata","args":{"password":"geheim"},"order":"1"}]`

func TestRunbookLife(t *testing.T) {
	r := newRig(t)
	a := r.do("POST", "/v1/runbooks", "1.92", `{"name":"CUSTOM_WIPE","steps":`+runbookSteps+`,"extra":{"a":"b"},"owner":"me","disable_ramdisk":true}`)
	a.want(t, 201, "")
	id := a.object(t)["uuid"].(string)
	if a.header.Get("Location") != r.url+"/v1/runbooks/"+id {
		t.Errorf("Location %s", a.header.Get("Location"))
	}
	want := `"name":"CUSTOM_WIPE","extra":{"a":"b"},"public":false,"owner":"me","disable_ramdisk":true,"links":[{"href":"` + r.url + `/v1/runbooks/` + id + `","rel":"self"},{"href":"` +
		r.url + `/runbooks/` + id + `","rel":"bookmark"}],"steps":[{"interface":"bios","step":"factory_reset","args":{},"order":2},{"interface":"deploy","step":"erase_devices_metadata","args":{"password":"******"},"order":1}]}`
	for _, path := range []string{id, "CUSTOM_WIPE"} {
		if got := r.do("GET", "/v1/runbooks/"+path, "1.110", ""); !strings.HasSuffix(got.body, want) || !strings.HasPrefix(got.body, `{"uuid":"`+id+`","created_at":"`) {
			t.Errorf("%s\nwant …%s", got.body, want)
		}
	}
	r.do("POST", "/v1/runbooks", "1.92", `{"name":"CUSTOM_B","steps":`+runbookSteps+`,"public":null,"disable_ramdisk":null,"owner":null}`).want(t, 201, "")
	for path, want := range map[string]string{
		"":                       `{"runbooks":[{"uuid":"` + id + `","name":"CUSTOM_WIPE","links":[`,
		"?sort_key=name":         `{"runbooks":[{"uuid":"`,
		"?limit=1":               `&limit=1&marker=` + id + `"`,
		"?detail=True":           `"owner":null,"disable_ramdisk":false`,
		"?fields=public,owner":   `{"public":false,"owner":"me","links":[`,
		"/CUSTOM_B?fields=owner": `{"owner":null,"links":[`,
	} {
		if got := r.do("GET", "/v1/runbooks"+path, "1.92", ""); got.status != 200 || !strings.Contains(got.body, want) || strings.Contains(got.body, "geheim") {
			t.Errorf("%s: %d %s\nlacks %s", path, got.status, got.body, want)
		}
	}
	r.do("DELETE", "/v1/runbooks/"+id, "1.92", "").want(t, 204, "")
	r.do("GET", "/v1/runbooks/CUSTOM_WIPE", "1.92", "").want(t, 404, "Runbook CUSTOM_WIPE could not be found.")
}

func TestRunbookRefusals(t *testing.T) {
	r := newRig(t)
	const id = "0e4f0c5e-39a6-4e2d-ae5b-0b7b3ae3cba3"
	body := func(more string) string { return `{"steps":` + runbookSteps + more + `}` }
	r.do("POST", "/v1/runbooks", "1.92", body(`,"name":"CUSTOM_A","uuid":"`+id+`"`)).want(t, 201, "")
	for _, c := range []struct {
		method, path, version, body string
		status                      int
		fault                       string
	}{
		{"POST", "", "1.92", body(`,"name":"CUSTOM_A"`), 409, "A runbook with name CUSTOM_A already exists."},
		{"POST", "", "1.92", body(`,"name":"CUSTOM_B","uuid":"` + id + `"`), 409, "A runbook with UUID " + id + " already exists."},
		{"POST", "", "1.92", body(`,"name":"wipe"`), 400, "Schema error for runbook: 'wipe' is not valid"},
		{"POST", "", "1.92", body(``), 400, "Schema error for runbook: 'name' is a required property"},
		{"POST", "", "1.92", `{"name":"CUSTOM_B"}`, 400, "Schema error for runbook: 'steps' is a required property"},
		{"POST", "", "1.92", `{"name":"CUSTOM_B","steps":[{"interface":"bios","step":"x","priority":1}]}`, 400, "'order' is a required property"},
		{"POST", "", "1.92", `{"name":"CUSTOM_B","steps":[{"interface":"bios","step":"x","order":1},{"interface":"bios","step":"x","order":2}]}`, 400, "Duplicate deploy steps."},
		{"POST", "", "1.92", body(`,"name":"CUSTOM_B","public":"perhaps"`), 400, "is not of type 'boolean', 'null'"},
		{"POST", "", "1.92", body(`,"name":"CUSTOM_B","owner":"` + strings.Repeat("x", 256) + `"`), 400, "owner is longer than 255 characters"},
		{"POST", "", "1.110", body(`,"name":"CUSTOM_B","description":"x"`), 400, "('description' was unexpected)"},
		{"POST", "", "1.110", body(`,"name":"CUSTOM_B","traits":["CUSTOM_B"]`), 400, "('traits' was unexpected)"},
		{"POST", "", "1.91", body(`,"name":"CUSTOM_B"`), 405, ""},
		{"GET", "", "1.91", "", 404, ""},
		{"GET", "/CUSTOM_A", "1.91", "", 404, ""},
		{"PATCH", "/CUSTOM_A", "1.91", "[]", 405, ""},
		{"DELETE", "/CUSTOM_A", "1.91", "", 405, ""},
		{"DELETE", "", "1.92", "", 400, "Missing mandatory parameter: runbook_ident"},
		{"PATCH", "/CUSTOM_B", "1.92", `[{"op":"remove","path":"/owner"}]`, 404, "Runbook CUSTOM_B could not be found."},
		{"PATCH", "/CUSTOM_A", "1.92", `[{"op":"replace","path":"/uuid","value":"x"}]`, 400, "Only the following can be updated: disable_ramdisk, extra, name, owner, public, steps"},
		{"PATCH", "/CUSTOM_A", "1.92", `[{"op":"replace","path":"/steps","value":[]}]`, 400, "[] is too short"},
		{"PATCH", "/CUSTOM_A", "1.92", `[{"op":"remove","path":"/steps/0/order"}]`, 400, "'order' is a required property"},
		{"GET", "/no%20name", "1.92", "", 400, "Expected UUID or name for runbook_ident: no name"},
		{"GET", "?sort_key=steps", "1.92", "", 400, "sorting"},
		{"GET", "?fields=description", "1.110", "", 400, "description"},
		{"GET", "?color=red", "1.92", "", 400, "Unexpected arguments: color"},
		{"GET", "/CUSTOM_A/traits", "1.110", "", 404, ""},
	} {
		a := r.do(c.method, "/v1/runbooks"+c.path, c.version, c.body)
		if a.status != c.status || !strings.Contains(a.fault(), c.fault) || strings.Contains(a.body, "geheim") {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, a.status, a.body, c.status, c.fault)
		}
	}
}

// A public runbook has no owner.
func TestRunbookPatchesKeepOwnerAndPublicApart(t *testing.T) {
	r := newRig(t)
	r.do("POST", "/v1/runbooks", "1.92", `{"name":"CUSTOM_A","owner":"me","steps":`+runbookSteps+`}`).want(t, 201, "")
	for _, c := range []struct {
		ops    string
		status int
		want   string
	}{
		{`{"op":"replace","path":"/disable_ramdisk","value":true}`, 200, `"public":false,"owner":"me","disable_ramdisk":true`},
		{`{"op":"replace","path":"/public","value":true}`, 200, `"public":true,"owner":null`},
		{`{"op":"add","path":"/owner","value":"you"}`, 400, "Couldn't apply patch '{'op': 'add', 'path': '/owner', 'value': 'you'}'. Reason: There cannot be an owner for a public runbook"},
		{`{"op":"add","path":"/owner","value":"you"},{"op":"replace","path":"/public","value":true}`, 400, "There cannot be an owner for a public runbook"},
		{`{"op":"remove","path":"/owner"}`, 200, `"public":true,"owner":null`},
		{`{"op":"add","path":"/owner","value":"you"},{"op":"replace","path":"/public","value":false}`, 200, `"public":false,"owner":"you"`},
		{`{"op":"replace","path":"/public","value":false}`, 200, `"public":false,"owner":null`},
		{`{"op":"remove","path":"/disable_ramdisk"},{"op":"replace","path":"/steps/0/order","value":0}`, 200, `"args":{},"order":0}`},
	} {
		a := r.do("PATCH", "/v1/runbooks/CUSTOM_A", "1.92", "["+c.ops+"]")
		if a.status != c.status || c.status == 200 && !strings.Contains(a.body, c.want) || c.status != 200 && !strings.Contains(a.fault(), c.want) {
			t.Errorf("%s: %d %s", c.ops, a.status, a.body)
		}
	}
	row, err := r.store.Runbook(t.Context(), "CUSTOM_A")
	if err != nil || row.DisableRamdisk || row.Steps[1].Args["password"] != "geheim" {
		t.Errorf("%+v %v", row, err)
	}
}

func TestARunbookGivesItsStepsToTheRequest(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n", ProvisionState: "manageable", Traits: []string{"CUSTOM_A", "CUSTOM_BARE"}})
	r.add(ironic.Node{Name: "active", ProvisionState: "active", Traits: []string{"CUSTOM_A", "CUSTOM_BARE"}})
	a := r.do("POST", "/v1/runbooks", "1.92", `{"name":"CUSTOM_A","steps":`+runbookSteps+`}`)
	a.want(t, 201, "")
	for _, name := range []string{"CUSTOM_BARE", "CUSTOM_C"} {
		r.do("POST", "/v1/runbooks", "1.92", `{"name":"`+name+`","disable_ramdisk":true,"steps":[{"interface":"bios","step":"factory_reset","order":1}]}`).want(t, 201, "")
	}
	put := func(node, version, body string) answer {
		return r.do("PUT", "/v1/nodes/"+node+"/states/provision", version, body)
	}
	for _, c := range []struct {
		node, version, body string
		status              int
		fault               string
	}{
		{"n", "1.92", `{"target":"clean","runbook":"CUSTOM_X"}`, 404, "Runbook CUSTOM_X could not be found."},
		{"n", "1.92", `{"target":"clean","runbook":"CUSTOM_C"}`, 400, "This runbook has not been approved for use on this node " + r.node("n").UUID + ". Please ask an administrator to add it to your node traits."},
		{"n", "1.91", `{"target":"clean","runbook":"CUSTOM_A"}`, 406, ""},
		{"n", "1.92", `{"target":"manage","runbook":"CUSTOM_A"}`, 400, `"runbook" is only valid`},
		{"n", "1.92", `{"target":"clean","runbook":"CUSTOM_A","disable_ramdisk":true}`, 400, `either "disable_ramdisk" or a runbook`},
		{"active", "1.107", `{"target":"service","runbook":"CUSTOM_BARE"}`, 400, "disable_ramdisk is supported only with manual cleaning"},
	} {
		put(c.node, c.version, c.body).want(t, c.status, c.fault)
	}
	if r.conductor.Asked.Target != "" {
		t.Errorf("something refused was asked of the conductor: %+v", r.conductor.Asked)
	}
	inOrder := "[map[args:map[password:geheim] interface:deploy step:erase_devices_metadata] map[args:map[] interface:bios step:factory_reset]]"
	put("n", "1.92", `{"target":"clean","runbook":"`+a.object(t)["uuid"].(string)+`"}`).want(t, 202, "")
	if got := r.conductor.Asked; fmt.Sprint(got.CleanSteps) != inOrder || got.ServiceSteps != nil || got.DisableRamdisk || got.Runbook != "CUSTOM_A" {
		t.Errorf("%+v", got)
	}
	put("active", "1.92", `{"target":"service","runbook":"CUSTOM_A","service_steps":[]}`).want(t, 202, "")
	if got := r.conductor.Asked; fmt.Sprint(got.ServiceSteps) != inOrder || got.CleanSteps != nil || got.DisableRamdisk {
		t.Errorf("%+v", got)
	}
	put("active", "1.108", `{"target":"service","runbook":"CUSTOM_BARE"}`).want(t, 202, "")
	if got := r.conductor.Asked; !got.DisableRamdisk || len(got.ServiceSteps) != 1 {
		t.Errorf("%+v", got)
	}
}
