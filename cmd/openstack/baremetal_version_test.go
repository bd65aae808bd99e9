package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTheVersionOfTheEnvironment: what is no version is refused here, what the service does
// not have by the service, which says what it has.
func TestTheVersionOfTheEnvironment(t *testing.T) {
	asked := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("X-OpenStack-Ironic-API-Version")
		_, _ = w.Write([]byte(`{"nodes":[]}`))
	}))
	t.Cleanup(srv.Close)
	for v, want := range map[string]string{"": "1.81", "latest": "1.81", "1": "1.81", "1.60": "1.60", "foo": "", "2.1": "", "1.": "", "1.08": "", "1.81 ": ""} {
		asked = ""
		code, out, errw := typedAs(t, "baremetal node list", map[string]string{"OS_AUTH_TYPE": "none", "OS_ENDPOINT": srv.URL, "OS_BAREMETAL_API_VERSION": v})
		refused := strings.Contains(errw, "OS_BAREMETAL_API_VERSION is \""+v+"\"; expected latest or a version such as 1.81\n")
		if asked != want || refused != (want == "") || (code == exitOK) != (want != "") {
			t.Errorf("%q: asked for %q, expected %q: %d %s%s", v, asked, want, code, out, errw)
		}
	}
}

func TestAVersionThatTheServiceDoesNotHave(t *testing.T) {
	o := newOperator(t)
	t.Setenv("OS_BAREMETAL_API_VERSION", "1.200")
	o.want("baremetal node list", 1, "", "Version 1.200 was requested but the minor version is not supported by this service")
	o.want("baremetal node list", 1, "", "The supported version range is: [1.1, 1.")
}
