package keystone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// fakeKeystone answers logins of one service user and questions about tokens. Tests
// change its fields under mu.
type fakeKeystone struct {
	*httptest.Server
	now func() time.Time

	mu       sync.Mutex
	password string
	lasts    time.Duration       // of the tokens that it gives to the service user
	tokens   map[string]string   // what it says about a token; others are unknown
	answer   http.HandlerFunc    // in place of its answer about a token
	given    map[string]struct{} // own tokens that are good
	scope    string              // what the last login asked for
	logins   int
	asked    int
}

const rightPassword = "s3rv1ce-p4ssword"

func newFakeKeystone(t *testing.T, now func() time.Time) *fakeKeystone {
	f := unstartedFakeKeystone(now)
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func unstartedFakeKeystone(now func() time.Time) *fakeKeystone {
	f := &fakeKeystone{now: now, password: rightPassword, lasts: time.Hour, tokens: map[string]string{}, given: map[string]struct{}{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /identity/v3/auth/tokens", f.login)
	mux.HandleFunc("GET /identity/v3/auth/tokens", f.validate)
	f.Server = httptest.NewUnstartedServer(mux)
	return f
}

func (f *fakeKeystone) login(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins++
	var body struct {
		Auth struct {
			Identity struct {
				Password struct {
					User struct {
						Name, Password string
						Domain         struct{ ID, Name string }
					}
				}
			}
			Scope json.RawMessage
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	u := body.Auth.Identity.Password.User
	f.scope = fmt.Sprintf("%s of %s%s: %s", u.Name, u.Domain.ID, u.Domain.Name, body.Auth.Scope)
	if u.Password != f.password {
		http.Error(w, `{"error":{"code":401,"message":"`+u.Password+` is wrong"}}`, 401)
		return
	}
	own := fmt.Sprintf("own-token-%d", f.logins)
	f.given[own] = struct{}{}
	w.Header().Set("X-Subject-Token", own)
	w.WriteHeader(201)
	fmt.Fprintf(w, `{"token":{"expires_at":%q,"catalog":[]}}`, f.now().Add(f.lasts).UTC().Format("2006-01-02T15:04:05.000000Z"))
}

func (f *fakeKeystone) validate(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked++
	_, good := f.given[r.Header.Get("X-Auth-Token")]
	text, known := f.tokens[r.Header.Get("X-Subject-Token")]
	answer := f.answer
	f.mu.Unlock()
	switch {
	case !good:
		http.Error(w, `{"error":{"code":401}}`, 401)
	case r.Header.Get("OpenStack-Identity-Access-Rules") != "1" || !r.URL.Query().Has("nocatalog") || r.URL.Query().Has("allow_expired"):
		http.Error(w, "this is not how it is asked: "+r.URL.String(), 400)
	case answer != nil:
		answer(w, r)
	case !known:
		http.Error(w, `{"error":{"code":404}}`, 404)
	default:
		fmt.Fprint(w, text)
	}
}

// counts are the logins and questions so far.
func (f *fakeKeystone) counts() (logins, asked int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins, f.asked
}

func (f *fakeKeystone) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// journal is a log that tests read.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// world is a Validator beside the fake Keystone that it asks.
type world struct {
	t *testing.T
	*fakeKeystone
	clock *clock
	log   *journal
	cfg   Config
	v     *Validator
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	c := newClock()
	return newWorldOf(t, newFakeKeystone(t, c.Now), c, change...)
}

func newWorldOf(t *testing.T, f *fakeKeystone, c *clock, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, clock: c, log: &journal{}, fakeKeystone: f}
	w.cfg = Config{AuthURL: w.URL + "/identity/v3/", PublicURL: "https://keystone.example.org:5000", Username: "ironic", UserDomainName: "Default",
		Password: func() (string, error) { return rightPassword, nil }, ProjectName: "service", ProjectDomainName: "Default",
		CacheTime: MaxCacheTime, Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(w.log, nil))}
	for _, how := range change {
		how(&w.cfg)
	}
	var err error
	if w.v, err = New(w.cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

// knows teaches Keystone a token that is good for an hour.
func (w *world) knows(text, scope string) {
	w.knowsFor(time.Hour, text, scope)
}

func (w *world) knowsFor(d time.Duration, text, scope string) {
	w.change(func() {
		w.tokens[text] = fmt.Sprintf(`{"token":{"expires_at":%q,"user":{"id":"u1","name":"bob","domain":{"id":"d1"}},%s}}`,
			w.clock.Now().Add(d).Format("2006-01-02T15:04:05.000000Z"), scope)
	})
}

const (
	aReader = `"project":{"id":"p1","name":"alpha","domain":{"id":"d2"}},"roles":[{"name":"reader"}]`
	anAdmin = `"system":{"all":true},"roles":[{"name":"admin"},{"name":"member"},{"name":"reader"}]`
)

// ask sends a request through a middleware.
func (w *world) ask(through func(http.Handler) http.Handler, next http.Handler, r *http.Request, token string) *httptest.ResponseRecorder {
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	rec := httptest.NewRecorder()
	through(next).ServeHTTP(rec, r)
	return rec
}

// status is how a GET of /v1/nodes with a token ends.
func (w *world) status(token string) int {
	w.t.Helper()
	return w.ask(w.v.Middleware("baremetal"), http.NotFoundHandler(), httptest.NewRequest("GET", "/v1/nodes", nil), token).Code
}

// let is the status of a request that was let through to http.NotFoundHandler.
const let = http.StatusNotFound
