package jinja

import (
	"strings"
	"unicode"
)

func stringsList(parts []string) *List {
	l := NewList()
	for _, p := range parts {
		l.Items = append(l.Items, p)
	}
	return l
}

func stringSplit(c *callCtx) any {
	s := c.self.(string)
	c.r.cost(c.line, len(s)/8)
	switch c.name {
	case "splitlines":
		if s == "" {
			return NewList()
		}
		return stringsList(strings.Split(strings.TrimSuffix(newlines.Replace(s), "\n"), "\n"))
	case "partition":
		if a, b, ok := strings.Cut(s, c.str(0, "sep")); ok {
			return Tuple{[]any{a, c.str(0, "sep"), b}}
		}
		return Tuple{[]any{s, "", ""}}
	case "rpartition":
		sep := c.str(0, "sep")
		if i := strings.LastIndex(s, sep); i >= 0 {
			return Tuple{[]any{s[:i], sep, s[i+len(sep):]}}
		}
		return Tuple{[]any{"", "", s}}
	}
	sep := c.strOr(0, "sep", "")
	limit := int(c.intOr(1, "maxsplit", -1))
	if v, ok := c.arg(0, "sep"); ok && v != nil && sep == "" {
		c.r.fail(c.line, "empty separator")
	}
	if sep == "" {
		return splitSpace(s, limit, c.name == "rsplit")
	}
	if c.name == "rsplit" {
		var tail []any
		for i := strings.LastIndex(s, sep); i >= 0 && (limit < 0 || len(tail) < limit); i = strings.LastIndex(s, sep) {
			tail = append(tail, s[i+len(sep):])
			s = s[:i]
		}
		return &List{reversed(append(tail, s))}
	}
	if limit >= 0 {
		limit++
	}
	return stringsList(strings.SplitN(s, sep, limit))
}

// splitSpace is split() without a separator.
func splitSpace(s string, limit int, fromRight bool) any {
	if limit < 0 {
		return stringsList(strings.Fields(s))
	}
	var out []any
	for s = strings.TrimFunc(s, unicode.IsSpace); s != ""; {
		var word string
		i := strings.IndexFunc(s, unicode.IsSpace)
		if fromRight {
			i = strings.LastIndexFunc(s, unicode.IsSpace)
		}
		if i < 0 || len(out) == limit {
			out = append(out, s)
			break
		}
		if fromRight {
			word, s = strings.TrimLeftFunc(s[i:], unicode.IsSpace), strings.TrimRightFunc(s[:i], unicode.IsSpace)
		} else {
			word, s = s[:i], strings.TrimLeftFunc(s[i:], unicode.IsSpace)
		}
		out = append(out, word)
	}
	if fromRight {
		out = reversed(out)
	}
	return &List{out}
}

func stringFind(c *callCtx) any {
	s, sub := c.self.(string), c.str(0, "sub")
	if c.name == "count" {
		return int64(strings.Count(s, sub))
	}
	i := strings.Index(s, sub)
	if c.name == "rfind" {
		i = strings.LastIndex(s, sub)
	}
	if i < 0 {
		if c.name == "index" {
			c.r.fail(c.line, "ValueError: substring not found")
		}
		return int64(-1)
	}
	return int64(runeLen(s[:i]))
}

func stringIs(c *callCtx) any {
	s := c.self.(string)
	if c.name == "isupper" || c.name == "islower" {
		cased := strings.ToUpper(s) != strings.ToLower(s)
		return cased && (c.name == "isupper" && s == strings.ToUpper(s) || c.name == "islower" && s == strings.ToLower(s))
	}
	for _, r := range s {
		ok := map[string]bool{"isdigit": unicode.IsDigit(r), "isalpha": unicode.IsLetter(r),
			"isalnum": unicode.IsLetter(r) || unicode.IsDigit(r), "isspace": unicode.IsSpace(r)}[c.name]
		if !ok {
			return false
		}
	}
	return s != ""
}

func stringPad(c *callCtx) any {
	s := c.self.(string)
	width := c.intOr(0, "width", 0)
	if width > int64(c.r.limits.Output) {
		c.r.fail(c.line, "a string is larger than %d bytes", c.r.limits.Output)
	}
	pad := int(width) - runeLen(s)
	if pad <= 0 {
		return s
	}
	fill := c.strOr(1, "fillchar", " ")
	if runeLen(fill) != 1 {
		c.r.fail(c.line, "the fill character must be exactly one character long")
	}
	switch c.name {
	case "ljust":
		return s + strings.Repeat(fill, pad)
	case "rjust":
		return strings.Repeat(fill, pad) + s
	case "center":
		left := pad/2 + (pad & int(width) & 1)
		return strings.Repeat(fill, left) + s + strings.Repeat(fill, pad-left)
	}
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	return sign + strings.Repeat("0", pad) + s
}
