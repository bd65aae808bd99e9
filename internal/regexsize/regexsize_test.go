package regexsize

import (
	"regexp/syntax"
	"testing"
)

func TestOf(t *testing.T) {
	for pattern, want := range map[string]int{
		"abc":        3,
		"a|bc":       4, // with the alternative itself
		"(ab){3}":    12,
		"(ab){3,}":   16,
		"(ab){0}":    4,
		"(.?){1000}": 101, // beyond the limit
	} {
		re, err := syntax.Parse(pattern, syntax.Perl&^syntax.OneLine)
		if err != nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		if got := Of(re, 100); got != want {
			t.Errorf("%s: %d, want %d", pattern, got, want)
		}
	}
}
