package jinja

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/yaml"
)

var update = flag.Bool("update", false, "rewrite our messages in testdata/errors.txt")

// load finds the templates of testdata/templates.
func load(name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", fs.ErrNotExist
	}
	b, err := os.ReadFile("testdata/templates/" + name)
	return string(b), err
}

func testContext(t testing.TB) *Dict {
	t.Helper()
	data, err := os.ReadFile("testdata/context.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return contextOf(t, data)
}

func contextOf(t testing.TB, data []byte) *Dict {
	t.Helper()
	n, err := yaml.Parse("context.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	v, err := FromYAML("context.yaml", n)
	if err != nil {
		t.Fatal(err)
	}
	return v.(*Dict)
}

type goldenCase struct{ title, template, want string }

// goldenCases reads a file of cases: a line "=== name", the template, a line
// "---" and what Jinja2 makes of it.
func goldenCases(t testing.TB, file string) []goldenCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []goldenCase
	cases := strings.Split(string(data), "=== ")[1:]
	for i, c := range cases {
		title, rest, _ := strings.Cut(c, "\n")
		template, want, ok := strings.Cut(rest, "\n---\n")
		if !ok {
			t.Fatalf("%s: case %q has no line ---", file, title)
		}
		want = strings.TrimSuffix(want, "\n")
		if i < len(cases)-1 { // the empty line between cases
			want = strings.TrimSuffix(want, "\n")
		}
		out = append(out, goldenCase{title, template, want})
	}
	return out
}

func caseFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	return files
}

// options are those of a template that begins with a line "#opts {…}".
func options(t testing.TB, template string) (Env, string) {
	t.Helper()
	env := Env{Loader: load}
	rest, ok := strings.CutPrefix(template, "#opts ")
	if !ok {
		return env, template
	}
	line, rest, _ := strings.Cut(rest, "\n")
	var o map[string]bool
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Fatal(err)
	}
	env.TrimBlocks, env.LstripBlocks, env.KeepNewline = o["trim_blocks"], o["lstrip_blocks"], o["keep_trailing_newline"]
	return env, rest
}

// TestGoldens holds the engine to what Python's Jinja2 made (testdata/golden.py).
func TestGoldens(t *testing.T) {
	for _, file := range caseFiles(t) {
		for _, c := range goldenCases(t, file) {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+c.title, func(t *testing.T) {
				env, template := options(t, c.template)
				got, err := env.Render("case.j2", template, testContext(t))
				if err != nil {
					t.Fatal(err)
				}
				if got != c.want {
					t.Fatalf("\n got %q\nwant %q", got, c.want)
				}
			})
		}
	}
}

// TestWhatJinja2RefusesFails: errors.txt holds templates, what Jinja2 says about
// each (golden.py writes it) and what we say (-update writes it).
func TestWhatJinja2RefusesFails(t *testing.T) {
	data, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, block := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n\n") {
		lines := strings.Split(block, "\n")
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "  jinja2: ") })
		if i < 0 {
			t.Fatalf("no line \"  jinja2: \" in\n%s", block)
		}
		env := Env{Loader: load}
		got, err := env.Render("case.j2", strings.Join(lines[:i], "\n"), testContext(t))
		if err == nil {
			t.Errorf("rendered %q, but %s:\n%s", got, lines[i], strings.Join(lines[:i], "\n"))
			continue
		}
		b.WriteString(strings.Join(lines[:i+1], "\n") + "\n  ours:   " + strings.ReplaceAll(err.Error(), "\n", "\n        ") + "\n\n")
	}
	got := strings.TrimSuffix(b.String(), "\n")
	if *update && !t.Failed() {
		if err := os.WriteFile("testdata/errors.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != string(data) {
		g, w := strings.Split(got, "\n"), strings.Split(string(data), "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Fatalf("errors.txt:%d:\n got %s\nwant %s", i+1, g[i], w[i])
			}
		}
		t.Fatalf("errors.txt has %d lines, want %d", len(w), len(g))
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
		{"unknown tag with the nearest", "\n{% fo x in y %}", "t.j2:2: unknown tag \"fo\"; did you mean \"for\"?"},
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
	tests := []struct{ name, template, want string }{
		{"steps", "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}", "more than"},
		{"output", "{% for a in range(1000) %}{{ 'x' * 100 }}{% endfor %}", "output is larger"},
		{"string", "{{ 'x' * 1000000000 }}", "a string is larger"},
		{"doubling", "{% set s = namespace(v='x') %}{% for i in range(60) %}{% set s.v = s.v ~ s.v %}{% endfor %}", "a string is larger"},
		{"list", "{{ ([1, 2, 3] * 999999999) | length }}", "a list is longer"},
		{"range", "{{ range(10**12) | list }}", "more than"},
		{"include of itself", "{% include 'self.j2' %}", "nested more than"},
		{"macro of itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested more than"},
		{"parentheses", "{{ " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000) + " }}", "nested more than"},
		{"overflow", "{{ 9223372036854775807 + 1 }}", "does not fit"},
		{"format width", "{{ '%99999999d' % 1 }}", "too large"},
		{"format width of str.format", "{{ '{:99999999}'.format(1) }}", "too large"},
		{"format of one argument many times", "{{ ('{0}' * 10000).format('x' * 40000) }}", "a string is larger"},
		{"percent with many arguments", "{{ ('%(a)s' * 9000) % {'a': 'x' * 40000} }}", "a string is larger"},
		{"nested replace", "{{ ('x' * 40000).replace('x', 'y' * 40000) }}", "a string is larger"},
		{"replace of nothing", "{{ ('x' * 40000)|replace('', 'y' * 40000) }}", "a string is larger"},
		{"join of large strings", "{{ (['x' * 40000] * 9000)|join }}", "a string is larger"},
		{"join with a large separator", "{{ ('y' * 40000).join(['x'] * 9000) }}", "a string is larger"},
		{"str of a list that shares its parts", "{% set n = namespace(v=['x' * 1000]) %}{% for i in range(60) %}{% set n.v = [n.v, n.v] %}{% endfor %}{{ n.v }}", "a string is larger"},
		{"json of the same", "{% set n = namespace(v=['x']) %}{% for i in range(60) %}{% set n.v = [n.v, n.v] %}{% endfor %}{{ n.v|tojson }}", "a string is larger"},
		{"equality of the same", "{% set n = namespace(v=['x'], w=['x']) %}{% for i in range(60) %}{% set n.v = [n.v, n.v] %}{% set n.w = [n.w, n.w] %}{% endfor %}{{ n.v == n.w }}", "more than"},
		{"a list in itself", "{% set l = [] %}{% set _ = l.append(l) %}{{ l|tojson }}", "nested more than"},
		{"generators on generators", "{% set n = namespace(g=[1]) %}{% for i in range(5000) %}{% set n.g = n.g|map('string') %}{% endfor %}{{ n.g|list }}", "nested more than"},
		{"many large strings", "{% set l = [] %}{% for i in range(1000) %}{% set _ = l.append('x' * 40000 ~ i) %}{% endfor %}", "bytes of strings and lists"},
		{"a loop over a list that grows", "{% set l = [1] %}{% for x in l %}{% set _ = l.append(x) %}{% endfor %}", "more than"},
		{"padding", "{{ 'x'.ljust(1000000000) }}", "a string is larger"},
		{"indent", "{{ 'a\nb'|indent(1000000000) }}", "a string is larger"},
		{"center", "{{ 'a'|center(1000000000000) }}", "a string is larger"},
		{"slices", "{{ [1]|slice(1000000000)|list }}", "more than"},
		{"recursive loop", "{% set l = [] %}{% set _ = l.append(l) %}{% for x in l recursive %}{{ loop(x) }}{% endfor %}", "nested more than"},
		{"filters in a row", "{{ 1" + strings.Repeat("|string", 5000) + " }}", "nested more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := Env{Loader: load, Limits: Limits{Steps: 100_000, Output: 50_000, Memory: 4 << 20}}
			_, err := env.Render("t.j2", tt.template, NewDict())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// TestYAML11 reads scalars as PyYAML does.
func TestYAML11(t *testing.T) {
	n, err := yaml.Parse("f", []byte("[yes, Off, 'yes', 010, 1_000, 0x1f, 1.5, ~, abc, '3', true, 08, 0o17, 1e3, 1.5e+3, '1:30', 1:30, yES]"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := FromYAML("f", n)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Repr(v), "[True, False, 'yes', 8, 1000, 31, 1.5, None, 'abc', '3', True, '08', '0o17', '1e3', 1500.0, '1:30', 90, 'yES']"; got != want {
		t.Fatalf("\n got %s\nwant %s", got, want)
	}
}

func FuzzRender(f *testing.F) {
	for _, file := range caseFiles(f) {
		for _, c := range goldenCases(f, file) {
			f.Add(c.template)
		}
	}
	errors, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, block := range strings.Split(string(errors), "\n\n") {
		template, _, _ := strings.Cut(block, "\n  jinja2: ")
		f.Add(template)
	}
	context, err := os.ReadFile("testdata/context.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, template string) {
		env := Env{Loader: load, Limits: Limits{Steps: 20_000, Output: 1 << 16, Memory: 1 << 22}}
		_, _ = env.Render("f.j2", template, contextOf(t, context)) // must not panic nor hang
	})
}
