package jinja

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// workCases read much in one step, or more than memory holds, unless what they
// read is counted.
func workCases() map[string]string {
	const (
		big     = "{% set s = 'a' * 50000 %}{% set t = 'a' * 49999 ~ 'a' %}"
		loop    = "{% for i in range(300) %}{% set _ = "
		end     = " %}{% endfor %}"
		doubled = "{% set n = namespace(x=()) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}{% endfor %}"
	)
	out := map[string]string{
		"items of a long tuple":     "{% set t = (1,) * 1000 %}" + loop + "{t: 1}" + end,
		"unique":                    doubled + "{{ [n.x, n.x]|unique|list }}",
		"pop":                       doubled + "{{ {}.pop(n.x) }}",
		"key":                       doubled + "{{ {n.x: 1} }}",
		"key in":                    doubled + "{{ n.x in {} }}",
		"fill of slices":            "{{ [1, 2]|slice(30000, 'x')|list|length }}",
		"dict of itself":            big + "{% set d = {s: 1} %}" + loop + "dict(d)" + end,
		"equal dicts":               big + "{% set d = {s: 1} %}{% set e = {t: 1} %}" + loop + "d == e" + end,
		"strip of many characters":  loop + "'x'.strip('é' * 20000)" + end,
		"affixes":                   big + "{% set u = (t ~ 'b')[:49999] ~ 'b' %}" + loop + "s.startswith((u, u, u))" + end,
		"a doubled list is no name": strings.ReplaceAll(doubled, "x=()", "x=[]") + "{{ n.x is filter }}",
	}
	for name, op := range map[string]string{
		"is lower": "s is lower", "is upper": "s is upper", "is sameas": "s is sameas(t)", "in a dict": "(s,) in {1: 2}",
		"attr": "1|attr(s) is defined", "item": "{}[s] is defined", "startswith": "'x'.startswith(s)", "count": "'x'.count(s)",
		"strip": "'x'.strip(s)", "lookup": "{1: 2}.get(s)", "percent": "('%' * 50000) % ()", "truth and slice": "s[1:]",
		"key of a new dict": "{s: 1}", "bytes": "s.encode() == t.encode()", "braces": "('{' * 50000).format()",
		"sort by attribute": "[{}]|map(attribute=s)|list", "named argument": "s|replace(old='b', new=s)", "float": "s|float",
	} {
		out[name] = big + loop + op + end
	}
	return out
}

// What is not counted ends without the error of a limit.
func TestReadingIsCounted(t *testing.T) {
	for name, template := range workCases() {
		t.Run(name, func(t *testing.T) {
			env := Env{Limits: Limits{Steps: 100_000, Output: 60_000, Memory: 4 << 20}}
			_, err := env.Render("t.j2", template, NewDict())
			if err == nil || !strings.Contains(err.Error(), "more than") && !strings.Contains(err.Error(), "larger than") {
				t.Fatalf("got %v, want the error of a limit", err)
			}
		})
	}
}

// TestErrorsAreShort: what an error quotes is bounded before it is made.
func TestErrorsAreShort(t *testing.T) {
	const doubled = "{% set n = namespace(x=['é']) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}"
	for template, want := range map[string]string{
		doubled + "{{ {}[n.x].a }}":            "dict object has no element [[[",
		doubled + "{{ [].index(n.x) }}":        "ValueError: [[[",
		"{{ {}['a' * 10000000].b }}":           "has no attribute 'aaa",
		"{{ {}.pop('\\x1b[2J\u202e') }}":       `KeyError: '\x1b[2J\u202e'`,
		"{{ {}['\\x1b[2J\u202e'].a }}":         `has no attribute '\x1b[2J\u202e'`,
		"{% include '\\x1b\u202e' %}":          `\x1b\u202e`,
		"{{ {}[((1, 2), 'a' * 10000000)].a }}": "has no element ((1, 2), 'aaa",
	} {
		env := Env{Loader: load}
		_, err := env.Render("t.j2", template, nil)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\x1b\u202e") {
			t.Errorf("%s\n got %.300q\nwant a short error with %q", template[max(0, len(template)-40):], err, want)
		}
	}
}

func TestNestedTuplesAreDifferentKeys(t *testing.T) {
	env := Env{}
	got, err := env.Render("t.j2", "{% set d = {((1, 2),): 'a', ((3, 4),): 'b', (1, (2,)): 'c', ('1', (2,)): 'd'} %}{{ d|length }}{{ d[((3.0, 4),)] }}{{ d[(true, (2,))] }}", nil)
	if err != nil || got != "4bc" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestWholeNumbersDoNotWrap(t *testing.T) {
	const smallest = "(-9223372036854775807 - 1)"
	for template, want := range map[string]string{
		"{{ 9223372036854775807|round(-5) }}":                        "does not fit into 64 bits",
		"{{ 9223372036854775807|round(-19) }}":                       "does not fit into 64 bits",
		"{{ " + smallest + "|abs }}":                                 "does not fit into 64 bits",
		"{{ -" + smallest + " }}":                                    "does not fit into 64 bits",
		"{{ " + smallest + " // -1 }}":                               "does not fit into 64 bits",
		"{{ 9223372036854775807|round(-1) }}":                        "does not fit into 64 bits",
		"{{ 9223372036854775807|round(-3) }}":                        "does not fit into 64 bits",
		"{{ 9223372036854775801|round(-1) }}":                        "9223372036854775800",
		"{{ -25|round(-1) }}":                                        "-20",
		"{{ -35|round(-1) }} {{ 35|round(-1) }} {{ 35|round(-40) }}": "-40 40 0",
	} {
		env := Env{}
		got, err := env.Render("t.j2", template, nil)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s\n got %s\nwant %s", template, got, want)
		}
	}
}

func TestRenderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	env := Env{Context: ctx}
	_, err := env.Render("t.j2", "{% for i in range(100000) %}{% endfor %}", nil)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "t.j2:1:") {
		t.Fatalf("got %v, want the context's error and the place", err)
	}
}
