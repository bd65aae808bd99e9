package hot

import (
	"regexp"
	"strings"
)

// allowedPattern takes text that a pattern matches from its first letter to its
// last. The patterns are Python's; of what Go's do not have, look-aheads at the
// beginning and "text without X" are understood, which is what templates use.
// Like Heat, it takes the first way to match, not the longest: a|ab does not
// allow ab.
func allowedPattern(pattern string) (func(any) string, string) {
	match, problem := matcher(pattern)
	if problem != "" {
		return nil, problem
	}
	return func(v any) string {
		if !match(String(v)) {
			return "does not match the pattern " + pattern
		}
		return ""
	}, ""
}

// lacks is a text without X: ^((?!X).)*$
var lacks = regexp.MustCompile(`^\^?\(\(\?!(.*)\)\.\)\*\$?$`)

func matcher(pattern string) (func(string) bool, string) {
	if m := lacks.FindStringSubmatch(pattern); m != nil {
		re, err := regexp.Compile(goPattern(m[1]))
		if err != nil {
			return nil, "is not a pattern: " + err.Error()
		}
		return func(s string) bool { return !strings.Contains(s, "\n") && !re.MatchString(s) }, ""
	}
	rest := strings.TrimPrefix(pattern, "^")
	type ahead struct {
		re   *regexp.Regexp
		want bool
	}
	var aheads []ahead
	for strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!") {
		end := closing(rest)
		if end < 0 {
			break
		}
		re, err := regexp.Compile("^(?:" + goPattern(rest[3:end]) + ")")
		if err != nil {
			return nil, "is not a pattern: " + err.Error()
		}
		aheads = append(aheads, ahead{re, rest[2] == '='})
		rest = rest[end+1:]
	}
	re, err := regexp.Compile("^(?:" + goPattern(rest) + ")")
	if err != nil {
		return nil, "is not a pattern that is understood here: " + err.Error()
	}
	return func(s string) bool {
		for _, a := range aheads {
			if a.re.MatchString(s) != a.want {
				return false
			}
		}
		at := re.FindStringIndex(s)
		return at != nil && at[1] == len(s)
	}, ""
}

// closing returns where the group that a pattern begins with ends, or -1.
func closing(pattern string) int {
	depth, class := 0, false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// goPattern writes what Python's classes mean for Go: there \w, \d and \s are of
// all letters, not of ASCII only, and \Z is the end.
func goPattern(pattern string) string {
	var b strings.Builder
	class := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		if c != '\\' || i+1 == len(pattern) {
			if c == '[' {
				class = true
			} else if c == ']' {
				class = false
			}
			b.WriteByte(c)
			continue
		}
		i++
		b.WriteString(goClass(pattern[i], class))
	}
	return b.String()
}

func goClass(letter byte, inClass bool) string {
	set, not := "", "^"
	switch letter {
	case 'w':
		set, not = `\p{L}\p{M}\p{N}_`, ""
	case 'W':
		set = `\p{L}\p{M}\p{N}_`
	case 'd':
		set, not = `\p{Nd}`, ""
	case 'D':
		set = `\p{Nd}`
	case 's':
		set, not = `\s\p{Z}`, ""
	case 'S':
		set = `\s\p{Z}`
	case 'Z':
		return `\z`
	}
	switch {
	case set == "" || inClass && not != "":
		return `\` + string(letter)
	case inClass:
		return set
	}
	return "[" + not + set + "]"
}
