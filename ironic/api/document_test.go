package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
	"trefoil/ironic/api/openapi"
	"trefoil/ironic/api/openapi/openapitest"
	"trefoil/ironic/fsm"
)

// contract is the OpenAPI document.
var contract = sync.OnceValues(openapitest.Load)

// held passes on what h answers; what is not as the document says fails the test.
func held(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	c, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	return c.Held(t, h)
}

// serve puts h on a loopback port, held to the document, and returns its URL.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(held(t, h))
	t.Cleanup(server.Close)
	return server.URL
}

type object = openapitest.Object

// document is the served document.
func document(t *testing.T) object { return openapitest.Document(t, openapi.Load) }

// minor is the version that brought something; 0 means that it was always there.
func minor(v any) int {
	text, _ := v.(string)
	n, _ := strconv.Atoi(strings.TrimPrefix(text, "1."))
	return n
}

func since(o object) int { return minor(o["x-ironic-min-version"]) }

// routes are those of the stand-ins. A resource that is there only with a store
// or a conductor that knows it is tested when apitest's do.
func routes() []api.RouteInfo {
	store := apitest.NewStore()
	return api.Routes(api.Config{Store: store, Conductor: apitest.NewConductor(store)})
}

// placeless says that a method is there only to be refused: it wants one resource
// of a collection, or what Ironic has under another path.
func (r *rig) placeless(path, method string) bool {
	fault := r.do(method, path, "latest", "").fault()
	return (method == "DELETE" || method == "PATCH") && !strings.Contains(path, "{") && strings.HasPrefix(fault, "Missing mandatory parameter") ||
		fault == "Malformed request URI."
}

func TestEveryRouteIsInTheDocumentAndBack(t *testing.T) {
	r := newRig(t)
	served := map[string]openapitest.Route{}
	for _, rt := range routes() {
		for _, method := range rt.Methods {
			if !r.placeless(rt.Path, method) {
				served[method+" "+rt.Path] = openapitest.Route{Public: rt.Public, Lenient: rt.Lenient}
			}
		}
	}
	openapitest.HoldRoutes(t, document(t), "ironic/api/openapi/document", served)
}

// byRouter says that an answer refuses path or method, not what was asked of them.
func byRouter(a answer) bool {
	return (a.status == 404 || a.status == 405) && strings.Contains(a.body, `\"title\"`)
}

func TestTheDocumentSaysWhichVersionBroughtEachRoute(t *testing.T) {
	r := newRig(t)
	fill := strings.NewReplacer("{node}", "nobody", "{driver}", "fake-hardware")
	for path, item := range openapitest.Within(document(t), "paths") {
		target := fill.Replace(path)
		for strings.Contains(target, "{") {
			a, b := strings.Index(target, "{"), strings.Index(target, "}")
			target = target[:a] + "nothing" + target[b+1:]
		}
		for _, method := range openapi.Methods() {
			op := openapitest.Within(item.(object), method)
			if op == nil {
				continue
			}
			method = strings.ToUpper(method)
			first := max(since(item.(object)), since(op), 1)
			if a := r.do(method, target, fmt.Sprintf("1.%d", first), ""); byRouter(a) {
				t.Errorf("%s %s: the document says that 1.%d brought it, but there it answers %d: %s", method, path, first, a.status, a.body)
			}
			if first == 1 || op["x-ironic-lenient"] == true {
				continue
			}
			if a := r.do(method, target, fmt.Sprintf("1.%d", first-1), ""); !byRouter(a) {
				t.Errorf("%s %s: the document says that 1.%d brought it, but one version below it answers %d: %s", method, path, first, a.status, a.body)
			}
		}
	}
}

func TestTheDocumentHasTheFieldsOfEachTable(t *testing.T) {
	schemas := openapitest.Within(document(t), "components", "schemas")
	for resource, table := range api.FieldTables() {
		shown := openapitest.Within(schemas, resource, "properties")
		create := openapitest.Within(schemas, resource+"Create", "properties")
		known := map[string]bool{}
		for _, f := range table {
			known[f.Name] = true
			p, ok := shown[f.Name].(object)
			if !ok {
				t.Errorf("the schema %s lacks the field %s (since 1.%d)", resource, f.Name, f.Since)
				continue
			}
			if since(p) != f.Since {
				t.Errorf("%s.%s: the document says since 1.%d, the table 1.%d", resource, f.Name, since(p), f.Since)
			}
			if patch := p["x-ironic-patchable"] == true; patch != f.Patch {
				t.Errorf("%s.%s: the document says x-ironic-patchable: %t, the table: %t", resource, f.Name, patch, f.Patch)
			}
			in, ok := create[f.Name].(object)
			read := resource == "Allocation" && (f.Name == "traits" || f.Name == "candidate_nodes") // by hand, not by the table
			switch {
			case ok != (f.Initial || read):
				t.Errorf("%sCreate.%s: in the document: %t, in the table: %t", resource, f.Name, ok, f.Initial)
			case f.Initial && (since(in) != f.Since || f.Input != "" && in["$ref"] != "#/components/schemas/"+f.Input):
				t.Errorf("%sCreate.%s: the document says %v, the table since 1.%d and %s", resource, f.Name, in, f.Since, f.Input)
			}
		}
		for name := range shown {
			if !known[name] {
				t.Errorf("the schema %s has the member %s, which is no field", resource, name)
			}
		}
	}
}

// queryParameters are those of an operation with the version of each.
func queryParameters(doc object, op object) map[string]int {
	out := map[string]int{}
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		o := p.(object)
		if to, ok := o["$ref"].(string); ok {
			o = openapitest.Within(doc, strings.Split(to, "/")[1:]...)
		}
		if o["in"] == "query" {
			out[o["name"].(string)] = since(o)
		}
	}
	return out
}

func TestTheDocumentHasTheFiltersOfEachTable(t *testing.T) {
	doc := document(t)
	for path, filters := range api.FilterTables() {
		want := maps.Clone(filters)
		for _, name := range []string{"limit", "marker", "sort_key", "sort_dir"} {
			want[name] = 0
		}
		if !strings.HasSuffix(path, "/detail") {
			want["fields"], want["detail"] = 8, 43
		}
		if got := queryParameters(doc, openapitest.Within(doc, "paths", path, "get")); !maps.Equal(got, want) {
			t.Errorf("GET %s: the document has the parameters %v, the API %v", path, got, want)
		}
	}
}

// valuesOf are the values of an enum with the version of each.
func valuesOf(schema object) map[string]int {
	out := map[string]int{}
	list, _ := schema["enum"].([]any)
	for _, v := range list {
		out[v.(string)] = max(minor(openapitest.Within(schema, "x-ironic-min-versions")[v.(string)]), 1)
	}
	return out
}

func TestTheDocumentHasTheStatesAndVerbs(t *testing.T) {
	schemas := openapitest.Within(document(t), "components", "schemas")
	var states []any
	for _, s := range fsm.States() {
		states = append(states, string(s))
	}
	if got := openapitest.Within(schemas, "ProvisionState")["enum"]; !slices.Equal(got.([]any), states) {
		t.Errorf("provision states: the document has %v, the table %v", got, states)
	}
	verbs := map[string]int{}
	for _, v := range fsm.Verbs() {
		verbs[v.Name] = v.Since
	}
	if got := valuesOf(openapitest.Within(schemas, "ProvisionVerb")); !maps.Equal(got, verbs) {
		t.Errorf("verbs: the document has %v, the table %v", got, verbs)
	}
	if got := valuesOf(openapitest.Within(schemas, "PowerTarget")); !maps.Equal(got, api.PowerVerbs()) {
		t.Errorf("targets of power: the document has %v, the API %v", got, api.PowerVerbs())
	}
	power := map[string]int{ironic.PowerOn: 1, ironic.PowerOff: 1, ironic.PowerError: 1}
	if got := valuesOf(openapitest.Within(schemas, "PowerState")); !maps.Equal(got, power) {
		t.Errorf("power states: the document has %v, want %v", got, power)
	}
	for schema, want := range api.BodyMembers() {
		got := map[string]int{}
		for name, p := range openapitest.Within(schemas, schema, "properties") {
			got[name] = max(since(p.(object)), 1)
		}
		if !maps.Equal(got, want) {
			t.Errorf("members of %s: the document has %v, the API %v", schema, got, want)
		}
	}
}

func TestTheDocumentNamesTheHighestVersion(t *testing.T) {
	if got, want := openapitest.Within(document(t), "info")["version"], fmt.Sprintf("1.%d", api.MaxMinor); got != want {
		t.Errorf("info.version is %v, want %s", got, want)
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	r := newRig(t)
	d, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", "1.1", "1.999", "nonsense"} {
		a := r.do("GET", "/openapi.json", version, "")
		if a.status != 200 || a.body != string(d.JSON) || a.header.Get("Content-Type") != "application/json" ||
			a.header.Get("ETag") != d.ETag || a.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("version %q: status %d, header %v, %d bytes", version, a.status, a.header, len(a.body))
		}
	}
	want := "<" + r.url + `/openapi.json>; rel="service-desc"; type="application/json"`
	if got := r.do("GET", "/", "", "").header.Get("Link"); got != want {
		t.Errorf("Link of / is %q, want %q", got, want)
	}
	r.do("POST", "/openapi.json", "", "{}").want(t, 405, "")
}

func TestWhoHasTheDocumentIsToldSo(t *testing.T) {
	r := newRig(t)
	d, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]int{d.ETag: 304, `"other", ` + d.ETag: 304, "W/" + d.ETag: 304, `"other"`: 200} {
		req := httptest.NewRequest("GET", "/openapi.json", nil)
		req.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		if w.Code != want || (w.Body.Len() == 0) != (want == 304) {
			t.Errorf("If-None-Match %s: status %d with %d bytes, want %d", tag, w.Code, w.Body.Len(), want)
		}
	}
}

func TestRecordedAnswersFitTheDocument(t *testing.T) {
	c, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	whole, cut := 0, 0
	for _, s := range readSamples(t) {
		x := openapitest.Exchange{Method: s.method, Target: s.url, Body: s.body, Status: s.status, Header: s.answer, Answer: s.text}
		if s.text != "" && !json.Valid([]byte(s.text)) {
			x.Answer, x.Partial = rest(t, s.text), true
			cut++
		} else {
			whole++
		}
		if x.Partial && x.Status >= 400 {
			continue // the sentence itself was cut
		}
		if err := c.Check(x); err != nil {
			t.Errorf("%s: %v", s.title, err)
		}
	}
	if whole < 25 || cut < 3 {
		t.Errorf("%d whole and %d cut answers were read", whole, cut)
	}
}

// rest is the JSON object of the members that a cut text has whole.
func rest(t *testing.T, text string) string {
	t.Helper()
	m, _ := members([]byte(text))
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The conductor's tests have what Ironic told an agent.
func TestRecordedLookupFitsTheDocument(t *testing.T) {
	c, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("../conductor/testdata/ipa-trace-clean.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	var line struct {
		Reply struct{ Config json.RawMessage } // the node was left out of the record
	}
	if err := json.Unmarshal([]byte(first), &line); err != nil || len(line.Reply.Config) == 0 {
		t.Fatalf("no configuration in %s: %v", first, err)
	}
	if err := c.Validate("LookupConfig", string(line.Reply.Config)); err != nil {
		t.Error(err)
	}
}
