package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

func stringMethod(name string) method {
	switch name {
	case "lower", "casefold", "upper", "title", "capitalize", "swapcase":
		return method{"", func(c *Call) any { return c.result(changeCase(name, c.self())) }}
	case "strip", "lstrip", "rstrip":
		return method{"chars?", func(c *Call) any { return c.result(strip(c, name, c.self())) }}
	case "startswith", "endswith":
		return method{"prefix start? end?", stringAffix}
	case "split", "rsplit":
		return method{"sep? maxsplit?", stringSplit}
	case "splitlines":
		return method{"keepends?", func(c *Call) any { return c.strings(splitLines(c.self(), c.True(0))) }}
	case "partition", "rpartition":
		return method{"sep", stringPartition}
	case "join":
		return method{"iterable", stringJoin}
	case "replace":
		return method{"old new count?", func(c *Call) any {
			return c.result(c.replace(c.self(), c.safe(c.Str(0, "")), c.safe(c.Str(1, "")), int(c.Int(2, -1))))
		}}
	case "format":
		return method{"* **", func(c *Call) any {
			w := &formatWriter{r: c.r, line: c.line, args: c.Rest(), kw: c.Named()}
			_, w.safe = c.Self.(Markup)
			return c.result(w.text(c.self(), 2))
		}}
	case "format_map":
		return method{"mapping", func(c *Call) any {
			d, ok := c.args[0].(*Dict)
			if !ok {
				c.Fail("format_map() needs a mapping, got %s", typeName(c.args[0]))
			}
			return c.result(c.Format(c.self(), nil, d))
		}}
	case "find", "rfind", "count", "index", "rindex":
		return method{"sub start? end?", stringFind}
	case "zfill":
		return method{"width", stringPad}
	case "ljust", "rjust", "center":
		return method{"width fillchar?", stringPad}
	case "expandtabs":
		return method{"tabsize?", expandTabs}
	case "encode":
		return method{"encoding? errors?", func(c *Call) any { c.Sized(len(c.self())); return Bytes(c.self()) }}
	case "removeprefix":
		return method{"prefix", func(c *Call) any { return c.result(strings.TrimPrefix(c.self(), c.Str(0, ""))) }}
	case "removesuffix":
		return method{"suffix", func(c *Call) any { return c.result(strings.TrimSuffix(c.self(), c.Str(0, ""))) }}
	case "isdigit", "isdecimal", "isnumeric", "isalpha", "isalnum", "isspace", "isprintable", "isascii", "isidentifier",
		"isupper", "islower", "istitle":
		return method{"", func(c *Call) any { return stringIs(name, c.self()) }}
	}
	return method{}
}

// self is the string that the method belongs to.
func (c *Call) self() string {
	s, _ := text(c.Self)
	return s
}

// safe escapes an argument of a method of Markup.
func (c *Call) safe(s string) string {
	if _, ok := c.Self.(Markup); ok {
		return escapeHTML(s)
	}
	return s
}

// strings makes a list of texts of the kind of the call's value.
func (c *Call) strings(parts []string) *List {
	c.Cost(len(parts))
	c.r.alloc(c.line, 32*len(parts))
	l := &List{make([]any, len(parts))}
	for i, p := range parts {
		l.Items[i] = c.result(p)
	}
	return l
}

func changeCase(how, s string) string {
	switch how {
	case "lower":
		return strings.ToLower(s)
	case "casefold":
		return strings.ReplaceAll(strings.ToLower(s), "ß", "ss")
	case "upper":
		return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS")
	case "capitalize":
		if s == "" {
			return s
		}
		r, n := utf8.DecodeRuneInString(s) // a byte that is no character is one long
		return string(unicode.ToTitle(r)) + strings.ToLower(s[n:])
	case "title":
		return title(s)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

// title is str.title(): a letter after a non-letter is upper case.
func title(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		was := inWord
		inWord = unicode.IsLetter(r)
		if was {
			return unicode.ToLower(r)
		}
		return unicode.ToTitle(r)
	}, s)
}

func strip(c *Call, side, s string) string {
	cut := isSpace
	if v, ok := c.Arg(0); ok && v != nil {
		chars := c.Str(0, "")
		set := map[rune]bool{} // looking along chars for each character would be quadratic
		for _, r := range chars {
			set[r] = true
		}
		cut = func(r rune) bool { return set[r] }
	}
	if side != "rstrip" {
		s = strings.TrimLeftFunc(s, cut)
	}
	if side != "lstrip" {
		s = strings.TrimRightFunc(s, cut)
	}
	return s
}

// part is the stretch of a string that start and end arguments from i on leave,
// and how many characters stand before it.
func (c *Call) part(i int) (string, int) {
	s := c.self()
	_, start := c.Arg(i)
	_, end := c.Arg(i + 1)
	if !start && !end {
		return s, 0
	}
	r := []rune(s)
	c.Cost(len(r) / 16)
	from, to, _ := c.r.bounds(c.line, int64(len(r)), pySlice{c.Or(i, nil), c.Or(i+1, nil), nil})
	return string(r[from:max(from, to)]), int(from)
}

func stringAffix(c *Call) any {
	s, _ := c.part(1)
	tests := []any{c.args[0]}
	if t, ok := tests[0].(Tuple); ok {
		tests = t.Items
	}
	for _, t := range tests {
		p, ok := text(t)
		if !ok {
			c.Used(t)
			c.Fail("%s first arg must be str or a tuple of str, not %s", c.Name, iterName(t))
		}
		c.r.read(c.line, p[:min(len(p), len(s))])
		if c.Name == "startswith" && strings.HasPrefix(s, p) || c.Name == "endswith" && strings.HasSuffix(s, p) {
			return true
		}
	}
	return false
}

func stringFind(c *Call) any {
	s, before := c.part(1)
	sub := c.Str(0, "")
	if c.Name == "count" {
		return int64(strings.Count(s, sub))
	}
	i := strings.Index(s, sub)
	if strings.HasPrefix(c.Name, "r") {
		i = strings.LastIndex(s, sub)
	}
	if i < 0 {
		if strings.HasSuffix(c.Name, "index") {
			c.Fail("ValueError: substring not found")
		}
		return int64(-1)
	}
	return int64(before + runeLen(s[:i]))
}

func stringIs(what, s string) bool {
	switch what {
	case "isupper", "islower":
		cased := strings.ToUpper(s) != strings.ToLower(s)
		return cased && (what == "isupper" && s == strings.ToUpper(s) || what == "islower" && s == strings.ToLower(s))
	case "istitle":
		return strings.ToUpper(s) != strings.ToLower(s) && s == title(s)
	}
	is := map[string]func(rune) bool{
		"isdigit":   func(r rune) bool { return unicode.IsDigit(r) || strings.ContainsRune("²³¹⁰⁴⁵⁶⁷⁸⁹", r) },
		"isdecimal": unicode.IsDigit, "isnumeric": unicode.IsNumber, "isalpha": unicode.IsLetter,
		"isalnum": func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) },
		"isspace": isSpace, "isprintable": unicode.IsPrint, "isascii": func(r rune) bool { return r < 0x80 },
		"isidentifier": func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) },
	}[what]
	for i, r := range s {
		if !is(r) || i == 0 && what == "isidentifier" && unicode.IsDigit(r) {
			return false
		}
	}
	return s != "" || what == "isprintable" || what == "isascii"
}

func stringPad(c *Call) any {
	s := c.self()
	pad := int(min(c.Int(0, 0), 1<<31)) - runeLen(s)
	if pad <= 0 {
		return c.Self
	}
	fill := c.Str(1, " ")
	if c.Name == "zfill" {
		fill = "0"
	}
	if runeLen(fill) != 1 {
		c.Fail("the fill character must be exactly one character long")
	}
	c.Sized(len(s) + pad*len(fill))
	switch c.Name {
	case "ljust":
		return c.result(s + strings.Repeat(fill, pad))
	case "rjust":
		return c.result(strings.Repeat(fill, pad) + s)
	case "center":
		left := pad/2 + (pad & int(c.Int(0, 0)) & 1)
		return c.result(strings.Repeat(fill, left) + s + strings.Repeat(fill, pad-left))
	}
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	return c.result(sign + strings.Repeat("0", pad) + s)
}

func expandTabs(c *Call) any {
	size := int(min(max(c.Int(0, 8), 0), 1000))
	var b strings.Builder
	col := 0
	for _, r := range c.self() {
		switch r {
		case '\t':
			if size > 0 {
				n := size - col%size
				b.WriteString(strings.Repeat(" ", n))
				col += n
			}
			continue
		case '\n', '\r':
			col = -1
		}
		b.WriteRune(r)
		col++
		if b.Len() > c.r.limits.Output {
			break
		}
	}
	c.Sized(b.Len())
	return c.result(b.String())
}
