package inspectapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"trefoil/ironic/api/openapi"
	"trefoil/ironic/api/openapi/openapitest"
	"trefoil/ironic/inspect/api"
	"trefoil/ironic/inspect/rules"
)

// contract is the OpenAPI document.
var contract = sync.OnceValues(openapitest.LoadIntrospection)

// held is the API, each answer of which must be as the OpenAPI document says.
func held(t *testing.T, cfg inspectapi.Config) http.Handler {
	t.Helper()
	c, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	return c.Held(t, inspectapi.New(cfg))
}

// document is the served document.
func document(t *testing.T) openapitest.Object {
	return openapitest.Document(t, openapi.LoadIntrospection)
}

func TestEveryRouteIsInTheDocumentAndBack(t *testing.T) {
	served := map[string]openapitest.Route{}
	for _, rt := range inspectapi.Routes() {
		served[rt.Method+" "+rt.Path] = openapitest.Route{Public: rt.Public, Lenient: rt.Lenient}
	}
	openapitest.HoldRoutes(t, document(t), "ironic/api/openapi/introspection", served)
}

func TestTheDocumentHasTheMembersOfEachType(t *testing.T) {
	schemas := openapitest.Within(document(t), "components", "schemas")
	for name, members := range inspectapi.Members() {
		got := slices.Sorted(maps.Keys(openapitest.Within(schemas, name, "properties")))
		slices.Sort(members)
		if !slices.Equal(got, members) {
			t.Errorf("members of %s: the document has %v, the API %v", name, got, members)
		}
	}
	for at, want := range map[string][]string{"State": inspectapi.States(), "Condition op": rules.ClassicOps(), "Action action": rules.ClassicActions()} {
		schema, member, inner := strings.Cut(at, " ")
		from := openapitest.Within(schemas, schema)
		if inner {
			from = openapitest.Within(from, "properties", member)
		}
		if got := fmt.Sprint(from["enum"]); got != fmt.Sprint(want) {
			t.Errorf("values of %s: the document has %s, the API %v", at, got, want)
		}
	}
	if got, want := openapitest.Within(document(t), "info")["version"], fmt.Sprintf("1.%d", inspectapi.MaxMinor); got != want {
		t.Errorf("info.version is %v, want %s", got, want)
	}
}

// It is there for whoever asks, whatever version he names, and who has it is told so.
func TestTheDocumentIsServed(t *testing.T) {
	r := newRig(t)
	d, err := openapi.LoadIntrospection()
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", "1.0", "1.999", "nonsense"} {
		if status, body := r.do("GET", "/openapi.json", version, ""); status != 200 || body != string(d.JSON) {
			t.Errorf("version %q: %d, %d bytes", version, status, len(body))
		}
	}
	h := held(t, inspectapi.Config{Store: r.store, Conductor: r.conductor, BaseURL: "https://inspector.example.org:13050/"})
	req := httptest.NewRequest("GET", "/openapi.json", nil)
	req.Header.Set("If-None-Match", d.ETag)
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, req); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("whoever has it is sent %d, %d bytes", w.Code, w.Body.Len())
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got, want := w.Header().Get("Link"), `<https://inspector.example.org:13050/openapi.json>; rel="service-desc"; type="application/json"`; got != want {
		t.Errorf("Link of / is %q, want %q", got, want)
	}
}
