package plan_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/templates"
)

// Heat takes a number without a fraction for a whole one, and so do those who count beside it.
func TestCountsWithoutAFraction(t *testing.T) {
	for _, v := range []string{"2", "2.0", "'2'", "' 2.0 '"} {
		o := article(t)
		delete(o.Counts, "Compute")
		o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults: {ComputeCount: " + v + "}\n")}}
		o.Sketch = 2
		p := build(t, o)
		i := slices.IndexFunc(p.Roles, func(r plan.Role) bool { return r.Name == "Compute" })
		if p.Roles[i].Count != 2 || !p.Sketched {
			t.Errorf("%s: %d computes, sketched: %v", v, p.Roles[i].Count, p.Sketched)
		}
	}
}

// What Heat takes for no number, hexadecimal too, is none for those who count beside it.
func TestCountsThatAreNone(t *testing.T) {
	for v, found := range map[string]string{"'0x1p1'": "0x1p1", "2.5": "2.5", "true": "True"} {
		o := article(t)
		delete(o.Counts, "Compute")
		o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults: {ComputeCount: " + v + "}\n")}}
		_, err := plan.Build(t.Context(), templates.FS, o)
		if want := "my.yaml:1: ComputeCount: expected a whole number of machines; found " + found; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %q", v, err, want)
		}
	}
}

// A role's own count is read as that of an environment.
func TestCountsOfARoleWithoutAFraction(t *testing.T) {
	for v, refused := range map[string]bool{"2": false, "2.0": false, "'2'": false, "2.5": true, "'0x1p1'": true} {
		o := article(t)
		o.Counts, o.Flavors = nil, nil
		o.Roles = plan.File{Name: "my_roles.yaml", Data: []byte("- name: Controller\n  CountDefault: " + v + "\n  tags: [primary, controller]\n  ServicesDefault: [OS::TripleO::Services::Kernel]\n")}
		p, err := plan.Build(t.Context(), templates.FS, o)
		switch {
		case refused && (err == nil || !strings.Contains(err.Error(), "my_roles.yaml:1: role Controller: CountDefault: expected a whole number of machines; found "+strings.Trim(v, "'"))):
			t.Errorf("%s: got %v", v, err)
		case !refused && (err != nil || p.Roles[0].Count != 2 || len(p.Servers) != 2):
			t.Errorf("%s: got %v, want two machines", v, err)
		}
	}
}

// Commands and environments that list all of TripleO's roles count 0 of those that the
// roles file has not; a role that is to have machines must be there.
func TestNoMachinesOfARoleThatThereIsNot(t *testing.T) {
	o := article(t)
	o.Counts, o.Flavors = map[string]int{"BlockStorage": 0}, map[string]string{"BlockStorage": "block-storage"}
	o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults: {ObjectStorageCount: 0, ComputCount: 0, NetworkerCount: 1, NtpServer: [a]}\n")}}
	want := []string{
		`my.yaml:1: parameter ComputCount is not used by any template; did you mean "ComputeCount"?`,
		`my.yaml:1: parameter NetworkerCount is not used by any template`,
	}
	if got := build(t, o).Warnings; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	o.Counts["BlockStorage"] = 1
	if _, err := plan.Build(t.Context(), templates.FS, o); err == nil || !strings.Contains(err.Error(), "no role BlockStorage, although BlockStorageCount is set to 1") {
		t.Errorf("got %v", err)
	}
	delete(o.Counts, "BlockStorage")
	if _, err := plan.Build(t.Context(), templates.FS, o); err == nil || !strings.Contains(err.Error(), "no role BlockStorage, although OvercloudBlockStorageFlavor is set to block-storage") {
		t.Errorf("got %v", err)
	}
}
