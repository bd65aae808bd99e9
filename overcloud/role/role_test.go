package role_test

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/realtree"
	"trefoil/overcloud/role"
	"trefoil/roles"
	"trefoil/templates"
)

func odd() role.Dir { return role.Dir{FS: os.DirFS("testdata/roles"), Path: "roles"} }

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func generate(t *testing.T, d role.Dir, words ...string) (string, []string) {
	t.Helper()
	requests, err := role.Requests(words)
	if err != nil {
		t.Fatal(err)
	}
	text, warnings, err := d.Generate(requests, true)
	if err != nil {
		t.Fatal(err)
	}
	return text, warnings
}

// testdata/show.txt and generated.txt were made once by tripleo-common's own functions.
func TestSameAsTripleO(t *testing.T) {
	got, err := odd().Show("Odd")
	if want := read(t, "testdata/show.txt"); err != nil || got != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	got, warnings := generate(t, odd(), "Plain", "Odd", "Odd:OddTwo", "Plain")
	if want := read(t, "testdata/generated.txt"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	want := []string{
		"roles Plain and Odd have the same HostnameFormatDefault %stackname%-odd-%index%: set OddHostnameFormat in an environment, or their machines get the same names",
		"roles Plain and OddTwo have the same HostnameFormatDefault %stackname%-odd-%index%: set OddTwoHostnameFormat in an environment, or their machines get the same names",
	}
	if !reflect.DeepEqual(warnings, want) {
		t.Errorf("got %q", warnings)
	}
}

// TestOurRolesPlanUnchanged: the file generated from roles/ is as good as the tree's own.
func TestOurRolesPlanUnchanged(t *testing.T) {
	text, warnings := generate(t, role.Dir{FS: roles.FS, Path: "roles"}, "Controller", "Compute", "CephStorage")
	if len(warnings) > 0 {
		t.Errorf("warnings: %q", warnings)
	}
	passwords, err := plan.GeneratePasswords(nil, rand.NewChaCha8([32]byte{}))
	if err != nil {
		t.Fatal(err)
	}
	build := func(f plan.File) *plan.Plan {
		p, err := plan.Build(context.Background(), templates.FS, plan.Options{Roles: f, Passwords: passwords})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	name := "roles_data.yaml"
	if !reflect.DeepEqual(build(plan.File{Name: name, Data: []byte(text)}), build(plan.File{})) {
		t.Error("the plans differ")
	}
}

// TestRealRoles: every role of TripleO's trees lists, shows and generates.
func TestRealRoles(t *testing.T) {
	for release, want := range map[string]int{"queens": 25, "wallaby": 56} {
		sub, err := fs.Sub(realtree.Open(t, release), "roles")
		if err != nil {
			t.Fatal(err)
		}
		d := role.Dir{FS: sub, Path: "roles"}
		names, err := d.Names()
		if err != nil || len(names) < want {
			t.Fatalf("%s: %d roles, %v", release, len(names), err)
		}
		text, _ := generate(t, d, names...)
		for _, n := range names {
			one, _ := fs.ReadFile(sub, n+".yaml")
			if !strings.Contains(text, string(one)) {
				t.Errorf("%s: %s is not in the file", release, n)
			}
			if _, err := d.Show(n); err != nil {
				t.Errorf("%s: %v", release, err)
			}
		}
	}
}

func TestMistakes(t *testing.T) {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	d := role.Dir{Path: "/my/roles", FS: fstest.MapFS{
		"Controller.yaml": text("- name: Controller\n"),
		"Types.yaml":      text("- name: Types\n  CountDefault: '1'\n  tags: x\n  networks: y\n  disable_constraints: 2\n"),
		"Nameless.yaml":   text("- tags: []\n"),
		"Map.yaml":        text("name: Map\n"),
		"Tab.yaml":        text("- name: Tab\n\ttags: []\n"),
		"Same.yaml":       text("- name: Controller\n"),
		"Folded.yaml":     text("- name:\n    Folded\n"),
		"README":          text(""),
	}}
	cases := []struct{ name, roles, want, hint string }{
		{"unknown, with the nearest", "Contoller Nova Contoller", "Invalid roles requested: Contoller,Nova\nValid Roles:\nController\n", "did you mean Controller?"},
		{"a copy of what is not there", "Nova:NovaTwo", "Invalid roles requested: Nova\n", ""},
		{"a copy of the same name", "Controller:Controller", "Generated role name cannot be same as existing role name (Controller) with colon format", ""},
		{"a copy of another name", "Controller:A", "Generated role name (A) name should start with existing role name (Controller)", ""},
		{"a copy without a name", "Controller:", `role "Controller:": expected NAME, or NAME:NEWNAME`, ""},
		{"two colons", "A:AB:ABC", "expected NAME, or NAME:NEWNAME", ""},
		{"a copy whose name stands in the next line", "Folded:FoldedTwo", "/my/roles/Folded.yaml:2: cannot copy the role", ""},
		{"wrong types, all of them", "Types", "/my/roles/Types.yaml:2: Role 'Types': CountDefault is not of expected type int\n/my/roles/Types.yaml:3: Role 'Types': tags is not of expected type list\n/my/roles/Types.yaml:4: Role 'Types': networks is not of expected type list or dict\n/my/roles/Types.yaml:5: Role 'Types': disable_constraints is not of expected type bool", ""},
		{"several files", "Nameless Map Tab", "/my/roles/Nameless.yaml:1: Role name is missing from the role\n/my/roles/Map.yaml:1: Unable to parse role yaml: expected a list with one role, a map with a name\n/my/roles/Tab.yaml:2: ", ""},
		{"two files with one role", "Controller Same", "/my/roles/Same.yaml: role Controller is asked for twice", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			requests, err := role.Requests(strings.Fields(c.roles))
			if err == nil {
				_, _, err = d.Generate(requests, true)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || errs.HintOf(err) != c.hint {
				t.Errorf("got %v (hint %q)\nwant …%s…", err, errs.HintOf(err), c.want)
			}
		})
	}
	t.Run("skip-validate lets them pass", func(t *testing.T) {
		if text, _, err := d.Generate([]role.Request{{Role: "Types"}, {Role: "Tab"}}, false); err != nil || !strings.Contains(text, "\ttags") {
			t.Errorf("got %q, %v", text, err)
		}
	})
	t.Run("show of what is not there", func(t *testing.T) {
		_, err := d.Show("../Controller")
		if want := "Role '../Controller' not found. Use 'openstack overcloud roles list' to see the available roles."; err == nil || err.Error() != want || errs.HintOf(err) != "did you mean Controller?" {
			t.Errorf("got %v, %s", err, errs.HintOf(err))
		}
	})
	t.Run("a directory that is not there", func(t *testing.T) {
		if _, err := (role.Dir{FS: os.DirFS("/nope"), Path: "/nope"}).Names(); err == nil || err.Error() != "Invalid roles path specified: /nope" {
			t.Errorf("got %v", err)
		}
	})
}

func FuzzRole(f *testing.F) {
	f.Add("- name: A\n  tags: [x]\n")
	f.Add("- {name: A, networks: {B: {subnet: c}}}\n- name: C\n")
	f.Add("- &a\n  name: 'A'\n  x: *a\n")
	f.Fuzz(func(t *testing.T, text string) {
		d := role.Dir{Path: "r", FS: fstest.MapFS{"A.yaml": &fstest.MapFile{Data: []byte(text)}}}
		_, _ = d.Show("A")
		_, _, _ = d.Generate([]role.Request{{Role: "A"}, {Role: "A", NewName: "AB"}}, true)
	})
}
