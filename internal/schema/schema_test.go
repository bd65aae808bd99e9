package schema_test

import (
	"reflect"
	"strings"
	"testing"

	"trefoil/internal/schema"
	"trefoil/internal/yaml"
)

// open reads text as one map with the keys a to f.
func open(t *testing.T, text string) (*schema.Problems, *schema.Map) {
	t.Helper()
	n, err := yaml.Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p := schema.New("f")
	return p, p.Map(n, "a thing", "a", "b", "c", "d", "e", "f")
}

func TestValuesOfTheRightType(t *testing.T) {
	p, m := open(t, "base: &base {a: merged, b: no}\n")
	if p.Len() != 1 {
		t.Errorf("an unknown key is %d problems", p.Len())
	}
	p, m = open(t, "<<: {a: merged, b: no}\na: own\nc: 0x1f\nd: [x, y]\ne: {n: ~, t: yes, i: 1_000, f: 1.5, l: [{k: 'yes'}], big: 99999999999999999999, e: 1e3, z: 08}\nf:\n")
	if m.Text("a") != "own" || m.Bool("b", true) || m.Int("c", 0, 99, 0) != 31 || m.Has("f") || m.Int("f", 1, 2, 7) != 7 {
		t.Errorf("got %q %v %d", m.Text("a"), m.Bool("b", true), m.Int("c", 0, 99, 0))
	}
	if got := m.Texts("d"); !reflect.DeepEqual(got, []string{"x", "y"}) {
		t.Errorf("got %v", got)
	}
	want := map[string]any{"n": nil, "t": true, "i": 1000, "f": 1.5, "l": []any{map[string]any{"k": "yes"}}, "big": "99999999999999999999", "e": "1e3", "z": "08"}
	if got := m.Values("e"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v", got)
	}
	if err := p.Err(); err != nil {
		t.Error(err)
	}
}

func TestAllProblemsInTheOrderOfTheFile(t *testing.T) {
	p, m := open(t, "a: 5\nb: maybe\nc: 100\nd: [1]\ne: [1]\n? [k]\n: 1\nbb: 1\n")
	m.Need("f")
	m.Texts("d")
	m.Int("c", 1, 10, 0)
	m.Bool("b", true)
	m.Text("a")
	m.Map("e", "a map")
	want := `f:1: a thing has no f
f:1: a of a thing must be text; put it into quotes, got the number 5
f:2: b of a thing must be true or false, got "maybe"
f:3: c of a thing is 100; it must be from 1 to 10
f:4: d of a thing is a list of texts, got the number 1
f:5: e of a thing must be a map, got a list
f:6: a key of a thing must be text
f:8: unknown key "bb" in a thing; did you mean "b"?`
	if err := p.Err(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestFilesThatExpandWithoutEnd(t *testing.T) {
	bomb := "a: &x0 {k: v}\n"
	for i := range 9 {
		bomb += "b" + string(rune('0'+i)) + ": &x" + string(rune('1'+i)) + " [" + strings.Repeat("*x"+string(rune('0'+i))+",", 20) + "]\n"
	}
	p, m := open(t, bomb+"e: {v: *x9}\nf: &s {v: *s}\n")
	m.Values("e")
	m.Values("f")
	err := p.Err()
	if err == nil || !strings.Contains(err.Error(), "too large once its anchors are followed") {
		t.Errorf("got %v", err)
	}
	p, m = open(t, "f: &s {v: *s}\na: &r {<<: *r}\n")
	m.Values("f")
	m.Map("a", "a map")
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "nested more than 50 deep") || !strings.Contains(err.Error(), "merge keys (<<) are nested") {
		t.Errorf("got %v", err)
	}
}
