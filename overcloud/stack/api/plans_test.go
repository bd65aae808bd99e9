package api_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

func TestPlanRequests(t *testing.T) {
	w := newWorld(t)
	stacks := w.url
	w.url = strings.TrimSuffix(w.url, "/stacks") + "/trefoil/plans"
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "", "", 200, `{"plans":[]}`},
		{"POST", "", `{"name":"a_b","input":{}}`, 400, "only contain letters, numbers or dashes"},
		{"POST", "", `{"name":`, 400, "not valid JSON"},
		{"POST", "", `{"name":"overcloud","input":{"tree":"emlw","parameters":{"Hidden":"s3cret"}}}`, 201, `"version":1`},
		{"POST", "", `{"name":"overcloud","input":{}}`, 409, "already exists"},
		{"GET", "", "", 200, `"name":"overcloud"`},
		{"GET", "/overcloud", "", 200, `"parameters":["Hidden"]`},
		{"GET", "/overclod", "", 404, `did you mean \"overcloud\"?`},
		{"PUT", "/overcloud", `{}`, 400, "no input"},
		{"PUT", "/overcloud", `{"input":{"tree":"emlw"}}`, 200, `"version":2`},
		{"POST", "/overcloud/parameters", `{"file":"p.txt","content":"A: 1"}`, 400, "must be json or yaml"},
		{"POST", "/overcloud/parameters", `{"file":"p.yaml","content":"A: 1"}`, 200, `"warnings":[]`},
		{"POST", "/overcloud/deploy", `{"timeout_mins":0}`, 400, "expected minutes"},
		{"POST", "/overcloud/deploy", `{"timeout_mins":60}`, 202, `"id":"`},
		{"POST", "/overcloud/deploy", `{"timeout_mins":60}`, 409, "CREATE_IN_PROGRESS"},
		{"DELETE", "/overcloud", "", 409, "Cannot delete a plan that has an associated stack."},
		{"GET", "/overcloud/export", "", 200, "packed overcloud"},
		{"GET", "/overcloud/passwords", "", 200, "s3cret-one"},
		{"POST", "/overcloud/passwords/rotate", `{"names":["AdminPasword"]}`, 400, `did you mean \"AdminPassword\"?`},
	} {
		code, body := w.do(c.method, c.path, c.body)
		if code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %d …%s…", c.method, c.path, code, body, c.code, c.want)
		}
		if !strings.HasSuffix(c.path, "/passwords") && strings.Contains(body, "s3cret") {
			t.Errorf("%s %s shows a secret: %s", c.method, c.path, body)
		}
	}
	if s, err := w.db.Stack(t.Context(), "overcloud"); err != nil || s.Input.Parameters["A"] != 1 || s.TimeoutMins != 60 {
		t.Errorf("%+v %v", s, err)
	}
	w.finish(stack.Complete)
	w.checked = errs.New(errs.Invalid, "overcloud.j2.yaml:3: unknown function")
	if code, body := w.do("POST", "", `{"name":"bad","input":{}}`); code != 400 || !strings.Contains(body, "overcloud.j2.yaml:3") {
		t.Errorf("a plan that does not render: %d %s", code, body)
	}
	if _, err := w.db.Plan(t.Context(), "bad"); !errs.Is(err, errs.NotFound) {
		t.Errorf("it is kept: %v", err)
	}
	w.url = stacks
}
