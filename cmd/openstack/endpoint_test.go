package main

import (
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// standalone is a bare-metal service without Keystone. user is who it lets in, empty everybody.
func standalone(t *testing.T, tls bool, user, password string) *httptest.Server {
	t.Helper()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user != "" && r.Header.Get("Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":{"message":"Incorrect username or password","code":401}}`))
			return
		}
		switch {
		case r.URL.Path == "/v1/nodes" && r.Header.Get("X-OpenStack-Ironic-API-Version") != "":
			_, _ = w.Write([]byte(`{"nodes":[{"uuid":"u","name":"node1","power_state":"power on"}]}`))
		case r.URL.Path == "/v1/rules":
			_, _ = w.Write([]byte(`{"rules":[{"uuid":"u"}]}`))
		default:
			t.Errorf("%s %s", r.Method, r.URL)
			w.WriteHeader(http.StatusNotFound)
		}
	})
	srv := httptest.NewUnstartedServer(h)
	if tls {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv
}

func TestAStandaloneServiceNeedsNoKeystone(t *testing.T) {
	open, guarded := standalone(t, false, "", "").URL, standalone(t, true, "admin", "sec:ret")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: guarded.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	const list = " baremetal node list -f value -c Name"
	basic := "--os-auth-type http_basic --os-endpoint " + guarded.URL + " --os-cacert " + ca
	for _, c := range []struct {
		name string
		env  map[string]string
		line string
		code int
		want string
	}{
		{"none", nil, "--os-auth-type none --os-endpoint " + open + list, exitOK, "node1\n"},
		{"behind the command", nil, list + " --os-auth-type none --os-endpoint " + open + "/v1/", exitOK, "node1\n"},
		{"by the environment", map[string]string{"OS_AUTH_TYPE": "none", "OS_ENDPOINT": open + "/"}, list, exitOK, "node1\n"},
		{"the flag counts, not the cloud", map[string]string{"OS_CLOUD": "nowhere"}, "--os-auth-type none --os-endpoint " + open + list, exitOK, "node1\n"},
		{"introspection", nil, "--os-auth-type none --os-endpoint " + open + " baremetal introspection rule list -f value -c UUID", exitOK, "u\n"},
		{"http_basic", nil, basic + " --os-username admin --os-password sec:ret" + list, exitOK, "node1\n"},
		{"its password by the environment", map[string]string{"OS_USERNAME": "admin", "OS_PASSWORD": "sec:ret"}, basic + list, exitOK, "node1\n"},
		{"a wrong password", map[string]string{"OS_USERNAME": "admin", "OS_PASSWORD": "hunter2"}, basic + list, exitFailed, "Incorrect username or password (HTTP 401)"},
		{"no password", map[string]string{"OS_USERNAME": "admin"}, basic + list, exitFailed, "--os-password, or OS_USERNAME and OS_PASSWORD"},
		{"no endpoint", nil, "--os-auth-type none" + list, exitFailed, "The Bare Metal API endpoint cannot be detected and was not provided explicitly"},
		{"no URL", nil, "--os-auth-type none --os-endpoint 127.0.0.1:6385" + list, exitFailed, "the endpoint is no http or https URL"},
		{"an unknown type", nil, "--os-auth-type kerberos" + list, exitFailed, "The plugin kerberos could not be found\nhint: auth types (--os-auth-type, OS_AUTH_TYPE) are none, http_basic, password and v3applicationcredential"},
		{"an API that is not there", nil, "--os-auth-type none --os-endpoint " + open + " image list", exitFailed, "no endpoint for service image"},
		{"nothing", nil, list, exitFailed, "of a standalone bare-metal service --os-auth-type none --os-endpoint http://HOST:6385"},
		{"no certificates", nil, strings.Replace(basic, ca, "/nowhere", 1) + " --os-username a --os-password b" + list, exitFailed, "/nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errw := typedAs(t, c.line, c.env)
			if code != c.code || !strings.Contains(out+errw, c.want) || strings.Contains(out+errw, "hunter2") {
				t.Errorf("%d %s %s", code, out, errw)
			}
		})
	}
}
