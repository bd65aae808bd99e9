package templates_test

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/hot"
	"trefoil/roles"
	"trefoil/templates"
)

// TestRolesDataIsTheRoles: the default roles file is the three role files in a row.
func TestRolesDataIsTheRoles(t *testing.T) {
	var want strings.Builder
	for _, name := range []string{"Controller", "Compute", "CephStorage"} {
		data, err := fs.ReadFile(roles.FS, name+".yaml")
		if err != nil {
			t.Fatal(err)
		}
		want.Write(data)
	}
	got, err := fs.ReadFile(templates.FS, "roles_data.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Fatal("roles_data.yaml is not Controller.yaml, Compute.yaml and CephStorage.yaml in a row")
	}
}

// services are the types that a role file lists.
func services(t *testing.T, role string) []string {
	t.Helper()
	data, err := fs.ReadFile(roles.FS, role+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`OS::TripleO::Services::\w+`).FindAllString(string(data), -1)
}

// TestHyperConvergedIsAComputeWithOSDs: whatever computes get, those with OSDs get too.
func TestHyperConvergedIsAComputeWithOSDs(t *testing.T) {
	want := append(services(t, "Compute"), "OS::TripleO::Services::CephOSD")
	slices.Sort(want)
	got := services(t, "ComputeHCI")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("ComputeHCI.yaml lists\n%q\nexpected\n%q", got, want)
	}
}

// TestControllerWithoutCephIsAController: whatever controllers get, but for what CephMon has.
func TestControllerWithoutCephIsAController(t *testing.T) {
	moved := []string{"OS::TripleO::Services::CephMgr", "OS::TripleO::Services::CephMon"}
	want := slices.DeleteFunc(services(t, "Controller"), func(s string) bool { return slices.Contains(moved, s) })
	if got := services(t, "ControllerNoCeph"); !slices.Equal(got, want) {
		t.Errorf("ControllerNoCeph.yaml lists\n%q\nexpected\n%q", got, want)
	}
	for _, s := range moved {
		if !slices.Contains(services(t, "CephMon"), s) {
			t.Errorf("CephMon.yaml does not list %s", s)
		}
	}
}

// TestEveryFileParses: also those that no default role uses.
func TestEveryFileParses(t *testing.T) {
	err := fs.WalkDir(templates.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".j2.yaml") {
			return err
		}
		data, err := fs.ReadFile(templates.FS, name)
		if err != nil {
			return err
		}
		var warnings []string
		switch {
		case strings.HasPrefix(name, "environments/"):
			var e *hot.Environment
			if e, err = hot.ParseEnvironment(name, data); err == nil {
				warnings = e.Warnings
			}
		case strings.Contains(string(data), "heat_template_version"):
			var tmpl *hot.Template
			if tmpl, err = hot.ParseTemplate(name, data); err == nil {
				warnings = tmpl.Warnings
			}
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, w := range warnings {
			t.Error(w)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
