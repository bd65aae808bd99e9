package session_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// alone is a service without Keystone, which answers each request with how it was asked.
func alone(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		basic, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.Header.Get("Authorization"), "Basic "))
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, `{"asked":%q}`, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("X-Auth-Token")+string(basic)))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// cloudFile is a clouds.yaml with a secure.yaml beside it, and no other variables. Returns the file.
func cloudFile(t *testing.T, text, secure string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "clouds.yaml")
	for name, text := range map[string]string{file: text, filepath.Join(dir, "secure.yaml"): secure} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environment(t, map[string]string{"OS_CLIENT_CONFIG_FILE": file})
	return file
}

// asked is how the service of a cloud is asked for its nodes and its introspections.
func asked(t *testing.T, o session.Options) (nodes, introspections string, err error) {
	t.Helper()
	s, err := session.FromEnv(t.Context(), o)
	if err != nil {
		return "", "", err
	}
	var a, b struct{ Asked string }
	api, err := s.Baremetal()
	if err != nil {
		return "", "", err
	}
	if _, err := api.Get(t.Context(), api.ServiceURL("nodes"), &a, nil); err != nil {
		return "", "", err
	}
	inspector, err := s.Introspection()
	if err != nil {
		return a.Asked, "", err
	}
	_, err = inspector.Get(t.Context(), inspector.ServiceURL("introspection"), &b, nil)
	return a.Asked, b.Asked, err
}

// A cloud of a standalone service works as OS_AUTH_TYPE, OS_ENDPOINT and friends do, in all the forms openstacksdk takes.
func TestCloudsWithoutKeystone(t *testing.T) {
	url := alone(t)
	basic := "{auth_type: http_basic, auth: {endpoint: " + url
	for name, c := range map[string]struct {
		cloud, secure string
		o             session.Options
		want          string // of the nodes, and of the introspections where it differs
	}{
		"none":                    {cloud: "{auth_type: none, auth: {endpoint: " + url + "}}", want: "/v1/nodes notused"},
		"null is none":            {cloud: "{auth_type: null, auth: {endpoint: " + url + "/v1/}}", want: "/v1/nodes notused"},
		"endpoint beside auth":    {cloud: "{auth_type: none, endpoint: " + url + "}", want: "/v1/nodes notused"},
		"a URL each":              {cloud: "{auth_type: none, baremetal_endpoint_override: " + url + "/a, baremetal_introspection_endpoint_override: " + url + "/b/v1}", want: "/a/v1/nodes notused|/b/v1/introspection notused"},
		"an override counts more": {cloud: "{auth_type: none, baremetal_endpoint_override: " + url + "/a, auth: {endpoint: " + url + "}}", want: "/a/v1/nodes notused|/v1/introspection notused"},
		"http_basic":              {cloud: basic + ", username: admin, password: 'sec:ret'}}", want: "/v1/nodes admin:sec:ret"},
		"a number, an old name":   {cloud: basic + ", user_name: admin, password: 123}}", want: "/v1/nodes admin:123"},
		"password of secure.yaml": {cloud: basic + ", username: admin}}", secure: "{auth: {password: s}}", want: "/v1/nodes admin:s"},
		"secure.yaml counts more": {cloud: basic + ", username: admin, password: old}}", secure: "{auth: {password: s}}", want: "/v1/nodes admin:s"},
		"flags count more":        {cloud: basic + "/none, username: admin, password: s}}", o: session.Options{Endpoint: url, Username: "u", Password: "p", AuthType: "http_basic"}, want: "/v1/nodes u:p"},
		"the user of a flag":      {cloud: basic + ", username: admin, password: s}}", o: session.Options{Username: "u", Password: "p"}, want: "/v1/nodes u:p"},
		"the type of a flag":      {cloud: "{auth: {endpoint: " + url + "}}", o: session.Options{AuthType: "none"}, want: "/v1/nodes notused"},
		"http_basic, an override": {cloud: "{auth_type: http_basic, baremetal_endpoint_override: " + url + "/a, auth: {endpoint: " + url + ", username: u, password: p}}", want: "/a/v1/nodes u:p|/v1/introspection u:p"},
		"not to be checked":       {cloud: "{auth_type: none, verify: false, auth: {endpoint: " + url + "}}", want: "/v1/nodes notused"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.secure == "" {
				c.secure = "{}"
			}
			cloudFile(t, "clouds:\n  bm: "+c.cloud+"\n", "clouds:\n  bm: "+c.secure+"\n")
			c.o.Cloud = "bm"
			nodes, introspections, err := asked(t, c.o)
			want, other, differs := strings.Cut(c.want, "|")
			if !differs {
				other = strings.Replace(want, "/nodes", "/introspection", 1)
			}
			if err != nil || nodes != want || introspections != other {
				t.Errorf("%q, %q, %v", nodes, introspections, err)
			}
		})
	}
}

// An endpoint beside a cloud that has one is never passed over without a word, and the cloud's password is never sent there.
func TestAnEndpointBesideACloud(t *testing.T) {
	lab, other := alone(t), alone(t)
	none, basic := "{auth_type: none, auth: {endpoint: "+lab+"/lab}}", "{auth_type: http_basic, auth: {endpoint: "+lab+"/lab, username: admin, password: hunter2}}"
	for name, c := range map[string]struct {
		cloud     string
		o         session.Options
		env       map[string]string
		want      string // how the nodes are asked for
		err, hint string
	}{
		"a flag":                    {cloud: none, o: session.Options{Cloud: "bm", Endpoint: other}, err: "nothing of the cloud is sent there", hint: "give --os-auth-type none or http_basic too, or leave --os-endpoint out"},
		"a flag, the password":      {cloud: basic, o: session.Options{Cloud: "bm", Endpoint: other}, err: "nothing of the cloud is sent there", hint: "leave --os-endpoint out"},
		"a flag, OS_CLOUD":          {cloud: basic, o: session.Options{Endpoint: other}, env: map[string]string{"OS_CLOUD": "bm"}, err: "nothing of the cloud is sent there", hint: "leave --os-endpoint out"},
		"both flags":                {cloud: none, o: session.Options{Cloud: "bm", Endpoint: other, AuthType: "none"}, want: "/v1/nodes notused"},
		"both flags, no password":   {cloud: basic, o: session.Options{Cloud: "bm", Endpoint: other, AuthType: "http_basic"}, err: "No user or no password found"},
		"variables":                 {cloud: none, o: session.Options{AuthType: "none"}, env: map[string]string{"OS_CLOUD": "bm", "OS_ENDPOINT": other}, want: "/v1/nodes notused"},
		"variables, Keystone":       {cloud: "{auth: {auth_url: 'http://h:5000/v3'}}", o: session.Options{AuthType: "none"}, env: map[string]string{"OS_CLOUD": "bm", "OS_ENDPOINT": other}, want: "/v1/nodes notused"},
		"variables, no password":    {cloud: basic, o: session.Options{AuthType: "http_basic"}, env: map[string]string{"OS_CLOUD": "bm", "OS_ENDPOINT": other}, err: "No user or no password found"},
		"a flag's cloud counts":     {cloud: none, o: session.Options{Cloud: "bm", AuthType: "none"}, env: map[string]string{"OS_ENDPOINT": other}, want: "/lab/v1/nodes notused"},
		"a cloud that names a type": {cloud: none, o: session.Options{}, env: map[string]string{"OS_CLOUD": "bm", "OS_ENDPOINT": other}, want: "/lab/v1/nodes notused"},
	} {
		t.Run(name, func(t *testing.T) {
			cloudFile(t, "clouds:\n  bm: "+c.cloud+"\n", "")
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			nodes, _, err := asked(t, c.o)
			if c.err == "" && (err != nil || nodes != c.want) {
				t.Errorf("%q, %v", nodes, err)
			}
			if c.err != "" && (!strings.Contains(fmt.Sprint(err), c.err) || !strings.Contains(errs.HintOf(err), c.hint) || strings.Contains(fmt.Sprint(err), "hunter2")) {
				t.Errorf("%q, %v (hint %q)", nodes, err, errs.HintOf(err))
			}
		})
	}
}

// The own authority of a cloud is the cloud's.
func TestACloudWithItsOwnCertificates(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"asked":"x"}`) }))
	t.Cleanup(srv.Close)
	cloud := func(more string) error {
		cloudFile(t, "clouds:\n  bm: {auth_type: none, "+more+"auth: {endpoint: "+srv.URL+"}}\n", "")
		_, _, err := asked(t, session.Options{Cloud: "bm"})
		return err
	}
	if err := cloud(""); err == nil {
		t.Error("a certificate that nobody vouches for was taken")
	}
	for _, more := range []string{"verify: false, ", "insecure: true, "} {
		if err := cloud(more); err != nil {
			t.Errorf("%s: %v", more, err)
		}
	}
	if err := cloud("cacert: /nowhere/ca.pem, "); err == nil || !strings.Contains(err.Error(), "/nowhere/ca.pem") {
		t.Errorf("%v", err)
	}
}

// What is wrong with a cloud is told by file, cloud and key, without its values.
func TestCloudsThatAreWrong(t *testing.T) {
	for name, c := range map[string]struct{ cloud, want, hint string }{
		"no endpoint":     {"{auth_type: none}", "The Bare Metal API endpoint cannot be detected and was not provided explicitly", "auth_type none needs endpoint in the section auth, or baremetal_endpoint_override"},
		"no URL":          {"{auth_type: none, auth: {endpoint: 'hunter2:1'}}", "endpoint: expected an http or https URL", ""},
		"no URL either":   {"{auth_type: none, baremetal_endpoint_override: 'http://a:hunter2@h'}", "baremetal_endpoint_override: expected an http or https URL", ""},
		"no password":     {"{auth_type: http_basic, auth: {endpoint: 'http://h', username: hunter2}}", "auth_type http_basic needs username and password", "secure.yaml"},
		"a truth":         {"{auth_type: http_basic, auth: {endpoint: 'http://h', username: a, password: true}}", "password: expected a text; put quotes around it", ""},
		"a list":          {"{auth_type: http_basic, auth: {endpoint: 'http://h', username: a, password: [hunter2]}}", "password: expected a text", ""},
		"no section":      {"{auth_type: none, auth: hunter2}", "auth: expected a section with lines of key: value", ""},
		"no map":          {"hunter2", "expected clouds: with a section for each cloud in it", ""},
		"verify":          {"{auth_type: none, verify: hunter2, auth: {endpoint: 'http://h'}}", "verify: expected true or false", ""},
		"Keystone's":      {"{region_name: hunter2}", "it has no section auth", "auth_type: none and endpoint for a standalone service"},
		"for nodes alone": {"{auth_type: none, baremetal_endpoint_override: 'URL'}", "no endpoint for service baremetal-introspection", "baremetal_introspection_endpoint_override"},
	} {
		t.Run(name, func(t *testing.T) {
			file := cloudFile(t, "clouds:\n  bm: "+strings.Replace(c.cloud, "URL", alone(t), 1)+"\n", "")
			_, _, err := asked(t, session.Options{Cloud: "bm"})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(errs.HintOf(err), c.hint) || strings.Contains(err.Error()+errs.HintOf(err), "hunter2") {
				t.Errorf("%v (hint %q)", err, errs.HintOf(err))
			}
			if named := strings.Contains(fmt.Sprint(err), file); !named && name != "for nodes alone" {
				t.Errorf("%v does not name %s", err, file)
			}
		})
	}
}

// With Keystone an override takes the place of the catalog's endpoint, and requests carry the token.
func TestAnOverrideBesideKeystone(t *testing.T) {
	url, _ := logins(t)
	service := alone(t)
	cloudFile(t, "clouds:\n  k: {baremetal_endpoint_override: "+service+", baremetal_introspection_endpoint_override: "+service+
		"/i, auth: {auth_url: "+url+", username: admin, user_domain_name: Default}}\n", "clouds: {k: {auth: {password: hunter2}}}\n")
	nodes, introspections, err := asked(t, session.Options{Cloud: "k"})
	if err != nil || nodes != "/v1/nodes token" || introspections != "/i/v1/introspection token" {
		t.Errorf("%q %q %v", nodes, introspections, err)
	}
}
