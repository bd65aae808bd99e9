package identity

import (
	"net/http"
	"testing"
)

// A client logs in where a refusal sends it: by TLS if it came by TLS.
func TestARefusalNamesTheAddressByWhichTheClientCanLogIn(t *testing.T) {
	const plain, public = "http://192.0.2.1:5000", "https://cloud.example.org:13000"
	for _, tc := range []struct{ url, public, want string }{
		{"http://192.0.2.1:6385/v1/nodes", public, plain},
		{"https://cloud.example.org:13385/v1/nodes", public, public},
		{"https://cloud.example.org:13385/v1/nodes", "", plain}, // somebody else's TLS, of which this service knows nothing
	} {
		s, _ := testService(t)
		s.cfg.PublicURL = tc.public
		for where, h := range map[string]http.Handler{"a service": s.Middleware(http.NotFoundHandler()), "identity": s.Handler()} {
			url := tc.url
			if where == "identity" {
				url = url[:len(url)-len("/v1/nodes")] + "/v3/users"
			}
			w := send(h, "GET", url, "", nil)
			if got := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusUnauthorized || got != `Keystone uri="`+tc.want+`"` {
				t.Errorf("%s at %s, public %q: %d %q, want %s", where, url, tc.public, w.Code, got, tc.want)
			}
		}
	}
}
