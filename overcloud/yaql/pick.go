package yaql

func pickRows() []row {
	return []row{
		{".first(collection iterable, default any = none)", first},
		{".last(collection iterable, default any = none)", last},
		{".single(collection iterable)", single},
		{"+any(collection iterable, predicate lambda = null)", anyOf},
		{"+all(collection iterable, predicate lambda = null)", allOf},
		{".indexOf(collection iterable, item any)", func(c *call) any { return c.find(c.equals(1), false) }},
		{".lastIndexOf(collection iterable, item any)", func(c *call) any { return c.find(c.equals(1), true) }},
		{".indexWhere(collection iterable, predicate lambda)", func(c *call) any { return c.find(c.holds, false) }},
		{".lastIndexWhere(collection iterable, predicate lambda)", func(c *call) any { return c.find(c.holds, true) }},
	}
}

func foldRows() []row {
	return []row{
		{".aggregate(collection iterable, selector lambda, seed any = none)", reduce},
		{".reduce(collection iterable, selector lambda, seed any = none)", reduce},
		{".sum(collection iterable, initial any = none)", func(c *call) any { return c.fold("sum", 1, c.e.plus) }},
		{".max(collection iterable, initial any = none)", func(c *call) any { return c.fold("max", 1, c.e.larger) }},
		{".min(collection iterable, initial any = none)", func(c *call) any { return c.fold("min", 1, c.e.smaller) }},
	}
}

func makeRows() []row {
	return []row{
		{"range(stop int)", func(c *call) any { return numbers(c.e, 0, c.int(0), 1) }},
		{"range(start int, stop int, step int = 1)", func(c *call) any { return numbers(c.e, c.int(0), c.int(1), c.int(2)) }},
		{"sequence(start int = 0, step int = 1)", sequence},
		{".repeat(value any, times int = -1)", repeat},
		{".cycle(collection iterable)", cycle},
		{"generate(initial any, predicate lambda, producer lambda, selector lambda = null, decycle bool = false)", generate},
		{"generateMany(initial any, producer lambda, selector lambda = null, decycle bool = false, depthFirst bool = false)", generateMany},
	}
}

func first(c *call) any {
	if v, ok := c.iter(0).next(); ok {
		return v
	}
	if !c.has(1) {
		c.e.fail("first() of nothing: give it a default")
	}
	return c.args[1]
}

func last(c *call) any {
	v, found := c.args[1], c.has(1)
	if list, ok := c.args[0].([]any); ok {
		if len(list) > 0 {
			return list[len(list)-1]
		}
	} else {
		for it := c.iter(0); ; {
			x, ok := it.next()
			if !ok {
				break
			}
			v, found = x, true
		}
	}
	if !found {
		c.e.fail("last() of nothing: give it a default")
	}
	return v
}

func single(c *call) any {
	it := c.iter(0)
	v, ok := it.next()
	if !ok {
		c.e.fail("single() of nothing")
	}
	if _, more := it.next(); more {
		c.e.fail("single() of more than one item")
	}
	return v
}

func anyOf(c *call) any {
	for it := c.iter(0); ; {
		v, ok := it.next()
		if !ok {
			return false
		}
		if c.lambda(1) == nil || truth(c.apply(1, v)) {
			return true
		}
	}
}

func allOf(c *call) any {
	for it := c.iter(0); ; {
		v, ok := it.next()
		if !ok {
			return true
		}
		if c.lambda(1) != nil {
			v = c.apply(1, v)
		}
		if !truth(v) {
			return false
		}
	}
}

func (c *call) equals(i int) func(any) bool {
	return func(v any) bool { return c.e.equal(v, c.args[i]) }
}

func (c *call) holds(v any) bool { return truth(c.apply(1, v)) }

// find returns the index of the first or the last item for which ok holds, or -1.
func (c *call) find(ok func(any) bool, last bool) any {
	at := -1
	it := c.iter(0)
	for i := 0; ; i++ {
		v, more := it.next()
		if !more {
			return at
		}
		if ok(v) {
			if at = i; !last {
				return at
			}
		}
	}
}

func reduce(c *call) any {
	return c.fold("reduce", 2, func(a, b any) any { return c.lambda(1).call(a, b) })
}

// fold joins the items from left to right; the seed is an argument.
func (c *call) fold(name string, seed int, join func(a, b any) any) any {
	it := c.iter(0)
	total, ok := c.args[seed], true
	if !c.has(seed) {
		if total, ok = it.next(); !ok {
			c.e.fail("%s() of nothing: give it a first value", name)
		}
	}
	for {
		v, more := it.next()
		if !more {
			return total
		}
		total = join(total, v)
	}
}

func numbers(e *evaluator, start, stop, step int) any {
	if step == 0 {
		e.fail("the step of range() must not be 0")
	}
	return e.lazy(func() (any, bool) {
		if step > 0 && start >= stop || step < 0 && start <= stop {
			return nil, false
		}
		n := start
		if next := start + step; (next > start) == (step > 0) {
			start = next
		} else {
			start = stop
		}
		return n, true
	})
}

func sequence(c *call) any {
	n := c.int(0)
	begun := false
	return c.e.lazy(func() (any, bool) {
		if begun {
			n = c.e.add(n, c.int(1))
		}
		begun = true
		return n, true
	})
}

func repeat(c *call) any {
	n := c.int(1)
	return c.e.lazy(func() (any, bool) {
		if n == 0 {
			return nil, false
		}
		n = max(n-1, -1)
		return c.args[0], true
	})
}

func cycle(c *call) any {
	it := c.iter(0)
	var seen []any
	i, end := 0, false
	return c.e.lazy(func() (any, bool) {
		if !end {
			if v, ok := it.next(); ok {
				c.e.grow(16)
				seen = append(seen, v)
				return v, true
			}
			end = true
		}
		if len(seen) == 0 {
			return nil, false
		}
		i++
		return seen[(i-1)%len(seen)], true
	})
}

func generate(c *call) any {
	v, begun := c.args[0], false
	past := map[any]bool{}
	return c.e.lazy(func() (any, bool) {
		if begun {
			v = c.lambda(2).call(v)
		}
		begun = true
		if !truth(c.lambda(1).call(v)) {
			return nil, false
		}
		if c.args[4] == true {
			k := c.e.key(v)
			if past[k] {
				return nil, false
			}
			c.e.grow(64)
			past[k] = true
		}
		return c.selected(3, v), true
	})
}

// selected applies a selector that may be left out.
func (c *call) selected(i int, v any) any {
	if l := c.lambda(i); l != nil {
		return l.call(v)
	}
	return v
}

func generateMany(c *call) any {
	queue := []any{c.args[0]}
	past := map[any]bool{}
	return c.e.produce(func(out *[]any) bool {
		if len(queue) == 0 {
			return false
		}
		v := queue[0]
		queue = queue[1:]
		if c.args[3] == true {
			k := c.e.key(v)
			if past[k] {
				return true
			}
			c.e.grow(64)
			past[k] = true
		}
		*out = append(*out, c.selected(2, v))
		more := c.produced(c.lambda(1).call(v))
		if c.args[4] == true {
			queue = c.e.join(more, queue)
		} else {
			queue = c.e.join(queue, more)
		}
		return true
	})
}

func (c *call) produced(v any) []any {
	if !isIterable(v) {
		c.e.fail("the producer must give a list or a sequence, got %s", typeName(v))
	}
	return c.e.list(v)
}
