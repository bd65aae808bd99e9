package api_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
)

// rig is the API over the stand-ins, served on a loopback port. Whatever goes
// through there is held to the OpenAPI document.
type rig struct {
	*testing.T
	store     *apitest.Store
	conductor *apitest.Conductor
	url       string
	handler   http.Handler
	logged    *strings.Builder
}

func newRig(t *testing.T) *rig {
	t.Helper()
	store := apitest.NewStore()
	r := &rig{T: t, store: store, conductor: apitest.NewConductor(store), logged: &strings.Builder{}}
	r.handler = api.New(api.Config{Store: store, Conductor: r.conductor, Log: slog.New(slog.NewTextHandler(r.logged, nil))})
	r.url = serve(t, r.handler)
	return r
}

// add enrols a node straight into the store.
func (r *rig) add(n ironic.Node) *ironic.Node {
	r.Helper()
	if n.Driver == "" {
		n.Driver = "fake-hardware"
	}
	if n.ProvisionState == "" {
		n.ProvisionState = "enroll"
	}
	if n.UUID == "" {
		n.UUID = uuid.NewString()
	}
	if err := r.conductor.CheckCreate(context.Background(), &n); err != nil {
		r.Fatal(err)
	}
	if err := r.store.CreateNode(context.Background(), &n); err != nil {
		r.Fatal(err)
	}
	return &n
}

func (r *rig) node(ident string) *ironic.Node {
	r.Helper()
	n, err := r.store.Node(context.Background(), ident)
	if err != nil {
		r.Fatal(err)
	}
	return n
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; version is the microversion, "" for none.
func (r *rig) do(method, path, version, body string) answer {
	r.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	if version != "" {
		req.Header.Set("X-OpenStack-Ironic-API-Version", version)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// fault is the sentence inside the nested error body.
func (a answer) fault() string {
	var outer struct {
		ErrorMessage string `json:"error_message"`
	}
	var inner struct{ Faultstring, Description string }
	if json.Unmarshal([]byte(a.body), &outer) != nil || json.Unmarshal([]byte(outer.ErrorMessage), &inner) != nil {
		return "no error body: " + a.body
	}
	return inner.Faultstring + inner.Description
}

// object is the body as JSON object.
func (a answer) object(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("status %d, body is no JSON object: %v\n%s", a.status, err, a.body)
	}
	return m
}

// want checks a status and, for refusals, a part of the sentence.
func (a answer) want(t testing.TB, status int, part string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if part != "" && !strings.Contains(a.fault(), part) {
		t.Fatalf("fault %q lacks %q", a.fault(), part)
	}
}
