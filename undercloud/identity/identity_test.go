package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"trefoil/undercloud/secret"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func testService(t *testing.T) (*Service, *clock) {
	t.Helper()
	c := &clock{time.Date(2020, 8, 13, 20, 10, 37, 0, time.UTC)}
	return New(config(c)), c
}

func config(c *clock) Config {
	return Config{Key: secret.Key{42}, AuthURL: "http://192.0.2.1:5000", Catalog: DefaultCatalog(on("http://192.0.2.1", 0), nil), Now: c.now,
		Users: []User{{Name: "admin", Password: "s3cret", Projects: []string{"admin"}}}}
}

const domain = `"domain":{"name":"Default"}`

// login posts a password and returns the answer.
func login(s *Service, password, scope string) *httptest.ResponseRecorder {
	body := `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin",` + domain + `,"password":"` + password + `"}}}` + scope + `}}`
	return send(s.Handler(), "POST", "/v3/auth/tokens", body, nil)
}

const adminScope = `,"scope":{"project":{"name":"admin",` + domain + `}}`

func send(h http.Handler, method, path, body string, header map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func token(t *testing.T, s *Service) string {
	t.Helper()
	w := login(s, "s3cret", adminScope)
	if w.Code != http.StatusCreated {
		t.Fatalf("login: %d %s", w.Code, w.Body)
	}
	return w.Header().Get("X-Subject-Token")
}

func TestGophercloudLogsIn(t *testing.T) {
	s, c := testService(t)
	c.t = time.Now() // gophercloud does not care; the clock of the token does
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	p, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{IdentityEndpoint: srv.URL + "/",
		Username: "admin", Password: "s3cret", DomainName: "Default", TenantName: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	url, err := p.EndpointLocator(gophercloud.EndpointOpts{Type: "baremetal", Region: "regionOne", Availability: gophercloud.AvailabilityInternal})
	if err != nil || url != "http://192.0.2.1:6385/" {
		t.Errorf("baremetal endpoint %q, %v", url, err)
	}
	url, err = p.EndpointLocator(gophercloud.EndpointOpts{Type: "orchestration", Availability: gophercloud.AvailabilityPublic})
	if err != nil || url != "http://192.0.2.1:8004/v1/"+s.ProjectID("admin")+"/" {
		t.Errorf("orchestration endpoint %q, %v", url, err)
	}
	id := &gophercloud.ServiceClient{ProviderClient: p, Endpoint: srv.URL + "/v3/"}
	page, err := projects.List(id, projects.ListOpts{Name: "service"}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if list, err := projects.ExtractProjects(page); err != nil || len(list) != 1 || list[0].ID != s.ProjectID("service") {
		t.Errorf("projects %v, %v", list, err)
	}
	if ok, err := tokens.Validate(t.Context(), id, p.Token()); err != nil || !ok {
		t.Errorf("validate: %v, %v", ok, err)
	}
	if err := tokens.Revoke(t.Context(), id, p.Token()).Err; err != nil {
		t.Fatal(err)
	}
	if w := send(s.Handler(), "GET", "/v3/projects", "", map[string]string{"X-Auth-Token": p.Token()}); w.Code != http.StatusUnauthorized {
		t.Errorf("a revoked token lists projects: %d", w.Code)
	}
}

func TestTokensSurviveARestartAndExpire(t *testing.T) {
	s, c := testService(t)
	text := token(t, s)
	again := New(config(c))
	if _, err := again.check(t.Context(), text); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	c.t = c.t.Add(DefaultTTL - time.Second)
	if _, err := again.check(t.Context(), text); err != nil {
		t.Errorf("just before its end: %v", err)
	}
	c.t = c.t.Add(time.Second)
	if _, err := again.check(t.Context(), text); err == nil {
		t.Error("an expired token is good")
	}
}

func TestForgedTokens(t *testing.T) {
	s, c := testService(t)
	text := token(t, s)
	other := config(c)
	other.Key = secret.Key{43}
	foreign := token(t, New(other))
	body, sig, _ := strings.Cut(strings.TrimPrefix(text, tokenPrefix), ".")
	for name, forged := range map[string]string{"empty": "", "no prefix": body + "." + sig, "no signature": tokenPrefix + body,
		"changed claims": tokenPrefix + body[:len(body)-2] + "AA." + sig, "another undercloud's": foreign, "text": "admin"} {
		if _, err := s.check(t.Context(), forged); err == nil {
			t.Errorf("%s: the token is good", name)
		}
	}
}

// The last character of a signature holds two bits that mean nothing.
func TestARevokedTokenHasNoSecondSpelling(t *testing.T) {
	s, _ := testService(t)
	text := token(t, s)
	head := map[string]string{"X-Auth-Token": text, "X-Subject-Token": text}
	if w := send(s.Handler(), "DELETE", "/v3/auth/tokens", "", head); w.Code != http.StatusNoContent {
		t.Fatalf("revoke: %d %s", w.Code, w.Body)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, last := range alphabet + "\n" {
		for _, spelt := range []string{text[:len(text)-1] + string(last), text + string(last)} {
			if _, err := s.check(t.Context(), spelt); err == nil {
				t.Errorf("the revoked token is good again as …%q", spelt[len(spelt)-3:])
			}
		}
	}
}

func TestGuessingByIDIsSlowedDownWhateverTheName(t *testing.T) {
	s, _ := testService(t)
	try := func(name, password string) string {
		return send(s.Handler(), "POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"`+
			s.own.users[0].ID+`","name":"`+name+`","password":"`+password+`"}}}}}`, nil).Body.String()
	}
	for i := range maxFailures {
		try(strings.Repeat("x", i), "guess")
	}
	if got := try("another", "s3cret"); !strings.Contains(got, "Too many failed logins") {
		t.Errorf("after %d failures: %s", maxFailures, got)
	}
}

func TestLoginRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		password, scope string
		status          int
	}{
		"wrong password":       {"wrong", adminScope, http.StatusUnauthorized},
		"unknown project":      {"s3cret", `,"scope":{"project":{"name":"other",` + domain + `}}`, http.StatusUnauthorized},
		"project without role": {"s3cret", `,"scope":{"project":{"name":"service",` + domain + `}}`, http.StatusUnauthorized},
		"unknown domain":       {"s3cret", `,"scope":{"domain":{"id":"other"}}`, http.StatusUnauthorized},
		"no JSON":              {`"`, adminScope, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := testService(t)
			w := login(s, tc.password, tc.scope)
			if w.Code != tc.status || w.Header().Get("X-Subject-Token") != "" {
				t.Errorf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			var body struct {
				Error struct {
					Code           int
					Title, Message string
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error.Code != tc.status || body.Error.Message == "" {
				t.Errorf("body %s", w.Body)
			}
			if strings.Contains(w.Body.String(), "s3cret") {
				t.Error("the answer shows the password")
			}
		})
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	s, c := testService(t)
	for range maxFailures {
		login(s, "guess", adminScope)
	}
	if w := login(s, "s3cret", adminScope); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "Too many failed logins") {
		t.Errorf("after %d failures: %d %s", maxFailures, w.Code, w.Body)
	}
	c.t = c.t.Add(failureWindow)
	if w := login(s, "s3cret", adminScope); w.Code != http.StatusCreated {
		t.Errorf("a minute later: %d %s", w.Code, w.Body)
	}
}

func TestScopes(t *testing.T) {
	s, _ := testService(t)
	for name, tc := range map[string]struct{ scope, want, not string }{
		"project":  {adminScope, `"project":`, `"system":`},
		"domain":   {`,"scope":{"domain":{"id":"default"}}`, `"roles":`, `"project":`},
		"system":   {`,"scope":{"system":{"all":true}}`, `"system":{"all":true}`, `"project":`},
		"unscoped": {`,"scope":"unscoped"`, `"user":`, `"catalog":`},
		"nothing":  {``, `"user":`, `"roles":`},
	} {
		w := login(s, "s3cret", tc.scope)
		if w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), tc.want) || strings.Contains(w.Body.String(), tc.not) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestRescopingKeepsTheFirstExpiry(t *testing.T) {
	s, c := testService(t)
	first := login(s, "s3cret", "").Header().Get("X-Subject-Token")
	c.t = c.t.Add(time.Hour)
	w := send(s.Handler(), "POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":["token"],"token":{"id":"`+first+`"}}`+adminScope+`}}`, nil)
	if w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), `"expires_at":"2020-08-14T00:10:37.000000Z"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestMiddleware(t *testing.T) {
	s, _ := testService(t)
	var who Identity
	h := s.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who, _ = FromContext(r.Context()) }), "/", "/v1/lookup", "/v1/heartbeat/*")
	good := map[string]string{"X-Auth-Token": token(t, s)}
	unscoped := map[string]string{"X-Auth-Token": login(s, "s3cret", "").Header().Get("X-Subject-Token")}
	for _, tc := range []struct {
		name, path string
		header     map[string]string
		status     int
	}{
		{"with a token", "/v1/nodes", good, http.StatusOK},
		{"without one", "/v1/nodes", nil, http.StatusUnauthorized},
		{"unscoped", "/v1/nodes", unscoped, http.StatusForbidden},
		{"open path", "/v1/lookup", nil, http.StatusOK},
		{"open path with slash", "/v1/lookup/", nil, http.StatusOK},
		{"below an open path", "/v1/heartbeat/abc", nil, http.StatusOK},
		{"beside an open path", "/v1/lookups", nil, http.StatusUnauthorized},
		{"root", "/", nil, http.StatusOK},
	} {
		w := send(h, "GET", tc.path, "", tc.header)
		if w.Code != tc.status {
			t.Errorf("%s: %d, want %d", tc.name, w.Code, tc.status)
		}
		if tc.status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") != `Keystone uri="http://192.0.2.1:5000"` {
			t.Errorf("%s: WWW-Authenticate is %q", tc.name, w.Header().Get("WWW-Authenticate"))
		}
	}
	send(h, "GET", "/v1/nodes", "", good)
	if who.UserName != "admin" || who.ProjectName != "admin" || len(who.Roles) == 0 {
		t.Errorf("identity %+v", who)
	}
}

func TestVersionDocuments(t *testing.T) {
	s, _ := testService(t)
	w := send(s.Handler(), "GET", "/", "", nil)
	if w.Code != http.StatusMultipleChoices || !strings.Contains(w.Body.String(), `"href":"http://example.com/v3/"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, path := range []string{"/v3", "/v3/"} {
		if w := send(s.Handler(), "GET", path, "", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"id":"v3.14"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func FuzzAuthenticate(f *testing.F) {
	f.Add([]byte(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"x"}}},"scope":{"project":{"id":""}}}}`))
	f.Add([]byte(`{"auth":{"identity":{"methods":["token"],"token":{"id":"tfl1.e30.AA"}},"scope":"unscoped"}}`))
	s := New(config(&clock{time.Unix(1, 0)}))
	h := s.Handler()
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/v3/auth/tokens", bytes.NewReader(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusCreated || w.Code >= 500 {
			t.Errorf("%d for %q", w.Code, body)
		}
	})
}

// on has the services on a server, at their usual ports and so much above.
func on(server string, above int) func(string) string {
	return func(service string) string {
		port := map[string]int{"identity": 5000, "baremetal": 6385, "introspection": 5050, "image": 9292, "network": 9696, "compute": 8774, "orchestration": 8004}[service]
		return fmt.Sprintf("%s:%d", server, port+above)
	}
}

// The public interface may be another one than what the undercloud itself and nodes go by.
func TestCatalogWithAPublicInterface(t *testing.T) {
	s := New(Config{Key: secret.Key{42}, Catalog: DefaultCatalog(on("http://192.0.2.1", 0), on("https://192.0.2.2", 7000))})
	want := map[string]string{"public": "https://192.0.2.2:13385", "internal": "http://192.0.2.1:6385", "admin": "http://192.0.2.1:6385"}
	for _, svc := range s.tokenCatalog("p") {
		if svc["type"] != "baremetal" {
			continue
		}
		for _, e := range svc["endpoints"].([]map[string]any) {
			if iface := e["interface"].(string); e["url"] != want[iface] {
				t.Errorf("%s: %s", iface, e["url"])
			}
			delete(want, e["interface"].(string))
		}
	}
	if len(want) > 0 {
		t.Errorf("no %v", want)
	}
}
