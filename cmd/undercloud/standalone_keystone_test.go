package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/undercloud/identity"
	"trefoil/undercloud/secret"
)

// keystoneConf is a configuration that asks the Keystone at a URL, with the password in a file.
func keystoneConf(t *testing.T, url, more string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return conf(t, filepath.Join(dir, "state"), "auth_strategy = keystone\n[keystone_authtoken]\nauth_url = "+url+"\nusername = ironic\npassword_file = "+file+"\nproject_name = service\n"+more)
}

// login asks a Keystone for a token.
func login(t *testing.T, url, user, password, scope string) string {
	t.Helper()
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"domain":{"id":"default"},"password":%q}}},"scope":%s}}`, user, password, scope)
	resp, err := http.Post(url+"/v3/auth/tokens", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 201 {
		t.Fatalf("login of %s: %s", user, resp.Status)
	}
	return resp.Header.Get("X-Subject-Token")
}

// TestStandaloneTakesTokensOfAKeystone has the identity service of an undercloud for the Keystone.
func TestStandaloneTakesTokensOfAKeystone(t *testing.T) {
	ids := identity.New(identity.Config{Key: secret.Key(bytes.Repeat([]byte{7}, 32)), AuthURL: "http://127.0.0.1",
		Users: []identity.User{{Name: "admin", Password: "s3cret", Projects: []string{"admin"}}, {Name: "ironic", Password: "hunter2", Projects: []string{"service"}}}})
	keystone := httptest.NewServer(ids.Handler())
	defer keystone.Close()
	s := begin(t, keystoneConf(t, keystone.URL, ""))
	system := login(t, keystone.URL, "admin", "s3cret", `{"system":{"all":true}}`)
	project := login(t, keystone.URL, "admin", "s3cret", `{"project":{"name":"admin","domain":{"id":"default"}}}`)
	for _, name := range []string{"n1", "n2"} {
		token := map[string]string{"n1": system, "n2": project}[name]
		if code, body := s.ask("POST", "/v1/nodes", `{"name":"`+name+`","driver":"fake-hardware"}`, "X-Auth-Token", token); code != 201 {
			t.Fatalf("%d %s", code, body)
		}
	}
	if _, body := s.ask("GET", "/v1/nodes", "", "X-Auth-Token", system); !strings.Contains(body, `"n1"`) || !strings.Contains(body, `"n2"`) {
		t.Errorf("the system's admin sees %s", body)
	}
	if _, body := s.ask("GET", "/v1/nodes", "", "X-Auth-Token", project); strings.Contains(body, `"n1"`) || !strings.Contains(body, `"n2"`) {
		t.Errorf("the project's admin sees %s", body)
	}
	for _, token := range []string{"", "foreign"} {
		if code, body := s.ask("GET", "/v1/nodes", "", "X-Auth-Token", token); code != 401 {
			t.Errorf("token %q: %d %s", token, code, body)
		}
	}
	in := &aService{t: t, url: s.introspection}
	for token, want := range map[string]int{"": 401, project: 403, system: 200} {
		if code, body := in.ask("GET", "/v1/introspection", "", "X-Auth-Token", token); code != want {
			t.Errorf("introspection: %d %s, expected %d", code, body, want)
		}
	}
	if code, _ := s.ask("GET", "/v1", ""); code != 200 {
		t.Errorf("what needs no token: %d", code)
	}
	s.stop()
	if lines := audited(t, s.log()); len(lines) != 2 || lines[0]["user"] != "admin" || lines[0]["user_domain_id"] != "default" || lines[1]["project"] != "admin" || lines[1]["project_domain_id"] != "default" {
		t.Errorf("%v", lines)
	}
	for _, hidden := range []string{"hunter2", system, project} {
		if strings.Contains(s.log(), hidden) {
			t.Error("the log has a secret")
		}
	}
}

func TestStandaloneStartsWithoutItsKeystone(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s := begin(t, keystoneConf(t, gone.URL, ""))
	const words = "Keystone cannot be asked about tokens"
	for until := time.Now().Add(time.Minute); !strings.Contains(s.log(), words) && time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
	}
	if !strings.Contains(s.log(), words) {
		t.Errorf("nobody is told: %s", s.log())
	}
	if code, body := s.ask("GET", "/v1/nodes", "", "X-Auth-Token", "tok"); code != 503 || !strings.Contains(body, "Keystone service is temporarily unavailable") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := s.ask("GET", "/healthz", ""); code != 200 {
		t.Errorf("%d", code)
	}
}

func TestKeystonesFilesAreLookedAtBeforeTheStart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := func(password, more string) string {
		return conf(t, filepath.Join(dir, "state"), "auth_strategy = keystone\n[keystone_authtoken]\nauth_url = http://127.0.0.1:9\nusername = i\nproject_name = s\npassword_file = "+password+"\n"+more)
	}
	good := write("good", "hunter2\n", 0o600)
	for name, c := range map[string]struct{ file, words string }{
		"no password file": {file(filepath.Join(dir, "none"), ""), ":11: password_file: the password cannot be read"},
		"everybody's":      {file(write("open", "hunter2", 0o644), ""), ":11: password_file: " + dir + "/open has mode 0644"},
		"an empty one":     {file(write("empty", "\n", 0o600), ""), "has no password of 1 to 4096 bytes in its first line"},
		"a novel":          {file(write("novel", strings.Repeat("x", 5000), 0o600), ""), "has no password of 1 to 4096 bytes"},
		"no cafile":        {file(good, "cafile = "+dir+"/ca\n"), ":12: cafile: open " + dir + "/ca"},
		"no certificate":   {file(good, "cafile = "+good+"\n"), ":12: cafile: " + good + " has no certificate in PEM"},
	} {
		var log bytes.Buffer
		err := serveStandalone(t.Context(), c.file, &log)
		if err == nil || !strings.HasPrefix(err.Error(), c.file+":1") || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error()+log.String(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
