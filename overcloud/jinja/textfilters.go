package jinja

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// textFilter returns the filters that make text of text.
func textFilter(name string) Filter {
	switch name {
	case "lower", "upper", "capitalize":
		return Filter{"", func(c *Call) any { return c.result(changeCase(c.Name, c.Text(c.Self))) }}
	case "title":
		return Filter{"", func(c *Call) any { return c.result(titleWords(c.Text(c.Self))) }}
	case "trim":
		return Filter{"chars?", func(c *Call) any { return c.result(strip(c, "strip", c.Text(c.Self))) }}
	case "center":
		return Filter{"width?", func(c *Call) any {
			b := &Call{Name: "center", Self: c.Text(c.Self), r: c.r, line: c.line, args: []any{c.Int(0, 80)}}
			return stringPad(b)
		}}
	case "replace":
		return Filter{"old new count?", func(c *Call) any {
			return c.result(c.replace(c.Text(c.Self), c.Text(c.args[0]), c.Text(c.args[1]), int(c.Int(2, -1))))
		}}
	case "format":
		return Filter{"* **", filterFormat}
	case "indent":
		return Filter{"width? first? blank?", filterIndent}
	case "truncate":
		return Filter{"length? killwords? end? leeway?", filterTruncate}
	case "wordcount":
		return Filter{"", func(c *Call) any { return int64(len(words.FindAllStringIndex(c.Text(c.Self), -1))) }}
	case "wordwrap":
		return Filter{"width? break_long_words? wrapstring? break_on_hyphens?", filterWordWrap}
	case "join":
		return Filter{"d? attribute?", filterJoin}
	}
	return Filter{}
}

var (
	words      = regexp.MustCompile(`[\pL\pN_]+`)
	wordBegins = regexp.MustCompile(`[-\s({\[<]+`)
)

// titleWords is Jinja2's title: only blanks, dashes and brackets begin a word.
func titleWords(s string) string {
	var b strings.Builder
	at := 0
	word := func(w string) {
		_, n := utf8.DecodeRuneInString(w) // a byte that is no character is one long
		b.WriteString(strings.ToUpper(w[:n]) + strings.ToLower(w[n:]))
	}
	for _, m := range wordBegins.FindAllStringIndex(s, -1) {
		word(s[at:m[0]])
		b.WriteString(s[m[0]:m[1]])
		at = m[1]
	}
	word(s[at:])
	return b.String()
}

func filterFormat(c *Call) any {
	s := c.Text(c.Self)
	if c.Named().Len() > 0 {
		if len(c.Rest()) > 0 {
			c.Fail("format cannot take positional and named arguments at the same time")
		}
		return c.r.percent(c.line, s, c.Named())
	}
	return c.r.percent(c.line, s, Tuple{Items: c.Rest()})
}

// needText is the value of a filter that does not convert.
func (c *Call) needText() string {
	s, ok := text(c.Self)
	if !ok {
		c.Used(c.Self)
		c.Fail("%s needs a string, got %s", c.Name, iterName(c.Self))
	}
	return s
}

func filterIndent(c *Call) any {
	s := c.needText()
	var pad string
	if v, _ := c.Arg(0); v != nil {
		pad, _ = text(v)
	}
	if pad == "" {
		if v, ok := c.Arg(0); !ok || v != "" {
			n := max(c.Int(0, 4), 0)
			c.Sized(int(min(n, 1<<40)))
			pad = strings.Repeat(" ", int(n))
		}
	}
	lines := splitLines(s+"\n", false)
	c.Cost(len(lines))
	size := int64(len(s)) + int64(len(pad))*int64(len(lines))
	c.Sized(int(size))
	for i, l := range lines {
		if i == 0 && c.True(1) || i > 0 && (l != "" || c.True(2)) {
			lines[i] = pad + l
		}
	}
	return c.result(strings.Join(lines, "\n"))
}

func filterTruncate(c *Call) any {
	s := c.needText()
	length, end, leeway := int(c.Int(0, 255)), c.Str(2, "..."), int(c.Int(3, 5))
	switch {
	case length < runeLen(end):
		c.Fail("truncate: expected length >= %d, got %d", runeLen(end), length)
	case leeway < 0:
		c.Fail("truncate: expected leeway >= 0, got %d", leeway)
	}
	r := []rune(s)
	if len(r) <= length+leeway {
		return c.Self
	}
	s = string(r[:length-runeLen(end)])
	if i := strings.LastIndex(s, " "); !c.True(1) && i >= 0 {
		s = s[:i]
	}
	return c.result(s + end)
}

func filterJoin(c *Call) any {
	sep := any("")
	if v, ok := c.Arg(0); ok {
		sep = v
	}
	items := c.Items(c.Self)
	if a, ok := c.Arg(1); ok && a != nil {
		for i, it := range items {
			items[i] = c.path(it, a, nil)
		}
	}
	safe := false
	for _, it := range items {
		_, isMarkup := it.(Markup)
		safe = safe || isMarkup
	}
	str := c.r.str
	_, isMarkup := sep.(Markup)
	if c.r.escape && (safe || isMarkup) {
		str = c.r.escaped
	}
	parts := make([]string, len(items))
	for i, it := range items {
		parts[i] = str(c.line, it)
	}
	out := c.join(parts, str(c.line, sep))
	if c.r.escape && (safe || isMarkup) {
		return Markup(out)
	}
	return out
}

func filterWordWrap(c *Call) any {
	s := c.needText()
	width := int(c.Int(0, 79))
	if width <= 0 {
		c.Fail("invalid width %d (must be > 0)", width)
	}
	sep := c.Str(2, "\n")
	long, hyphens := Truth(c.Or(1, true)), Truth(c.Or(3, true))
	var lines []string
	for _, l := range splitLines(s, false) {
		wrapped := wrapLine(l, width, long, hyphens)
		c.Cost(len(wrapped))
		lines = append(lines, c.join(wrapped, sep))
	}
	return c.join(lines, "\n")
}

var chunkRe = regexp.MustCompile(`\s+|[^\s-]*[\pL\pN_"'&.,?!]-+|[^\s-]+|-+`)

// wrapLine is textwrap.wrap of one line.
func wrapLine(s string, width int, long, hyphens bool) []string {
	var out []string
	var line []string
	used := 0
	flush := func() {
		for len(line) > 0 && strings.TrimFunc(line[len(line)-1], isSpace) == "" {
			line = line[:len(line)-1]
		}
		if len(line) > 0 {
			out = append(out, strings.Join(line, ""))
		}
		line, used = nil, 0
	}
	chunks := chunksOf(s, hyphens)
	for i := 0; i < len(chunks); {
		chunk := chunks[i]
		n := runeLen(chunk)
		switch {
		case len(line) == 0 && len(out) > 0 && strings.TrimFunc(chunk, isSpace) == "":
			i++
		case used+n <= width:
			line, used = append(line, chunk), used+n
			i++
		case n > width && long:
			r := []rune(chunk)
			space := max(width-used, 1)
			line = append(line, string(r[:space]))
			chunks[i] = string(r[space:])
			flush()
		case n > width && len(line) == 0:
			line = append(line, chunk)
			i++
			flush()
		default:
			flush()
		}
	}
	flush()
	return out
}

// chunksOf cuts a line where it may be broken.
func chunksOf(s string, hyphens bool) []string {
	if hyphens {
		return chunkRe.FindAllString(s, -1)
	}
	return regexp.MustCompile(`\s+|\S+`).FindAllString(s, -1)
}
