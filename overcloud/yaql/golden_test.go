package yaql_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"

	"trefoil/overcloud/yaql"
)

// goldenCase is an expression with one data and what the real yaql makes of it.
type goldenCase struct{ title, expression, data, want string }

// goldenCases reads a file that testdata/golden.py wrote and explains.
func goldenCases(t testing.TB, name string) []goldenCase {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out []goldenCase
	for _, part := range strings.Split(string(text), "=== ")[1:] {
		lines := strings.Split(strings.TrimRight(part, "\n"), "\n")
		c := goldenCase{title: lines[0], data: "null"}
		var expression []string
		for _, line := range lines[1:] {
			switch {
			case strings.HasPrefix(line, "< "):
				c.data = line[2:]
			case strings.HasPrefix(line, "> "):
				c.expression, c.want = strings.Join(expression, "\n"), line[2:]
				out = append(out, c)
			default:
				expression = append(expression, line)
			}
		}
	}
	return out
}

// decode reads JSON into the values that templates have: integers are ints.
func decode(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return plain(v)
}

func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.Atoi(v.String()); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// encode writes JSON as Python's json.dumps(sort_keys=True) does; 1.0 keeps its point.
func encode(v any) string {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = encode(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for k := range v {
			parts = append(parts, encode(k)+": "+encode(v[k]))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n")
}

func evaluate(expression string, data any, l yaql.Limits) (any, error) {
	x, err := yaql.Parse(expression)
	if err != nil {
		return nil, err
	}
	return x.Eval(map[string]any{"data": data}, l)
}

// TestGoldens holds the engine to what the real yaql made (testdata/golden.py).
func TestGoldens(t *testing.T) {
	for _, file := range []string{"cases.txt", "trees.txt"} {
		cases := goldenCases(t, file)
		if len(cases) < 400 {
			t.Errorf("%s has only %d cases", file, len(cases))
		}
		for _, c := range cases {
			t.Run(file+"/"+c.title, func(t *testing.T) { c.check(t) })
		}
	}
}

func (c goldenCase) check(t *testing.T) {
	data := decode(t, c.data)
	got, err := evaluate(c.expression, data, yaql.Limits{})
	if after := encode(data); after != encode(decode(t, c.data)) {
		t.Errorf("%s changed its data to %s", c.expression, after)
	}
	var e *yaql.Error
	switch {
	case err != nil && !errors.As(err, &e):
		t.Fatalf("%s\n< %s\ngot %v, which is no *yaql.Error", c.expression, c.data, err)
	case err != nil && c.want != "error":
		t.Fatalf("%s\n< %s\n got %v\nwant %s", c.expression, c.data, err, c.want)
	case err != nil:
		return
	}
	text := encode(got)
	if list, ok := got.([]any); ok && strings.HasSuffix(c.title, "(any order)") {
		sort.Slice(list, func(i, j int) bool { return encode(list[i]) < encode(list[j]) })
		text = encode(list)
	}
	if text != c.want {
		t.Errorf("%s\n< %s\n got %s\nwant %s", c.expression, c.data, text, c.want)
	}
}
