package keystone

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/ironic/policy"
	"trefoil/undercloud/identity"
)

func TestTokensBecomeCallers(t *testing.T) {
	bob := policy.Caller{UserID: "u1", User: "bob", UserDomainID: "d1"}
	inAlpha := func(roles ...string) policy.Caller {
		c := bob
		c.ProjectID, c.Project, c.ProjectDomainID, c.Roles = "p1", "alpha", "d2", roles
		return c
	}
	system := func(c policy.Caller, roles ...string) policy.Caller { c.System, c.Roles = true, roles; return c }
	const alpha = `"project":{"id":"p1","name":"alpha","domain":{"id":"d2"}}`
	for name, c := range map[string]struct {
		scope string
		want  policy.Caller
	}{
		"a project's reader":         {aReader, inAlpha("reader")},
		"the system's admin":         {anAdmin, system(bob, "admin", "member", "reader")},
		"a role in capitals":         {alpha + `,"roles":[{"name":"Admin"}]`, inAlpha("admin")},
		"a project's admin":          {alpha + `,"is_admin_project":false,"roles":[{"name":"admin"}]`, inAlpha("admin")},
		"the admin project's admin":  {alpha + `,"is_admin_project":true,"roles":[{"name":"admin"}]`, system(inAlpha(), "admin", "manager", "member", "reader")},
		"the admin project's reader": {alpha + `,"is_admin_project":true,"roles":[{"name":"reader"}]`, inAlpha("reader")},
		"system that is not all":     {alpha + `,"system":{"all":false},"roles":[{"name":"reader"}]`, inAlpha("reader")},
		"no role":                    {alpha, inAlpha()},
	} {
		w := newWorld(t)
		w.knows("tok", c.scope)
		var got policy.Caller
		var left string
		rec := w.ask(w.v.Middleware("baremetal"), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got, left = identity.Caller(r.Context()), r.Header.Get("X-Auth-Token")
		}), httptest.NewRequest("GET", "/v1/nodes", nil), "tok")
		if len(got.Roles) == 0 {
			got.Roles = nil
		}
		if rec.Code != 200 || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %d\n got %+v\nwant %+v", name, rec.Code, got, c.want)
		}
		if left != "" {
			t.Errorf("%s: the token goes on behind the middleware", name)
		}
	}
}

func TestTheServiceUserLogsInWhereItIsTold(t *testing.T) {
	w := newWorld(t)
	w.knows("tok", aReader)
	w.status("tok")
	if w.scope != `ironic of Default: {"project":{"domain":{"name":"Default"},"name":"service"}}` {
		t.Errorf("%s", w.scope)
	}
	w = newWorld(t, func(c *Config) { c.ProjectName, c.SystemScope, c.UserDomainName, c.UserDomainID = "", true, "", "d7" })
	w.status("tok")
	if w.scope != `ironic of d7: {"system":{"all":true}}` {
		t.Errorf("%s", w.scope)
	}
}

func TestTokensForNothingAreForbidden(t *testing.T) {
	w := newWorld(t)
	w.knows("unscoped", `"methods":["password"]`)
	w.knows("domain", `"domain":{"id":"d1"},"roles":[{"name":"admin"}]`)
	for _, text := range []string{"unscoped", "domain"} {
		if code := w.status(text); code != 403 {
			t.Errorf("%s: %d", text, code)
		}
	}
}

func TestWhoIsRefused(t *testing.T) {
	w := newWorld(t)
	w.knowsFor(-time.Second, "expired", anAdmin)
	for name, c := range map[string]struct {
		token string
		asked int // of Keystone
	}{
		"no token": {"", 0}, "an unknown one": {"foreign", 1}, "an expired one": {"expired", 1}, "a long one": {strings.Repeat("a", maxToken+1), 0},
		"a blank in it": {"a b", 0}, "no ASCII": {"tökén", 0},
	} {
		_, before := w.counts()
		rec := w.ask(w.v.Middleware("baremetal"), http.NotFoundHandler(), httptest.NewRequest("GET", "/v1/nodes", nil), c.token)
		_, after := w.counts()
		if rec.Code != 401 || rec.Header().Get("WWW-Authenticate") != `Keystone uri="https://keystone.example.org:5000"` || after-before != c.asked ||
			!strings.Contains(rec.Body.String(), `"message":"The request you have made requires authentication."`) {
			t.Errorf("%s: %d %v %s, asked %d", name, rec.Code, rec.Header(), rec.Body, after-before)
		}
	}
}

func TestAnswersAreRemembered(t *testing.T) {
	w := newWorld(t)
	w.knows("tok", aReader)
	w.knowsFor(time.Minute, "short", aReader)
	expect := func(what, token string, code, questions int) {
		t.Helper()
		_, before := w.counts()
		got := w.status(token)
		if _, after := w.counts(); got != code || after-before != questions {
			t.Errorf("%s: %d after %d questions, expected %d after %d", what, got, after-before, code, questions)
		}
	}
	expect("new", "tok", let, 1)
	expect("new", "short", let, 1)
	expect("unknown", "foreign", 401, 1)
	w.clock.pass(refusedFor - time.Second)
	expect("a refusal", "foreign", 401, 0)
	w.clock.pass(time.Second)
	expect("a refusal after its time", "foreign", 401, 1)
	w.clock.pass(time.Minute)
	expect("a token that is over", "short", 401, 1)
	w.change(func() { delete(w.tokens, "tok") })
	w.clock.pass(MaxCacheTime - refusedFor - time.Minute - time.Second)
	expect("a revoked one within the time", "tok", let, 0)
	w.clock.pass(time.Second)
	expect("a revoked one behind it", "tok", 401, 1)
}

func TestNothingIsRememberedThatShallNotBe(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.CacheTime = 0 })
	w.knows("tok", aReader)
	w.status("tok")
	w.change(func() { delete(w.tokens, "tok") })
	if code := w.status("tok"); code != 401 {
		t.Errorf("without a memory a revoked token is %d", code)
	}
	long := newWorld(t, func(c *Config) { c.CacheTime = time.Hour })
	if long.v.cfg.CacheTime != MaxCacheTime {
		t.Errorf("tokens are remembered for %s", long.v.cfg.CacheTime)
	}
}

func TestTheMemoryIsBoundedAndHoldsNoTokens(t *testing.T) {
	now := newClock().Now()
	c := newCache(3)
	for i := range 5 {
		c.put(digest{byte(i)}, &token{}, now, now.Add(time.Minute))
	}
	c.put(digest{4}, &token{}, now, now.Add(time.Minute))
	for i := range 5 {
		if _, ok := c.get(digest{byte(i)}, now); ok != (i > 1) {
			t.Errorf("entry %d of 5 in a memory of 3: %v", i, ok)
		}
	}
	if c.get(digest{4}, now.Add(time.Minute)); len(c.entries) != 2 || c.order.Len() != 2 {
		t.Errorf("%d %d", len(c.entries), c.order.Len())
	}
	a, b := newWorld(t), newWorld(t)
	if a.v.digest("tok") == b.v.digest("tok") {
		t.Error("another process could tell which tokens were seen")
	}
	a.knows("tok", aReader)
	a.status("tok")
	for i := range maxBad + 5 {
		a.v.bad.put(digest{byte(i), byte(i >> 8)}, nil, a.clock.Now(), a.clock.Now().Add(time.Minute))
	}
	_, before := a.counts()
	if a.status("tok"); len(a.v.bad.entries) != maxBad {
		t.Errorf("%d refusals", len(a.v.bad.entries))
	}
	if _, after := a.counts(); after != before {
		t.Error("strangers' tokens pushed out a good one")
	}
}

// TestManyWithOneTokenAskOnce has the first of them leave before the answer is there.
func TestManyWithOneTokenAskOnce(t *testing.T) {
	w := newWorld(t)
	w.knows("tok", aReader)
	come, goOn := make(chan struct{}, 100), make(chan struct{})
	text := w.tokens["tok"]
	w.answer = func(rw http.ResponseWriter, _ *http.Request) {
		come <- struct{}{}
		<-goOn
		fmt.Fprint(rw, text)
	}
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan int)
	go func() {
		left <- w.ask(w.v.Middleware("baremetal"), http.NotFoundHandler(), httptest.NewRequest("GET", "/v1/nodes", nil).WithContext(ctx), "tok").Code
	}()
	<-come
	leave()
	if code := <-left; code != 503 {
		t.Errorf("who left: %d", code)
	}
	var all sync.WaitGroup
	codes := make(chan int, 20)
	for range 20 {
		all.Go(func() { codes <- w.status("tok") })
	}
	close(goOn)
	all.Wait()
	for range 20 {
		if code := <-codes; code != let {
			t.Errorf("%d", code)
		}
	}
	if logins, asked := w.counts(); logins != 1 || asked != 1 {
		t.Errorf("%d logins, %d questions", logins, asked)
	}
}

func TestTooManyTokensAtATime(t *testing.T) {
	w := newWorld(t)
	for i := range maxAsking {
		w.v.flights[digest{byte(i), byte(i >> 8), 1}] = &flight{}
	}
	if code := w.status("tok"); code != 503 {
		t.Errorf("%d", code)
	}
	if _, asked := w.counts(); asked != 0 {
		t.Errorf("%d questions", asked)
	}
}

func TestIntrospectionIsForTheSystem(t *testing.T) {
	w := newWorld(t)
	w.knows("project", `"project":{"id":"p1","name":"alpha","domain":{"id":"d2"}},"roles":[{"name":"admin"},{"name":"reader"}]`)
	w.knows("reader", `"system":{"all":true},"roles":[{"name":"reader"}]`)
	w.knows("admin", anAdmin)
	w.knows("own", `"is_admin_project":true,"project":{"id":"p2","name":"admin","domain":{"id":"d2"}},"roles":[{"name":"admin"}]`)
	for _, c := range []struct{ request, may string }{
		{"GET /v1/introspection", "reader admin own"}, {"GET /v1/introspection/n1", "reader admin own"}, {"POST /v1/introspection/n1", "admin own"},
		{"GET /v1/introspection/n1/data", "admin own"}, {"GET /v1/rules", "admin own"}, {"DELETE /v1/rules", "admin own"},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		for _, who := range []string{"project", "reader", "admin", "own"} {
			want := 403
			if strings.Contains(c.may, who) {
				want = let
			}
			if rec := w.ask(w.v.Introspection("baremetal-introspection"), http.NotFoundHandler(), httptest.NewRequest(method, path, nil), who); rec.Code != want {
				t.Errorf("%s of %s: %d %s", c.request, who, rec.Code, rec.Body)
			}
		}
	}
}

func TestAccessRulesOfApplicationCredentials(t *testing.T) {
	const nodes = `{"service":"baremetal","method":"GET","path":"/v1/nodes"}`
	for name, c := range map[string]struct {
		rules, request string
		want           int
	}{
		"none are allowed":     {``, "GET /v1/nodes", 401},
		"the path":             {nodes, "GET /v1/nodes", let},
		"another path":         {nodes, "GET /v1/nodes/n1", 401},
		"another method":       {nodes, "POST /v1/nodes", 401},
		"another service":      {`{"service":"compute","method":"GET","path":"/v1/nodes"}`, "GET /v1/nodes", 401},
		"one of two":           {`{"service":"compute","method":"GET","path":"/x"},` + nodes, "GET /v1/nodes", let},
		"a part":               {`{"service":"baremetal","method":"GET","path":"/v1/nodes/*/states"}`, "GET /v1/nodes/n1/states", let},
		"a part is no two":     {`{"service":"baremetal","method":"GET","path":"/v1/nodes/*"}`, "GET /v1/nodes/n1/states", 401},
		"a named part":         {`{"service":"baremetal","method":"GET","path":"/v1/nodes/{node}/states"}`, "GET /v1/nodes/n1/states", let},
		"many parts":           {`{"service":"baremetal","method":"GET","path":"/v1/**"}`, "GET /v1/nodes/n1/states", let},
		"letters of a pattern": {`{"service":"baremetal","method":"GET","path":"/v1/n.des"}`, "GET /v1/nodes", 401},
		"a slash in disguise":  {`{"service":"baremetal","method":"GET","path":"/v1/nodes/*/states"}`, "GET /v1/nodes/n1%2Fstates", 401},
	} {
		w := newWorld(t)
		w.knows("tok", aReader+`,"application_credential":{"id":"a1","access_rules":[`+c.rules+`]}`)
		method, path, _ := strings.Cut(c.request, " ")
		if rec := w.ask(w.v.Middleware("baremetal"), http.NotFoundHandler(), httptest.NewRequest(method, path, nil), "tok"); rec.Code != c.want {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	w := newWorld(t)
	w.knows("tok", aReader+`,"application_credential":{"id":"a1"}`)
	if code := w.status("tok"); code != let {
		t.Errorf("a credential without rules: %d", code)
	}
}
