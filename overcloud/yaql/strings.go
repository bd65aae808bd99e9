package yaql

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

func stringRows() []row {
	return []row{
		{"concat(args string…)", concatText},
		{".toUpper(string string)", func(c *call) any { return c.e.str(strings.ToUpper(c.str(0))) }},
		{".toLower(string string)", func(c *call) any { return c.e.str(strings.ToLower(c.str(0))) }},
		{"+len(string string)", func(c *call) any { return utf8.RuneCountInString(c.str(0)) }},
		{".split(string string, separator string? = null, maxSplits int = -1)", splitText},
		{".rightSplit(string string, separator string? = null, maxSplits int = -1)", rightSplit},
		{".join(sequence iterable, separator string)", func(c *call) any { return joinText(c, c.args[0], c.str(1)) }},
		{".join(separator string, sequence iterable)", func(c *call) any { return joinText(c, c.args[1], c.str(0)) }},
		{"str(value any)", func(c *call) any { return c.e.text(c.args[0]) }},
		{".trim(string string, chars string? = null)", func(c *call) any { return trim(c.e, c.str(0), c.args[1], true, true) }},
		{".trimLeft(string string, chars string? = null)", func(c *call) any { return trim(c.e, c.str(0), c.args[1], true, false) }},
		{".trimRight(string string, chars string? = null)", func(c *call) any { return trim(c.e, c.str(0), c.args[1], false, true) }},
		{"+norm(string string?, chars string? = null)", norm},
		{"+isEmpty(string string?, trim bool = true, chars string? = null)", isEmpty},
		{".replace(string string, old string, new string, count int = -1)", func(c *call) any { return c.e.replace(c.str(0), c.str(1), c.str(2), c.int(3)) }},
		{".replace(string string, replacements map, count int = -1)", replaceByMap},
		{"+format(string string, args any…, **)", format},
		{".substring(string string, start int, length int = -1)", substring},
		{".indexOf(string string, sub string, start int = 0)", func(c *call) any { return indexText(c, false) }},
		{".indexOf(string string, sub string, start int, length int)", func(c *call) any { return indexText(c, false) }},
		{".lastIndexOf(string string, sub string, start int = 0)", func(c *call) any { return indexText(c, true) }},
		{".lastIndexOf(string string, sub string, start int, length int)", func(c *call) any { return indexText(c, true) }},
		{".toCharArray(string string)", toCharArray},
		{"characters(digits bool = false, hexdigits bool = false, asciiLowercase bool = false, asciiUppercase bool = false, asciiLetters bool = false, octdigits bool = false, punctuation bool = false, printable bool = false, whitespace bool = false)", characters},
		{"isString(arg any)", func(c *call) any { return isKind("string", c.args[0]) }},
		{".startsWith(string string, prefixes string…)", func(c *call) any { return affix(c, strings.HasPrefix) }},
		{".endsWith(string string, suffixes string…)", func(c *call) any { return affix(c, strings.HasSuffix) }},
		{"hex(num number)", hex},
	}
}

func concatText(c *call) any {
	n := 0
	for _, s := range c.rest {
		n += len(s.(string))
	}
	c.e.grow(n)
	var b strings.Builder
	for _, s := range c.rest {
		b.WriteString(s.(string))
	}
	return b.String()
}

// textList turns strings into a list.
func (e *evaluator) textList(parts []string) []any {
	out := make([]any, e.sized(len(parts)))
	for i, s := range parts {
		out[i] = e.str(s)
	}
	return out
}

func splitText(c *call) any {
	s, n := c.str(0), c.int(2)
	c.e.scan(s)
	if c.args[1] == nil {
		return c.e.textList(splitSpace(s, n))
	}
	if c.str(1) == "" {
		c.e.fail("split() needs a separator that is not empty")
	}
	if n >= 0 {
		n++
	}
	return c.e.textList(strings.SplitN(s, c.str(1), n))
}

// splitSpace cuts at runs of white space, at most n times if n is not negative.
func splitSpace(s string, n int) []string {
	var out []string
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	for s != "" {
		i := strings.IndexFunc(s, unicode.IsSpace)
		if i < 0 || n >= 0 && len(out) == n {
			return append(out, s)
		}
		out = append(out, s[:i])
		s = strings.TrimLeftFunc(s[i:], unicode.IsSpace)
	}
	return out
}

func rightSplit(c *call) any {
	s, n := c.str(0), c.int(2)
	c.e.scan(s)
	var out []string
	if c.args[1] == nil {
		s = strings.TrimRightFunc(s, unicode.IsSpace)
		for s != "" {
			i := strings.LastIndexFunc(s, unicode.IsSpace)
			if i < 0 || n >= 0 && len(out) == n {
				out = append(out, s)
				break
			}
			_, size := utf8.DecodeRuneInString(s[i:])
			out = append(out, s[i+size:])
			s = strings.TrimRightFunc(s[:i], unicode.IsSpace)
		}
		return c.e.textList(reversed(out))
	}
	sep := c.str(1)
	if sep == "" {
		c.e.fail("rightSplit() needs a separator that is not empty")
	}
	for n < 0 || len(out) < n {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		out = append(out, s[i+len(sep):])
		s = s[:i]
	}
	return c.e.textList(reversed(append(out, s)))
}

func reversed(list []string) []string {
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

func joinText(c *call, seq any, sep string) any {
	var b strings.Builder
	it := c.e.iterate(seq)
	for i := 0; ; i++ {
		v, ok := it.next()
		if !ok {
			return b.String()
		}
		s := c.e.text(v)
		c.e.grow(len(s) + len(sep))
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(s)
	}
}

func trim(e *evaluator, s string, chars any, left, right bool) string {
	e.scan(s)
	cut := unicode.IsSpace
	if chars, ok := chars.(string); ok {
		e.scan(chars)
		set := map[rune]bool{} // looking along chars for each character would be quadratic
		for _, r := range chars {
			set[r] = true
		}
		cut = func(r rune) bool { return set[r] }
	}
	if left {
		s = strings.TrimLeftFunc(s, cut)
	}
	if right {
		s = strings.TrimRightFunc(s, cut)
	}
	return s
}

func norm(c *call) any {
	s, ok := c.args[0].(string)
	if !ok {
		return nil
	}
	if s = trim(c.e, s, c.args[1], true, true); s == "" {
		return nil
	}
	return s
}

func isEmpty(c *call) any {
	s, _ := c.args[0].(string)
	if c.args[1] == true {
		s = trim(c.e, s, c.args[2], true, true)
	}
	return s == ""
}

// replace checks the size of the result before it is made.
func (e *evaluator) replace(s, old, with string, n int) string {
	count := strings.Count(s, old)
	if n >= 0 {
		count = min(count, n)
	}
	e.grow(max(0, len(s)+count*(len(with)-len(old))))
	return strings.Replace(s, old, with, n)
}

func replaceByMap(c *call) any {
	s := c.str(0)
	keys, vals := c.e.entries(c.args[1])
	for i, k := range keys {
		s = c.e.replace(s, c.e.text(k), c.e.text(vals[i]), c.int(2))
	}
	return s
}

func substring(c *call) any {
	r := []rune(c.str(0))
	c.e.grow(4 * len(r))
	start, length := c.int(1), c.int(2)
	if length < 0 {
		length = len(r)
	}
	if start < 0 {
		start += len(r)
	}
	from, to := bounds(start, start+length, len(r))
	return string(r[from:to])
}

// bounds reads the limits of a slice as Python does: negative ones count from the end.
func bounds(from, to, n int) (int, int) {
	clamp := func(i int) int {
		if i < 0 {
			i += n
		}
		return max(0, min(i, n))
	}
	from, to = clamp(from), clamp(to)
	return from, max(from, to)
}

// indexText is find() or rfind() of Python; positions count characters.
func indexText(c *call, last bool) any {
	r := []rune(c.str(0))
	c.e.grow(4 * len(r))
	start, end := c.int(2), len(r)
	if len(c.args) > 3 {
		length := c.int(3)
		if start < 0 {
			start += len(r)
		}
		if length < 0 {
			length = len(r) - start
		}
		end = start + length
	}
	if start > len(r) {
		return -1
	}
	from, to := bounds(start, end, len(r))
	part := string(r[from:to])
	i := strings.Index(part, c.str(1))
	if last {
		i = strings.LastIndex(part, c.str(1))
	}
	if i < 0 {
		return -1
	}
	return from + utf8.RuneCountInString(part[:i])
}

func toCharArray(c *call) any {
	return c.e.textList(strings.Split(c.str(0), ""))
}

// characters lists classes of characters in the order of their codes.
func characters(c *call) any {
	in := func(i int, from, to rune, r rune) bool { return c.args[i] == true && r >= from && r <= to }
	var out []any
	for r := rune(0); r < 0x7f; r++ {
		lower, upper, digit := r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9'
		space := strings.ContainsRune(" \t\n\r\x0b\x0c", r)
		punct := r > ' ' && !lower && !upper && !digit
		if in(0, '0', '9', r) || in(1, '0', '9', r) || in(1, 'a', 'f', r) || in(1, 'A', 'F', r) ||
			c.args[2] == true && lower || c.args[3] == true && upper || c.args[4] == true && (lower || upper) ||
			in(5, '0', '7', r) || c.args[6] == true && punct || c.args[7] == true && (r > ' ' || space) || c.args[8] == true && space {
			out = append(out, string(r))
		}
	}
	return append([]any{}, out...)
}

func affix(c *call, has func(s, part string) bool) any {
	for _, p := range c.rest {
		if has(c.str(0), p.(string)) {
			return true
		}
	}
	return false
}

func hex(c *call) any {
	i, ok := c.args[0].(int)
	if !ok {
		c.e.fail("hex() needs an integer, got a float")
	}
	n := int64(i)
	if n < 0 {
		return "-0x" + strconv.FormatUint(uint64(-n), 16)
	}
	return "0x" + strconv.FormatInt(n, 16)
}
