package inspectapi_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api/apitest"
	"trefoil/ironic/inspect/api"
)

const ruleID = "b0ea6361-03cd-467c-859c-7230547dcb9a"

const smallRule = `{"uuid":"` + ruleID + `","description":"set IPMI","scope":"edge","conditions":[{"op":"eq","field":"data://auto_discovered","value":true}],
 "actions":[{"action":"set-attribute","path":"driver_info/ipmi_username","value":"admin"}]}`

func TestRulesComeAndGo(t *testing.T) {
	r := newRig(t)
	status, body := r.do("POST", "/v1/rules", "1.18", smallRule)
	want := `{"uuid":"` + ruleID + `","description":"set IPMI","scope":"edge","links":[{"rel":"self","href":"/v1/rules/` + ruleID + `"}],` +
		`"conditions":[{"field":"data://auto_discovered","invert":false,"multiple":"any","op":"eq","value":true}],` +
		`"actions":[{"action":"set-attribute","path":"driver_info/ipmi_username","value":"admin"}]}`
	if status != 201 || body != want {
		t.Errorf("created: %d %s", status, body)
	}
	if status, body := r.do("POST", "/v1/rules", "1.18", smallRule); status != 409 || body != `{"error":{"message":"Rule with UUID `+ruleID+` already exists"}}` {
		t.Errorf("twice: %d %s", status, body)
	}
	if status, body := r.do("POST", "/v1/rules", "1.5", `{"actions":[{"action":"fail","message":"no"}]}`); status != 200 || !strings.Contains(body, `"conditions":[]`) {
		t.Errorf("before 1.6: %d %s", status, body)
	}
	status, body = r.do("GET", "/v1/rules", "", "")
	var list struct{ Rules []map[string]any }
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != 200 || len(list.Rules) != 2 || list.Rules[0]["uuid"] != ruleID || list.Rules[0]["actions"] != nil {
		t.Errorf("list: %d %s", status, body)
	}
	if status, body := r.do("GET", "/v1/rules/"+strings.ToUpper(ruleID), "", ""); status != 200 || body != want {
		t.Errorf("show: %d %s", status, body)
	}
	if status, body := r.do("DELETE", "/v1/rules/"+ruleID, "", ""); status != 204 || body != "" {
		t.Errorf("delete: %d %s", status, body)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if status, body := r.do(method, "/v1/rules/"+ruleID, "", ""); status != 404 || body != `{"error":{"message":"Rule `+ruleID+` was not found"}}` {
			t.Errorf("%s of none: %d %s", method, status, body)
		}
	}
	if status, _ := r.do("DELETE", "/v1/rules", "", ""); status != 204 {
		t.Errorf("purge: %d", status)
	}
	if _, body := r.do("GET", "/v1/rules", "", ""); body != `{"rules":[]}` {
		t.Errorf("after purge: %s", body)
	}
}

// The rules of the bare-metal API are another list.
func TestRulesOfTheOtherAPIAreNotSeen(t *testing.T) {
	r := newRig(t)
	other := &ironic.InspectionRule{UUID: ruleID, Dialect: ironic.RuleIronic}
	if err := r.store.CreateInspectionRule(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	if _, body := r.do("GET", "/v1/rules", "", ""); body != `{"rules":[]}` {
		t.Errorf("list: %s", body)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if status, _ := r.do(method, "/v1/rules/"+ruleID, "", ""); status != 404 {
			t.Errorf("%s: %d", method, status)
		}
	}
	if status, _ := r.do("DELETE", "/v1/rules", "", ""); status != 204 {
		t.Errorf("purge: %d", status)
	}
	if _, err := r.store.InspectionRule(context.Background(), ruleID); err != nil {
		t.Errorf("purge took the other API's: %v", err)
	}
}

func TestRulesAreRefused(t *testing.T) {
	r := newRig(t)
	act := `"actions":[{"action":"fail","message":"no"}]`
	for body, words := range map[string]string{
		`{`:                             "Malformed request body",
		"{\"description\":\"\xff\"}":    "not valid UTF-8",
		`null`:                          "expected a JSON object",
		`{"uuid":"x",` + act + `}`:      "Invalid UUID value",
		`{"description":1,` + act + `}`: "description must be a text",
		`{"scope":"` + strings.Repeat("s", 256) + `",` + act + `}`: "Invalid scope",
		`{"actions":{}}`:                           "Validation failed for actions: it is not of type 'array'",
		`{"actions":[1]}`:                          "Validation failed for actions: item 1",
		`{"conditions":[]}`:                        "Validation failed for actions: [] is too short",
		`{"actions":[{"action":"explode"}]}`:       "'explode' is not one of",
		`{"actions":[{"action":"fail"}]}`:          "Invalid parameters for action fail: missing required parameter(s): message (action 1)",
		`{"conditions":[{"op":"eq"}],` + act + `}`: "Validation failed for conditions: 'field' is a required property (condition 1)",
		`{"conditions":[{"op":"eq","field":"ftp://x","value":1}],` + act + `}`: "Unsupported scheme for field: ftp, valid values are node:// or data://",
		`{"conditions":[{"op":"eq","field":"a[","value":1}],` + act + `}`:      "Unable to parse field JSON path",
	} {
		if status, got := r.do("POST", "/v1/rules", "", body); status != 400 || !strings.Contains(got, words) {
			t.Errorf("%s: %d %s", body, status, got)
		}
	}
	if _, body := r.do("GET", "/v1/rules", "", ""); body != `{"rules":[]}` {
		t.Errorf("a refused rule was kept: %s", body)
	}
}

// again is a conductor that can apply data anew.
type again struct {
	*apitest.Conductor
	asked []string
}

func (a *again) Reprocess(_ context.Context, ident string) error {
	a.asked = append(a.asked, ident)
	return nil
}

func TestReprocess(t *testing.T) {
	r := newRig(t)
	n := r.add("n", "manageable", true, true, "")
	c := &again{Conductor: r.conductor}
	h := held(t, inspectapi.Config{Store: r.store, Conductor: c})
	for _, tc := range []struct {
		path, body string
		status     int
	}{{"n", "", 202}, {"n", "{}", 400}, {"nobody", "", 404}} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/introspection/"+tc.path+"/data/unprocessed", strings.NewReader(tc.body)))
		if w.Code != tc.status {
			t.Errorf("%s %q: %d %s", tc.path, tc.body, w.Code, w.Body)
		}
	}
	if len(c.asked) != 1 || c.asked[0] != n.UUID {
		t.Errorf("%v", c.asked)
	}
}

// An export has stars for passwords, and cannot be imported with them.
func TestASecretThatARuleSetsIsStars(t *testing.T) {
	r := newRig(t)
	const rule = `{"uuid":"` + ruleID + `","actions":[{"action":"set-attribute","path":"driver_info/ipmi_password","value":"hunter2"}]}`
	_, made := r.do("POST", "/v1/rules", "1.18", rule)
	_, shown := r.do("GET", "/v1/rules/"+ruleID, "1.18", "")
	for _, body := range []string{made, shown} {
		if strings.Contains(body, "hunter2") || !strings.Contains(body, `"value":"******"`) {
			t.Errorf("shown %s", body)
		}
	}
	if kept, err := r.store.InspectionRule(context.Background(), ruleID); err != nil || kept.Actions[0]["value"] != "hunter2" {
		t.Errorf("%+v %v", kept, err)
	}
	r.do("DELETE", "/v1/rules/"+ruleID, "1.18", "")
	if status, body := r.do("POST", "/v1/rules", "1.18", shown); status != 400 || !strings.Contains(body, "write the secret itself") {
		t.Errorf("imported again: %d %s", status, body)
	}
}
