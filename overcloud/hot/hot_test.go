package hot_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"trefoil/overcloud/hot"
	"trefoil/overcloud/stack/eval"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata")

const header = `heat_template_version: wallaby
parameters:
  Name: {type: string, default: cloud}
  Number: {type: number, default: 3}
  List: {type: comma_delimited_list, default: 'a,b'}
  Map: {type: json, default: {list: [x, y], other: 1}}
conditions:
  is_true: {equals: [{get_param: Name}, cloud]}
  is_false: {not: is_true}
resources:
  Value:
    type: OS::Heat::Value
    properties: {type: json, value: {a: 1, b: {get_param: Name}}}
  Nested:
    type: nested.yaml
    properties: {Who: {get_param: Name}}
  Chain:
    type: OS::Heat::ResourceChain
    properties:
      resources: ['My::Nested', 'My::None', 'My::Nested']
      resource_properties: {Who: chain}
outputs:
  out:
    value:
`

const nested = `heat_template_version: queens
parameters:
  Who: {type: string}
outputs:
  greeting: {value: {list_join: [' ', [hello, {get_param: Who}]]}}
`

// evaluator has files, and a registry with My::Nested and My::None.
func evaluator(t testing.TB, files map[string]string) *eval.Evaluator {
	t.Helper()
	env, err := hot.ParseEnvironment("env.yaml", []byte("resource_registry: {'My::Nested': nested.yaml, 'My::None': 'OS::Heat::None'}"))
	if err != nil {
		t.Fatal(err)
	}
	return &eval.Evaluator{Env: env, Root: "stack", Read: func(name string) ([]byte, error) {
		if s, ok := files[name]; ok {
			return []byte(s), nil
		}
		return nil, fs.ErrNotExist
	}}
}

func evaluate(t testing.TB, template string) (any, error) {
	t.Helper()
	ev := evaluator(t, map[string]string{"root.yaml": template, "nested.yaml": nested, "files/hello.txt": "hello\n"})
	s, err := ev.Stack(context.Background(), "root.yaml", nil)
	if err != nil {
		return nil, err
	}
	return s.Output("out")
}

func TestFunctions(t *testing.T) {
	const file = "testdata/functions.txt"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, c := range strings.Split(string(data), "=== ")[1:] {
		title, rest, _ := strings.Cut(c, "\n")
		value, want, ok := strings.Cut(rest, "\n---\n")
		if !ok {
			t.Fatalf("case %q has no line ---", title)
		}
		v, err := evaluate(t, header+"      "+value+"\n")
		got := ""
		if err != nil {
			got = "error: " + err.Error()
		} else if b, jsonErr := json.Marshal(v); jsonErr == nil {
			got = string(b)
		}
		if got += "\n"; got != want && !*update {
			t.Errorf("%s:\n got %swant %s", title, got, want)
		}
		fmt.Fprintf(&out, "=== %s\n%s\n---\n%s", title, value, got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTemplateErrorsNameFileAndLine(t *testing.T) {
	tests := []struct{ name, template, want string }{
		{"not a map", "- a", "root.yaml:1: a template is a map with heat_template_version and resources or outputs"},
		{"no version", "resources: {}", "root.yaml:1: heat_template_version is missing"},
		{"unknown section", "heat_template_version: queens\nressources: {}", "root.yaml:2: unknown section \"ressources\"; did you mean \"resources\"?"},
		{"unknown type of parameter", "heat_template_version: queens\nparameters:\n  A: {type: strng}", "root.yaml:3: parameter A: unknown type \"strng\"; did you mean \"string\"?; expected one of string, number, boolean, json, comma_delimited_list"},
		{"unknown key of a resource", "heat_template_version: queens\nresources:\n  R:\n    type: OS::Heat::Value\n    propertys: {}", "root.yaml:5: resource R: unknown key \"propertys\"; did you mean \"properties\"?"},
		{"all at once", "heat_template_version: queens\noutputs:\n  a: {value: {get_param: X}}\n  b: {value: {get_filee: X}}", "root.yaml:3: get_param: the template has no parameter \"X\"\nroot.yaml:4: unknown function \"get_filee\"; did you mean \"get_file\"?"},
		{"missing parameter", "heat_template_version: queens\nparameters:\n  A: {type: string}", "root.yaml:3: parameter A has no value and no default"},
		{"unknown resource type", "heat_template_version: queens\nresources:\n  R: {type: 'My::Nestd'}\noutputs: {out: {value: {get_attr: [R, x]}}}", "root.yaml:3: unknown resource type \"My::Nestd\"; did you mean \"My::Nested\"?"},
		{"unknown property", "heat_template_version: queens\nresources:\n  R: {type: nested.yaml, properties: {Whoo: x}}\noutputs: {out: {value: {get_attr: [R, greeting]}}}", "root.yaml:3: nested.yaml has no parameter \"Whoo\"; did you mean \"Who\"?\nnested.yaml:3: parameter Who has no value and no default"},
		{"template not found", "heat_template_version: queens\nresources:\n  R: {type: gone.yaml}\noutputs: {out: {value: {get_attr: [R, x]}}}", "root.yaml:3: template gone.yaml not found"},
		{"resources in a circle", "heat_template_version: queens\nresources:\n  A: {type: 'OS::Heat::Value', properties: {value: {get_attr: [B, value]}}}\n  B: {type: 'OS::Heat::Value', properties: {value: {get_attr: [A, value]}}}\noutputs: {out: {value: {get_attr: [A, value]}}}", "root.yaml:3: resource A needs itself: A → B → A"},
		{"template in itself", "heat_template_version: queens\nresources:\n  R: {type: root.yaml}\noutputs: {out: {value: {get_attr: [R, out]}}}", "root.yaml:3: stacks are nested more than 12 deep: root.yaml → root.yaml"},
		{"condition in a circle", "heat_template_version: queens\nconditions:\n  a: {not: b}\n  b: {not: a}\noutputs: {out: {value: {if: [a, 1, 2]}}}", "root.yaml:4: condition a needs itself: a → b → a"},
		{"an alias of itself", "heat_template_version: queens\noutputs: {out: {value: &a [*a]}}", "root.yaml:1: more than 1000000 values or 200 levels deep, aliases followed"},
		{"aliases that explode", "heat_template_version: queens\noutputs:\n  a: {value: &a [1,1,1,1,1,1,1,1,1,1]}\n  b: {value: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]}\n  c: {value: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]}\n  d: {value: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]}\n  e: {value: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]}\n  f: {value: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]}", "root.yaml:1: more than 1000000 values or 200 levels deep, aliases followed"},
		{"broken YAML", "heat_template_version: queens\n\tresources: {}", "root.yaml:2: found a tab character that violates indentation"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := evaluate(t, tt.template)
			if err == nil || err.Error() != tt.want {
				t.Fatalf("\n got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestEnvironmentsMergeMapsAndReplaceLists(t *testing.T) {
	env := hot.NewEnvironment()
	for i, text := range []string{
		"parameter_defaults: {M: {a: 1, deep: {x: 1}}, L: [1, 2], S: old}",
		"parameter_defaults: {M: {b: 2, deep: {y: 2}}, L: [3]}",
	} {
		e, err := hot.ParseEnvironment(fmt.Sprintf("e%d.yaml", i), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := env.Merge(e); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := json.Marshal(env.Defaults)
	if want := `{"L":[3],"M":{"a":1,"b":2,"deep":{"x":1,"y":2}},"S":"old"}`; string(got) != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if o := env.Origins["L"].String(); o != "e1.yaml:1" {
		t.Fatalf("origin of L is %s", o)
	}
}

func TestTheFirstProblemsAreToldAndTheOthersCounted(t *testing.T) {
	for _, n := range []int{49, 50, 51, 20_000} {
		var text strings.Builder
		text.WriteString("heat_template_version: wallaby\noutputs:\n  O: {value: {get_param: None}}\nresources:\n")
		for i := range n - 1 {
			fmt.Fprintf(&text, "  R%d: {type: A::B, kind: x}\n", i)
		}
		_, err := hot.ParseTemplate("t.yaml", []byte(text.String()))
		if err == nil {
			t.Fatal("no problem is told")
		}
		lines := strings.Split(err.Error(), "\n")
		if want := `t.yaml:3: `; !strings.HasPrefix(lines[0], want) {
			t.Errorf("%d: the first is %s, want line 3", n, lines[0])
		}
		last := lines[len(lines)-1]
		if want := fmt.Sprintf("t.yaml: … and %d more", n-50); n > 50 && (last != want || len(lines) != 51) {
			t.Errorf("%d: %d lines, the last is %s, want %s", n, len(lines), last, want)
		}
		if n <= 50 && len(lines) != n {
			t.Errorf("%d: %d lines are told", n, len(lines))
		}
	}
}

func TestRegistryResolves(t *testing.T) {
	e, err := hot.ParseEnvironment("environments/e.yaml", []byte(`resource_registry:
  A::Exact: ../deployment/x.yaml
  A::*: B::*
  A::Long::*: C::Fixed
  B::Thing: OS::Heat::None
  'A::*Middle': never.yaml
  A::Removed:
  Loop::A: Loop::B
  Loop::B: Loop::A
`))
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[string]string{
		"A::Exact": "deployment/x.yaml", "A::Thing": "OS::Heat::None", "A::Long::One": "C::Fixed",
		"Unknown": "Unknown", "A::XMiddle": "B::XMiddle", "A::Removed": "B::Removed",
	} {
		if got, _, _ := e.Resolve(typ); got != want {
			t.Errorf("%s resolves to %s, want %s", typ, got, want)
		}
	}
	e.Resolve("Loop::A") // must end
}

func TestUnknownKeyOfAnEnvironment(t *testing.T) {
	_, err := hot.ParseEnvironment("e.yaml", []byte("\nparameters_default: {}\n"))
	if want := `e.yaml:2: unknown key "parameters_default"; did you mean "parameter_defaults"?`; err == nil || err.Error() != want {
		t.Fatalf("\n got %v\nwant %s", err, want)
	}
}

func TestValueOfWrongTypeNamesWhoGaveIt(t *testing.T) {
	ev := evaluator(t, map[string]string{"root.yaml": "heat_template_version: queens\nparameters:\n  Secret: {type: number, hidden: true}\n"})
	ev.Env.Defaults["Secret"] = "hunter2"
	ev.Env.Origins["Secret"] = hot.Origin{"mine.yaml", 7}
	_, err := ev.Stack(context.Background(), "root.yaml", nil)
	if want := `mine.yaml:7: parameter Secret is ******, which is not a number (declared in root.yaml:3)`; err == nil || err.Error() != want {
		t.Fatalf("\n got %v\nwant %s", err, want)
	}
}

func FuzzParseTemplate(f *testing.F) {
	f.Add([]byte(header + "      {get_param: Name}\n"))
	f.Add([]byte(nested))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := hot.ParseTemplate("f.yaml", data); err != nil {
			return
		}
		_, _ = evaluate(t, string(data)) // must not panic nor hang
	})
}

func FuzzParseEnvironment(f *testing.F) {
	f.Add([]byte("parameter_defaults: {A: 1}\nresource_registry: {X: y.yaml}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := hot.ParseEnvironment("f.yaml", data)
		if err != nil {
			return
		}
		_ = hot.NewEnvironment().Merge(e) // must not panic
		e.Resolve("X")
	})
}
