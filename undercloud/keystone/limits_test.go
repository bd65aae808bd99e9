package keystone

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestABrokenTrustIsTheTokensFault: once the service user was let ask, 403 is about the
// token, and is remembered.
func TestABrokenTrustIsTheTokensFault(t *testing.T) {
	w := newWorld(t)
	w.knows("good", aReader)
	if code := w.status("good"); code != let {
		t.Fatal(code)
	}
	w.change(func() { w.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(403) } })
	for range 2 {
		if code := w.status("trust"); code != http.StatusUnauthorized {
			t.Errorf("status %d", code)
		}
	}
	if _, asked := w.counts(); asked != 2 {
		t.Errorf("%d questions; expected one for each token", asked)
	}
	if log := w.log.String(); strings.Contains(log, "service user") {
		t.Errorf("it is blamed on the service user: %s", log)
	}
}

// TestItsOwnTokenHoldsToItsEnd: a login that fails shortly before shuts nobody out.
func TestItsOwnTokenHoldsToItsEnd(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.CacheTime = 0 })
	w.knowsFor(24*time.Hour, "tok", aReader)
	if code := w.status("tok"); code != let {
		t.Fatal(code)
	}
	w.change(func() { w.password = "changed meanwhile" })
	w.clock.pass(time.Hour - renewBefore)
	for range 2 { // with a login that fails, and while there is none
		if code := w.status("tok"); code != let {
			t.Errorf("status %d while its own token is good", code)
		}
	}
}

// TestTheSameIsSaidOnceInAWhile: strangers decide how often Keystone is asked.
func TestTheSameIsSaidOnceInAWhile(t *testing.T) {
	w := newWorld(t)
	w.change(func() { w.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) } })
	for i := range 20 {
		w.status(fmt.Sprint("tok-", i))
	}
	if n := strings.Count(w.log.String(), "Keystone cannot be asked about a token"); n != 1 {
		t.Errorf("said %d times", n)
	}
	w.clock.pass(pauseRefused)
	w.status("tok-later")
	if n := strings.Count(w.log.String(), "Keystone cannot be asked about a token"); n != 2 {
		t.Errorf("said %d times after a while", n)
	}
}

// TestWhatIsEchoedIsNotLogged: whatever answers in Keystone's place may repeat tokens.
func TestWhatIsEchoedIsNotLogged(t *testing.T) {
	w := newWorld(t)
	w.change(func() {
		w.answer = func(rw http.ResponseWriter, r *http.Request) {
			conn, _, err := rw.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nyour token %s %s\r\n\r\n", r.Header.Get("X-Subject-Token"), r.Header.Get("X-Auth-Token"))
		}
	})
	if code := w.status("s3cret-token"); code != http.StatusServiceUnavailable {
		t.Errorf("status %d", code)
	}
	if log := w.log.String(); strings.Contains(log, "s3cret-token") || strings.Contains(log, "own-token") || !strings.Contains(log, "does not speak HTTP") {
		t.Errorf("log: %s", log)
	}
}

// TestGuessesOfOneAddress leave room for the others'.
func TestGuessesOfOneAddress(t *testing.T) {
	w := newWorld(t)
	w.knows("good", aReader)
	hold := make(chan struct{})
	w.change(func() {
		w.answer = func(rw http.ResponseWriter, r *http.Request) {
			<-hold
			rw.WriteHeader(404)
		}
	})
	for i := range maxOfOne {
		w.v.ask(t.Context(), fmt.Sprint("guess-", i), "192.0.2.66")
	}
	if f := w.v.ask(t.Context(), "one more", "192.0.2.66"); f.err == nil {
		t.Error("one address has more questions than its share")
	}
	w.change(func() { w.answer = nil })
	close(hold)
	if code := w.status("good"); code != let {
		t.Errorf("another address: %d", code)
	}
}

// TestAccessRulesCostLittle: users make them for themselves.
func TestAccessRulesCostLittle(t *testing.T) {
	var rules strings.Builder
	for i := range 10 * maxRules {
		fmt.Fprintf(&rules, `{"service":"baremetal","method":"GET","path":"/v1/**/x%d/**"},`, i)
	}
	w := newWorld(t)
	w.knows("many", aReader+`,"application_credential":{"access_rules":[`+rules.String()+`{"service":"baremetal","method":"GET","path":"/v1/nodes"}]}`)
	w.knows("long", aReader+`,"application_credential":{"access_rules":[{"service":"baremetal","method":"GET","path":"**"}]}`)
	if code := w.status("many"); code != http.StatusUnauthorized {
		t.Errorf("a rule behind the bound: %d", code)
	}
	through := w.v.Middleware("baremetal")
	for length, want := range map[int]int{100: let, 100_000: http.StatusUnauthorized} {
		r := httptest.NewRequest("GET", "/v1/nodes/"+strings.Repeat("x", length), nil)
		if code := w.ask(through, http.NotFoundHandler(), r, "long").Code; code != want {
			t.Errorf("a path of %d bytes: %d", length, code)
		}
	}
}
