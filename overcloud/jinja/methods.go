package jinja

import (
	"strings"
	"unicode"
)

type methodFunc func(c *callCtx) any

// callCtx is one call of a method, filter or test.
type callCtx struct {
	r    *renderer
	line int
	name string
	self any
	args []any
	kw   *Dict
}

// arg returns the i-th argument or the named one.
func (c *callCtx) arg(i int, name string) (any, bool) {
	if i < len(c.args) {
		return c.args[i], true
	}
	if c.kw != nil && name != "" {
		return c.kw.Get(name)
	}
	return nil, false
}

func (c *callCtx) need(i int, name string) any {
	v, ok := c.arg(i, name)
	if !ok {
		c.r.fail(c.line, "%s() needs argument %q", c.name, name)
	}
	return v
}

func (c *callCtx) str(i int, name string) string {
	v := c.need(i, name)
	s, ok := v.(string)
	if !ok {
		c.r.used(c.line, v)
		c.r.fail(c.line, "%s() needs a string, got %s", c.name, typeName(v))
	}
	return s
}

func (c *callCtx) strOr(i int, name, def string) string {
	if v, ok := c.arg(i, name); !ok || v == nil {
		return def
	}
	return c.str(i, name)
}

func (c *callCtx) intOr(i int, name string, def int64) int64 {
	v, ok := c.arg(i, name)
	if !ok {
		return def
	}
	n, ok := integer(v)
	if !ok {
		c.r.fail(c.line, "%s() needs a number, got %s", c.name, typeName(v))
	}
	return n
}

// method returns x's method of that name, bound.
func method(x any, name string) (any, bool) {
	var m methodFunc
	switch x.(type) {
	case string:
		m = stringMethod(name)
	case *List:
		m = listMethod(name)
	case *Dict:
		m = dictMethod(name)
	case Tuple:
		if name == "index" || name == "count" {
			m = listMethod(name)
		}
	}
	if m == nil {
		return nil, false
	}
	return Func{name, func(r *renderer, line int, args []any, kw *Dict) any {
		return m(&callCtx{r: r, line: line, name: name, self: x, args: args, kw: kw})
	}}, true
}

func dictMethod(name string) methodFunc {
	switch name {
	case "get":
		return func(c *callCtx) any {
			if v, ok := c.self.(*Dict).Get(c.need(0, "key")); ok {
				return v
			}
			v, _ := c.arg(1, "default")
			return v
		}
	case "keys", "values", "items":
		return func(c *callCtx) any {
			l := NewList()
			d := c.self.(*Dict)
			for _, k := range d.keys {
				v, _ := d.Get(k)
				switch name {
				case "keys":
					l.Items = append(l.Items, k)
				case "values":
					l.Items = append(l.Items, v)
				default:
					l.Items = append(l.Items, Tuple{[]any{k, v}})
				}
			}
			c.r.cost(c.line, len(l.Items))
			return l
		}
	case "update":
		return func(c *callCtx) any {
			if len(c.args) > 0 {
				c.r.update(c.line, c.self.(*Dict), c.args[0])
			}
			c.r.update(c.line, c.self.(*Dict), c.kw)
			return nil
		}
	case "pop", "setdefault":
		return dictTake
	case "copy":
		return func(c *callCtx) any {
			d := NewDict()
			c.r.update(c.line, d, c.self)
			return d
		}
	case "clear":
		return func(c *callCtx) any { *c.self.(*Dict) = *NewDict(); return nil }
	}
	return nil
}

func dictTake(c *callCtx) any {
	d, key := c.self.(*Dict), c.need(0, "key")
	def, has := c.arg(1, "default")
	if c.name == "setdefault" {
		if v, ok := d.Get(key); ok {
			return v
		}
		d.Set(key, def)
		return def
	}
	if v, ok := d.Delete(key); ok {
		return v
	}
	if !has {
		c.r.fail(c.line, "KeyError: %s", Repr(key))
	}
	return def
}

func listMethod(name string) methodFunc {
	switch name {
	case "append":
		return func(c *callCtx) any {
			l := c.self.(*List)
			l.Items = append(l.Items, c.need(0, "object"))
			return nil
		}
	case "extend":
		return func(c *callCtx) any {
			l := c.self.(*List)
			l.Items = c.r.join(c.line, l.Items, c.r.iterate(c.line, c.need(0, "iterable")))
			return nil
		}
	case "insert":
		return func(c *callCtx) any {
			l := c.self.(*List)
			i := c.intOr(0, "index", 0)
			if i < 0 {
				i += int64(len(l.Items))
			}
			i = min(max(i, 0), int64(len(l.Items)))
			l.Items = append(l.Items[:i:i], append([]any{c.need(1, "object")}, l.Items[i:]...)...)
			return nil
		}
	case "pop":
		return listPop
	case "remove", "index", "count":
		return listFind
	case "reverse":
		return func(c *callCtx) any { l := c.self.(*List); l.Items = reversed(l.Items); return nil }
	case "sort":
		return func(c *callCtx) any {
			if !sortValues(c.self.(*List).Items, func(v any) any { return v }) {
				c.r.fail(c.line, "items of different types cannot be sorted")
			}
			return nil
		}
	case "copy":
		return func(c *callCtx) any { return &List{c.r.iterate(c.line, c.self)} }
	case "clear":
		return func(c *callCtx) any { c.self.(*List).Items = nil; return nil }
	}
	return nil
}

func listPop(c *callCtx) any {
	l := c.self.(*List)
	i := c.intOr(0, "index", -1)
	v, ok := index(l.Items, i)
	if !ok {
		c.r.fail(c.line, "IndexError: pop from empty list or index %d out of range", i)
	}
	if i < 0 {
		i += int64(len(l.Items))
	}
	l.Items = append(l.Items[:i:i], l.Items[i+1:]...)
	return v
}

func listFind(c *callCtx) any {
	items := c.r.iterate(c.line, c.self)
	v := c.need(0, "value")
	n := int64(0)
	for i, it := range items {
		if !equal(it, v) {
			continue
		}
		switch c.name {
		case "index":
			return int64(i)
		case "remove":
			c.self.(*List).Items = append(items[:i:i], items[i+1:]...)
			return nil
		}
		n++
	}
	if c.name != "count" {
		c.r.fail(c.line, "ValueError: %s is not in list", Repr(v))
	}
	return n
}

func reversed(items []any) []any {
	out := make([]any, len(items))
	for i, v := range items {
		out[len(items)-1-i] = v
	}
	return out
}

func stringMethod(name string) methodFunc {
	switch name {
	case "lower", "upper", "strip", "lstrip", "rstrip", "title", "capitalize", "swapcase":
		return stringCase
	case "startswith", "endswith":
		return stringAffix
	case "split", "rsplit", "splitlines", "partition", "rpartition":
		return stringSplit
	case "join":
		return func(c *callCtx) any {
			var parts []string
			for _, it := range c.r.iterate(c.line, c.need(0, "iterable")) {
				s, ok := it.(string)
				if !ok {
					c.r.fail(c.line, "join() needs strings, got %s", typeName(it))
				}
				parts = append(parts, s)
			}
			return c.r.sized(c.line, strings.Join(parts, c.self.(string)))
		}
	case "replace":
		return func(c *callCtx) any {
			return c.r.sized(c.line, strings.Replace(c.self.(string), c.str(0, "old"), c.str(1, "new"), int(c.intOr(2, "count", -1))))
		}
	case "format":
		return func(c *callCtx) any { return c.r.sized(c.line, c.r.format(c.line, c.self.(string), c.args, c.kw)) }
	case "find", "rfind", "count", "index":
		return stringFind
	case "isdigit", "isalpha", "isalnum", "isupper", "islower", "isspace":
		return stringIs
	case "zfill", "ljust", "rjust", "center":
		return stringPad
	case "encode", "decode":
		return func(c *callCtx) any { return c.self }
	case "removeprefix":
		return func(c *callCtx) any { return strings.TrimPrefix(c.self.(string), c.str(0, "prefix")) }
	case "removesuffix":
		return func(c *callCtx) any { return strings.TrimSuffix(c.self.(string), c.str(0, "suffix")) }
	}
	return nil
}

func stringCase(c *callCtx) any {
	s := c.self.(string)
	trim := func(f func(string, string) string, space func(string, func(rune) bool) string) any {
		if v, ok := c.arg(0, "chars"); ok && v != nil {
			return f(s, c.str(0, "chars"))
		}
		return space(s, unicode.IsSpace)
	}
	switch c.name {
	case "lower":
		return strings.ToLower(s)
	case "upper":
		return strings.ToUpper(s)
	case "strip":
		return trim(strings.Trim, strings.TrimFunc)
	case "lstrip":
		return trim(strings.TrimLeft, strings.TrimLeftFunc)
	case "rstrip":
		return trim(strings.TrimRight, strings.TrimRightFunc)
	case "capitalize":
		return capitalize(s)
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

func capitalize(s string) string {
	for i, r := range s {
		if i == 0 {
			return string(unicode.ToUpper(r)) + strings.ToLower(s[len(string(r)):])
		}
	}
	return s
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
		return unicode.ToUpper(r)
	}, s)
}

func stringAffix(c *callCtx) any {
	s := c.self.(string)
	tests := []any{c.need(0, "prefix")}
	if t, ok := tests[0].(Tuple); ok {
		tests = t.Items
	}
	for _, t := range tests {
		p, ok := t.(string)
		if !ok {
			c.r.used(c.line, t)
			c.r.fail(c.line, "%s() needs a string or a tuple of strings, got %s", c.name, typeName(t))
		}
		if c.name == "startswith" && strings.HasPrefix(s, p) || c.name == "endswith" && strings.HasSuffix(s, p) {
			return true
		}
	}
	return false
}
