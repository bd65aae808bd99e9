package jinja

import (
	"slices"
	"strings"
)

func stringSplit(c *Call) any {
	s, fromRight := c.self(), c.Name == "rsplit"
	limit := int(c.Int(1, -1))
	v, ok := c.Arg(0)
	if !ok || v == nil {
		return c.strings(splitSpace(s, limit, fromRight))
	}
	sep := c.Str(0, "")
	if sep == "" {
		c.Used(v)
		c.Fail("empty separator")
	}
	c.Cost(strings.Count(s, sep))
	if fromRight {
		var tail []string
		for i := strings.LastIndex(s, sep); i >= 0 && (limit < 0 || len(tail) < limit); i = strings.LastIndex(s, sep) {
			tail = append(tail, s[i+len(sep):])
			s = s[:i]
		}
		tail = append(tail, s)
		slices.Reverse(tail)
		return c.strings(tail)
	}
	if limit >= 0 {
		limit++
	}
	return c.strings(strings.SplitN(s, sep, limit))
}

// splitSpace is split() without a separator.
func splitSpace(s string, limit int, fromRight bool) []string {
	if limit < 0 {
		return strings.FieldsFunc(s, isSpace)
	}
	var out []string
	if fromRight {
		for s = strings.TrimRightFunc(s, isSpace); s != ""; {
			i := strings.LastIndexFunc(s, isSpace)
			if i < 0 || len(out) == limit {
				out = append(out, s)
				break
			}
			out = append(out, strings.TrimLeftFunc(s[i:], isSpace))
			s = strings.TrimRightFunc(s[:i], isSpace)
		}
		slices.Reverse(out)
		return out
	}
	for s = strings.TrimLeftFunc(s, isSpace); s != ""; {
		i := strings.IndexFunc(s, isSpace)
		if i < 0 || len(out) == limit {
			out = append(out, s)
			break
		}
		out = append(out, s[:i])
		s = strings.TrimLeftFunc(s[i:], isSpace)
	}
	return out
}

// splitLines is str.splitlines().
func splitLines(s string, keep bool) []string {
	var out []string
	for s != "" {
		i := strings.IndexAny(s, "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029")
		if i < 0 {
			return append(out, s)
		}
		end := i + 1
		switch {
		case strings.HasPrefix(s[i:], "\r\n"):
			end = i + 2
		case s[i] >= 0xc2:
			end = i + len(string([]rune(s[i:min(i+4, len(s))])[0]))
		}
		if keep {
			out = append(out, s[:end])
		} else {
			out = append(out, s[:i])
		}
		s = s[end:]
	}
	return out
}

func stringPartition(c *Call) any {
	s, sep := c.self(), c.Str(0, "")
	if sep == "" {
		c.Used(c.args[0])
		c.Fail("empty separator")
	}
	three := func(a, b, d string) any { return Tuple{Items: []any{c.result(a), c.result(b), c.result(d)}} }
	if c.Name == "partition" {
		if a, b, ok := strings.Cut(s, sep); ok {
			return three(a, sep, b)
		}
		return three(s, "", "")
	}
	if i := strings.LastIndex(s, sep); i >= 0 {
		return three(s[:i], sep, s[i+len(sep):])
	}
	return three("", "", s)
}

func stringJoin(c *Call) any {
	var parts []string
	_, safe := c.Self.(Markup)
	for i, it := range c.Items(c.args[0]) {
		s, ok := text(it)
		switch {
		case safe:
			s = c.r.escaped(c.line, it)
		case !ok:
			c.Used(it)
			c.Fail("sequence item %d: expected str instance, %s found", i, iterName(it))
		}
		parts = append(parts, s)
	}
	return c.result(c.join(parts, c.self()))
}

// join is strings.Join within the limits.
func (c *Call) join(parts []string, sep string) string {
	size := 0
	for _, p := range parts {
		if size += len(p) + len(sep); size > c.r.limits.Output+len(sep) {
			break
		}
	}
	c.Sized(max(size-len(sep), 0))
	return strings.Join(parts, sep)
}

// replace is str.replace within the limits.
func (c *Call) replace(s, from, to string, count int) string {
	n := strings.Count(s, from)
	if count >= 0 {
		n = min(n, count)
	}
	size := int64(len(s)) + int64(n)*int64(len(to)-len(from))
	c.Sized(int(min(size, 1<<40)))
	return strings.Replace(s, from, to, count)
}
