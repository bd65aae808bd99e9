package identity_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
	"trefoil/ironic/api/openapi/openapitest"
	"trefoil/undercloud/identity"
	"trefoil/undercloud/secret"
)

// site is the identity service with the bare-metal API behind it.
type site struct {
	*testing.T
	*identity.Service
	api http.Handler
}

func (s *site) send(h http.Handler, method, path, body, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", token)
	r.Header.Set("X-OpenStack-Ironic-API-Version", "latest")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// login returns a token; scope is JSON.
func (s *site) login(user, scope string) string {
	s.Helper()
	w := s.send(s.Handler(), "POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"`+user+
		`","domain":{"id":"default"},"password":"pass"}}},"scope":`+scope+`}}`, "")
	if w.Code != 201 {
		s.Fatalf("login of %s: %d %s", user, w.Code, w.Body)
	}
	return w.Header().Get("X-Subject-Token")
}

// make sends a request to the identity service and returns the id of what it makes.
func (s *site) make(method, path, body, token string) string {
	s.Helper()
	w := s.send(s.Handler(), method, "/v3/"+path, body, token)
	if w.Code != 201 && w.Code != 204 {
		s.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	var out map[string]struct{ ID string }
	_ = json.Unmarshal(w.Body.Bytes(), &out) // a role has no body
	return out["user"].ID + out["project"].ID
}

func (s *site) role(name, token string) string {
	var out struct{ Roles []struct{ ID string } }
	w := s.send(s.Handler(), "GET", "/v3/roles?name="+name, "", token)
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || len(out.Roles) != 1 {
		s.Fatalf("%v %s", err, w.Body)
	}
	return out.Roles[0].ID
}

func newSite(t *testing.T) *site {
	t.Helper()
	id := identity.New(identity.Config{Key: secret.Key{1}, AuthURL: "http://192.0.2.1:5000",
		Users: []identity.User{{Name: "admin", Password: "pass", Projects: []string{"admin", "service"}}}})
	if err := id.Open(filepath.Join(t.TempDir(), "people.json")); err != nil {
		t.Fatal(err)
	}
	store := apitest.NewStore()
	if err := store.CreateNode(t.Context(), &ironic.Node{UUID: "22222222-2222-4222-8222-222222222222", Name: "old", Driver: "fake-hardware", ProvisionState: "enroll"}); err != nil {
		t.Fatal(err)
	}
	document, err := openapitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, id, document.Held(t, api.New(api.Config{Store: store, Conductor: apitest.NewConductor(store), Log: slog.New(slog.DiscardHandler),
		Auth: func(h http.Handler) http.Handler { return id.Authenticated(h) }, Caller: identity.Caller}))}
}

// What the undercloud is wired from: tokens of real people against the real API.
func TestTokensMeetTheBareMetalAPI(t *testing.T) {
	s := newSite(t)
	const project = `{"project":{"name":"%","domain":{"id":"default"}}}`
	stackrc := s.login("admin", strings.ReplaceAll(project, "%", "admin"))
	alpha := s.make("POST", "projects", `{"project":{"name":"alpha"}}`, stackrc)
	for user, role := range map[string]string{"ann": "admin", "bob": "reader"} {
		id := s.make("POST", "users", `{"user":{"name":"`+user+`","password":"pass"}}`, stackrc)
		s.make("PUT", "projects/"+alpha+"/users/"+id+"/roles/"+s.role(role, stackrc), "", stackrc)
	}
	ann, bob := s.login("ann", strings.ReplaceAll(project, "%", "alpha")), s.login("bob", strings.ReplaceAll(project, "%", "alpha"))
	for _, tc := range []struct {
		token, method, path, body string
		code                      int
		text                      string
	}{
		{stackrc, "GET", "/v1/nodes/old", "", 200, `"owner":null`},
		{stackrc, "POST", "/v1/nodes", `{"driver":"fake-hardware","name":"ours"}`, 201, `"owner":null`},
		{s.login("admin", strings.ReplaceAll(project, "%", "service")), "DELETE", "/v1/nodes/ours", "", 204, ""},
		{s.login("admin", `{"system":{"all":true}}`), "GET", "/v1/drivers", "", 200, ""},
		{ann, "GET", "/v1/nodes", "", 200, `{"nodes":[]}`},
		{ann, "GET", "/v1/nodes/old", "", 404, "Node old could not be found."},
		{ann, "GET", "/v1/drivers", "", 403, "baremetal:driver:get"},
		{bob, "POST", "/v1/nodes", `{"driver":"fake-hardware"}`, 403, "baremetal:node:create"},
		{ann, "POST", "/v1/nodes", `{"driver":"fake-hardware","name":"hers"}`, 201, `"owner":"` + alpha + `"`},
		{bob, "GET", "/v1/nodes/hers", "", 200, ""},
		{bob, "PUT", "/v1/nodes/hers/states/power", `{"target":"power on"}`, 403, "baremetal:node:set_power_state"},
		{ann, "PUT", "/v1/nodes/hers/states/power", `{"target":"power on"}`, 202, ""},
		{stackrc, "GET", "/v1/nodes?owner=" + alpha, "", 200, `"name":"hers"`},
		{"", "GET", "/v1/nodes", "", 401, ""},
	} {
		w := s.send(s.api, tc.method, tc.path, tc.body, tc.token)
		if body, _ := io.ReadAll(w.Body); w.Code != tc.code || !strings.Contains(string(body), tc.text) {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, w.Code, body)
		}
	}
}
