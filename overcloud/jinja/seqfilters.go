package jinja

import "strings"

// sequenceFilter returns the filters that work on lists and dicts.
func sequenceFilter(name string) methodFunc {
	switch name {
	case "map":
		return filterMap
	case "select", "reject", "selectattr", "rejectattr":
		return filterSelect
	case "unique":
		return filterUnique
	case "sort", "min", "max":
		return filterSort
	case "reverse":
		return func(c *callCtx) any {
			if s, ok := c.self.(string); ok {
				var b strings.Builder
				for _, r := range reversed(c.r.iterate(c.line, s)) {
					b.WriteString(r.(string))
				}
				return b.String()
			}
			return &List{reversed(c.items())}
		}
	case "sum":
		return filterSum
	case "groupby":
		return filterGroup
	case "batch", "slice":
		return filterBatch
	case "items", "dictsort", "dict2items", "items2dict", "combine":
		return filterDict
	case "ternary":
		return func(c *callCtx) any {
			if Truth(c.self) {
				return c.need(0, "true_val")
			}
			return c.need(1, "false_val")
		}
	}
	return nil
}

func filterMap(c *callCtx) any {
	out := NewList()
	attr, byAttr := c.kw.Get("attribute")
	def, hasDef := c.kw.Get("default")
	for _, it := range c.items() {
		var v any
		if byAttr {
			v = c.path(it, attr)
			if _, undef := v.(Undefined); undef && hasDef {
				v = def
			}
		} else {
			rest := c.args[min(1, len(c.args)):]
			v = c.r.filterCall(c.line, c.str(0, "filter"), it, rest, c.kw)
		}
		out.Items = append(out.Items, v)
	}
	return out
}

func filterSelect(c *callCtx) any {
	out := NewList()
	keep := strings.HasPrefix(c.name, "select")
	args := c.args
	byAttr := strings.HasSuffix(c.name, "attr")
	if byAttr {
		c.need(0, "attribute")
		args = args[1:]
	}
	for _, it := range c.items() {
		v := it
		if byAttr {
			v = c.path(it, c.args[0])
		}
		ok := Truth(v)
		if len(args) > 0 {
			ok = c.r.testCall(c.line, Str(args[0]), v, args[1:], c.kw)
		}
		if ok == keep {
			out.Items = append(out.Items, it)
		}
	}
	return out
}

// fold is the key of case-insensitive comparison, Jinja's default.
func (c *callCtx) fold(v any, caseArg int) any {
	if cs, _ := c.arg(caseArg, "case_sensitive"); Truth(cs) {
		return v
	}
	if s, ok := v.(string); ok {
		return strings.ToLower(s)
	}
	return v
}

func filterUnique(c *callCtx) any {
	out := NewList()
	seen := map[any]bool{}
	for _, it := range c.items() {
		v := it
		if a, ok := c.arg(1, "attribute"); ok && a != nil {
			v = c.path(it, a)
		}
		h, ok := hashKey(c.fold(v, 0))
		if !ok {
			c.r.fail(c.line, "unhashable type: '%s'", typeName(v))
		}
		if !seen[h] {
			seen[h] = true
			out.Items = append(out.Items, it)
		}
	}
	return out
}

func filterSort(c *callCtx) any {
	items := append([]any(nil), c.items()...)
	attrAt, caseAt := 2, 1
	if c.name != "sort" {
		attrAt, caseAt = 1, 0
	}
	key := func(v any) any {
		a, ok := c.arg(attrAt, "attribute")
		if !ok || a == nil {
			return c.fold(v, caseAt)
		}
		t := Tuple{}
		for _, part := range strings.Split(Str(a), ",") {
			t.Items = append(t.Items, c.fold(c.path(v, part), caseAt))
		}
		return t
	}
	reverse := false
	if c.name == "sort" {
		v, _ := c.arg(0, "reverse")
		reverse = Truth(v)
	}
	if reverse {
		items = reversed(items)
	}
	if !sortValues(items, key) {
		c.r.fail(c.line, "items of different types cannot be compared")
	}
	if reverse {
		items = reversed(items)
	}
	if c.name == "sort" {
		return &List{items}
	}
	if len(items) == 0 {
		return Undefined{"no aggregated item, sequence was empty"}
	}
	if c.name == "min" {
		return items[0]
	}
	return items[len(items)-1]
}

func filterSum(c *callCtx) any {
	total, _ := c.arg(1, "start")
	if total == nil {
		total = int64(0)
	}
	for _, it := range c.items() {
		if a, ok := c.arg(0, "attribute"); ok && a != nil {
			it = c.path(it, a)
		}
		add := &binaryExpr{pos(c.line), "+", &constExpr{pos(c.line), total}, &constExpr{pos(c.line), it}}
		total = c.r.binary(add, nil)
	}
	return total
}

func filterGroup(c *callCtx) any {
	attr := c.need(0, "attribute")
	items := append([]any(nil), c.items()...)
	key := func(v any) any { return c.fold(c.path(v, attr), 2) }
	if !sortValues(items, key) {
		c.r.fail(c.line, "items of different types cannot be compared")
	}
	out := NewList()
	for _, it := range items {
		if n := len(out.Items); n > 0 {
			last := out.Items[n-1].(Tuple)
			if group := last.Items[1].(*List); equal(key(group.Items[0]), key(it)) {
				group.Items = append(group.Items, it)
				continue
			}
		}
		out.Items = append(out.Items, Tuple{[]any{c.path(it, attr), NewList(it)}})
	}
	return out
}

func filterBatch(c *callCtx) any {
	items := c.items()
	n := int(c.intOr(0, "count", 0))
	if n <= 0 || n > 100_000 {
		c.r.fail(c.line, "%s needs a number above zero", c.name)
	}
	fill, hasFill := c.arg(1, "fill_with")
	out := NewList()
	if c.name == "batch" {
		for len(items) > 0 {
			k := min(n, len(items))
			row := append([]any(nil), items[:k]...)
			for hasFill && fill != nil && len(row) < n {
				row = append(row, fill)
			}
			out.Items = append(out.Items, &List{row})
			items = items[k:]
		}
		return out
	}
	for i := range n {
		k := len(items) / n
		from := i*k + min(i, len(items)%n)
		if i < len(items)%n {
			k++
		}
		row := append([]any(nil), items[from:from+k]...)
		if hasFill && fill != nil && i >= len(items)%n && len(items)%n > 0 {
			row = append(row, fill)
		}
		out.Items = append(out.Items, &List{row})
	}
	return out
}

func filterDict(c *callCtx) any {
	if _, undef := c.self.(Undefined); undef && c.name == "items" {
		return NewList()
	}
	if c.name == "items2dict" {
		d := NewDict()
		for _, it := range c.items() {
			d.Set(c.r.item(c.line, it, c.strOr(0, "key_name", "key")), c.r.item(c.line, it, c.strOr(1, "value_name", "value")))
		}
		return d
	}
	d, ok := c.self.(*Dict)
	if !ok {
		c.r.used(c.line, c.self)
		c.r.fail(c.line, "%s needs a mapping, got %s", c.name, typeName(c.self))
	}
	if c.name == "combine" {
		out := NewDict()
		for _, a := range append([]any{d}, c.args...) {
			c.r.update(c.line, out, a)
		}
		return out
	}
	out := NewList()
	for _, k := range d.keys {
		v, _ := d.Get(k)
		if c.name != "dict2items" {
			out.Items = append(out.Items, Tuple{[]any{k, v}})
			continue
		}
		pair := NewDict()
		pair.Set("key", k)
		pair.Set("value", v)
		out.Items = append(out.Items, pair)
	}
	if c.name == "dictsort" {
		at := 0
		if c.strOr(1, "by", "key") == "value" {
			at = 1
		}
		if !sortValues(out.Items, func(v any) any { return c.fold(v.(Tuple).Items[at], 0) }) {
			c.r.fail(c.line, "items of different types cannot be compared")
		}
		if rev, _ := c.arg(2, "reverse"); Truth(rev) {
			out.Items = reversed(out.Items)
		}
	}
	return out
}
