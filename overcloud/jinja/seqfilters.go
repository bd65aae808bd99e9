package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// sequenceFilter returns the filters that work on lists and dicts.
func sequenceFilter(name string) Filter {
	switch name {
	case "list":
		return Filter{"", func(c *Call) any { return &List{c.Items(c.Self)} }}
	case "first":
		return Filter{"", func(c *Call) any {
			v, ok := c.r.pull(c.line, c.r.iter(c.line, c.Self))
			if !ok {
				return Undefined{"No first item, sequence was empty."}
			}
			return v
		}}
	case "last":
		return Filter{"", filterLast}
	case "reverse":
		return Filter{"", filterReverse}
	case "map":
		return Filter{"* **", filterMap}
	case "select", "reject", "selectattr", "rejectattr":
		return Filter{"* **", filterSelect}
	case "unique":
		return Filter{"case_sensitive? attribute?", filterUnique}
	case "sort":
		return Filter{"reverse? case_sensitive? attribute?", filterSort}
	case "min", "max":
		return Filter{"case_sensitive? attribute?", filterMinMax}
	case "sum":
		return Filter{"attribute? start?", filterSum}
	case "groupby":
		return Filter{"attribute default? case_sensitive?", filterGroup}
	case "batch":
		return Filter{"linecount fill_with?", filterBatch}
	case "slice":
		return Filter{"slices fill_with?", filterSlice}
	case "items":
		return Filter{"", filterItems}
	case "dictsort":
		return Filter{"case_sensitive? by? reverse?", filterDictSort}
	}
	return Filter{}
}

// path follows a dotted attribute such as "a.b.0", as map and sort do. def, when
// it is not nil, takes the place of what is not there.
func (c *Call) path(v, attr, def any) any {
	var parts []any
	c.r.read(c.line, attr)
	if s, ok := text(attr); ok {
		for _, p := range strings.Split(s, ".") {
			if n, err := strconv.ParseInt(p, 10, 64); err == nil && p[0] != '-' && p[0] != '+' {
				parts = append(parts, n)
			} else {
				parts = append(parts, p)
			}
		}
	} else if attr != nil {
		parts = []any{attr}
	}
	for _, p := range parts {
		v = c.r.item(c.line, v, p)
		if _, undef := v.(Undefined); undef && def != nil {
			v = def
		}
	}
	return v
}

func filterLast(c *Call) any {
	if _, ok := length(c.Self); !ok {
		c.Fail("'%s' object is not reversible", iterName(c.Self))
	}
	items := c.Items(c.Self)
	if len(items) == 0 {
		return Undefined{"No last item, sequence was empty."}
	}
	return items[len(items)-1]
}

func filterReverse(c *Call) any {
	if s, ok := text(c.Self); ok {
		c.Sized(len(s))
		r := []rune(s)
		slices.Reverse(r)
		return c.result(string(r))
	}
	items := c.Items(c.Self)
	slices.Reverse(items)
	if _, ok := c.Self.(*Iter); ok {
		return &List{items}
	}
	out := deferred(func() []any { return items })
	out.kind = typeName(c.Self) + "_reverseiterator"
	return out
}

// lazily makes the generator of a filter that visits its value's items.
func (c *Call) lazily(each func(v any) (out any, keep bool)) *Iter {
	var it *Iter
	return generator(func() (any, bool) {
		if it == nil {
			it = c.r.iter(c.line, c.Self)
		}
		for {
			v, ok := c.r.pull(c.line, it)
			if !ok {
				return nil, false
			}
			if out, keep := each(v); keep {
				return out, true
			}
		}
	})
}

func filterMap(c *Call) any {
	kw := c.Named()
	if attr, byAttr := kw.Get("attribute"); byAttr && len(c.Rest()) == 0 {
		def, hasDef := kw.Get("default")
		if kw.Len() > 1 && !hasDef || kw.Len() > 2 {
			c.Fail("map takes attribute and default only")
		}
		return c.lazily(func(v any) (any, bool) { return c.path(v, attr, def), true })
	}
	if len(c.Rest()) == 0 {
		c.Fail("map requires a filter argument")
	}
	name := c.Text(c.Rest()[0])
	if _, ok := c.r.env.filter(name); !ok && Truth(c.Self) {
		c.Fail("%s", c.r.env.unknownFilter(name))
	}
	return c.lazily(func(v any) (any, bool) {
		return c.r.filterCall(c.line, name, v, c.Rest()[1:], kw), true
	})
}

func filterSelect(c *Call) any {
	keep := strings.HasPrefix(c.Name, "select")
	args := c.Rest()
	get := func(v any) any { return v }
	if strings.HasSuffix(c.Name, "attr") {
		if len(args) == 0 {
			c.Fail("%s needs the name of an attribute", c.Name)
		}
		attr := args[0]
		get = func(v any) any { return c.path(v, attr, nil) }
		args = args[1:]
	}
	ok := Truth
	if len(args) > 0 {
		name := c.Text(args[0])
		ok = func(v any) bool { return c.r.testCall(c.line, name, v, args[1:], c.Named()) }
	}
	return c.lazily(func(v any) (any, bool) { return v, ok(get(v)) == keep })
}

// fold is the key of a comparison without regard to case, Jinja's default.
func (c *Call) fold(v any, caseArg int) any {
	if c.True(caseArg) {
		return v
	}
	if s, ok := text(v); ok {
		c.r.read(c.line, s)
		return strings.ToLower(s)
	}
	return v
}

func filterUnique(c *Call) any {
	attr := c.Or(1, nil)
	seen := map[any]bool{}
	return c.lazily(func(v any) (any, bool) {
		k := c.fold(c.path(v, attr, nil), 0)
		h, ok := c.r.hash(c.line, k)
		if !ok {
			c.r.unhashable(c.line, k)
		}
		again := seen[h]
		seen[h] = true
		return v, !again
	})
}

func filterSort(c *Call) any {
	items := c.Items(c.Self)
	attrs := []any{c.Or(2, nil)}
	if s, ok := text(attrs[0]); ok {
		attrs = nil
		for _, a := range strings.Split(s, ",") {
			attrs = append(attrs, a)
		}
	}
	c.r.sort(c.line, items, func(v any) any {
		t := Tuple{}
		for _, a := range attrs {
			t.Items = append(t.Items, c.fold(c.path(v, a, nil), 1))
		}
		return t
	}, c.True(0))
	return &List{items}
}

func filterMinMax(c *Call) any {
	key := func(v any) any { return c.fold(c.path(v, c.Or(1, nil), nil), 0) }
	items := c.Items(c.Self)
	if len(items) == 0 {
		return Undefined{"No aggregated item, sequence was empty."}
	}
	op := map[string]string{"min": "<", "max": ">"}[c.Name]
	best, bestKey := items[0], key(items[0])
	for _, v := range items[1:] {
		if k := key(v); c.r.compareOp(c.line, op, k, bestKey) {
			best, bestKey = v, k
		}
	}
	return best
}

func filterSum(c *Call) any {
	total := c.Or(1, int64(0))
	if _, ok := text(total); ok {
		c.Fail("sum() can't sum strings")
	}
	for _, it := range c.Items(c.Self) {
		total = c.r.operate(c.line, "+", total, c.path(it, c.Or(0, nil), nil))
	}
	return total
}

func filterGroup(c *Call) any {
	attr, def := c.args[0], c.Or(1, nil)
	items := c.Items(c.Self)
	key := func(v any) any { return c.fold(c.path(v, attr, def), 2) }
	c.r.sort(c.line, items, key, false)
	out := NewList()
	var group *List
	var groupKey any
	for _, it := range items {
		k := key(it)
		if group != nil && c.Equal(groupKey, k) {
			group.Items = append(group.Items, it)
			continue
		}
		group, groupKey = NewList(it), k
		out.Items = append(out.Items, Tuple{Items: []any{c.path(it, attr, def), group}, group: true})
	}
	return out
}

func filterBatch(c *Call) any {
	n := int(c.Int(0, 0))
	fill := c.Or(1, nil)
	return deferred(func() []any {
		var out []any
		row := NewList()
		for _, v := range c.Items(c.Self) {
			if len(row.Items) == n {
				c.r.alloc(c.line, 64)
				out = append(out, row)
				row = NewList()
			}
			row.Items = append(row.Items, v)
		}
		if len(row.Items) == 0 {
			return out
		}
		if fill != nil && len(row.Items) < n {
			row.Items = append(row.Items, c.r.repeat(c.line, []any{fill}, int64(n-len(row.Items)))...)
		}
		return append(out, row)
	})
}

func filterSlice(c *Call) any {
	n := int(c.Int(0, 0))
	fill := c.Or(1, nil)
	return deferred(func() []any {
		items := c.Items(c.Self)
		if n == 0 {
			c.Fail("integer division or modulo by zero")
		}
		c.Cost(min(max(n, 0), c.r.limits.Steps) * 4) // a list each
		c.r.alloc(c.line, 128*max(n, 0))
		var out []any
		for i := range max(n, 0) {
			size := len(items) / n
			from := i*size + min(i, len(items)%n)
			if i < len(items)%n {
				size++
			}
			row := append([]any(nil), items[from:from+size]...)
			if fill != nil && i >= len(items)%n {
				row = append(row, fill)
			}
			out = append(out, &List{row})
		}
		return out
	})
}

func filterItems(c *Call) any {
	switch v := c.Self.(type) {
	case Undefined:
		return deferred(func() []any { return nil })
	case *Dict:
		return deferred(func() []any { return c.Items(&View{v, "dict_items"}) })
	}
	return deferred(func() []any {
		c.Fail("Can only get item pairs from a mapping, got %s.", iterName(c.Self))
		return nil
	})
}

func filterDictSort(c *Call) any {
	d, ok := c.Self.(*Dict)
	if !ok {
		c.Used(c.Self)
		c.Fail("dictsort needs a mapping, got %s", iterName(c.Self))
	}
	at := map[string]int{"key": 0, "value": 1}
	by, ok := at[c.Str(1, "key")]
	if !ok {
		c.Fail("you can only sort by either \"key\" or \"value\"")
	}
	items := c.Items(&View{d, "dict_items"})
	c.r.sort(c.line, items, func(v any) any { return c.fold(v.(Tuple).Items[by], 0) }, c.True(2))
	return &List{items}
}
