package jinja

import "slices"

// method is a method of a Python type: its parameters as in Filter.
type method struct {
	params string
	do     func(c *Call) any
}

// boundMethod returns x's method of that name, nil when there is none.
func boundMethod(x any, name string) *Func {
	var m method
	switch x := x.(type) {
	case string, Markup:
		m = stringMethod(name)
	case *List:
		m = listMethod(name)
	case *Dict:
		m = dictMethod(name)
	case Tuple:
		if name == "index" || name == "count" {
			m = listMethod(name)
		}
	case Bytes:
		if name == "decode" {
			m = method{"encoding? errors?", func(*Call) any { return string(x) }}
		}
	case *cycler:
		m = x.method(name)
	case float64:
		if name == "is_integer" {
			m = method{"", func(*Call) any { return x == float64(int64(x)) }}
		}
	}
	if m.do == nil {
		return nil
	}
	return &Func{name, "built-in method", func(r *renderer, line int, args []any, kw *Dict) any {
		c := r.newCall(line, name, x, m.params, args, kw)
		return m.do(c)
	}}
}

func dictMethod(name string) method {
	switch name {
	case "get":
		return method{"key default?", func(c *Call) any {
			if v, ok := c.key(c.args[0]); ok {
				return v
			}
			return c.Or(1, nil)
		}}
	case "keys", "values", "items":
		return method{"", func(c *Call) any { return &View{c.Self.(*Dict), "dict_" + name} }}
	case "update":
		return method{"other? **", func(c *Call) any {
			if other, ok := c.Arg(0); ok {
				c.r.update(c.line, c.Self.(*Dict), other)
			}
			c.r.update(c.line, c.Self.(*Dict), c.Named())
			return nil
		}}
	case "pop":
		return method{"key default?", dictPop}
	case "popitem":
		return method{"", func(c *Call) any {
			d := c.Self.(*Dict)
			if d.Len() == 0 {
				c.Fail("KeyError: 'popitem(): dictionary is empty'")
			}
			k := d.keys[d.Len()-1]
			c.Cost(d.slots[d.Len()-1].weight)
			v, _ := d.Delete(k)
			return Tuple{Items: []any{k, v}}
		}}
	case "setdefault":
		return method{"key default?", func(c *Call) any {
			if v, ok := c.key(c.args[0]); ok {
				return v
			}
			c.set(c.Self.(*Dict), c.args[0], c.Or(1, nil))
			return c.Or(1, nil)
		}}
	case "copy":
		return method{"", func(c *Call) any {
			c.Cost(c.Self.(*Dict).weight)
			c.r.alloc(c.line, 64*c.Self.(*Dict).Len())
			return c.Self.(*Dict).Copy()
		}}
	case "clear":
		return method{"", func(c *Call) any { *c.Self.(*Dict) = *NewDict(); return nil }}
	case "fromkeys":
		return method{"keys value?", func(c *Call) any {
			d := NewDict()
			for _, k := range c.Items(c.args[0]) {
				c.set(d, k, c.Or(1, nil))
			}
			return d
		}}
	}
	return method{}
}

// key looks up a key of the dict that the method belongs to.
func (c *Call) key(k any) (any, bool) {
	d := c.Self.(*Dict)
	h, ok := c.r.hash(c.line, k)
	if !ok {
		c.r.unhashable(c.line, k)
	}
	return d.hashed(h)
}

// set stores an item and counts its memory.
func (c *Call) set(d *Dict, k, v any) {
	c.r.alloc(c.line, 64)
	c.r.put(c.line, d, k, v)
}

func dictPop(c *Call) any {
	d := c.Self.(*Dict)
	c.Cost(d.Len() / 16)
	if c.r.hasKey(c.line, d, c.args[0]) {
		c.r.hash(c.line, c.args[0]) // Delete hashes it again
		v, _ := d.Delete(c.args[0])
		return v
	}
	def, ok := c.Arg(1)
	if !ok {
		c.Fail("KeyError: %s", c.brief(c.args[0]))
	}
	return def
}

// update is dict.update: from a dict or from pairs.
func (r *renderer) update(line int, d *Dict, from any) {
	if src, ok := from.(*Dict); ok {
		r.cost(line, src.weight)
		r.alloc(line, 64*src.Len())
		for k, v := range src.All() {
			r.put(line, d, k, v)
		}
		return
	}
	for i, it := range r.items(line, from) {
		r.used(line, it)
		pair := r.items(line, it)
		if len(pair) != 2 {
			r.fail(line, "dictionary update sequence element #%d has length %d; 2 is required", i, len(pair))
		}
		r.put(line, d, pair[0], pair[1])
	}
}

func listMethod(name string) method {
	switch name {
	case "append":
		return method{"object", func(c *Call) any {
			c.r.alloc(c.line, 16)
			l := c.Self.(*List)
			l.Items = append(l.Items, c.args[0])
			return nil
		}}
	case "extend":
		return method{"iterable", func(c *Call) any {
			l := c.Self.(*List)
			l.Items = append(l.Items, c.Items(c.args[0])...)
			return nil
		}}
	case "insert":
		return method{"index object", listInsert}
	case "pop":
		return method{"index?", listPop}
	case "remove", "index":
		return method{"value start? stop?", listFind}
	case "count":
		return method{"value", func(c *Call) any {
			n := int64(0)
			for _, it := range c.Items(c.Self) {
				if c.Equal(it, c.args[0]) {
					n++
				}
			}
			return n
		}}
	case "reverse":
		return method{"", func(c *Call) any {
			l := c.Self.(*List)
			c.Cost(len(l.Items) / 16)
			slices.Reverse(l.Items)
			return nil
		}}
	case "sort":
		return method{"key? reverse?", func(c *Call) any {
			key := func(v any) any { return v }
			if f, ok := c.Arg(0); ok && f != nil {
				key = func(v any) any { return c.r.call(c.line, f, []any{v}, nil) }
			}
			c.r.sort(c.line, c.Self.(*List).Items, key, c.True(1))
			return nil
		}}
	case "copy":
		return method{"", func(c *Call) any { return &List{c.Items(c.Self)} }}
	case "clear":
		return method{"", func(c *Call) any { c.Self.(*List).Items = nil; return nil }}
	}
	return method{}
}

func listInsert(c *Call) any {
	l := c.Self.(*List)
	i, n := c.Int(0, 0), int64(len(l.Items))
	if i < 0 {
		i += n
	}
	c.Cost(len(l.Items) / 16)
	c.r.alloc(c.line, 16)
	l.Items = slices.Insert(l.Items, int(min(max(i, 0), n)), c.args[1])
	return nil
}

func listPop(c *Call) any {
	l := c.Self.(*List)
	i := c.Int(0, -1)
	v, ok := index(l.Items, i)
	switch {
	case len(l.Items) == 0:
		c.Fail("IndexError: pop from empty list")
	case !ok:
		c.Fail("IndexError: pop index out of range")
	}
	if i < 0 {
		i += int64(len(l.Items))
	}
	c.Cost((len(l.Items) - int(i)) / 16)
	l.Items = slices.Delete(l.Items, int(i), int(i)+1)
	return v
}

func listFind(c *Call) any {
	items := c.Items(c.Self)
	from, to := 0, len(items)
	if c.Name == "index" {
		lo, hi, _ := c.r.bounds(c.line, int64(len(items)), pySlice{c.Or(1, nil), c.Or(2, nil), nil})
		from, to = int(lo), int(hi)
	}
	for i := from; i < to; i++ {
		if !c.Equal(items[i], c.args[0]) {
			continue
		}
		if c.Name == "index" {
			return int64(i)
		}
		l := c.Self.(*List)
		l.Items = slices.Delete(l.Items, i, i+1)
		return nil
	}
	c.Fail("ValueError: %s is not in list", c.brief(c.args[0]))
	return nil
}
