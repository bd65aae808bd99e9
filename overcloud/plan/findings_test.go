package plan_test

import (
	"reflect"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
)

// A parameter of a service that no role has is told as that: its name is right.
func TestParameterOfAServiceThatNoRoleHas(t *testing.T) {
	o := article(t)
	var left []any
	for _, s := range build(t, o).Roles[0].Services {
		if !strings.HasPrefix(s, "OS::TripleO::Services::Cinder") {
			left = append(left, s)
		}
	}
	o.Parameters["ControllerServices"] = left
	o.Environments = []plan.File{{Name: "/home/stack/my.yaml", Data: []byte("parameter_defaults:\n  CinderWorkers: 1\n  CinderWorker: 1\n")}}
	p := build(t, o)
	want := []string{
		`/home/stack/my.yaml:3: parameter CinderWorker is not used by any template; did you mean "CinderWorkers"?`,
		`/home/stack/my.yaml:2: parameter CinderWorkers is of OS::TripleO::Services::CinderApi, which no role has`,
	}
	if !reflect.DeepEqual(p.Warnings, want) {
		t.Fatalf("got %q", p.Warnings)
	}
}
