package hot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/yaml"
)

// mergeCase merges the files of a case.
func mergeCase(t *testing.T, in map[string]*yaml.Node) (*Environment, error) {
	t.Helper()
	env := NewEnvironment()
	types := map[string]string{}
	for _, kv := range pairs(in["types"]) {
		types[kv.key.Value] = kv.val.Value
	}
	env.Type = func(name string) string { return types[name] }
	for i, f := range in["files"].Content {
		data, err := yaml.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		e, err := ParseEnvironment(fmt.Sprintf("e%d.yaml", i), data)
		if err == nil {
			err = env.Merge(e)
		}
		if err != nil {
			return nil, err
		}
	}
	return env, nil
}

// TestEnvironmentsAsHeat holds merging and the registry to the real Heat.
func TestEnvironmentsAsHeat(t *testing.T) {
	heatCases(t, "environment.txt", func(c heatCase) (any, error) {
		in := yamlCase(t, c)
		env, err := mergeCase(t, in)
		if err != nil {
			return nil, err
		}
		out := map[string]any{}
		if len(env.Parameters) > 0 {
			out["parameters"] = env.Parameters
		}
		if len(env.Defaults) > 0 {
			out["parameter_defaults"] = env.Defaults
		}
		resolved := map[string]any{}
		for _, q := range plainList(in["resolve"]) {
			typ, name, _ := strings.Cut(q, " of ")
			target, _, _ := env.ResolveFor([]string{name}, typ)
			if !IsFile(target) && !strings.HasPrefix(target, "OS::Heat::") || target == "OS::Heat::Valeu" || env.Check() != nil {
				target = "error"
			}
			resolved[q] = target
			out["resolve"] = resolved
		}
		hooks := map[string]any{}
		for _, q := range plainList(in["hooks"]) {
			h := map[string]any{"hooks": anyList(overridden(env, []string{q}, func(o Override) []string { return o.Hooks })),
				"restricted_actions": anyList(overridden(env, []string{q}, func(o Override) []string { return o.Restricted }))}
			slices.SortFunc(h["hooks"].([]any), func(a, b any) int {
				return slices.Index(hookTypes, a.(string)) - slices.Index(hookTypes, b.(string))
			})
			hooks[q] = h
			out["hooks"] = hooks
		}
		return out, nil
	})
}

// overridden is what the overrides of an environment say of a resource, sorted.
func overridden(env *Environment, names []string, of func(Override) []string) []string {
	var out []string
	for _, o := range env.Overrides {
		if matchNames(o.Resource, names) {
			out = append(out, of(o)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func plainList(n *yaml.Node) []string {
	var out []string
	if n == nil {
		return nil
	}
	for _, c := range n.Content {
		out = append(out, c.Value)
	}
	return out
}

func anyList(l []string) []any {
	out := []any{}
	for _, s := range l {
		out = append(out, s)
	}
	return out
}

func TestEnvironmentProblemsAllAtOnce(t *testing.T) {
	_, err := ParseEnvironment("e.yaml", []byte(`parameter_defaults:
  1: x
  true: y
  Fine: z
parameters: [a]
parameter_merge_strategies: {Fine: mrege, default: deep}
resource_registry:
  A::B: [x.yaml]
  A::C: {type: x.yaml}
  A::D: 5
  resources:
    srv: x.yaml
    other: {hooks: [pre-create, pre-creat], restricted_actions: delete}
event_sinks: [{target: x}]
encrypted_param_names: {a: b}
parameter_default: {}
`))
	want := []string{
		"e.yaml:2: parameter_defaults: the name of a parameter must be text, got 1",
		"e.yaml:3: parameter_defaults: the name of a parameter must be text, got true",
		"e.yaml:5: parameters must be a map",
		"e.yaml:8: resource_registry A::B must be a file, a type or null",
		"e.yaml:9: resource_registry A::C must be a file, a type or null",
		"e.yaml:10: resource_registry A::D must be a file, a type or null",
		"e.yaml:12: resource_registry resources srv must be a map with types, hooks or restricted_actions",
		`e.yaml:13: resource_registry resources other: hook "pre-creat" does not exist; did you mean "pre-create"?; expected pre-create, pre-update, pre-delete, post-create, post-update, post-delete`,
		`e.yaml:13: resource_registry resources other: restricted action "delete" does not exist; expected update, replace`,
		"e.yaml:14: event_sinks: each must be a map with type, like zaqar-queue",
		"e.yaml:15: encrypted_param_names must be a list of names",
		`e.yaml:16: unknown key "parameter_default"; did you mean "parameter_defaults"?`,
		`e.yaml:6: parameter_merge_strategies: Fine: unknown strategy "mrege"; did you mean "merge"?; expected overwrite, merge or deep_merge`,
		`e.yaml:6: parameter_merge_strategies: default: unknown strategy "deep"; expected overwrite, merge or deep_merge`,
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Fatalf("\n got %v\nwant %s", err, strings.Join(want, "\n"))
	}
}

func TestRegistryWarnsOfAStarInTheMiddle(t *testing.T) {
	e, err := ParseEnvironment("e.yaml", []byte("resource_registry:\n  OS::TripleO::Tasks::*PreConfig: OS::Heat::None\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "e.yaml:2: resource_registry OS::TripleO::Tasks::*PreConfig: only a star at the end stands for something; this one is a letter and matches no type"
	if len(e.Warnings) != 1 || e.Warnings[0] != want {
		t.Fatalf("got %q, want %q", e.Warnings, want)
	}
}

func TestRegistryCheckPrintsTheCircle(t *testing.T) {
	env := NewEnvironment()
	for i, text := range []string{
		"resource_registry: {A::B: A::C, Self: Self}",
		"resource_registry:\n  A::C: A::D\n  A::D: A::B\n  P::*: P::Q::*\n  Fine::*: OS::Heat::None\n  resources: {srv: {X: Y}}\n  Y: X\n  X: Y\n",
	} {
		e, err := ParseEnvironment(fmt.Sprintf("e%d.yaml", i), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := env.Merge(e); err != nil {
			t.Fatal(err)
		}
	}
	err := env.Check()
	want := `e0.yaml:1: resource_registry: types stand for each other in a circle: A::B → A::C → A::D → A::B
e0.yaml:1: resource_registry: types stand for each other in a circle: Self → Self
e1.yaml:4: resource_registry: types stand for each other in a circle: P::X → P::Q::X → P::Q::Q::X → P::Q::Q::Q::X → P::Q::Q::Q::Q::X → …
e1.yaml:6: resource_registry: types stand for each other in a circle: X → Y → X`
	if err == nil || err.Error() != want {
		t.Fatalf("\n got %v\nwant %s", err, want)
	}
}

func TestRegistryPathsAreRelativeToTheFile(t *testing.T) {
	e, err := ParseEnvironment("environments/e.yaml", []byte(`resource_registry:
  A: ../deployment/x.yaml
  B: ./y.yaml
  C: /abs/z.yaml
  D: file:///abs/w.yaml
  E: http://example.org/v.yaml
`))
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[string]string{"A": "deployment/x.yaml", "B": "environments/y.yaml", "C": "/abs/z.yaml", "D": "/abs/w.yaml", "E": "http://example.org/v.yaml"} {
		if got, _, _ := e.Resolve(typ); got != want {
			t.Errorf("%s resolves to %s, want %s", typ, got, want)
		}
	}
}

func TestResourcesOfNestedStacks(t *testing.T) {
	e, err := ParseEnvironment("e.yaml", []byte(`resource_registry:
  resources:
    Controller:
      '*':
        Server: {'OS::Nova::Server': fake.yaml, hooks: pre-create}
`))
	if err != nil {
		t.Fatal(err)
	}
	inside := []string{"Controller", "0", "Server"}
	if got, _, _ := e.ResolveFor(inside, "OS::Nova::Server"); got != "fake.yaml" {
		t.Errorf("the server resolves to %s", got)
	}
	if got, _, _ := e.ResolveFor([]string{"Compute", "0", "Server"}, "OS::Nova::Server"); got != "OS::Nova::Server" {
		t.Errorf("another server resolves to %s", got)
	}
	if got := overridden(e, inside, func(o Override) []string { return o.Hooks }); !slices.Equal(got, []string{"pre-create"}) {
		t.Errorf("hooks are %v", got)
	}
}

func TestMergeLeavesTheFilesAlone(t *testing.T) {
	env := NewEnvironment()
	var files []*Environment
	for i := range 3 {
		e, err := ParseEnvironment(fmt.Sprintf("e%d.yaml", i), []byte(fmt.Sprintf("parameter_merge_strategies: {M: deep_merge, L: merge}\nparameter_defaults: {M: {l: [%d], m: {k%d: 1}}, L: [%d]}", i, i, i)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, e)
		if err := env.Merge(e); err != nil {
			t.Fatal(err)
		}
	}
	if got := toJSON(env.Defaults); got != `{"L": [0, 1, 2], "M": {"l": [0, 1, 2], "m": {"k0": 1, "k1": 1, "k2": 1}}}` {
		t.Errorf("merged: %s", got)
	}
	for i, e := range files {
		if got, want := toJSON(e.Defaults), fmt.Sprintf(`{"L": [%d], "M": {"l": [%d], "m": {"k%d": 1}}}`, i, i, i); got != want {
			t.Errorf("file %d is now %s", i, got)
		}
	}
}

func TestMergeErrorNamesBothFiles(t *testing.T) {
	in := map[string]*yaml.Node{}
	root, err := yaml.Parse("case", []byte("files: [{parameter_merge_strategies: {A: merge, B: merge}, parameter_defaults: {A: {a: 1}, B: [1]}}, {parameter_merge_strategies: {A: deep_merge}, parameter_defaults: {A: {a: 1}, B: {b: 1}}}]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range pairs(root) {
		in[e.key.Value] = e.val
	}
	_, err = mergeCase(t, in)
	if want := "e1.yaml:1: merge strategy deep_merge of parameter A conflicts with merge of e0.yaml:1; say the same in both files"; err == nil || err.Error() != want {
		t.Fatalf("\n got %v\nwant %s", err, errors.New(want))
	}
}

// TestAtIsTheLineOfAKey: of the file that gave it last, and of the parameter where a key has none.
func TestAtIsTheLineOfAKey(t *testing.T) {
	env := NewEnvironment()
	for i, text := range []string{"parameter_defaults:\n  A:\n    one: 1\n    two: 2\n", "parameter_defaults:\n  B: 1\n  A: {two: 3,\n    three: 4}\n"} {
		e, err := ParseEnvironment(fmt.Sprintf("e%d.yaml", i), []byte(text))
		if err == nil {
			err = env.Merge(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	env.SetDefault("A", map[string]any{"three": 5}, "the deployer")
	for key, want := range map[string]string{"one": "e0.yaml:3", "two": "e1.yaml:3", "three": "the deployer", "four": "the deployer"} {
		if got := env.At("A", key).String(); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}
