package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"trefoil/ironic"
)

const aRule = `{"description":"BMC credentials","priority":100,"conditions":[{"op":"!eq","args":{"values":["{node.driver}","fake"]},"loop":["x"]}],
 "actions":[{"op":"set-attribute","args":{"path":"/driver_info/ipmi_username","value":"admin"}}]}`

func TestInspectionRuleLife(t *testing.T) {
	r := newRig(t)
	a := r.do("POST", "/v1/inspection_rules", "1.96", aRule)
	a.want(t, 201, "")
	got := a.object(t)
	id := got["uuid"].(string)
	if a.header.Get("Location") != r.url+"/v1/inspection_rules/"+id || got["phase"] != "main" || got["priority"] != 100.0 || got["sensitive"] != false ||
		fmt.Sprint(got["conditions"]) != `[map[args:map[values:[{node.driver} fake]] loop:[x] multiple:any op:!eq]]` ||
		fmt.Sprint(got["actions"]) != `[map[args:map[path:/driver_info/ipmi_username value:admin] loop:[] op:set-attribute]]` {
		t.Errorf("created %v", got)
	}
	r.do("POST", "/v1/inspection_rules", "1.96", strings.Replace(aRule, "100", "9", 1)).want(t, 201, "")
	list := r.do("GET", "/v1/inspection_rules?sort_key=priority", "1.96", "").object(t)["inspection_rules"].([]any)
	if len(list) != 2 || list[0].(map[string]any)["priority"] != 9.0 || list[1].(map[string]any)["actions"] != nil {
		t.Errorf("list %v", list)
	}
	for path, want := range map[string]int{"?detail=true": 2, "?phase=main": 2, "?phase=other": 0, "?limit=1": 1, "?fields=conditions,uuid": 2} {
		if list := r.do("GET", "/v1/inspection_rules"+path, "1.96", "").object(t)["inspection_rules"].([]any); len(list) != want {
			t.Errorf("%s gives %v", path, list)
		}
	}
	r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", `[{"op":"replace","path":"/priority","value":7},{"op":"add","path":"/actions/-","value":{"op":"log","args":["hello"]}}]`).want(t, 200, "")
	got = r.do("GET", "/v1/inspection_rules/"+id, "1.96", "").object(t)
	if got["priority"] != 7.0 || len(got["actions"].([]any)) != 2 || got["updated_at"] == nil {
		t.Errorf("patched %v", got)
	}
	if got := r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", `[{"op":"remove","path":"/conditions"}]`).object(t); len(got["conditions"].([]any)) != 0 {
		t.Errorf("without conditions: %v", got)
	}
	r.do("DELETE", "/v1/inspection_rules/"+id, "1.96", "").want(t, 204, "")
	r.do("GET", "/v1/inspection_rules/"+id, "1.96", "").want(t, 404, "Inspection rule "+id+" could not be found.")
	r.do("DELETE", "/v1/inspection_rules", "1.96", "").want(t, 204, "")
	if list := r.do("GET", "/v1/inspection_rules", "1.96", "").object(t)["inspection_rules"].([]any); len(list) != 0 {
		t.Errorf("after all were deleted: %v", list)
	}
}

func TestASensitiveRuleShowsNeitherConditionsNorActions(t *testing.T) {
	r := newRig(t)
	id := r.do("POST", "/v1/inspection_rules", "1.96", strings.Replace(aRule, "{", `{"sensitive":true,`, 1)).object(t)["uuid"].(string)
	for _, path := range []string{"/" + id, "?detail=true", "?fields=actions,conditions"} {
		if a := r.do("GET", "/v1/inspection_rules"+path, "1.96", ""); strings.Contains(a.body, "ipmi_username") || strings.Contains(a.body, "node.driver") {
			t.Errorf("%s shows %s", path, a.body)
		}
	}
	r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", `[{"op":"replace","path":"/sensitive","value":false}]`).want(t, 400, "cannot have the sensitive flag unset")
	r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", `[{"op":"remove","path":"/sensitive"}]`).want(t, 400, "cannot have the sensitive flag unset")
	r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", `[{"op":"replace","path":"/actions/0/args/value","value":"root"}]`).want(t, 200, "")
	if kept, err := r.store.InspectionRule(context.Background(), id); err != nil || fmt.Sprint(kept.Actions[0]["args"]) != "map[path:/driver_info/ipmi_username value:root]" {
		t.Errorf("%+v %v", kept, err)
	}
}

func TestInspectionRuleRefusals(t *testing.T) {
	r := newRig(t)
	const act = `"actions":[{"op":"fail","args":{"msg":"no"}}]`
	for body, words := range map[string]string{
		`{}`:                                    "'actions' is a required property",
		`{"actions":[]}`:                        "[] is too short",
		`{"actions":{}}`:                        "is not of type 'array'",
		`{"actions":["x"]}`:                     "item 1 of actions",
		`{"scope":"x",` + act + `}`:             "'scope' was unexpected",
		`{"priority":1.5,` + act + `}`:          "'integer'",
		`{"priority":-1,` + act + `}`:           "less than the minimum of 0",
		`{"priority":10000,` + act + `}`:        "Priority must be between 0 and 9999",
		`{"phase":"early",` + act + `}`:         "Invalid phase: early. Valid phases are: main",
		`{"uuid":"x",` + act + `}`:              "Expected a UUID",
		`{"actions":[{"op":"fail","args":{}}]}`: "missing required argument(s): msg",
		`{"actions":[{"op":"api-call","args":{"url":"http://127.0.0.1"}}]}`:                  "api-call",
		`{"conditions":[{"op":"eq"}],` + act + `}`:                                           "'args' is a required property",
		`{"conditions":[{"op":"like","args":{}}],` + act + `}`:                               "Unsupported condition operator: like",
		`{"conditions":[{"op":"matches","args":{"value":"x","regex":"(?=x)"}}],` + act + `}`: "invalid regular expression",
	} {
		r.do("POST", "/v1/inspection_rules", "1.96", body).want(t, 400, words)
	}
	r.do("GET", "/v1/inspection_rules", "1.95", "").want(t, 404, "")
	r.do("GET", "/v1/inspection_rules/nonsense", "1.96", "").want(t, 400, "Expected a UUID")
	r.do("GET", "/v1/inspection_rules?color=red", "1.96", "").want(t, 400, "Unexpected arguments")
	r.do("GET", "/v1/inspection_rules?sort_key=actions", "1.96", "").want(t, 400, "invalid field for sorting")
	const id = "182740b8-c4b2-4952-b3f0-c423af88a5bc"
	r.do("POST", "/v1/inspection_rules", "1.96", `{"uuid":"`+id+`",`+act+`}`).want(t, 201, "")
	r.do("POST", "/v1/inspection_rules", "1.96", `{"uuid":"`+id+`",`+act+`}`).want(t, 409, "already exists")
	r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", `[{"op":"replace","path":"/actions","value":[]}]`).want(t, 400, "too short")
	r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", `[{"op":"replace","path":"/uuid","value":"x"}]`).want(t, 400, "Cannot patch /uuid")
	if kept, err := r.store.InspectionRule(context.Background(), id); err != nil || len(kept.Actions) != 1 {
		t.Errorf("a refused patch changed it: %+v %v", kept, err)
	}
	other := &ironic.InspectionRule{UUID: "282740b8-c4b2-4952-b3f0-c423af88a5bc", Dialect: ironic.RuleInspector}
	if err := r.store.CreateInspectionRule(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	r.do("GET", "/v1/inspection_rules/"+other.UUID, "1.96", "").want(t, 404, "")
	r.do("DELETE", "/v1/inspection_rules", "1.96", "").want(t, 204, "")
	if _, err := r.store.InspectionRule(context.Background(), other.UUID); err != nil {
		t.Errorf("the other API's rule went, too: %v", err)
	}
}

// Readers may get rules, and rules hold passwords of BMCs.
func TestASecretThatARuleSetsIsStars(t *testing.T) {
	r := newRig(t)
	const rule = `{"actions":[{"op":"set-attribute","args":{"path":"/driver_info/ipmi_username","value":"admin"}},
	 {"op":"set-attribute","args":{"path":"/driver_info/ipmi_password","value":"hunter2"}}]}`
	a := r.do("POST", "/v1/inspection_rules", "1.96", rule)
	id := a.object(t)["uuid"].(string)
	shown := r.do("GET", "/v1/inspection_rules/"+id, "1.96", "")
	for _, body := range []string{a.body, shown.body, r.do("GET", "/v1/inspection_rules?detail=true", "1.96", "").body} {
		if strings.Contains(body, "hunter2") || !strings.Contains(body, `"value":"******"`) || !strings.Contains(body, "admin") {
			t.Errorf("shown %s", body)
		}
	}
	stored := func() string {
		t.Helper()
		kept, err := r.store.InspectionRule(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(kept.Actions)
	}
	r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", `[{"op":"replace","path":"/description","value":"x"}]`).want(t, 200, "")
	const swapped = `[{"op":"set-attribute","args":{"path":"/driver_info/ipmi_password","value":"******"}},
	 {"op":"set-attribute","args":{"path":"/driver_info/ipmi_username","value":"root"}}]`
	if a := r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", `[{"op":"replace","path":"/actions","value":`+swapped+`}]`); a.status != 200 || strings.Contains(a.body, "hunter2") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := stored(); !strings.Contains(got, "ipmi_password value:hunter2") || !strings.Contains(got, "value:root") {
		t.Errorf("what came back masked is %s", got)
	}
	for _, op := range []string{`{"op":"replace","path":"/actions/0/args/path","value":"/extra/seen"}`,
		`{"op":"add","path":"/actions/-","value":{"op":"set-attribute","args":["/driver_info/redfish_password","******"]}}`} {
		r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", "["+op+"]").want(t, 400, "they stand for a secret that was not shown")
	}
	if a := r.do("PATCH", "/v1/inspection_rules/"+id, "1.96", `[{"op":"add","path":"/actions/x","value":{"value":"hunter3"}}]`); a.status != 400 || strings.Contains(a.body, "hunter3") {
		t.Errorf("a patch that fails says %s", a.body)
	}
	r.do("POST", "/v1/inspection_rules", "1.96", strings.Replace(rule, "hunter2", "******", 1)).want(t, 400, "action 2 has ****** where the value of /driver_info/ipmi_password")
}
