package api_test

import (
	"fmt"
	"strings"
	"testing"
)

const raidStep = `{"interface":"raid","step":"apply_configuration","args":{"raid_config":{"level":"1"}},"priority":90}`

func TestDeployTemplateLife(t *testing.T) {
	r := newRig(t)
	a := r.do("POST", "/v1/deploy_templates", "1.55", `{"name":"CUSTOM_RAID1","steps":[`+raidStep+`,{"interface":"deploy","step":"hold","args":{},"priority":"30"}],"extra":{"a":"b"}}`)
	a.want(t, 201, "")
	id := a.object(t)["uuid"].(string)
	if a.header.Get("Location") != r.url+"/v1/deploy_templates/"+id || strings.Contains(a.object(t)["created_at"].(string), ".") {
		t.Errorf("Location %s, %s", a.header.Get("Location"), a.body)
	}
	want := `"name":"CUSTOM_RAID1","extra":{"a":"b"},"links":[{"href":"` + r.url + `/v1/deploy_templates/` + id + `","rel":"self"},{"href":"` + r.url + `/deploy_templates/` + id +
		`","rel":"bookmark"}],"steps":[{"interface":"raid","step":"apply_configuration","args":{"raid_config":{"level":"1"}},"priority":90},{"interface":"deploy","step":"hold","args":{},"priority":30}]}`
	for _, path := range []string{id, "CUSTOM_RAID1"} {
		if got := r.do("GET", "/v1/deploy_templates/"+path, "1.55", ""); !strings.HasSuffix(got.body, want) || !strings.HasPrefix(got.body, `{"uuid":"`+id+`","created_at":"`) {
			t.Errorf("%s\nwant …%s", got.body, want)
		}
	}
	r.do("POST", "/v1/deploy_templates", "1.78", `{"name":"HW_CPU_X86_VMX","uuid":"0E4F0C5E-39A6-4E2D-AE5B-0B7B3AE3CBA3","extra":null,"steps":[`+raidStep+`]}`).want(t, 201, "")
	for path, want := range map[string]string{
		"":                                      `{"uuid":"` + id + `","name":"CUSTOM_RAID1","links":[`,
		"?sort_key=name&sort_dir=desc":          `{"uuid":"0e4f0c5e-39a6-4e2d-ae5b-0b7b3ae3cba3","name":"HW_CPU_X86_VMX","links"`,
		"?limit=1":                              `"next":"` + r.url + `/v1/deploy_templates?sort_key=id&sort_dir=asc&fields=uuid,name&limit=1&marker=` + id + `"`,
		"?limit=1&marker=" + id:                 `"name":"HW_CPU_X86_VMX"`,
		"?detail=True":                          `"priority":30}]}`,
		"?detail=False&fields=steps":            `{"deploy_templates":[{"links":[`,
		"/CUSTOM_RAID1?fields=name,extra":       `{"name":"CUSTOM_RAID1","extra":{"a":"b"},"links":[`,
		"/0e4f0c5e-39a6-4e2d-ae5b-0b7b3ae3cba3": `"extra":{}`,
	} {
		if got := r.do("GET", "/v1/deploy_templates"+path, "1.78", ""); got.status != 200 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s\nlacks %s", path, got.status, got.body, want)
		}
	}
	r.do("DELETE", "/v1/deploy_templates/CUSTOM_RAID1", "1.55", "").want(t, 204, "")
	r.do("GET", "/v1/deploy_templates/"+id, "1.55", "").want(t, 404, "Deploy template "+id+" could not be found.")
	r.do("DELETE", "/v1/deploy_templates/CUSTOM_RAID1", "1.55", "").want(t, 404, "Deploy template CUSTOM_RAID1 could not be found.")
}

func TestDeployTemplatePatches(t *testing.T) {
	r := newRig(t)
	r.do("POST", "/v1/deploy_templates", "1.55", `{"name":"CUSTOM_A","steps":[`+raidStep+`],"extra":{"a":"b"}}`).want(t, 201, "")
	r.do("POST", "/v1/deploy_templates", "1.55", `{"name":"CUSTOM_B","steps":[`+raidStep+`]}`).want(t, 201, "")
	for _, c := range []struct {
		ops    string
		status int
		want   string // of the answer, or of the refusal
	}{
		{`{"op":"add","path":"/steps","value":[{"interface":"bios","step":"factory_reset","args":{},"priority":5}]}`, 200, `"steps":[{"interface":"bios","step":"factory_reset","args":{},"priority":5}]`},
		{`{"op":"replace","path":"/steps/0/priority","value":6}`, 200, `"priority":6}]`},
		{`{"op":"add","path":"/steps/0/args/x","value":"y"}`, 200, `"args":{"x":"y"}`},
		{`{"op":"add","path":"/steps/-","value":{"interface":"deploy","step":"hold","args":{},"priority":0}}`, 200, `"step":"hold","args":{},"priority":0}]`},
		{`{"op":"remove","path":"/steps/1"}`, 200, `"args":{"x":"y"},"priority":6}]}`},
		{`{"op":"add","path":"/extra/c","value":"d"},{"op":"remove","path":"/extra/a"}`, 200, `"extra":{"c":"d"}`},
		{`{"op":"remove","path":"/extra"}`, 200, `"extra":{}`},
		{`{"op":"replace","path":"/name","value":"CUSTOM_A2"}`, 200, `"name":"CUSTOM_A2"`},
		{`{"op":"replace","path":"/name","value":"CUSTOM_A"}`, 200, `"name":"CUSTOM_A"`},
		{`{"op":"replace","path":"/name","value":"CUSTOM_B"}`, 409, "A deploy template with name CUSTOM_B already exists."},
		{`{"op":"replace","path":"/name","value":"raid"}`, 400, "'raid' does not match '^CUSTOM_[A-Z0-9_]+$'"},
		{`{"op":"remove","path":"/name"}`, 400, "is not of type 'string'"},
		{`{"op":"replace","path":"/steps","value":[]}`, 400, "[] is too short"},
		{`{"op":"remove","path":"/steps/0"}`, 400, "[] is too short"},
		{`{"op":"remove","path":"/steps"}`, 400, "steps is not of type 'array'"},
		{`{"op":"remove","path":"/steps/0/args"}`, 400, "'args' is a required property"},
		{`{"op":"replace","path":"/steps/0/interface","value":"moon"}`, 400, "'moon' is not one of"},
		{`{"op":"add","path":"/steps/-","value":{"interface":"bios","step":"factory_reset","args":{},"priority":1}}`, 400, "Duplicate deploy steps"},
		{`{"op":"remove","path":"/steps/9"}`, 400, "Couldn't apply patch '{'op': 'remove', 'path': '/steps/9'}'. Reason: can't remove a non-existent object '9'"},
		{`{"op":"replace","path":"/uuid","value":"x"}`, 400, "Cannot patch /uuid. Only the following can be updated: extra, name, steps"},
	} {
		a := r.do("PATCH", "/v1/deploy_templates/CUSTOM_A", "1.78", "["+c.ops+"]")
		if c.status != 200 {
			a.want(t, c.status, c.want)
			continue
		}
		if a.status != 200 || !strings.Contains(a.body, c.want) {
			t.Errorf("%s: %d %s", c.ops, a.status, a.body)
			continue
		}
		if strings.Contains(c.ops, "CUSTOM_A2") {
			r.do("PATCH", "/v1/deploy_templates/CUSTOM_A2", "1.78", `[{"op":"replace","path":"/name","value":"CUSTOM_A"}]`).want(t, 200, "")
		}
	}
	if got := r.do("GET", "/v1/deploy_templates/CUSTOM_A", "1.78", ""); got.object(t)["updated_at"] == nil || !strings.Contains(got.body, `"args":{"x":"y"},"priority":6}]`) {
		t.Errorf("%s", got.body)
	}
}

func TestDeployTemplateRefusals(t *testing.T) {
	r := newRig(t)
	body := func(name, more string) string { return fmt.Sprintf(`{"name":%s,"steps":[%s]%s}`, name, raidStep, more) }
	const id = "0e4f0c5e-39a6-4e2d-ae5b-0b7b3ae3cba3"
	r.do("POST", "/v1/deploy_templates", "1.55", body(`"CUSTOM_A"`, `,"uuid":"`+id+`"`)).want(t, 201, "")
	for _, c := range []struct {
		method, path, version, body string
		status                      int
		fault                       string
	}{
		{"POST", "", "1.55", body(`"CUSTOM_A"`, ""), 409, "A deploy template with name CUSTOM_A already exists."},
		{"POST", "", "1.55", body(`"CUSTOM_B"`, `,"uuid":"`+id+`"`), 409, "A deploy template with UUID " + id + " already exists."},
		{"POST", "", "1.55", body(`"not-a-trait"`, ""), 400, "Schema error for template: 'not-a-trait' is not valid under any of the given schemas. Possible root cause: 'not-a-trait' does not match '^CUSTOM_[A-Z0-9_]+$'"},
		{"POST", "", "1.55", body(`"CUSTOM_`+strings.Repeat("X", 249)+`"`, ""), 400, "is not valid under any"},
		{"POST", "", "1.55", body(`42`, ""), 400, "42 is not of type 'string'"},
		{"POST", "", "1.55", body(`null`, ""), 400, "is not of type 'string'"},
		{"POST", "", "1.55", `{"steps":[` + raidStep + `]}`, 400, "Schema error for template: 'name' is a required property"},
		{"POST", "", "1.55", `{"name":"CUSTOM_B"}`, 400, "Schema error for template: 'steps' is a required property"},
		{"POST", "", "1.55", `{"name":"CUSTOM_B","steps":[]}`, 400, "[] is too short"},
		{"POST", "", "1.55", `{"name":"CUSTOM_B","steps":[` + raidStep + `,` + raidStep + `]}`, 400, "Deploy template invalid: Duplicate deploy steps."},
		{"POST", "", "1.55", `{"name":"CUSTOM_B","steps":[{"interface":"raid","step":"x","args":{"password":"geheim"},"priority":-1}]}`, 400, "-1 is not valid"},
		{"POST", "", "1.55", `{"name":"CUSTOM_B","steps":{"password":"geheim"}}`, 400, "steps is not of type 'array'"},
		{"POST", "", "1.55", body(`"CUSTOM_B"`, `,"extra":42`), 400, "42 is not of type 'object'"},
		{"POST", "", "1.55", body(`"CUSTOM_B"`, `,"description":"x"`), 400, "Additional properties are not allowed ('description' was unexpected)"},
		{"POST", "", "1.55", body(`"CUSTOM_B"`, `,"uuid":"x"`), 400, "UUID"},
		{"POST", "", "1.54", body(`"CUSTOM_B"`, ""), 405, ""},
		{"GET", "", "1.54", "", 404, ""},
		{"GET", "/CUSTOM_A", "1.54", "", 404, ""},
		{"PATCH", "/CUSTOM_A", "1.54", "[]", 405, ""},
		{"DELETE", "/CUSTOM_A", "1.54", "", 405, ""},
		{"DELETE", "", "1.55", "", 400, "Missing mandatory parameter: template_ident"},
		{"PATCH", "", "1.55", "[]", 400, "Missing mandatory parameter: template_ident"},
		{"GET", "/CUSTOM_B", "1.55", "", 404, "Deploy template CUSTOM_B could not be found."},
		{"PATCH", "/CUSTOM_B", "1.55", `[{"op":"remove","path":"/extra"}]`, 404, "Deploy template CUSTOM_B could not be found."},
		{"HEAD", "/CUSTOM_A", "1.54", "", 404, ""},
		{"GET", "/no%20name", "1.55", "", 400, "Expected UUID or name for template_ident: no name"},
		{"GET", "?sort_key=steps", "1.55", "", 400, "The sort_key value \"steps\" is an invalid field for sorting"},
		{"GET", "?sort_key=extra", "1.55", "", 400, "sorting"},
		{"GET", "?fields=uuid,spongebob", "1.55", "", 400, "spongebob"},
		{"GET", "?detail=True&fields=name", "1.55", "", 400, "detail"},
		{"GET", "?color=red", "1.55", "", 400, "Unexpected arguments: color"},
		{"GET", "?marker=nobody", "1.55", "", 400, "marker: nobody"},
	} {
		a := r.do(c.method, "/v1/deploy_templates"+c.path, c.version, c.body)
		if a.status != c.status || !strings.Contains(a.fault(), c.fault) || strings.Contains(a.body, "geheim") {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, a.status, a.body, c.status, c.fault)
		}
	}
	if list := r.do("GET", "/v1/deploy_templates", "1.55", "").object(t)["deploy_templates"].([]any); len(list) != 1 {
		t.Errorf("something refused was stored: %v", list)
	}
}

// The list of collections names those that the version has.
func TestV1NamesTheCollectionsOfItsVersion(t *testing.T) {
	r := newRig(t)
	for name, since := range map[string]int{"deploy_templates": 55, "runbooks": 92, "allocations": 52} {
		for minor, want := range map[int]bool{since - 1: false, since: true} {
			if _, there := r.do("GET", "/v1", fmt.Sprintf("1.%d", minor), "").object(t)[name]; there != want {
				t.Errorf("%s at 1.%d: %t", name, minor, there)
			}
		}
	}
}

// Whoever reads a template need not know the secrets in it, and who writes back what was read loses none.
func TestSecretsOfDeployTemplatesAreNotShown(t *testing.T) {
	r := newRig(t)
	step := func(name, args, priority string) string {
		return `{"interface":"bios","step":"` + name + `","args":` + args + `,"priority":` + priority + `}`
	}
	secrets := `{"password":"geheim1","deep":[{"name":"a","token":"geheim2"}],"image_url":"https://a.example.com/?sig=geheim3","size":4}`
	a := r.do("POST", "/v1/deploy_templates", "1.78", `{"name":"CUSTOM_A","steps":[`+step("x", secrets, "1")+`,`+step("y", `{"password":"geheim4"}`, "2")+`]}`)
	a.want(t, 201, "")
	masked := `{"deep":[{"name":"a","token":"******"}],"image_url":"******","password":"******","size":5}`
	for _, got := range []answer{a, r.do("GET", "/v1/deploy_templates/CUSTOM_A", "1.78", ""), r.do("GET", "/v1/deploy_templates?detail=True", "1.78", ""),
		r.do("GET", "/v1/deploy_templates?fields=steps", "1.78", ""),
		// the steps change their places, one goes, and a new one knows no secret
		r.do("PATCH", "/v1/deploy_templates/CUSTOM_A", "1.78", `[{"op":"replace","path":"/steps","value":[`+step("z", `{"password":"******"}`, "9")+`,`+step("x", masked, "3")+`]}]`)} {
		if got.status > 201 || strings.Contains(got.body, "geheim") || !strings.Contains(got.body, `"password":"******"`) {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	row, err := r.store.DeployTemplate(t.Context(), "CUSTOM_A")
	if err != nil || len(row.Steps) != 2 || row.Steps[0].Args["password"] != "******" {
		t.Fatalf("%+v %v", row, err)
	}
	if got := fmt.Sprint(row.Steps[1]); got != "{bios x map[deep:[map[name:a token:geheim2]] image_url:https://a.example.com/?sig=geheim3 password:geheim1 size:5] 3}" {
		t.Errorf("stored is %s", got)
	}
	if strings.Contains(r.logged.String(), "geheim") {
		t.Errorf("the log has a secret: %s", r.logged)
	}
}
