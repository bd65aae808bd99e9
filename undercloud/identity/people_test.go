package identity

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	keystoneusers "github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
)

// town is an identity service with people: bob is a member of alpha, and ann an
// administrator of it.
type town struct {
	*testing.T
	*Service
	clock *clock
	file  string
	ids   map[string]string
}

func newTown(t *testing.T) *town {
	t.Helper()
	s, c := testService(t)
	w := &town{T: t, Service: s, clock: c, file: filepath.Join(t.TempDir(), "people.json"), ids: map[string]string{}}
	if err := s.Open(w.file); err != nil {
		t.Fatal(err)
	}
	w.ids["alpha"] = w.made("projects", `{"project":{"name":"alpha"}}`)
	w.ids["bob"] = w.made("users", `{"user":{"name":"bob","password":"bob's","email":"bob@example.org"}}`)
	w.ids["ann"] = w.made("users", `{"user":{"name":"ann","password":"ann's","default_project_id":"`+w.ids["alpha"]+`"}}`)
	w.give("bob", "member")
	w.give("ann", "admin")
	return w
}

func (w *town) role(name string) string { return w.id("role", name) }

// ask sends a request as the administrator.
func (w *town) ask(method, path, body string) *httptest.ResponseRecorder {
	return send(w.Handler(), method, "/v3/"+path, body, map[string]string{"X-Auth-Token": token(w.T, w.Service)})
}

func (w *town) must(code int, method, path, body string) string {
	w.Helper()
	got := w.ask(method, path, body)
	if got.Code != code {
		w.Fatalf("%s %s: %d %s", method, path, got.Code, got.Body)
	}
	return got.Body.String()
}

// made makes a thing and returns its id.
func (w *town) made(kind, body string) string {
	w.Helper()
	var out map[string]struct{ ID string }
	if err := json.Unmarshal([]byte(w.must(201, "POST", kind, body)), &out); err != nil {
		w.Fatal(err)
	}
	return out[strings.TrimSuffix(kind, "s")].ID
}

func (w *town) give(user, role string) {
	w.Helper()
	w.must(204, "PUT", "projects/"+w.ids["alpha"]+"/users/"+w.ids[user]+"/roles/"+w.role(role), "")
}

// enter logs in; scope is a project's name, "system" or "".
func (w *town) enter(user, password, scope string) (token string, body string) {
	where := ""
	switch scope {
	case "":
	case "system":
		where = `,"scope":{"system":{"all":true}}`
	default:
		where = `,"scope":{"project":{"name":"` + scope + `",` + domain + `}}`
	}
	r := send(w.Handler(), "POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"`+user+`",`+domain+`,"password":"`+password+`"}}}`+where+`}}`, nil)
	return r.Header().Get("X-Subject-Token"), r.Body.String()
}

// who asks a guarded service with a token: what it learns, or the status of the refusal.
func (w *town) who(guard func(http.Handler, ...string) http.Handler, token string) (Identity, int) {
	var id Identity
	h := guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { id, _ = FromContext(r.Context()) }))
	return id, send(h, "GET", "/x", "", map[string]string{"X-Auth-Token": token}).Code
}

func TestATokenCarriesTheRolesThatWereGiven(t *testing.T) {
	w := newTown(t)
	text, body := w.enter("bob", "bob's", "alpha")
	var got struct {
		Token struct {
			Roles   []struct{ Name string }
			Project struct{ ID string }
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Token.Project.ID != w.ids["alpha"] || len(got.Token.Roles) != 2 ||
		got.Token.Roles[0].Name != "member" || got.Token.Roles[1].Name != "reader" {
		t.Fatalf("%v %s", err, body)
	}
	id, code := w.who(w.Authenticated, text)
	if code != 200 || id.UserName != "bob" || id.ProjectName != "alpha" || id.Admin || id.System || !slices.Equal(id.Roles, []string{"member", "reader"}) {
		t.Errorf("%d %+v", code, id)
	}
	if _, code := w.who(w.Middleware, text); code != 403 {
		t.Errorf("a service for administrators lets a member in: %d", code)
	}
	ann, _ := w.enter("ann", "ann's", "") // her own project, without asking for it
	if id, code := w.who(w.Authenticated, ann); code != 200 || id.ProjectName != "alpha" || id.Admin || len(id.Roles) != 4 {
		t.Errorf("an administrator of a project: %d %+v", code, id)
	}
	if _, code := w.who(w.Middleware, ann); code != 403 {
		t.Errorf("a service for administrators of the undercloud lets one of a project in: %d", code)
	}
	for _, scope := range []string{"admin", "system", "nowhere"} {
		if text, _ := w.enter("bob", "bob's", scope); text != "" {
			t.Errorf("bob has a token for %s", scope)
		}
	}
	w.must(204, "PUT", "system/users/"+w.ids["bob"]+"/roles/"+w.role("reader"), "")
	text, _ = w.enter("bob", "bob's", "system")
	if id, code := w.who(w.Authenticated, text); code != 200 || !id.System || id.Admin || !slices.Equal(id.Roles, []string{"reader"}) {
		t.Errorf("a reader of the system: %d %+v", code, id)
	}
	w.must(204, "PUT", "projects/"+w.ProjectID("admin")+"/users/"+w.ids["bob"]+"/roles/"+w.role("admin"), "")
	text, _ = w.enter("bob", "bob's", "admin")
	if id, code := w.who(w.Middleware, text); code != 200 || !id.Admin {
		t.Errorf("an administrator of the project admin: %d %+v", code, id)
	}
}

// A role that was given twice at once is gone when it is taken away once.
func TestAGrantIsOneRecord(t *testing.T) {
	w := newTown(t)
	path := "projects/" + w.ids["alpha"] + "/users/" + w.ids["bob"] + "/roles/" + w.role("admin")
	admin, h := token(t, w.Service), w.Handler()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if got := send(h, "PUT", "/v3/"+path, "", map[string]string{"X-Auth-Token": admin}); got.Code != 204 {
				t.Errorf("%d %s", got.Code, got.Body)
			}
		})
	}
	all.Wait()
	g := Grant{User: w.ids["bob"], Project: w.ids["alpha"], Role: "admin"}
	if n := len(slices.DeleteFunc(slices.Clone(w.kept.Grants), func(other Grant) bool { return other != g })); n != 1 {
		t.Errorf("%d records", n)
	}
	// What a file of before may have.
	if err := w.change(func(rec *Records) error { rec.Grants = append(rec.Grants, g); return nil }); err != nil {
		t.Fatal(err)
	}
	w.must(204, "DELETE", path, "")
	w.must(404, "HEAD", path, "")
}

func TestTheAdministratorHasEverythingInEveryScope(t *testing.T) {
	s, _ := testService(t)
	w := &town{T: t, Service: s}
	for _, scope := range []string{adminScope, `,"scope":{"system":{"all":true}}`, `,"scope":{"domain":{"id":"default"}}`} {
		r := send(withCaller(s), "GET", "/x", "", map[string]string{"X-Auth-Token": login(s, "s3cret", scope).Header().Get("X-Subject-Token")})
		if r.Body.String() != "everything" {
			t.Errorf("%s: %s", scope, r.Body)
		}
	}
	if _, code := w.who(s.Middleware, ""); code != 401 {
		t.Errorf("without a token: %d", code)
	}
}

// withCaller answers with what the bare-metal API takes the caller for.
func withCaller(s *Service) http.Handler {
	return s.Authenticated(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if Caller(r.Context()).Everything() {
			_, _ = w.Write([]byte("everything"))
		}
	}))
}

func TestPeopleOutliveARestart(t *testing.T) {
	w := newTown(t)
	text, _ := w.enter("bob", "bob's", "alpha")
	again := New(config(w.clock))
	if _, err := again.check(t.Context(), text); err == nil {
		t.Error("a service that has not read the file knows bob")
	}
	if err := again.Open(w.file); err != nil {
		t.Fatal(err)
	}
	if _, err := again.check(t.Context(), text); err != nil {
		t.Errorf("the token after a restart: %v", err)
	}
	w.Service = again
	if text, body := w.enter("bob", "bob's", "alpha"); text == "" {
		t.Errorf("a login after a restart: %s", body)
	}
	st, err := os.Stat(w.file)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	data, _ := os.ReadFile(w.file)
	if strings.Contains(string(data), "bob's") {
		t.Error("the file has a password")
	}
	if err := os.WriteFile(w.file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := New(config(w.clock)).Open(w.file); err == nil || !strings.Contains(err.Error(), w.file) {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestATokenEndsWithWhatItStandsFor(t *testing.T) {
	for name, end := range map[string]func(w *town){
		"role taken away": func(w *town) {
			w.must(204, "DELETE", "projects/"+w.ids["alpha"]+"/users/"+w.ids["bob"]+"/roles/"+w.role("member"), "")
		},
		"new password":     func(w *town) { w.must(200, "PATCH", "users/"+w.ids["bob"], `{"user":{"password":"new"}}`) },
		"user disabled":    func(w *town) { w.must(200, "PATCH", "users/"+w.ids["bob"], `{"user":{"enabled":false}}`) },
		"user removed":     func(w *town) { w.must(204, "DELETE", "users/"+w.ids["bob"], "") },
		"project disabled": func(w *town) { w.must(200, "PATCH", "projects/"+w.ids["alpha"], `{"project":{"enabled":false}}`) },
		"project removed":  func(w *town) { w.must(204, "DELETE", "projects/"+w.ids["alpha"], "") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			text, _ := w.enter("bob", "bob's", "alpha")
			if _, err := w.check(t.Context(), text); err != nil {
				t.Fatal(err)
			}
			end(w)
			if _, err := w.check(t.Context(), text); err == nil {
				t.Error("the token is still good")
			}
		})
	}
}

func TestAPasswordIsItsUsersToChange(t *testing.T) {
	w := newTown(t)
	text, _ := w.enter("bob", "bob's", "alpha")
	change := func(id, body string) int {
		return send(w.Handler(), "POST", "/v3/users/"+id+"/password", body, map[string]string{"X-Auth-Token": text}).Code
	}
	if code := change(w.ids["ann"], `{"user":{"password":"new","original_password":"ann's"}}`); code != 403 {
		t.Errorf("somebody else's: %d", code)
	}
	if code := change(w.ids["bob"], `{"user":{"password":"new","original_password":"guess"}}`); code != 401 {
		t.Errorf("without the old one: %d", code)
	}
	if code := change(w.ids["bob"], `{"user":{"password":"new","original_password":"bob's"}}`); code != 204 {
		t.Errorf("his own: %d", code)
	}
	if old, _ := w.enter("bob", "bob's", "alpha"); old != "" {
		t.Error("the old password is good")
	}
	fresh, body := w.enter("bob", "new", "alpha") // in the same second
	if _, err := w.check(t.Context(), fresh); err != nil {
		t.Errorf("the new password: %v %s", err, body)
	}
}

func TestWhoMayMakePeople(t *testing.T) {
	w := newTown(t)
	ann, _ := w.enter("ann", "ann's", "alpha")
	for _, call := range []string{"GET users", "GET projects", "GET role_assignments", "POST users", "POST projects", "GET users/" + w.ids["bob"],
		"PATCH users/" + w.ids["bob"], "DELETE users/" + w.ids["bob"], "GET projects/" + w.ProjectID("admin"), "DELETE projects/" + w.ids["alpha"],
		"PUT projects/" + w.ids["alpha"] + "/users/" + w.ids["ann"] + "/roles/" + w.role("admin"), "PUT system/users/" + w.ids["ann"] + "/roles/" + w.role("admin")} {
		method, path, _ := strings.Cut(call, " ")
		r := send(w.Handler(), method, "/v3/"+path, `{"user":{"name":"x"},"project":{"name":"x"}}`, map[string]string{"X-Auth-Token": ann})
		if r.Code != 403 || !strings.Contains(r.Body.String(), "You are not authorized to perform the requested action: identity:") {
			t.Errorf("%s: %d %s", call, r.Code, r.Body)
		}
	}
	for _, path := range []string{"users/" + w.ids["ann"], "projects/" + w.ids["alpha"], "auth/projects", "auth/catalog", "roles"} {
		if r := send(w.Handler(), "GET", "/v3/"+path, "", map[string]string{"X-Auth-Token": ann}); r.Code != 200 {
			t.Errorf("GET %s: %d %s", path, r.Code, r.Body)
		}
	}
	bob, _ := w.enter("bob", "bob's", "alpha")
	if r := send(w.Handler(), "DELETE", "/v3/auth/tokens", "", map[string]string{"X-Auth-Token": ann, "X-Subject-Token": bob}); r.Code != 403 {
		t.Errorf("somebody else's token: %d", r.Code)
	}
	if r := send(w.Handler(), "DELETE", "/v3/auth/tokens", "", map[string]string{"X-Auth-Token": bob, "X-Subject-Token": bob}); r.Code != 204 {
		t.Errorf("his own token: %d", r.Code)
	}
}

func TestRefusalsOfPeople(t *testing.T) {
	w := newTown(t)
	admin := w.own.users[0].ID
	for _, tc := range []struct {
		code               int
		method, path, body string
		text               string
	}{
		{409, "POST", "users", `{"user":{"name":"bob"}}`, "Duplicate entry found with name bob"},
		{409, "POST", "users", `{"user":{"name":"admin"}}`, "Duplicate entry"},
		{409, "PATCH", "users/" + w.ids["bob"], `{"user":{"name":"ann"}}`, "Duplicate entry"},
		{400, "POST", "users", `{"user":{"name":"x","password":"` + strings.Repeat("x", 73) + `"}}`, "A password has from 1 to 72 bytes."},
		{400, "POST", "users", `{"user":{"name":"x","password":7}}`, "Invalid input for user"},
		{400, "POST", "users", `{}`, "Expecting to find user in request body."},
		{400, "POST", "users", `{"user":null}`, "Expecting to find user in request body."},
		{400, "POST", "users", `null`, "Expecting to find user in request body."},
		{400, "PATCH", "users/" + w.ids["bob"], `{"user":null}`, "Expecting to find user in request body."},
		{400, "POST", "users/" + w.ids["bob"] + "/password", `[]`, "Expecting to find user in request body."},
		{400, "PATCH", "projects/" + w.ids["alpha"], `"x"`, "Expecting to find project in request body."},
		{400, "POST", "projects", `7`, "Expecting to find project in request body."},
		{413, "POST", "projects", `{"project":{"name":"` + strings.Repeat("x", 1<<20) + `"}}`, "longer than 1048576 bytes"},
		{400, "POST", "users", `{"user":{}}`, "'name' of a user"},
		{404, "POST", "users", `{"user":{"name":"x","domain_id":"moon"}}`, "Could not find domain: moon."},
		{403, "PATCH", "users/" + admin, `{"user":{"password":"x"}}`, "The user admin is the configuration's"},
		{403, "DELETE", "users/" + admin, "", "The user admin is the configuration's"},
		{403, "DELETE", "projects/" + w.ProjectID("admin"), "", "The project admin is the undercloud's own"},
		{403, "DELETE", "system/users/" + admin + "/roles/" + w.role("admin"), "", "is the configuration's and cannot be taken away here"},
		{404, "PATCH", "users/moon", `{"user":{}}`, "Could not find user: moon."},
		{404, "PUT", "projects/moon/users/" + w.ids["bob"] + "/roles/" + w.role("member"), "", "Could not find project: moon."},
		{404, "PUT", "system/users/" + w.ids["bob"] + "/roles/moon", "", "Could not find role: moon."},
		{404, "DELETE", "system/users/" + w.ids["bob"] + "/roles/" + w.role("member"), "", "Could not find role assignment"},
		{404, "HEAD", "system/users/" + w.ids["bob"] + "/roles/" + w.role("member"), "", ""},
		{204, "HEAD", "projects/" + w.ids["alpha"] + "/users/" + w.ids["bob"] + "/roles/" + w.role("member"), "", ""},
	} {
		if got := w.ask(tc.method, tc.path, tc.body); got.Code != tc.code || !strings.Contains(got.Body.String(), tc.text) {
			t.Errorf("%s %s %s: %d %s", tc.method, tc.path, tc.body, got.Code, got.Body)
		}
	}
	w.give("bob", "member") // again
	list := w.must(200, "GET", "role_assignments?user.id="+w.ids["bob"]+"&scope.project.id="+w.ids["alpha"]+"&include_names=True", "")
	if strings.Count(list, `"scope"`) != 1 || !strings.Contains(list, `"name":"member"`) {
		t.Errorf("assignments: %s", list)
	}
	if list := w.must(200, "GET", "projects/"+w.ids["alpha"]+"/users/"+w.ids["bob"]+"/roles", ""); !strings.Contains(list, `"name":"member"`) || strings.Contains(list, "reader") {
		t.Errorf("roles: %s", list)
	}
	s, _ := testService(t)
	shut := &town{T: t, Service: s}
	if got := shut.ask("POST", "users", `{"user":{"name":"x"}}`); got.Code != 403 {
		t.Errorf("where nobody can be made: %d %s", got.Code, got.Body)
	}
}

func TestGophercloudMakesPeople(t *testing.T) {
	s, c := testService(t)
	c.t = time.Now()
	if err := s.Open(filepath.Join(t.TempDir(), "people.json")); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	options := func(user, password, project string) gophercloud.AuthOptions {
		return gophercloud.AuthOptions{IdentityEndpoint: srv.URL + "/", Username: user, Password: password, DomainName: "Default", TenantName: project}
	}
	p, err := openstack.AuthenticatedClient(t.Context(), options("admin", "s3cret", "admin"))
	if err != nil {
		t.Fatal(err)
	}
	id := &gophercloud.ServiceClient{ProviderClient: p, Endpoint: srv.URL + "/v3/"}
	alpha, err := projects.Create(t.Context(), id, projects.CreateOpts{Name: "alpha", Description: "the first"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	carl, err := keystoneusers.Create(t.Context(), id, keystoneusers.CreateOpts{Name: "carl", Password: "carl's", DefaultProjectID: alpha.ID, DomainID: "default"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	err = roles.Assign(t.Context(), id, s.id("role", "reader"), roles.AssignOpts{UserID: carl.ID, ProjectID: alpha.ID}).ExtractErr()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openstack.AuthenticatedClient(t.Context(), options("carl", "carl's", "alpha")); err != nil {
		t.Errorf("log in: %v", err)
	}
	if err := keystoneusers.Delete(t.Context(), id, carl.ID).ExtractErr(); err != nil {
		t.Error(err)
	}
	if _, err := openstack.AuthenticatedClient(t.Context(), options("carl", "carl's", "alpha")); err == nil {
		t.Error("a removed user logs in")
	}
}

func TestGuessingThePasswordOfSomebodyMadeIsSlowedDown(t *testing.T) {
	w := newTown(t)
	for range maxFailures {
		w.enter("bob", "guess", "alpha")
	}
	if _, body := w.enter("bob", "bob's", "alpha"); !strings.Contains(body, "Too many failed logins") {
		t.Error(body)
	}
}
