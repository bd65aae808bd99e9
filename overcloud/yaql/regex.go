package yaql

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

func regexRows() []row {
	return []row{
		{"regex(pattern string, ignoreCase bool? = false, multiLine bool? = false, dotAll bool? = false)", makeRegex},
		{".matches(regexp regex, string string)", func(c *call) any { return c.e.match(c.regex(0), c.str(1)) }},
		{".matches(string string, regexp string)", func(c *call) any { return c.e.match(c.e.compile(c.str(1), ""), c.str(0)) }},
		{".search(regexp regex, string string, selector lambda = null)", search},
		{".searchAll(regexp regex, string string, selector lambda = null)", searchAll},
		{".split(regexp regex, string string, maxSplit int = 0)", func(c *call) any { return splitRegex(c, c.regex(0), c.str(1)) }},
		{".split(string string, regexp regex, maxSplit int = 0)", func(c *call) any { return splitRegex(c, c.regex(1), c.str(0)) }},
		{".replace(regexp regex, string string, repl string, count int = 0)", func(c *call) any { return replaceRegex(c, c.regex(0), c.str(1)) }},
		{".replace(string string, regexp regex, repl string, count int = 0)", func(c *call) any { return replaceRegex(c, c.regex(1), c.str(0)) }},
		{".replaceBy(regexp regex, string string, repl lambda, count int = 0)", func(c *call) any { return replaceBy(c, c.regex(0), c.str(1)) }},
		{".replaceBy(string string, regexp regex, repl lambda, count int = 0)", func(c *call) any { return replaceBy(c, c.regex(1), c.str(0)) }},
		{"escapeRegex(string string)", escapeRegex},
		{"isRegex(value any)", func(c *call) any { return isKind("regex", c.args[0]) }},
	}
}

func (c *call) regex(i int) *regex { return c.args[i].(*regex) }

func makeRegex(c *call) any {
	flags := ""
	for i, f := range []string{"i", "m", "s"} {
		if c.args[i+1] == true {
			flags += f
		}
	}
	return c.e.compile(c.str(0), flags)
}

// match charges for the search before it is done.
func (e *evaluator) match(re *regex, s string) bool {
	e.work((len(s) + 1) * re.size / 64)
	return re.MatchString(s)
}

func (e *evaluator) find(re *regex, s string, n int) [][]int {
	e.work((len(s) + 1) * re.size / 64)
	e.grow(len(s))
	if n == 0 {
		n = -1
	}
	found := re.FindAllStringSubmatchIndex(s, n)
	e.sized(len(found) * (re.NumSubexp() + 1))
	return found
}

func search(c *call) any {
	re, s := c.regex(0), c.str(1)
	found := c.e.find(re, s, 1)
	switch {
	case len(found) == 0:
		return nil
	case c.lambda(2) == nil:
		return s[found[0][0]:found[0][1]]
	}
	return c.lambda(2).in(c.publish(re, s, found[0]))
}

func searchAll(c *call) any {
	re, s := c.regex(0), c.str(1)
	found := c.e.find(re, s, 0)
	i := -1
	return c.e.lazy(func() (any, bool) {
		if i++; i == len(found) {
			return nil, false
		}
		if c.lambda(2) == nil {
			return s[found[i][0]:found[i][1]], true
		}
		return c.lambda(2).in(c.publish(re, s, found[i])), true
	})
}

// publish makes variables of a match: $1 is the whole, $2 the first group …,
// $name a named group, each with value, start and end.
func (c *call) publish(re *regex, s string, m []int) *scope {
	sc := &scope{parent: c.sc}
	for i, name := range re.SubexpNames() {
		group := map[string]any{"value": nil, "start": -1, "end": -1}
		if from, to := m[2*i], m[2*i+1]; from >= 0 {
			group["value"] = s[from:to]
			group["start"] = utf8.RuneCountInString(s[:from])
			group["end"] = utf8.RuneCountInString(s[:to])
			c.e.grow(to)
		}
		c.e.grow(100)
		sc.args = append(sc.args, group)
		if name != "" {
			sc.set(name, group)
		}
	}
	return sc
}

// splitRegex puts what groups matched between the parts, as Python does.
func splitRegex(c *call, re *regex, s string) any {
	out := []any{}
	at := 0
	if c.int(2) < 0 {
		return []any{s}
	}
	for _, m := range c.e.find(re, s, c.int(2)) {
		out = append(out, s[at:m[0]])
		for i := 2; i < len(m); i += 2 {
			out = append(out, groupText(s, m, i/2, nil))
		}
		at = m[1]
	}
	out = append(out, s[at:])
	c.e.sized(len(out))
	return out
}

func groupText(s string, m []int, i int, none any) any {
	if m[2*i] < 0 {
		return none
	}
	return s[m[2*i]:m[2*i+1]]
}

func replaceRegex(c *call, re *regex, s string) any {
	t := c.e.template(re, c.str(2))
	return c.substitute(re, s, func(m []int) string {
		var b strings.Builder
		for _, p := range t {
			b.WriteString(p.text)
			if p.group >= 0 {
				b.WriteString(groupText(s, m, p.group, "").(string))
			}
		}
		return b.String()
	})
}

func replaceBy(c *call, re *regex, s string) any {
	return c.substitute(re, s, func(m []int) string {
		v := c.lambda(2).in(c.publish(re, s, m))
		text, ok := v.(string)
		if !ok {
			c.e.fail("replaceBy() needs a string for each match, got %s", typeName(v))
		}
		return text
	})
}

// substitute replaces each match; argument 3 is how many at most, 0 for all.
func (c *call) substitute(re *regex, s string, with func(m []int) string) any {
	if c.int(3) < 0 {
		return s
	}
	var b strings.Builder
	at := 0
	for _, m := range c.e.find(re, s, c.int(3)) {
		part := s[at:m[0]] + with(m)
		c.e.grow(len(part))
		b.WriteString(part)
		at = m[1]
	}
	c.e.grow(len(s) - at)
	b.WriteString(s[at:])
	return b.String()
}

// piece is text of a replacement and the group that follows it, or -1.
type piece struct {
	text  string
	group int
}

// template reads Python's replacement: \1, \g<1>, \g<name> and escapes.
func (e *evaluator) template(re *regex, repl string) []piece {
	var out []piece
	text := ""
	for i := 0; i < len(repl); {
		if repl[i] == '\\' && i+1 == len(repl) {
			e.fail("the replacement ends with a backslash: write two")
		}
		if repl[i] != '\\' {
			text += repl[i : i+1]
			i++
			continue
		}
		name, n := reference(repl[i:])
		if n == 0 {
			lit, size := e.literal(repl[i:])
			text += lit
			i += size
			continue
		}
		g := re.SubexpIndex(name)
		if d, err := strconv.Atoi(name); err == nil {
			g = d
		}
		if g < 0 || g > re.NumSubexp() {
			e.fail("the replacement names the group %s, which the regex has not", name)
		}
		out = append(out, piece{text, g})
		text = ""
		i += n
	}
	return append(out, piece{text, -1})
}

// reference is the name of the group that the escape names, and its length, or 0.
func reference(s string) (string, int) {
	if strings.HasPrefix(s, `\g<`) {
		if end := strings.IndexByte(s, '>'); end > 0 {
			return s[3:end], end + 1
		}
	}
	if s[1] < '1' || s[1] > '9' {
		return "", 0
	}
	n := 2
	if n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[1:n], n
}

// literal is what an escape of a replacement stands for, and its length.
func (e *evaluator) literal(s string) (string, int) {
	c := s[1]
	if i := strings.IndexByte("abfnrtv\\", c); i >= 0 {
		return "\a\b\f\n\r\t\v\\"[i : i+1], 2
	}
	if c == '0' {
		n := escapeLen(s)
		v, _ := strconv.ParseUint(s[1:n], 8, 32)
		return string(rune(v)), n
	}
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
		e.fail(`the replacement has the escape \%c, which Python's regexes do not know`, c)
	}
	_, size := utf8.DecodeRuneInString(s[1:])
	return s[:1+size], 1 + size
}

func escapeRegex(c *call) any {
	var b strings.Builder
	for _, r := range c.str(0) {
		if strings.ContainsRune("()[]{}?*+-|^$\\.&~# \t\n\r\v\f", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return c.e.str(b.String())
}
