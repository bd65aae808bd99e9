package keystone

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
)

// unavailable expects 503 without a word of Keystone's, and a line of the log that has
// the words and no secret.
func (w *world) unavailable(token, words string) {
	w.t.Helper()
	rec := w.ask(w.v.Middleware("baremetal"), http.NotFoundHandler(), httptest.NewRequest("GET", "/v1/nodes", nil), token)
	if rec.Code != 503 || !strings.Contains(rec.Body.String(), "The Keystone service is temporarily unavailable") || rec.Header().Get("WWW-Authenticate") != "" {
		w.t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if !strings.Contains(w.log.String(), words) {
		w.t.Errorf("the log does not say %q: %s", words, w.log)
	}
	w.secretless(token)
}

func (w *world) secretless(token string) {
	w.t.Helper()
	for _, secret := range []string{rightPassword, "own-token", token} {
		if strings.Contains(w.log.String(), secret) {
			w.t.Errorf("the log shows %s: %s", secret, w.log)
		}
	}
}

func TestKeystoneGoesAwayAndComesBack(t *testing.T) {
	w := newWorld(t)
	w.knows("tok-known", aReader)
	w.knows("tok-new", aReader)
	w.status("tok-known")
	w.change(func() { w.answer = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) } })
	if code := w.status("tok-known"); code != let {
		t.Errorf("a remembered token: %d", code)
	}
	w.unavailable("tok-new", "Keystone cannot be asked about a token")
	w.change(func() { w.answer = nil })
	if code := w.status("tok-new"); code != let {
		t.Errorf("when it is back: %d", code)
	}
}

func TestKeystoneIsAwayFromTheStart(t *testing.T) {
	w := newWorld(t)
	w.Close()
	w.v.Probe(t.Context())
	if log := w.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "connection refused") || !strings.Contains(log, w.cfg.AuthURL) {
		t.Errorf("%s", log)
	}
	w.unavailable("tok-new", "the login of the service user did not succeed")
	here := newWorld(t)
	here.v.Probe(t.Context())
	if !strings.Contains(here.log.String(), `level=INFO msg="Keystone answers"`) {
		t.Errorf("%s", here.log)
	}
	here.secretless("tok-new")
}

func TestTheServiceUserIsRefused(t *testing.T) {
	w := newWorld(t)
	w.knows("tok-new", aReader)
	w.change(func() { w.password = "another" })
	w.unavailable("tok-new", "Keystone refuses the service user")
	w.unavailable("tok-other", "status 401")
	if logins, _ := w.counts(); logins != 1 {
		t.Errorf("%d logins: Keystone may lock the user out", logins)
	}
	w.change(func() { w.password = rightPassword })
	w.clock.pass(pauseRefused)
	if code := w.status("tok-new"); code != let {
		t.Errorf("when it is let in again: %d", code)
	}
}

func TestThePasswordCannotBeRead(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Password = func() (string, error) { return "", errs.New(errs.Invalid, "mode 0644").WithHint("chmod 600 it") }
	})
	w.unavailable("tok-new", "mode 0644 (chmod 600 it)")
}

func TestTheServicesOwnTokenIsRenewed(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.CacheTime = 0 })
	w.knowsFor(24*time.Hour, "tok", aReader)
	expect := func(what string, logins, asked int) {
		t.Helper()
		l, a := w.counts()
		if code := w.status("tok"); code != let {
			t.Errorf("%s: %d", what, code)
		}
		if l2, a2 := w.counts(); l2-l != logins || a2-a != asked {
			t.Errorf("%s: %d logins, %d questions", what, l2-l, a2-a)
		}
	}
	expect("the first", 1, 1)
	expect("the second", 0, 1)
	w.clock.pass(time.Hour - renewBefore)
	expect("it is about to end", 1, 1)
	w.change(func() { clear(w.given) })
	expect("it was revoked", 1, 2)
}

func TestKeystoneRefusesWhatItGave(t *testing.T) {
	w := newWorld(t)
	w.change(func() { w.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(401) } })
	w.unavailable("tok-a", "refuses a token that it has just given")
	w.unavailable("tok-b", "")
	w.unavailable("tok-c", "")
	if logins, _ := w.counts(); logins > 2 {
		t.Errorf("%d logins", logins)
	}
}

func TestTheServiceUserMayNotAsk(t *testing.T) {
	w := newWorld(t)
	w.change(func() { w.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(403) } })
	w.unavailable("tok-new", "give it the role service")
}

func TestAnswersThatAreNotKeystones(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	repeat := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, r.Header)
		}
	}
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		words  string
	}{
		"a page that repeats all":  {repeat(500), "status 500"},
		"no JSON":                  {repeat(200), "not the JSON that was expected"},
		"an empty object":          {say(`{}`), "no token.user.id"},
		"no end":                   {say(`{"token":{"user":{"id":"u1"}}}`), "no token.expires_at"},
		"a time that is none":      {say(`{"token":{"user":{"id":"u1"},"expires_at":"tok-new"}}`), "not the JSON that was expected"},
		"a project that is nobody": {say(`{"token":{"user":{"id":"u1"},"expires_at":"2030-01-01T00:00:00Z","project":{}}}`), "without an id"},
		"another kind":             {say(`{"token":"tok-new"}`), "not the JSON that was expected"},
		"too much":                 {say(`{"x":"` + strings.Repeat("a", maxAnswer) + `"}`), "longer than 1 MiB"},
		"elsewhere":                {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, 302) }, "status 302"},
	} {
		w := newWorld(t)
		w.change(func() { w.answer = c.answer })
		t.Log(name)
		w.unavailable("tok-new", c.words)
	}
	if elsewhere != 0 {
		t.Error("a redirect was followed with tokens")
	}
}

func TestKeystoneThatIsSilentIsGivenUp(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Timeout = 50 * time.Millisecond })
	w.change(func() { w.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() } })
	w.unavailable("tok-new", "Keystone cannot be asked about")
}

func TestKeystonesCertificate(t *testing.T) {
	c := newClock()
	f := unstartedFakeKeystone(c.Now)
	f.StartTLS()
	t.Cleanup(f.Close)
	own := x509.NewCertPool()
	own.AddCert(f.Certificate())
	strange := newWorldOf(t, f, c)
	strange.knows("tok-new", aReader)
	strange.unavailable("tok-new", "certificate")
	for name, how := range map[string]func(*Config){"cafile": func(c *Config) { c.CA = own }, "insecure": func(c *Config) { c.Insecure = true }} {
		if code := newWorldOf(t, f, c, how).status("tok-new"); code != let {
			t.Errorf("%s: %d", name, code)
		}
	}
}

func TestWhereKeystoneIs(t *testing.T) {
	for url, want := range map[string]string{
		"http://k:5000": "http://k:5000/", "http://k:5000/v3": "http://k:5000/", "https://k/identity/v3/": "https://k/identity/", "http://[::1]:5000//": "http://[::1]:5000/",
	} {
		if got, err := (Config{AuthURL: url}).base(); err != nil || got != want {
			t.Errorf("%s: %s %v", url, got, err)
		}
	}
	for _, url := range []string{"", "k:5000", "ftp://k", "http://user:hunter2@k"} {
		if _, err := New(Config{AuthURL: url}); !errs.Is(err, errs.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestReasonsAreWordsOfOurs(t *testing.T) {
	if got := reason(fmt.Errorf("a: %w", errors.New("b"))); got != "a: b" {
		t.Error(got)
	}
}
