package session_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// logins is a Keystone that lets everybody in and remembers the bodies of the logins.
func logins(t *testing.T) (url string, bodies *[]string) {
	t.Helper()
	bodies = &[]string{}
	srv := httptest.NewServer(nil)
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v3/auth/tokens" {
			data, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			*bodies = append(*bodies, string(data))
		}
		answer(w, r, srv.URL)
	})
	t.Cleanup(srv.Close)
	return srv.URL + "/v3", bodies
}

// environment is nothing but what is given.
func environment(t *testing.T, env map[string]string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "OS_") {
			t.Setenv(name, value) // which restores it
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// with adds to a login, a value of "-" takes one away.
func with(base map[string]string, more ...string) map[string]string {
	out := map[string]string{}
	for k, v := range base {
		out[k] = v
	}
	for _, pair := range more {
		k, v, _ := strings.Cut(pair, "=")
		if out[k] = v; v == "-" {
			delete(out, k)
		}
	}
	return out
}

func TestWhatALoginIsFor(t *testing.T) {
	url, bodies := logins(t)
	user := map[string]string{"OS_AUTH_URL": url, "OS_USERNAME": "admin", "OS_PASSWORD": "hunter2", "OS_USER_DOMAIN_NAME": "Default"}
	secret := map[string]string{"OS_AUTH_URL": url, "OS_AUTH_TYPE": "v3applicationcredential", "OS_APPLICATION_CREDENTIAL_SECRET": "hunter2"}
	const password = `"identity":{"methods":["password"],"password":{"user":{"domain":{"name":"Default"},"name":"admin","password":"hunter2"}}}`
	for _, c := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"the user's own", user, `{"auth":{` + password + `}}`},
		{"the system", with(user, "OS_SYSTEM_SCOPE=all"), `{"auth":{` + password + `,"scope":{"system":{"all":true}}}}`},
		{"a project", with(user, "OS_PROJECT_NAME=p", "OS_PROJECT_DOMAIN_NAME=d"), `{"auth":{` + password + `,"scope":{"project":{"domain":{"name":"d"},"name":"p"}}}}`},
		{"ids beside names, as Horizon's files have them", with(user, "OS_PROJECT_NAME=p", "OS_PROJECT_ID=1", "OS_PROJECT_DOMAIN_ID=default", "OS_USER_DOMAIN_ID=default"),
			`{"auth":{` + strings.Replace(password, `"name":"Default"`, `"id":"default"`, 1) + `,"scope":{"project":{"id":"1"}}}}`},
		{"a user's id", with(user, "OS_USERNAME=-", "OS_USER_DOMAIN_NAME=-", "OS_USER_ID=u"), `{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"u","password":"hunter2"}}}}}`},
		{"an application credential", with(secret, "OS_APPLICATION_CREDENTIAL_ID=c", "OS_USERNAME=admin"),
			`{"auth":{"identity":{"application_credential":{"id":"c","secret":"hunter2"},"methods":["application_credential"]}}}`},
		{"one by its name", with(secret, "OS_APPLICATION_CREDENTIAL_NAME=c", "OS_USERNAME=admin", "OS_USER_DOMAIN_NAME=Default", "OS_PROJECT_NAME=p"),
			`{"auth":{"identity":{"application_credential":{"name":"c","secret":"hunter2","user":{"domain":{"name":"Default"},"name":"admin"}},"methods":["application_credential"]}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			*bodies = nil
			environment(t, c.env)
			if _, err := session.FromEnv(t.Context(), session.Options{}); err != nil {
				t.Fatal(err)
			}
			if len(*bodies) != 1 || sorted(t, (*bodies)[0]) != c.want {
				t.Errorf("sent %s\nwant %s", *bodies, c.want)
			}
		})
	}
}

// sorted has the keys of a JSON object in alphabetical order.
func sorted(t *testing.T, body string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestALoginThatLacksSomething: what is wrong in the environment is no reason to ask anybody.
func TestALoginThatLacksSomething(t *testing.T) {
	url, bodies := logins(t)
	user := map[string]string{"OS_AUTH_URL": url, "OS_USERNAME": "admin", "OS_PASSWORD": "hunter2", "OS_USER_DOMAIN_NAME": "Default"}
	for _, c := range []struct {
		name       string
		env        map[string]string
		want, hint string
	}{
		{"no password", with(user, "OS_PASSWORD=-"), "the login has no OS_PASSWORD", "set what is missing"},
		{"no domain, no user", with(user, "OS_USER_DOMAIN_NAME=-", "OS_USERNAME=-"), "the login has no OS_USERNAME, no OS_USER_DOMAIN_NAME", "source stackrc"},
		{"no domain of the project", with(user, "OS_PROJECT_NAME=p"), "the login has no OS_PROJECT_DOMAIN_NAME", "source stackrc"},
		{"a scope there is not", with(user, "OS_SYSTEM_SCOPE=al"), `OS_SYSTEM_SCOPE is "al"; expected all`, ""},
		{"two scopes", with(user, "OS_SYSTEM_SCOPE=all", "OS_PROJECT_NAME=p"), "a login is for a project or for the system", "env -u OS_PROJECT_NAME -u OS_PROJECT_ID"},
		{"no URL", with(user, "OS_AUTH_URL=127.0.0.1:5000/v3"), "OS_AUTH_URL is no http or https URL", "such as http://HOST:5000/v3"},
		{"half an application credential", with(user, "OS_AUTH_TYPE=v3applicationcredential", "OS_APPLICATION_CREDENTIAL_ID=c"), "the login has no OS_APPLICATION_CREDENTIAL_SECRET", "set what"},
		{"no application credential", with(user, "OS_AUTH_TYPE=v3applicationcredential"), "the login has no OS_APPLICATION_CREDENTIAL_ID, no OS_APPLICATION_CREDENTIAL_SECRET", "set what"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.env)
			_, err := session.FromEnv(t.Context(), session.Options{Silent: hint})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(errs.HintOf(err), c.hint) || strings.Contains(errs.HintOf(err), hint) {
				t.Errorf("%v (hint %q)", err, errs.HintOf(err))
			}
		})
	}
	if len(*bodies) > 0 {
		t.Errorf("Keystone was asked: %s", *bodies)
	}
}

func TestACloudThatLacksSomething(t *testing.T) {
	url, bodies := logins(t)
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	text := "clouds:\n  half: {auth: {auth_url: " + url + ", username: admin}}\n  whole: {auth_type: v3applicationcredential, auth: {auth_url: " + url +
		", application_credential_id: c, application_credential_secret: s}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	environment(t, map[string]string{"OS_CLIENT_CONFIG_FILE": file})
	_, err := session.FromEnv(t.Context(), session.Options{Cloud: "half", Silent: hint})
	if err == nil || !strings.Contains(err.Error(), `cloud "half" has no password, no user_domain_name`) || len(*bodies) > 0 {
		t.Errorf("%v (asked %s)", err, *bodies)
	}
	if _, err := session.FromEnv(t.Context(), session.Options{Cloud: "whole"}); err != nil || len(*bodies) != 1 || !strings.Contains((*bodies)[0], `"application_credential"`) {
		t.Errorf("%v (asked %s)", err, *bodies)
	}
}
