package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"trefoil/ironic/policy"
)

// Routes that come later get an honest policy before anybody names one.
func TestThePolicyThatAPathSuggests(t *testing.T) {
	s := newServer(Config{})
	for call, want := range map[string]string{
		"GET /v1/volume/moons":                           "baremetal:volume:list_all",
		"POST /v1/volume/moons":                          "baremetal:volume:create",
		"GET /v1/volume/targets":                         "baremetal:volume:list*", // named in rules.go
		"PATCH /v1/volume/targets/{target}":              "baremetal:volume:update",
		"GET /v1/nodes/{node}/volume/moons":              "baremetal:volume:list_all",
		"POST /v1/events":                                "baremetal:events:post",
		"GET /v1/deploy_templates":                       "baremetal:deploy_template:get",
		"GET /v1/runbooks/{runbook}":                     "baremetal:runbook:get",
		"DELETE /v1/inspection_rules":                    "baremetal:inspection_rule:delete",
		"PUT /v1/nodes/{n}/management/indicators/{name}": "baremetal:node:set_indicator_state",
		"POST /v1/nodes/{node}/vmedia":                   "baremetal:node:vmedia:attach",
		"GET /v1/moon/{phase}":                           "",
		"GET /v1/{x}":                                    "",
	} {
		method, path, _ := strings.Cut(call, " ")
		if got := s.rulesOf(route{path: path, methods: methods{method: nil}})[method]; got != want {
			t.Errorf("%s: %q, want %q", call, got, want)
		}
	}
	named := route{path: "/v1/events", methods: methods{"POST": nil, "GET": nil}, rules: rules{"POST": "a", "": "b"}}
	if got := s.rulesOf(named); got["POST"] != "a" || got["GET"] != "b" {
		t.Errorf("what a route names itself does not count: %v", got)
	}
}

func TestARouteWithoutAPolicyIsForAdministrators(t *testing.T) {
	moon := func(c policy.Caller) *httptest.ResponseRecorder {
		s := newServer(Config{Caller: func(context.Context) policy.Caller { return c }})
		w := httptest.NewRecorder()
		s.mux([]route{{path: "/v1/moon", methods: methods{"GET": func(c *call) error { return c.status(http.StatusNoContent) }}}}, nil).
			ServeHTTP(w, httptest.NewRequest("GET", "/v1/moon", nil))
		return w
	}
	for name, tc := range map[string]struct {
		policy.Caller
		code int
	}{
		"an administrator": {policy.Caller{System: true, Roles: []string{"admin", "manager", "member", "reader"}}, 204},
		"a member":         {policy.Caller{System: true, Roles: []string{"member", "reader"}}, 403},
		"a project's":      {policy.Caller{ProjectID: "a", Roles: []string{"admin", "manager", "member", "reader"}}, 403},
		"nobody":           {policy.Caller{}, 403},
	} {
		if w := moon(tc.Caller); w.Code != tc.code || tc.code == 403 && !strings.Contains(w.Body.String(), "Access was denied to the following resource: GET /v1/moon") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
