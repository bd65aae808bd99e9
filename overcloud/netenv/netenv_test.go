package netenv_test

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/overcloud/netenv"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/realtree"
)

func validate(t *testing.T, name string) []string {
	t.Helper()
	tree := os.DirFS("testdata")
	data, err := fs.ReadFile(tree, name)
	if err != nil {
		t.Fatal(err)
	}
	problems, err := netenv.Validate(name, data, func(n string) ([]byte, error) { return fs.ReadFile(tree, n) })
	if err != nil {
		t.Fatal(err)
	}
	return problems
}

func TestNothingWrong(t *testing.T) {
	if got := validate(t, "good.yaml"); len(got) > 0 {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestEverythingWrong(t *testing.T) {
	got := strings.Join(validate(t, "bad.yaml"), "\n") + "\n"
	golden.Check(t, "bad.txt", got)
}

func TestNoEnvironment(t *testing.T) {
	for text, want := range map[string]string{
		"- a\n":                     "n.yaml:1: an environment is a map",
		"a: [\n":                    "n.yaml:",
		"parameter_default: {}\n":   `n.yaml:1: unknown key "parameter_default"`,
		"resource_registry: [a]\n":  "n.yaml:1: resource_registry must be a map",
		"resource_registry: {}\n\t": "n.yaml:",
		"parameter_defaults: {InternalAPINetCider: 192.0.2.0/24}\n": "n.yaml says nothing of networks",
		"": "n.yaml says nothing of networks",
	} {
		if _, err := netenv.Validate("n.yaml", []byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// TestRealTree: of the environments of Queens that name NIC templates, one
// names a file that the tree does not have; in all others nothing is wrong.
func TestRealTree(t *testing.T) {
	tree := realtree.Open(t, "queens")
	file := func(name string) plan.File { return plan.File{Name: name, Data: tree[name].Data} }
	rendered, err := plan.Render(t.Context(), tree, file("roles_data.yaml"), file("network_data.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) ([]byte, error) {
		if data, ok := rendered[name]; ok {
			return data, nil
		}
		return fs.ReadFile(tree, name)
	}
	for name := range tree {
		if data := tree[name].Data; path.Dir(name) == "environments" && strings.HasSuffix(name, ".yaml") && !strings.HasSuffix(name, ".j2.yaml") {
			rendered[name] = data
		}
	}
	checked := 0
	for name, data := range rendered {
		if path.Dir(name) != "environments" || !strings.Contains(string(data), "Net::SoftwareConfig") {
			continue
		}
		checked++
		problems, err := netenv.Validate(name, data, read)
		want := 0
		if name == "environments/net-dpdkbond-with-vlans.yaml" {
			want = 1
		}
		if err != nil || len(problems) != want {
			t.Errorf("%s: %v\n%s", name, err, strings.Join(problems, "\n"))
		}
	}
	if checked < 10 {
		t.Errorf("only %d environments were checked", checked)
	}
}

func FuzzValidate(f *testing.F) {
	for _, name := range []string{"good.yaml", "bad.yaml"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "resources: {a: {properties: {network_config: [{type: ovs_bridge}]}}}")
	}
	f.Fuzz(func(t *testing.T, env, nic string) {
		_, _ = netenv.Validate("e.yaml", []byte(env), func(string) ([]byte, error) { return []byte(nic), nil })
	})
}
