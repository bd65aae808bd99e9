package plan_test

import (
	"context"
	"fmt"
	"io/fs"
	"reflect"
	"sort"
	"strings"
	"testing"
	"testing/fstest"

	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/templates"
)

func TestRenderedTree(t *testing.T) {
	read := func(name string) plan.File {
		data, err := fs.ReadFile(templates.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		return plan.File{Name: name, Data: data}
	}
	out, err := plan.Render(context.Background(), templates.FS, read("roles_data.yaml"), read("network_data.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for n := range out {
		names = append(names, n)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "=== %s\n%s\n", n, out[n])
	}
	golden.Check(t, "rendered.txt", b.String())
}

func TestTemplatesOfTheOldKindGetTheRolesName(t *testing.T) {
	tree := fstest.MapFS{
		"old.role.j2.yaml":                      {Data: []byte("{{role}} {{disable_constraints}}")},
		"new.role.j2.yaml":                      {Data: []byte("{{role.name}}")},
		"network/config/x/nic.role.j2.yaml":     {Data: []byte("{{role.name}}")},
		"network/ports/port_v6.network.j2.yaml": {Data: []byte("{{network.name_lower}}")},
		"network/network.network.j2.yaml":       {Data: []byte("{{network.name}}")},
		"skipped.j2.yaml":                       {Data: []byte("x")},
		"j2_excludes.yaml":                      {Data: []byte("name: [skipped.yaml]")},
		"with.j2.yaml":                          {Data: []byte("{% include 'sub/part.j2' %}")},
		"sub/part.j2":                           {Data: []byte("{{roles|length}}{{networks|length}}")},
	}
	roles := plan.File{Name: "r", Data: []byte("- name: Ctrl\n  disable_constraints: true\n  deprecated_nic_config_name: c.yaml\n- name: Comp\n")}
	nets := plan.File{Name: "n", Data: []byte("- name: Internal\n- name: Unused\n  enabled: false\n")}
	out, err := plan.Render(context.Background(), tree, roles, nets)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"ctrl-old.yaml": "Ctrl True", "comp-old.yaml": "Comp None", "ctrl-new.yaml": "Ctrl", "comp-new.yaml": "Comp",
		"network/config/x/c.yaml": "Ctrl", "network/config/x/comp.yaml": "Comp",
		"network/ports/internal_v6.yaml": "internal", "network/internal.yaml": "Internal", "with.yaml": "22",
	}
	got := map[string]string{}
	for n, b := range out {
		got[n] = string(b)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %q", got)
	}
}

// A pipe that is called like a template would be read for ever.
func TestTemplateThatIsNoFile(t *testing.T) {
	tree := overlay(t, nil).(fstest.MapFS)
	tree["pipe.j2.yaml"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	roles := plan.File{Name: "roles_data.yaml", Data: []byte("- name: Controller\n")}
	if _, err := plan.Render(t.Context(), tree, roles, plan.File{Name: "network_data.yaml"}); err == nil || !strings.Contains(err.Error(), "pipe.j2.yaml is not a file: it cannot be rendered") {
		t.Fatalf("got %v", err)
	}
}
