package yaql

func setRows() []row {
	return []row{
		{"set(values any…)", func(c *call) any { return c.e.toSet(spread(c)) }},
		{".toSet(collection iterable)", func(c *call) any { return c.e.toSet(c.args[0]) }},
		{"isSet(value any)", func(c *call) any { return isKind("set", c.args[0]) }},
		{".union(left set, right set)", func(c *call) any { return c.e.union(c.list(0), c.list(1)) }},
		{".intersect(left set, right set)", func(c *call) any { return c.e.keep(c.list(0), c.args[1].(*set), true) }},
		{".difference(left set, right set)", func(c *call) any { return c.e.keep(c.list(0), c.args[1].(*set), false) }},
		{".symmetricDifference(left set, right set)", symmetricDifference},
		{".add(set set, values any…)", func(c *call) any { return c.e.union(c.list(0), c.rest) }},
		{".remove(set set, values any…)", func(c *call) any { return c.e.keep(c.list(0), c.e.toSet(c.rest), false) }},
	}
}

// toSet keeps the first of equal items.
func (e *evaluator) toSet(v any) *set {
	s := &set{has: map[any]bool{}}
	for it := e.iterate(v); ; {
		x, ok := it.next()
		if !ok {
			return s
		}
		if k := e.key(x); !s.has[k] {
			e.grow(64)
			s.has[k] = true
			s.items = append(s.items, x)
		}
	}
}

func (e *evaluator) inSet(s *set, v any) bool {
	if s.has == nil {
		s.has = make(map[any]bool, e.sized(len(s.items)))
		for _, x := range s.items {
			s.has[e.key(x)] = true
		}
	}
	return s.has[e.key(v)]
}

func (e *evaluator) union(a, b []any) *set { return e.toSet(e.join(a, b)) }

// keep returns the items that the other set has, or has not.
func (e *evaluator) keep(items []any, other *set, has bool) *set {
	var out []any
	for _, x := range items {
		if e.inSet(other, x) == has {
			out = append(out, x)
		}
	}
	e.sized(len(out))
	return &set{items: out}
}

func symmetricDifference(c *call) any {
	a, b := c.args[0].(*set), c.args[1].(*set)
	return c.e.union(c.e.keep(a.items, b, false).items, c.e.keep(b.items, a, false).items)
}

// subset says whether the other set has all items.
func (e *evaluator) subset(a, b *set) bool {
	return len(e.keep(a.items, b, false).items) == 0
}
