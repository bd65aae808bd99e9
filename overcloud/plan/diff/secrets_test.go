package diff_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/diff"
)

// secretive is a plan that has secrets in every place and form; salt tells two of them apart.
func secretive(salt string) diff.Side {
	password := marker + "&/'+" + salt + `"é`
	key := "-----BEGIN KEY-----\n" + marker + salt + "one\n" + marker + salt + "two\n-----END KEY-----\n"
	inJSON, _ := json.Marshal(map[string]string{"password": password, "key": key})
	b64 := base64.StdEncoding.EncodeToString([]byte(password))
	entry := func(r map[string]any) plan.Entry { return plan.Entry{Resource: r} }
	file := func(path, content string, secret bool) plan.Entry {
		return entry(map[string]any{"type": "file", "file": map[string]any{"path": path, "content": content, "secret": secret}})
	}
	text := "plain = " + salt + "\nurl = mysql://web:" + url.QueryEscape(password) + "@db/\njson = " + string(inJSON) + "\nb64 = " + b64 + "\n  " + strings.ReplaceAll(key, "\n", "\n  ") +
		"\nadmin_password = short" + salt + "\nrandom = " + marker + "random" + salt + "\nsql " + marker + "sql" + salt + "\n"
	data := plan.ServiceData{Name: "web", Template: "web.yaml", Raw: map[string]any{"service_name": "web", "docker_config": map[string]any{
		"environment": []any{"PW=" + password, map[string]any{password: key}}, "pin": 987654, "plain": salt}}}
	data.Steps[0] = []plan.Entry{
		file("/etc/web.conf", text, false),
		file("/etc/web.key", "whole "+salt, true),
		entry(map[string]any{"type": "exec", "exec": map[string]any{"name": "init", "command": []any{"init", salt}, "creates": "/x", "env": map[string]any{"PW": "env" + salt, "ONLY" + salt: "x"}}}),
		entry(map[string]any{"type": "mysql_user", "mysql_user": map[string]any{"name": "web", "password": marker + "sql" + salt, "databases": []any{"web"}}}),
	}
	p := &plan.Plan{Stack: "overcloud", Passwords: map[string]string{"WebPassword": password}, Hidden: []string{"Key", "Pin", "WebPassword"},
		Parameters: map[string]any{"WebPassword": password, "Key": map[string]any{"private": key}, "Pin": 987654,
			"Shown": map[string]any{"copy": password, "admin_password": "short" + salt, "plain": salt}},
		Declared: []string{"Key", "Pin", "Shown", "WebPassword"}, Secrets: []string{marker + "random" + salt}, CloudDomain: "localdomain",
		Roles:       []plan.Role{{Name: "App", Count: 1, Data: []plan.ServiceData{data}, Summary: []string{"web: with " + password}}},
		Deployments: []plan.Deployment{{Name: "D", Path: "d", Servers: []string{"app-0"}, Group: "hiera", Config: "x: '" + strings.ReplaceAll(password, "'", "''") + "'\n", Inputs: map[string]any{"a": salt}}}}
	return diff.Side{Plan: p, Machines: []diff.Machine{{Node: plan.Node{Name: "app-0", Role: "App", Address: "192.168.24.9"}}}}
}

func TestNoSecretIsShownInAnyForm(t *testing.T) {
	before, after := secretive("Old"), secretive("New")
	for name, d := range map[string]*diff.Diff{"update": compare(t, before, after), "first": compare(t, diff.Side{}, after), "added": compare(t, diff.Side{Plan: &plan.Plan{}}, after)} {
		text, object := written(t, d)
		for _, form := range []string{marker, "short", "env" + "Old", "env" + "New", "whole ", "987654", base64.StdEncoding.EncodeToString([]byte(marker))[:8], "\ue000"} {
			for _, s := range []string{text, object} {
				if i := strings.Index(s, form); i >= 0 {
					t.Errorf("%s: %q is shown: …%s…", name, form, s[max(0, i-100):min(len(s), i+60)])
				}
			}
		}
		if name == "update" {
			golden.Check(t, "secrets.txt", text)
		}
	}
}

// A secret that is also an everyday word must not blank the output, nor hide that it changes.
func TestShortHiddenValues(t *testing.T) {
	side := func(value string) diff.Side {
		p := &plan.Plan{Stack: "overcloud", Hidden: []string{"User"}, Declared: []string{"User", "Other"}, Parameters: map[string]any{"User": value, "Other": "an " + value + " of " + value}}
		return diff.Side{Plan: p}
	}
	d := compare(t, side("true"), side("admin"))
	want := []diff.Parameter{{Change: diff.Changed, Name: "Other", Old: "an true of true", New: "an admin of admin", Secret: []string{}},
		{Change: diff.Changed, Name: "User", Hidden: true, Old: diff.Hidden, New: diff.Hidden, Secret: []string{}}}
	if !reflect.DeepEqual(d.Parameters, want) {
		t.Errorf("%+v", d.Parameters)
	}
}

// What is given for a hidden parameter of one role is secret in any shape, and where its name has a slip.
func TestHiddenParametersOfARole(t *testing.T) {
	given := map[string]any{"AdminPassword": []any{"secret-one", "secret-two"}, "NovaPassword": map[string]any{"x": "secret-three"}, "RabbitPassword": 47114711,
		"CephClientKey": "secret-four", "CephClientKeey": "secret-five", "AdminPasword": "secret-six", "NovaWorkers": 4}
	p := &plan.Plan{Stack: "overcloud", Hidden: []string{"AdminPassword", "CephClientKey", "NovaPassword"}, Declared: []string{"ComputeParameters"}, Parameters: map[string]any{"ComputeParameters": given}}
	text, object := written(t, compare(t, diff.Side{Plan: &plan.Plan{}}, diff.Side{Plan: p}))
	for _, s := range []string{text, object} {
		if strings.Contains(s, "secret-") || strings.Contains(s, "47114711") || !strings.Contains(s, "NovaWorkers") {
			t.Error(s)
		}
	}
}
