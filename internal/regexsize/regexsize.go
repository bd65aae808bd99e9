// Package regexsize tells what a regular expression of somebody else's costs before it is compiled.
package regexsize

import "regexp/syntax"

// Of is about how many instructions a regular expression becomes once its repetitions are written
// out, without making them; at most limit+1, so that nothing overflows.
func Of(re *syntax.Regexp, limit int) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += Of(sub, limit)
	}
	switch {
	case re.Op != syntax.OpRepeat:
	case re.Max < 0: // as often as there is any
		n *= re.Min + 1
	default:
		n *= max(1, re.Max)
	}
	return min(n, limit+1)
}
