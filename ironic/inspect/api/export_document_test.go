package inspectapi

import (
	"reflect"
	"strings"
)

// What the tests in package inspectapi_test hold the OpenAPI document to.

// MaxMinor is the highest minor version.
const MaxMinor = maxMinor

// RouteInfo tells of a route.
type RouteInfo struct {
	Method, Path    string // as the document writes them
	Public, Lenient bool
}

// Routes are all that the service has.
func Routes() []RouteInfo {
	var out []RouteInfo
	for _, rt := range new(server).routes() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		out = append(out, RouteInfo{method, strings.TrimSuffix(path, "{$}"), rt.public, rt.lenient})
	}
	return out
}

// Members are those of each type that answers are made of, by the name of its schema.
func Members() map[string][]string {
	return map[string][]string{"Introspection": membersOf(reflect.TypeFor[Status]()), "Rule": membersOf(reflect.TypeFor[rule]()),
		"WholeRule": membersOf(reflect.TypeFor[wholeRule]()), "Link": membersOf(reflect.TypeFor[link]())}
}

func membersOf(t reflect.Type) (out []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			out = append(out, membersOf(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

// States are those of an introspection.
func States() []string { return []string{starting, waiting, finished, failed} }
