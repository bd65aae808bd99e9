package keystone

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// An auth_url that leads somewhere else is the likely reason of such answers to a login.
func TestALoginElsewhereAsksWhetherAuthURLIsKeystones(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		asks   string
	}{
		"nothing there": {404, "status 404 to POST /v3/auth/tokens; expected 201 from Keystone's API v3: is auth_url Keystone's?"},
		"a web page":    {200, "status 200 to POST /v3/auth/tokens; expected 201 from Keystone's API v3: is auth_url Keystone's?"},
		"a redirect":    {302, "status 302 to POST /v3/auth/tokens; expected 201 from Keystone's API v3: is auth_url Keystone's?"},
		"a page made":   {201, "the answer is not Keystone's: it is not the JSON that was expected"},
	} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/login")
			w.WriteHeader(c.status)
			fmt.Fprint(w, "<html>welcome</html>")
		}))
		w := newWorld(t, func(k *Config) { k.AuthURL = other.URL })
		t.Log(name)
		w.unavailable("tok-new", c.asks)
		other.Close()
	}
}
