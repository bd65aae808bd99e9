package yaql

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"trefoil/internal/regexsize"
)

const maxPattern = 10_000 // parts of a regex once its repetitions are written out

// regex is a compiled pattern and how many parts it has, by which a search costs.
type regex struct {
	*regexp.Regexp
	size int
}

// compile reads a pattern as Python's re does, as far as a search in linear
// time can.
func (e *evaluator) compile(pattern, flags string) *regex {
	e.read(pattern)
	text := goPattern(pattern)
	if flags != "" {
		text = "(?" + flags + ")" + text
	}
	if re := e.regexes[text]; re != nil {
		return re
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		e.fail("the regex %s does not compile: %s%s", e.repr(pattern), strings.TrimPrefix(err.Error(), "error parsing regexp: "), regexHint(pattern))
	}
	size := regexsize.Of(tree, maxPattern)
	if size > maxPattern {
		e.fail("the regex %s has more than %d parts", e.repr(pattern), maxPattern)
	}
	e.work(size)
	e.grow(2000 + 100*size)
	re := &regex{regexp.MustCompile(text), size}
	if e.regexes == nil {
		e.regexes = map[string]*regex{}
	}
	e.regexes[text] = re
	return re
}

// regexHint names what Python's regexes have and ours have not.
func regexHint(pattern string) string {
	for _, look := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.Contains(pattern, look) {
			return "; look-ahead and look-behind are not supported: match what is around it in groups"
		}
	}
	if regexp.MustCompile(`\\[1-9]|\(\?P=`).MatchString(pattern) {
		return "; back references are not supported"
	}
	return ""
}

// goPattern writes a pattern of Python so that Go reads the same: classes are
// Unicode's, and a few escapes have other names.
func goPattern(pattern string) string {
	var b strings.Builder
	class := 0 // position after the [ of a class, 0 outside
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			n := escapeLen(pattern[i:])
			b.WriteString(goEscape(pattern[i:i+n], class > 0))
			i += n - 1
			continue
		case c == '[' && class == 0:
			class = i + 1
			if strings.HasPrefix(pattern[class:], "^") {
				class++
			}
		case c == '[' && strings.HasPrefix(pattern[i:], "[:"): // no POSIX class in Python
			b.WriteByte('\\')
		case c == ']' && class > 0 && i > class:
			class = 0
		case c == '{' && class == 0 && strings.HasPrefix(pattern[i:], "{,"):
			b.WriteString("{0")
			continue
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}

// escapeLen is the length of the escape that s begins with.
func escapeLen(s string) int {
	_, size := utf8.DecodeRuneInString(s[1:])
	n := 1 + size
	switch s[1] {
	case 'u':
		n = 6
	case 'U':
		n = 10
	case '0':
		for n < min(4, len(s)) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
	}
	return min(n, len(s))
}

func goEscape(esc string, class bool) string {
	open, end := "[", "]"
	if class {
		open, end = "", ""
	}
	switch esc[1] {
	case 'w':
		return open + `\p{L}\p{N}_` + end
	case 'd':
		return `\p{Nd}`
	case 's':
		return open + `\s\x0b\x1c-\x1f\x{85}\p{Z}` + end
	case 'D':
		return `\P{Nd}`
	case 'W':
		if !class {
			return `[^\p{L}\p{N}_]`
		}
	case 'S':
		if !class {
			return `[^\s\x0b\x1c-\x1f\x{85}\p{Z}]`
		}
	case 'Z':
		return `\z`
	case 'u', 'U':
		return `\x{` + esc[2:] + `}`
	case '0':
		n, _ := strconv.ParseUint(esc[1:], 8, 32)
		return `\x{` + strconv.FormatUint(n, 16) + `}`
	case 'z', 'C', 'Q', 'E', 'p', 'P': // Go's own; unknown to Python
		return `\8`
	}
	return esc
}
