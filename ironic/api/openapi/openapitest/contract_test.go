package openapitest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// loaded is Load for tests.
func loaded(t *testing.T) *Contract {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exchange is a good one; tests spoil it.
func exchange(method, target, body string, status int, answer string) Exchange {
	h := http.Header{}
	h.Set("X-OpenStack-Ironic-API-Version", "1.82")
	h.Set("X-OpenStack-Ironic-API-Minimum-Version", "1.1")
	h.Set("X-OpenStack-Ironic-API-Maximum-Version", "1.110")
	if answer != "" {
		h.Set("Content-Type", "application/json")
	}
	return Exchange{Method: method, Target: target, Body: body, Status: status, Header: h, Answer: answer}
}

const (
	power   = `{"target":"power on"}`
	refusal = `{"error_message":"{\"faultcode\":\"Client\",\"faultstring\":\"No.\",\"debuginfo\":null}"}`
)

func TestEverySchemaIsJSONSchema(t *testing.T) {
	if err := loaded(t).Schemas(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsAsDocumentedPasses(t *testing.T) {
	c := loaded(t)
	located := exchange("PUT", "/v1/nodes/n/states/power", power, 202, "")
	located.Header.Set("Location", "http://h/v1/nodes/n/states")
	cut := exchange("GET", "/v1/nodes/n", "", 200, `{"uuid":"75e85f1a-7305-4d7e-a86e-02b2822c857a"}`)
	cut.Partial = true
	for _, x := range []Exchange{
		located, cut,
		exchange("GET", "/v1/nodes/", "", 200, `{"nodes":[]}`),
		exchange("GET", "/v1/nodes?limit=2&owner=me&detail=True&fields=uuid,name", "", 200, `{"nodes":[{"links":[],"lessee":null}]}`),
		exchange("GET", "/v1/nodes/n", "", 404, refusal),
		exchange("HEAD", "/v1/nodes/n", "", 404, ""),
		exchange("GET", "/v1/nothing", "", 404, refusal),
		exchange("GET", "/v1/nothing", "", 401, `{"error":{"code":401,"title":"Unauthorized","message":"Log in."}}`),
		exchange("DELETE", "/v1/nodes", "", 400, refusal),
		exchange("DELETE", "/v1/nodes/n", "", 204, ""),
	} {
		if err := c.Check(x); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatIsNotAsDocumentedIsFound(t *testing.T) {
	c := loaded(t)
	plain := exchange("GET", "/v1/nodes", "", 200, `{"nodes":[]}`)
	plain.Header.Set("Content-Type", "text/plain")
	unnumbered := exchange("GET", "/v1/nodes", "", 200, `{"nodes":[]}`)
	unnumbered.Header.Del("X-OpenStack-Ironic-API-Maximum-Version")
	for _, tc := range []struct {
		x    Exchange
		want string
	}{
		{exchange("GET", "/v1/nothing", "", 200, `{}`), "no such path"},
		{exchange("PUT", "/v1/nodes/n", `{}`, 200, `{}`), "no such operation"},
		{exchange("GET", "/v1/nodes", "", 202, ""), "no such status"},
		{exchange("GET", "/v1/nodes", "", 404, `{"error":"no"}`), "error_message"},
		{exchange("GET", "/v1/nothing", "", 404, `not here`), "not JSON"},
		{exchange("GET", "/v1/nothing", "", 401, refusal), "error_message"},
		{exchange("GET", "/v1/nodes", "", 404, `{"error_message":"no"}`), "error_message"},
		{exchange("GET", "/v1/nodes", "", 200, `{"nodes":[{"links":[],"speed":1}]}`), "speed"},
		{exchange("GET", "/v1/nodes", "", 200, `{"nodes":[{"links":[],"created_at":"yesterday"}]}`), "date-time"},
		{exchange("GET", "/v1/nodes", "", 200, `{"nodes":[{"links":[],"provision_state":"asleep"}]}`), "provision_state"},
		{exchange("GET", "/v1/nodes", "", 200, `{"nodes":[{"links":[],"shard":null,"health":null}]}`), "/nodes/0/health is there, which 1.109 brought"},
		{exchange("GET", "/v1/nodes", "", 200, `{}`), "missing property"},
		{exchange("GET", "/v1/nodes/n/vmedia", "", 200, `[]`), "1.93 brought this"},
		{exchange("GET", "/v1/nodes?speed=1", "", 200, `{"nodes":[]}`), "parameter speed"},
		{exchange("GET", "/v1/nodes?health=OK", "", 200, `{"nodes":[]}`), "parameter health, of 1.109"},
		{exchange("GET", "/v1/nodes?limit=few", "", 200, `{"nodes":[]}`), "parameter limit"},
		{exchange("GET", "/v1/nodes?sort_dir=up", "", 200, `{"nodes":[]}`), "parameter sort_dir"},
		{exchange("PUT", "/v1/nodes/n/states/power", power, 202, ""), "no header Location"},
		{exchange("DELETE", "/v1/nodes/n", "", 204, `{}`), "has a body"},
		{exchange("DELETE", "/v1/nodes/n", `{}`, 204, ""), "it has none for this operation"},
		{exchange("PUT", "/v1/nodes/n/traits", "", 204, ""), "without a body"},
		{exchange("PUT", "/v1/nodes/n/traits", `{"traits":["small"]}`, 204, ""), "the request was accepted"},
		{exchange("PUT", "/v1/nodes/n/management/boot_device", `{"boot_device":"pxe","often":true}`, 204, ""), "often"},
		{exchange("POST", "/v1/nodes/n/vmedia", `{"device_type":"cdrom","image_url":"http://h/x"}`, 204, ""), "1.89 brought this"},
		{plain, "Content-Type"},
		{unnumbered, "no header X-OpenStack-Ironic-API-Maximum-Version"},
	} {
		err := c.Check(tc.x)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: %v lacks %q", tc.x.Method, tc.x.Target, err, tc.want)
		}
	}
}

// A member of a request that is null says nothing: clients send them at versions
// that do not know them.
func TestANewMemberThatIsNullIsNoNews(t *testing.T) {
	c := loaded(t)
	for body, ok := range map[string]bool{`{"target":"active","runbook":null}`: true, `{"target":"active","runbook":"r"}`: false,
		`{"target":"unhold"}`: false} {
		x := exchange("PUT", "/v1/nodes/n/states/provision", body, 202, "")
		x.Header.Set("Location", "http://h/v1/nodes/n/states")
		if err := c.Check(x); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// noted is a test whose failures are read.
type noted struct {
	testing.TB
	said string
}

func (n *noted) Error(args ...any) { n.said += fmt.Sprintln(args...) }

// What stands before an API fails the test and passes on what the API answered.
func TestAHandlerIsHeldToItsDocument(t *testing.T) {
	c := loaded(t)
	for answer, want := range map[string]string{`{"nodes":[]}`: "", `{"knots":[]}`: "GET /v1/nodes?limit=2 (status 200)"} {
		n := &noted{TB: t}
		h := c.Held(n, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			maps.Copy(w.Header(), exchange("GET", "/v1/nodes", "", 200, answer).Header)
			_, _ = io.WriteString(w, answer)
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/nodes?limit=2", nil))
		if (n.said == "") != (want == "") || !strings.Contains(n.said, want) || w.Body.String() != answer || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: said %q, passed on %d %v %s", answer, n.said, w.Code, w.Header(), w.Body)
		}
	}
}
