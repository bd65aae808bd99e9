package ansible

import "trefoil/overcloud/jinja"

func setFilters() map[string]jinja.Filter {
	return map[string]jinja.Filter{
		"union":                {Params: "b", Do: func(c *jinja.Call) any { return unique(c, append(list(c, c.Self), list(c, c.Or(0, nil))...)) }},
		"intersect":            {Params: "b", Do: func(c *jinja.Call) any { return unique(c, filterIn(c, list(c, c.Self), list(c, c.Or(0, nil)), true)) }},
		"difference":           {Params: "b", Do: func(c *jinja.Call) any { return unique(c, filterIn(c, list(c, c.Self), list(c, c.Or(0, nil)), false)) }},
		"symmetric_difference": {Params: "b", Do: symmetric},
		"unique":               {Params: "case_sensitive? attribute?", Do: uniqueFilter},
		"flatten":              {Params: "levels? skip_nulls?", Do: flatten},
		"zip":                  {Params: "*", Do: zip},
		"zip_longest":          {Params: "* **", Do: zip},
		"product":              {Params: "* **", Do: product},
		"permutations":         {Params: "r?", Do: arrange},
		"combinations":         {Params: "r", Do: arrange},
	}
}

func keep(c *jinja.Call, items []any, ok func(any) bool) []any {
	var out []any
	for _, v := range items {
		c.Cost(1)
		if ok(v) {
			out = append(out, v)
		}
	}
	return out
}

func filterIn(c *jinja.Call, a, b []any, want bool) []any {
	set := &jinja.List{Items: b}
	return keep(c, a, func(v any) bool { return c.Contains(set, v) == want })
}

// unique keeps the first of equal items; other than Jinja2's it takes what
// cannot be hashed.
func unique(c *jinja.Call, items []any) *jinja.List {
	seen := jinja.NewDict()
	out := &jinja.List{}
	rest := &jinja.List{}
	for _, v := range items {
		c.Cost(1)
		if _, has := seen.Get(v); has {
			continue
		}
		if !seen.Set(v, true) {
			if c.Contains(rest, v) {
				continue
			}
			rest.Items = append(rest.Items, v)
		}
		out.Items = append(out.Items, v)
	}
	return out
}

func uniqueFilter(c *jinja.Call) any {
	items := list(c, c.Self)
	attr := c.Or(1, nil)
	if attr == nil {
		return unique(c, items)
	}
	seen := jinja.NewList()
	out := keep(c, items, func(v any) bool {
		k := c.Get(v, attr)
		if c.Contains(seen, k) {
			return false
		}
		seen.Items = append(seen.Items, k)
		return true
	})
	return &jinja.List{Items: out}
}

func symmetric(c *jinja.Call) any {
	a, b := list(c, c.Self), list(c, c.Or(0, nil))
	both := filterIn(c, a, b, true)
	return unique(c, filterIn(c, append(append([]any(nil), a...), b...), both, false))
}

func flatten(c *jinja.Call) any {
	levels := int64(-1)
	if v := c.Or(0, nil); v != nil {
		levels = c.Int(0, 0)
	}
	out := jinja.NewList()
	flattenInto(c, out, list(c, c.Self), levels, jinja.Truth(c.Or(1, true)), 0)
	return out
}

func flattenInto(c *jinja.Call, out *jinja.List, items []any, levels int64, skipNulls bool, depth int) {
	if depth > 200 {
		c.Fail("flatten: nested more than 200 levels deep")
	}
	for _, v := range items {
		c.Cost(1)
		inner, isList := v.(*jinja.List)
		if t, ok := v.(jinja.Tuple); ok {
			inner, isList = &jinja.List{Items: t.Items}, true
		}
		s, isText := jinja.AsText(v)
		switch {
		case skipNulls && (v == nil || isText && (s == "None" || s == "null")):
		case isList && levels != 0:
			flattenInto(c, out, inner.Items, levels-1, skipNulls, depth+1)
		default:
			out.Items = append(out.Items, v)
		}
	}
}

func zip(c *jinja.Call) any {
	fill, _ := c.Named().Get("fillvalue")
	longest := c.Name == "zip_longest"
	return jinja.Lazy(func() []any {
		var lists [][]any
		n := -1
		for _, v := range append([]any{c.Self}, c.Rest()...) {
			l := c.Items(v)
			lists = append(lists, l)
			if n < 0 || longest && len(l) > n || !longest && len(l) < n {
				n = len(l)
			}
		}
		var out []any
		for i := range n {
			c.Cost(len(lists))
			row := make([]any, len(lists))
			for j, l := range lists {
				row[j] = fill
				if i < len(l) {
					row[j] = l[i]
				}
			}
			out = append(out, jinja.Tuple{Items: row})
		}
		return out
	})
}

func product(c *jinja.Call) any {
	repeat := int64(1)
	if v, ok := c.Named().Get("repeat"); ok {
		repeat, _ = jinja.AsInt(v)
	}
	return jinja.Lazy(func() []any {
		rows := []any{jinja.Tuple{}}
		for range min(max(repeat, 0), 100) {
			for _, v := range append([]any{c.Self}, c.Rest()...) {
				items := c.Items(v)
				var next []any
				for _, row := range rows {
					for _, it := range items {
						was := row.(jinja.Tuple).Items
						c.Cost(len(was) + 1)
						c.Memory(64 + 16*len(was))
						next = append(next, jinja.Tuple{Items: append(append([]any(nil), was...), it)})
					}
				}
				rows = next
			}
		}
		return rows
	})
}

// arrange is permutations and combinations, in the order of itertools.
func arrange(c *jinja.Call) any {
	return jinja.Lazy(func() []any {
		items := c.Items(c.Self)
		r := int(c.Int(0, int64(len(items))))
		var out []any
		used := make([]bool, len(items))
		var step func(row []any, from int)
		step = func(row []any, from int) {
			c.Cost(1)
			if len(row) == r {
				c.Cost(r)
				c.Memory(48 + 16*r)
				out = append(out, jinja.Tuple{Items: append([]any(nil), row...)})
				return
			}
			for i := from; i < len(items); i++ {
				if used[i] {
					continue
				}
				used[i] = true
				next := 0
				if c.Name == "combinations" {
					next = i + 1
				}
				step(append(row, items[i]), next)
				used[i] = false
			}
		}
		if len(items) > 1000 {
			c.Fail("%s takes at most 1000 items, got %d", c.Name, len(items))
		}
		if r < 0 {
			c.Fail("%s: the length of a row must not be negative, got %d", c.Name, r)
		}
		if r <= len(items) {
			step(nil, 0)
		}
		return out
	})
}
