package input_test

import (
	"archive/zip"
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/input"
	"trefoil/overcloud/plan"
)

// machine is an operator's current directory: a tree, environments, a home.
func machine(t *testing.T, more map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	files := map[string]string{
		"tree/roles_data.yaml": "- name: A\n  disable_upgrade_deployment: True\n", "tree/plan-environment.yaml": "environments: []\n",
		"tree/.git/config": "x", "tree/environments/plain.yaml": "", "tree/environments/made.j2.yaml": "", "tree/network/x.yaml": "",
		"a.yaml": "", "b.yaml": "", "envs/2.yaml": "", "envs/1.yaml": "", "envs/note.txt": "", "envs/.3.yaml": "", "envs/sub.yaml/4.yaml": "", "empty/x": "",
		"more/z.yaml": "", "extra/e.yaml": "", "home/.tripleo/environments/h.yaml": "", "home/own.yaml": "",
	}
	maps.Copy(files, more)
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func gather(a input.Args) (in []string, warnings []string, err error) {
	got, warnings, err := input.Gather(a)
	if err != nil {
		return nil, nil, err
	}
	here, _ := os.Getwd()
	for _, e := range got.Environments {
		in = append(in, strings.TrimPrefix(e, here+"/"))
	}
	return in, warnings, nil
}

func TestOrderOfEnvironments(t *testing.T) {
	dir := machine(t, map[string]string{"answers.yaml": "templates: tree\nenvironments: [b.yaml, environments/plain.yaml]\n"})
	got, warnings, err := gather(input.Args{Answers: "answers.yaml", Environments: []string{"a.yaml", "~/own.yaml", filepath.Join(dir, "tree/environments/made.yaml"), "tree/environments/plain.yaml"},
		Directories: []string{"more", "envs", "empty"}, Home: filepath.Join(dir, "home"), Extra: "extra"})
	want := []string{"home/.tripleo/environments/h.yaml", "more/z.yaml", "envs/1.yaml", "envs/2.yaml", "extra/e.yaml",
		"b.yaml", "environments/plain.yaml", "a.yaml", "home/own.yaml", "environments/made.yaml", "environments/plain.yaml"}
	if err != nil || len(warnings) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v\n got %q\nwant %q", err, warnings, got, want)
	}
}

// A relative path of an answers file: here, as TripleO has it, then beside the
// file, then in the tree.
func TestAnswersElsewhere(t *testing.T) {
	machine(t, map[string]string{
		"site/answers.yaml":             "templates: ./theirs\nenvironments:\n  - a.yaml\n  - only.yaml\n  - environments/made.yaml\nroles: r.yaml\nnetworks: n.yaml\n",
		"site/theirs/overcloud.j2.yaml": "", "site/theirs/environments/made.j2.yaml": "", "site/a.yaml": "not this one", "site/only.yaml": "", "site/r.yaml": "- name: A\n", "site/n.yaml": "[]\n", "mine.yaml": "- name: B\n  disable_upgrade_deployment: true\n",
	})
	in, warnings, err := input.Gather(input.Args{Answers: "site/answers.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	here, _ := os.Getwd()
	if want := []string{here + "/a.yaml", here + "/site/only.yaml", "environments/made.yaml"}; !reflect.DeepEqual(in.Environments, want) {
		t.Errorf("got %q", in.Environments)
	}
	if in.RolesFile != here+"/site/r.yaml" || in.NetworksFile != here+"/site/n.yaml" || in.Files[here+"/site/r.yaml"] != "- name: A\n" {
		t.Errorf("roles %s, networks %s", in.RolesFile, in.NetworksFile)
	}
	if want := "The disable_upgrade_deployment flag is not set in the roles file. This flag is expected when you have a nova-compute or swift-storage role. Please check the contents of the roles file: " + in.RolesFile; !slices.Equal(warnings, []string{want}) {
		t.Errorf("got %q", warnings)
	}
	in, warnings, err = input.Gather(input.Args{Answers: "site/answers.yaml", Roles: "mine.yaml"})
	if err != nil || len(warnings) > 0 || in.RolesFile != here+"/mine.yaml" {
		t.Errorf("the flag does not win over the answers: %v %q %s", err, warnings, in.RolesFile)
	}
}

func TestProblems(t *testing.T) {
	answers := func(text string) map[string]string { return map[string]string{"answers.yaml": text} }
	cases := []struct {
		name  string
		files map[string]string
		args  input.Args
		want  string
	}{
		{"all that is missing at once", answers("templates: tree\nenvironments:\n  - b.yaml\n  - gone.yaml\n"),
			input.Args{Answers: "answers.yaml", Environments: []string{"x.j2.yaml", "nope.yaml", "envs", "y.j2.yaml"}, Roles: "r.yaml", Networks: "n.yaml", PlanEnvironment: "p.yaml", Directories: []string{"nodir", "a.yaml"}, Extra: "noextra"},
			"Error: The following jinja2 files were provided: -e x.j2.yaml -e y.j2.yaml. Did you mean -e x.yaml -e y.yaml?\n" +
				"Error: The following files were not found: gone.yaml (answers.yaml:4), nope.yaml, envs, r.yaml, n.yaml, p.yaml\n" +
				"Error: The following environment directories were not found: nodir, a.yaml, noextra"},
		{"a template outside the tree makes nothing", map[string]string{"mine.j2.yaml": ""}, input.Args{Templates: "tree", Environments: []string{"mine.yaml"}}, "Error: The following files were not found: mine.yaml"},
		{"no tree", nil, input.Args{Templates: "nope"}, "--templates: stat nope: no such file or directory"},
		{"another directory", map[string]string{"other/readme": "x"}, input.Args{Templates: "other"}, "--templates other: this is no template tree: it has none of overcloud.j2.yaml"},
		{"a file for a tree", nil, input.Args{Templates: "a.yaml"}, "--templates a.yaml: not a directory"},
		{"no answers file", nil, input.Args{Answers: "nope.yaml"}, "Error: The following files were not found: nope.yaml"},
		{"wrong answers, all of them", answers("template: tree\nenvironments: a.yaml\nroles: [r]\nnetworks:\n"), input.Args{Answers: "answers.yaml"},
			"answers.yaml:1: unknown key \"template\"; did you mean \"templates\"?\nanswers.yaml:2: environments must be a list of files\nanswers.yaml:3: roles must be a path\nanswers.yaml:4: networks must be a path"},
		{"an environment that is no path", answers("templates: tree\nenvironments:\n- {a: b}\n"), input.Args{Answers: "answers.yaml"}, "answers.yaml:3: an environment must be a path"},
		{"answers that are no map", answers("- tree\n"), input.Args{Answers: "answers.yaml"}, "answers.yaml:1: an answers file is a map"},
		{"answers that are no YAML", answers("a: [\n"), input.Args{Answers: "answers.yaml"}, "answers.yaml:"},
		{"answers without a tree", answers("environments: []\n"), input.Args{Answers: "answers.yaml"}, "answers.yaml: no templates:, and --templates is not given"},
		{"a plan environment that is a list", map[string]string{"p.yaml": "- a\n"}, input.Args{Templates: "tree", PlanEnvironment: "p.yaml"}, "p.yaml:1: a plan environment is a map"},
		{"a plan environment that names what is not there", map[string]string{"p.yaml": "environments:\n- path: environments/made.yaml\n- path: environments/nope.yaml\n"}, input.Args{Templates: "tree", PlanEnvironment: "p.yaml"},
			"p.yaml:3: environment environments/nope.yaml is not in the template tree"},
		{"a registry that names what is not there", map[string]string{"my.yaml": "resource_registry:\n  A: nope.yaml\n"}, input.Args{Templates: "tree", Environments: []string{"my.yaml"}}, "/my.yaml:2: file "},
		{"a registry that names what is not made yet", map[string]string{"my.yaml": "resource_registry:\n  A: tree/environments/made.yaml\n"}, input.Args{Templates: "tree", Environments: []string{"my.yaml"}}, "a template of the tree makes it"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			machine(t, c.files)
			_, _, err := gather(c.args)
			if err == nil || !strings.Contains(err.Error(), c.want) || errs.CodeOf(err) != errs.Invalid {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

// What environments outside the tree name comes along, and what that names in turn.
func TestFilesOfTheOperatorComeAlong(t *testing.T) {
	machine(t, map[string]string{
		"my/env.yaml":       "resource_registry:\n  OS::TripleO::Services::X: t/x.yaml\n",
		"my/t/x.yaml":       "heat_template_version: queens\noutputs: {a: {value: {get_file: motd}}}\nresources: {I: {type: inner.yaml}}\n",
		"my/t/inner.yaml":   "heat_template_version: queens\noutputs: {a: {value: 1}}\n",
		"my/t/motd":         "hello",
		"my/p/planned.yaml": "environments: [{path: environments/made.yaml}]\n",
	})
	in, _, err := input.Gather(input.Args{Templates: "tree", Environments: []string{"my/env.yaml"}, PlanEnvironment: "my/p/planned.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	here, _ := os.Getwd()
	var names []string
	for n := range in.Files {
		names = append(names, strings.TrimPrefix(n, here+"/"))
	}
	slices.Sort(names)
	if want := []string{"my/env.yaml", "my/t/inner.yaml", "my/t/motd", "my/t/x.yaml"}; !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
	z, err := zip.NewReader(bytes.NewReader(in.Tree), int64(len(in.Tree)))
	if err != nil {
		t.Fatal(err)
	}
	names = nil
	for _, f := range z.File {
		names = append(names, f.Name)
		if f.Name == "plan-environment.yaml" && f.UncompressedSize64 != uint64(len("environments: [{path: environments/made.yaml}]\n")) {
			t.Error("the plan environment of the flag is not in the tree's place")
		}
	}
	slices.Sort(names)
	if want := []string{"environments/made.j2.yaml", "environments/plain.yaml", "network/x.yaml", "plan-environment.yaml", "roles_data.yaml"}; !slices.Equal(names, want) {
		t.Errorf("the tree has %q", names)
	}
}

func TestTreeInTheProgram(t *testing.T) {
	machine(t, nil)
	if _, ok := input.BuiltIn(plan.TreePath); !ok {
		t.Skip(plan.TreePath + " is on this machine: the tree in the program is not used")
	}
	got, _, err := gather(input.Args{Templates: strings.TrimSuffix(plan.TreePath, "/"), Environments: []string{plan.TreePath + "environments/qemu.yaml", "environments/lab.yaml"}})
	if want := []string{"environments/qemu.yaml", "environments/lab.yaml"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %q", err, got)
	}
}

// JSON would turn the bytes of other encodings into U+FFFD without a word.
func TestFilesThatAreNotUTF8AreRefused(t *testing.T) {
	machine(t, map[string]string{
		"my/env.yaml": "resource_registry:\n  OS::TripleO::Services::X: x.yaml\n",
		"my/x.yaml":   "heat_template_version: queens\noutputs: {a: {value: {get_file: key.bin}}}\n",
		"my/key.bin":  "\xff\xfe\x00k",
	})
	_, _, err := input.Gather(input.Args{Templates: "tree", Environments: []string{"my/env.yaml"}})
	if err == nil || !strings.Contains(err.Error(), "my/key.bin: not text in UTF-8") {
		t.Errorf("got %v", err)
	}
}
