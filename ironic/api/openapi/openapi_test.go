package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// each runs a test with each document, as clients read it.
func each(t *testing.T, test func(t *testing.T, doc object)) {
	for name, load := range map[string]func() (Document, error){"baremetal": Load, "introspection": LoadIntrospection} {
		t.Run(name, func(t *testing.T) {
			d, err := load()
			if err != nil {
				t.Fatal(err)
			}
			var doc object
			if err := json.Unmarshal(d.JSON, &doc); err != nil {
				t.Fatal(err)
			}
			test(t, doc)
		})
	}
}

// operations calls do with each operation of the document.
func operations(doc object, do func(path, method string, item, op object)) {
	for path, item := range member(doc, "paths") {
		for _, method := range Methods() {
			if op, ok := item.(object)[method].(object); ok {
				do(path, method, item.(object), op)
			}
		}
	}
}

// walk calls do with each object of the document and its JSON pointer.
func walk(v any, at string, do func(at string, o object)) {
	switch x := v.(type) {
	case object:
		do(at, x)
		for key, m := range x {
			walk(m, at+"/"+key, do)
		}
	case []any:
		for i, m := range x {
			walk(m, fmt.Sprintf("%s/%d", at, i), do)
		}
	}
}

func TestEachReferenceLeadsSomewhereAndEachComponentIsUsed(t *testing.T) { each(t, references) }

func references(t *testing.T, doc object) {
	components := member(doc, "components")
	used := map[string]bool{}
	walk(doc, "", func(at string, o object) {
		to, ok := o["$ref"].(string)
		if !ok {
			return
		}
		parts := strings.Split(to, "/")
		if len(parts) != 4 || parts[0] != "#" || parts[1] != "components" || member(components, parts[2])[parts[3]] == nil {
			t.Errorf("%s refers to %s, which is not there", at, to)
		}
		used[to] = true
	})
	for kind, all := range components {
		for name := range all.(object) {
			if to := "#/components/" + kind + "/" + name; kind != "securitySchemes" && !used[to] {
				t.Errorf("%s is used nowhere", to)
			}
		}
	}
}

func TestEachOperationIsDescribed(t *testing.T) { each(t, descriptions) }

func descriptions(t *testing.T, doc object) {
	tags := map[string]bool{}
	for _, tag := range doc["tags"].([]any) {
		tags[tag.(object)["name"].(string)] = true
	}
	ids := map[string]string{}
	operations(doc, func(path, method string, _, op object) {
		here := method + " " + path
		id, _ := op["operationId"].(string)
		if id == "" || ids[id] != "" {
			t.Errorf("%s has the operationId %q, as has %q", here, id, ids[id])
		}
		ids[id] = here
		if op["summary"] == nil {
			t.Errorf("%s has no summary", here)
		}
		list, _ := op["tags"].([]any)
		if len(list) != 1 || !tags[list[0].(string)] {
			t.Errorf("%s has the tags %v, want one of those that the document explains", here, list)
		}
	})
}

var parameterInPath = regexp.MustCompile(`\{([a-z]+)\}`)

// A client made from the document fills the braces of a path out of its parameters.
func TestEachPathHasItsParameters(t *testing.T) { each(t, pathParameters) }

func pathParameters(t *testing.T, doc object) {
	for path, item := range member(doc, "paths") {
		var want, got []string
		for _, m := range parameterInPath.FindAllStringSubmatch(path, -1) {
			want = append(want, m[1])
		}
		for _, p := range item.(object)["parameters"].([]any) {
			o := p.(object)
			if to, ok := o["$ref"].(string); ok {
				o = member(member(doc, "components"), "parameters")[to[strings.LastIndex(to, "/")+1:]].(object)
			}
			if o["in"] == "path" {
				got = append(got, o["name"].(string))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s declares the parameters %v, want %v", path, got, want)
		}
	}
}

// Bodies are components: generated clients have a type with a name for each.
func TestEachBodyIsAComponent(t *testing.T) { each(t, bodies) }

func bodies(t *testing.T, doc object) {
	walk(doc["paths"], "", func(at string, o object) {
		if body, ok := o["application/json"].(object); ok && member(body, "schema")["$ref"] == nil {
			t.Errorf("the schema at %s is not a component", at)
		}
	})
}

func TestMinimumVersionsAreMicroversions(t *testing.T) { each(t, minimumVersions) }

func minimumVersions(t *testing.T, doc object) {
	version := regexp.MustCompile(`^1\.[1-9][0-9]*$`)
	check := func(at string, v any) {
		if s, ok := v.(string); !ok || !version.MatchString(s) {
			t.Errorf("%s is %v, want a text such as '1.38'", at, v)
		}
	}
	walk(doc, "", func(at string, o object) {
		if v, ok := o["x-ironic-min-version"]; ok {
			check(at, v)
		}
		for value, v := range member(o, "x-ironic-min-versions") {
			check(at+"/"+value, v)
		}
	})
}

func TestWhatAllOperationsShareIsAdded(t *testing.T) { each(t, shared) }

func shared(t *testing.T, doc object) {
	operations(doc, func(path, method string, item, op object) {
		here := method + " " + path
		if list := item["parameters"].([]any); !slices.ContainsFunc(list, func(p any) bool {
			return p.(object)["$ref"] == "#/components/parameters/ApiVersion"
		}) {
			t.Errorf("%s takes no version", here)
		}
		answers := member(op, "responses")
		open, _ := op["security"].([]any)
		if public := op["security"] != nil && len(open) == 0; (answers["401"] == nil) != public || answers["default"] == nil {
			t.Errorf("%s has the answers %v", here, slices.Sorted(maps.Keys(answers)))
		}
		for status, r := range answers {
			_, headers := r.(object)["headers"].(object)
			if r.(object)["$ref"] == nil && (!headers || r.(object)["description"] == nil) {
				t.Errorf("the answer %s of %s has no headers of versions or no description", status, here)
			}
		}
	})
}

func TestFilesThatAreWrongAreNamed(t *testing.T) {
	for want, file := range map[string]string{
		"document/b.yaml: /paths//v1/x is in another file already": "paths: {/v1/x: {}}",
		"document/b.yaml: /info is in another file already":        "info: {}",
		"document/b.yaml: /paths is not an object":                 "paths: []",
		"document/b.yaml:": "paths: {",
		`/v1/y: get: parameters: "Nobody" is neither`:      "paths: {/v1/y: {get: {parameters: [Nobody]}}}",
		`/v1/y: parameters: "Nobody" is neither`:           "paths: {/v1/y: {parameters: [Nobody]}}",
		`/v1/y: put: requestBody: there is no schema "No"`: "paths: {/v1/y: {put: {requestBody: No}}}",
		`/v1/y: get: answer 200: "No" is neither`:          "paths: {/v1/y: {get: {responses: {'200': No}}}}",
		"/v1/y: get: answer 200 is neither":                "paths: {/v1/y: {get: {responses: {'200': 5}}}}",
		"/v1/y: get: there is no answer":                   "paths: {/v1/y: {get: {}}}",
		"/v1/y is not an object":                           "paths: {/v1/y: 5}",
		`set s: parameters: "Nobody" is neither`:           "parameterSets: {s: [Nobody]}\npaths: {/v1/y: {parameters: [s]}}",
	} {
		doc, err := assemble(fstest.MapFS{"document/a.yaml": {Data: []byte("info: {}\npaths: {/v1/x: {}}")}, "document/b.yaml": {Data: []byte(file)}}, "document")
		if err == nil {
			err = expand(doc)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v lacks %q", file, err, want)
		}
	}
}

func TestShortFormsAreWrittenOut(t *testing.T) {
	const text = `
parameterSets: {page: [Limit, {name: marker, in: query}]}
answerHeaders: {X-Number: RequestID}
createdHeaders: {Location: Location}
components:
  parameters: {Limit: {name: limit, in: query}}
  responses: {NoContent: {description: Done.}}
  schemas: {Node: {type: object}}
paths:
  /v1/x:
    post: {parameters: [page], requestBody: Node, responses: {'201': Node, '204': NoContent}}
`
	doc, err := assemble(fstest.MapFS{"document/a.yaml": {Data: []byte(text)}}, "document")
	if err != nil {
		t.Fatal(err)
	}
	if err := expand(doc); err != nil {
		t.Fatal(err)
	}
	op := member(member(member(doc, "paths"), "/v1/x"), "post")
	got, err := json.Marshal([]any{op["parameters"], op["requestBody"], member(op, "responses")["204"],
		member(member(op, "responses"), "201")["content"], member(member(member(op, "responses"), "201"), "headers"), doc["parameterSets"], doc["answerHeaders"], doc["createdHeaders"]})
	if err != nil {
		t.Fatal(err)
	}
	const node = `{"application/json":{"schema":{"$ref":"#/components/schemas/Node"}}}`
	want := `[[{"$ref":"#/components/parameters/Limit"},{"in":"query","name":"marker"}],{"content":` + node + `,"required":true},` +
		`{"$ref":"#/components/responses/NoContent"},` + node + `,{"Location":{"$ref":"#/components/headers/Location"},"X-Number":{"$ref":"#/components/headers/RequestID"}},null,null,null]`
	if string(got) != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestTheSameDocumentHasTheSameETag(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load()
	if err != nil || a.ETag != b.ETag || len(a.ETag) < 10 || a.ETag[0] != '"' {
		t.Errorf("ETags %s and %s of the same document: %v", a.ETag, b.ETag, err)
	}
}
