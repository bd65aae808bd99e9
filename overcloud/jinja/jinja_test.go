package jinja

import (
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"

	"trefoil/internal/yaml"
)

// contextYAML is the CONTEXT of testdata/golden.py.
const contextYAML = `
name: Controller
n: 3
items_list: [3, 1, 2]
words: [b, A, c, a]
empty: []
none: null
d: {b: 1, a: two, items: shadowed, nested: {x: [1, {y: z}]}}
people:
  - {name: Ann, age: 30, tags: [primary, controller]}
  - {name: Bob, age: 25}
  - {name: Cid, age: 30, tags: []}
text: one two  three
uni: héllo
html: "<a href='x'>&</a>"
`

var includes = map[string]string{
	"part.j2": "[{{ name }}{% set leaked = 1 %}]\n",
	"loop.j2": "{{ person.name if person is defined else 'nobody' }};",
	"bad.j2":  "fine\n{{ missing.attr }}\n",
}

func load(name string) (string, error) {
	if s, ok := includes[name]; ok {
		return s, nil
	}
	return "", fs.ErrNotExist
}

func testContext(t testing.TB) *Dict {
	t.Helper()
	n, err := yaml.Parse("context", []byte(contextYAML))
	if err != nil {
		t.Fatal(err)
	}
	v, err := FromYAML("context", n)
	if err != nil {
		t.Fatal(err)
	}
	return v.(*Dict)
}

type goldenCase struct{ title, template, want string }

func goldenCases(t testing.TB) []goldenCase {
	t.Helper()
	data, err := os.ReadFile("testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []goldenCase
	for _, c := range strings.Split(string(data), "=== ")[1:] {
		title, rest, _ := strings.Cut(c, "\n")
		template, want, ok := strings.Cut(rest, "\n---\n")
		if !ok {
			t.Fatalf("case %q has no line ---", title)
		}
		out = append(out, goldenCase{title, template, want})
	}
	return out
}

// TestGoldens holds the engine to what Python's Jinja2 made (testdata/golden.py).
func TestGoldens(t *testing.T) {
	cases := goldenCases(t)
	for i, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			env := Env{Loader: load}
			got, err := env.Render("case.j2", c.template, testContext(t))
			want := strings.TrimSuffix(c.want, "\n")
			if i < len(cases)-1 { // the empty line between cases
				want = strings.TrimSuffix(want, "\n")
			}
			switch {
			case want == "error" && err == nil:
				t.Fatalf("rendered %q, Jinja2 fails", got)
			case want == "error":
			case err != nil:
				t.Fatal(err)
			case got != want:
				t.Fatalf("\n got %q\nwant %q", got, want)
			}
		})
	}
}

func TestErrorsNameFileLineAndInclude(t *testing.T) {
	tests := []struct{ name, template, want string }{
		{"line of an expression", "a\n\n{{ x.y }}", "t.j2:3: 'x' is undefined"},
		{"line inside a long tag", "{{ [1,\n 2,\n nothing.z] }}", "t.j2:3: 'nothing' is undefined"},
		{"included file and who included it", "a\n{% include 'bad.j2' %}", "bad.j2:2: 'missing' is undefined\n  included from t.j2:2"},
		{"missing key of a dict", "{{ d.nothing.more }}", "t.j2:1: 'dict object' has no attribute 'nothing'"},
		{"unknown filter with the nearest", "{{ 1 | deafult }}", "t.j2:1: unknown filter \"deafult\"; did you mean \"default\"?"},
		{"unknown test with the nearest", "{{ 1 is defnied }}", "t.j2:1: unknown test \"defnied\"; did you mean \"defined\"?"},
		{"unknown tag with the nearest", "\n{% fro x in y %}", "t.j2:2: unknown tag \"fro\"; did you mean \"for\"?"},
		{"unclosed block", "{% for x in y %}\nabc", "t.j2:1: block is not closed; expected {% endfor %}"},
		{"unclosed tag", "a\n{{ x", "t.j2:2: tag is not closed; expected \"}}\""},
		{"template not found", "{% include 'no.j2' %}", "t.j2:1: template 'no.j2' not found"},
		{"what was expected", "{% if %}", "t.j2:1: expected an expression, got the end of the tag"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := Env{Loader: load}
			_, err := env.Render("t.j2", tt.template, testContext(t))
			if err == nil || err.Error() != tt.want {
				t.Fatalf("\n got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestLimitsEndWhatWouldNotEnd(t *testing.T) {
	includes["self.j2"] = "{% include 'self.j2' %}"
	defer delete(includes, "self.j2")
	tests := []struct{ name, template, want string }{
		{"steps", "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}", "more than"},
		{"output", "{% for a in range(1000) %}{{ 'x' * 100 }}{% endfor %}", "output is larger"},
		{"string", "{{ 'x' * 1000000000 }}", "a string is larger"},
		{"doubling", "{% set s = namespace(v='x') %}{% for i in range(60) %}{% set s.v = s.v ~ s.v %}{% endfor %}", "a string is larger"},
		{"list", "{{ ([1, 2, 3] * 999999999) | length }}", "a list is longer"},
		{"range", "{{ range(999999999) | length }}", "range() is longer"},
		{"include of itself", "{% include 'self.j2' %}", "nested more than"},
		{"macro of itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested more than"},
		{"parentheses", "{{ " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000) + " }}", "nested more than"},
		{"overflow", "{{ 9223372036854775807 + 1 }}", "does not fit"},
		{"format width", "{{ '%99999999d' % 1 }}", "too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := Env{Loader: load, Limits: Limits{Steps: 100_000, Output: 50_000}}
			_, err := env.Render("t.j2", tt.template, NewDict())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// TestYAML11 reads scalars as PyYAML does.
func TestYAML11(t *testing.T) {
	n, err := yaml.Parse("f", []byte("[yes, Off, 'yes', 010, 1_000, 0x1f, 1.5, ~, abc, '3', true]"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := FromYAML("f", n)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Repr(v), "[True, False, 'yes', 8, 1000, 31, 1.5, None, 'abc', '3', True]"; got != want {
		t.Fatalf("\n got %s\nwant %s", got, want)
	}
}

func TestGoValuesGoThereAndBack(t *testing.T) {
	in := map[string]any{"a": []any{int64(1), "x", nil, true, 1.5}, "b": map[string]any{"c": "d"}}
	want, _ := json.Marshal(in)
	got, _ := json.Marshal(ToGo(FromGo(in)))
	if string(got) != string(want) {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func FuzzRender(f *testing.F) {
	for _, c := range goldenCases(f) {
		f.Add(c.template)
	}
	f.Fuzz(func(t *testing.T, template string) {
		env := Env{Loader: load, Limits: Limits{Steps: 20_000, Output: 1 << 16}}
		_, _ = env.Render("f.j2", template, testContext(t)) // must not panic nor hang
	})
}
