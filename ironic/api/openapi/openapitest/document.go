package openapitest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"trefoil/ironic/api/openapi"
)

// Object is an object of a document.
type Object = map[string]any

// Document is what is served of a document.
func Document(t testing.TB, load func() (openapi.Document, error)) Object {
	t.Helper()
	d, err := load()
	if err != nil {
		t.Fatal(err)
	}
	var doc Object
	if err := json.Unmarshal(d.JSON, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// Within is an object at a way of names; nil if there is none.
func Within(o Object, way ...string) Object {
	for _, name := range way {
		o, _ = o[name].(Object)
	}
	return o
}

// Route is what a document tells of a route as well.
type Route struct {
	Public  bool // open to everybody
	Lenient bool // answered whatever version is asked for
}

// HoldRoutes compares the routes of an API, by method and path, with those of its document, which lies in folder.
func HoldRoutes(t testing.TB, doc Object, folder string, served map[string]Route) {
	t.Helper()
	paths := Within(doc, "paths")
	for name, rt := range served {
		method, path, _ := strings.Cut(name, " ")
		op := Within(paths, path, strings.ToLower(method))
		if op == nil {
			t.Errorf("the OpenAPI document has no entry for the route %s: write it in a file of %s", name, folder)
			continue
		}
		if _, open := op["security"]; open != rt.Public {
			t.Errorf("%s: the document says that it is open to everybody: %t, the API: %t", name, open, rt.Public)
		}
		if lenient := op["x-ironic-lenient"] == true; lenient != rt.Lenient {
			t.Errorf("%s: the document says x-ironic-lenient: %t, the API: %t", name, lenient, rt.Lenient)
		}
	}
	for path := range paths {
		for _, method := range openapi.Methods() {
			name := strings.ToUpper(method) + " " + path
			if _, ok := served[name]; !ok && Within(paths, path, method) != nil {
				t.Errorf("the OpenAPI document has an entry for %s, which is no route: take it out of %s, or serve it", name, folder)
			}
		}
	}
}

// Unauthorized answers as the undercloud's identity does, which refuses before an API is reached.
func Unauthorized(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`{"error":{"code":401,"title":"Unauthorized","message":"Log in."}}`))
}
