package yaql

import "strings"

func mapRows() []row {
	return []row{
		{"dict(pairs pair…)", func(c *call) any { return setPairs(c, c.e.newDict(len(c.rest))) }},
		{"dict(items iterable)", dictOf},
		{".toDict(collection iterable, keySelector lambda, valueSelector lambda = null)", toDict},
		{".get(dict map, key any, default any = null)", getKey},
		{".set(dict map, key any, value any)", setKey},
		{".set(dict map, replacements map)", setAll},
		{".set(dict map, pairs pair…)", func(c *call) any { return setPairs(c, c.e.copyOf(c.args[0], len(c.rest))) }},
		{".keys(dict map)", func(c *call) any { keys, _ := c.e.entries(c.args[0]); return &set{items: keys} }},
		{".values(dict map)", func(c *call) any { _, vals := c.e.entries(c.args[0]); return &view{vals} }},
		{".items(dict map)", items},
		{".containsKey(dict map, key any)", func(c *call) any { _, ok := c.e.lookup(c.args[0], c.args[1]); return ok }},
		{".containsValue(dict map, value any)", containsValue},
		{".delete(dict map, keys any…)", func(c *call) any { return deleteKeys(c, c.rest) }},
		{".deleteAll(dict map, keys iterable)", func(c *call) any { return deleteKeys(c, c.list(1)) }},
		{".mergeWith(dict map, another map, listMerger lambda = null, itemMerger lambda = null, maxLevels int = 0)", mergeWith},
		{"isDict(value any)", func(c *call) any { return isMap(c.args[0]) }},
	}
}

func setPairs(c *call, d *dict) any {
	for _, a := range c.rest {
		p := a.(pair)
		d.set(c.e.key(p.key), p.key, p.value)
	}
	return d
}

func dictOf(c *call) any {
	d := c.e.newDict(0)
	for it := c.iter(0); ; {
		v, ok := it.next()
		if !ok {
			return d
		}
		if s, ok := v.(string); ok { // Python walks its characters
			v = c.e.textList(strings.Split(s, ""))
		}
		if !isIterable(v) {
			c.e.fail("dict() is made of pairs [key, value], got %s", typeName(v))
		}
		p := c.e.iterate(v)
		key, _ := p.next()
		val, ok := p.next()
		if !ok {
			c.e.fail("dict() is made of pairs [key, value], got a list that is shorter")
		}
		c.e.grow(64)
		d.set(c.e.key(key), key, val)
	}
}

func toDict(c *call) any {
	d := c.e.newDict(0)
	for it := c.iter(0); ; {
		v, ok := it.next()
		if !ok {
			return d
		}
		k := c.lambda(1).call(v)
		if l := c.lambda(2); l != nil {
			v = l.call(v)
		}
		c.e.grow(64)
		d.set(c.e.key(k), k, v)
	}
}

func getKey(c *call) any {
	if v, ok := c.e.lookup(c.args[0], c.args[1]); ok {
		return v
	}
	return c.args[2]
}

func setKey(c *call) any {
	d := c.e.copyOf(c.args[0], 1)
	d.set(c.e.key(c.args[1]), c.args[1], c.args[2])
	return d
}

func setAll(c *call) any { return c.e.update(c.args[0], c.args[1]) }

// update is a map with the entries of another, which win.
func (e *evaluator) update(a, b any) *dict {
	d := e.copyOf(a, mapLen(b))
	keys, vals := e.entries(b)
	for i, k := range keys {
		d.set(e.key(k), k, vals[i])
	}
	return d
}

func items(c *call) any {
	keys, vals := c.e.entries(c.args[0])
	out := make([]any, c.e.sized(len(keys)))
	for i, k := range keys {
		out[i] = []any{k, vals[i]}
	}
	c.e.grow(32 * len(out))
	return &set{items: out}
}

func containsValue(c *call) any {
	_, vals := c.e.entries(c.args[0])
	return c.e.contains(vals, c.args[1])
}

func deleteKeys(c *call, gone []any) any {
	dead := map[any]bool{}
	for _, k := range gone {
		dead[c.e.key(k)] = true
	}
	keys, vals := c.e.entries(c.args[0])
	d := c.e.newDict(len(keys))
	for i, k := range keys {
		if hash := c.e.key(k); !dead[hash] {
			d.set(hash, k, vals[i])
		}
	}
	return d
}

// merger merges maps into one another, level by level.
type merger struct {
	e           *evaluator
	lists, item *lambda
}

// mergeWith: maps merge, lists are appended without what is twice, and of other
// values the second wins.
func mergeWith(c *call) any {
	m := &merger{c.e, c.lambda(2), c.lambda(3)}
	return m.maps(c.args[0], c.args[1], c.int(4))
}

func (m *merger) maps(a, b any, levels int) any {
	m.e.enter()
	d := m.e.copyOf(a, mapLen(b))
	keys, vals := m.e.entries(b)
	for i, k := range keys {
		hash := m.e.key(k)
		v := vals[i]
		if at, ok := d.at[hash]; ok {
			v = m.values(k, d.vals[at], v, levels)
		}
		d.set(hash, k, v)
	}
	m.e.depth--
	return d
}

func (m *merger) values(key, a, b any, levels int) any {
	_, isList := b.([]any)
	switch {
	case levels != 1 && isMap(b):
		if !isMap(a) {
			m.e.fail("mergeWith() cannot merge %s with %s at the key %s", typeName(a), typeName(b), m.e.repr(key))
		}
		return m.maps(a, b, max(0, levels-1))
	case levels != 1 && isList:
		list, ok := a.([]any)
		if !ok {
			m.e.fail("mergeWith() cannot merge %s with %s at the key %s", typeName(a), typeName(b), m.e.repr(key))
		}
		if m.lists != nil {
			return m.lists.call(a, b)
		}
		return m.e.list(distinct(m.e, m.e.join(list, b.([]any)), nil))
	case m.item != nil:
		return m.item.call(a, b)
	}
	return b
}
