package ansible_test

import (
	"strings"
	"testing"
)

// TestWorkIsCounted: each of these would read or make much in a few steps.
func TestWorkIsCounted(t *testing.T) {
	for _, template := range []string{
		"{{ range(900)|combinations(500)|list }}",
		"{% set s = 'a' * 1000000 %}{% for i in range(100) %}{% set _ = s is search('(a{30}){20}b') %}{% endfor %}",
		"{% set s = 'a' * 1000000 %}{% for i in range(100) %}{% set _ = s is match('b') %}{% endfor %}",
		"{{ ('1.' * 500000) is version('1') }}",
		"{% set n = namespace(d={'a': [1]}) %}{% for i in range(40) %}{% set n.d = n.d|combine(n.d, list_merge='append') %}{% endfor %}",
		"{% set n = namespace(d={}) %}{% for i in range(60) %}{% set n.d = {'a': n.d, 'b': n.d} %}{% endfor %}{{ n.d|combine(n.d, recursive=true)|length }}",
	} {
		e := env()
		_, err := e.Render("t.j2", template, nil)
		if err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("%s\n got %v\nwant the error of a limit", template, err)
		}
	}
}
