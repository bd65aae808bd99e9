package yaql

func queryRows() []row {
	return []row{
		{".where(collection iterable, predicate lambda)", where},
		{".filter(collection iterable, predicate lambda)", where},
		{".select(collection iterable, selector lambda)", selectEach},
		{".map(collection iterable, selector lambda)", selectEach},
		{".selectMany(collection iterable, selector lambda)", selectMany},
		{".skip(collection iterable, count int)", skip},
		{".limit(collection iterable, count int)", limit},
		{".take(collection iterable, count int)", limit},
		{".takeWhile(collection iterable, predicate lambda)", takeWhile},
		{".skipWhile(collection iterable, predicate lambda)", skipWhile},
		{"+append(collection iterable, values any…)", func(c *call) any { return chain(c.e, []any{c.args[0], c.rest}) }},
		{"+concat(collections iterable…)", func(c *call) any { return chain(c.e, c.rest) }},
		{"+distinct(collection iterable, keySelector lambda = null)", func(c *call) any { return distinct(c.e, c.args[0], c.lambda(1)) }},
		{"+enumerate(collection iterable, start int = 0)", enumerate},
		{".memorize(collection iterable)", memorize},
		{".defaultIfEmpty(collection iterable, default iterable)", defaultIfEmpty},
		{".zip(collections iterable…)", func(c *call) any { return zip(c, false) }},
		{".zipLongest(collections iterable…, **)", func(c *call) any { return zip(c, true) }},
		{".join(collection1 iterable, collection2 iterable, predicate lambda, selector lambda)", joinLists},
		{".orderBy(collection iterable, selector lambda)", func(c *call) any { return orderBy(c, false) }},
		{".orderByDescending(collection iterable, selector lambda)", func(c *call) any { return orderBy(c, true) }},
		{".thenBy(collection sorted, selector lambda)", func(c *call) any { return thenBy(c, false) }},
		{".thenByDescending(collection sorted, selector lambda)", func(c *call) any { return thenBy(c, true) }},
		{".groupBy(collection iterable, keySelector lambda, valueSelector lambda = null, aggregator lambda = null)", groupBy},
		{".slice(collection iterable, length int)", slice},
		{".splitWhere(collection iterable, predicate lambda)", splitWhere},
		{".sliceWhere(collection iterable, predicate lambda)", sliceWhere},
		{".splitAt(collection iterable, index int)", splitAt},
		{".reverse(collection iterable)", reverse},
		{".accumulate(collection iterable, selector lambda, seed any = none)", accumulate},
	}
}

// apply calls argument i on an item.
func (c *call) apply(i int, v any) any { return c.lambda(i).call(v) }

func where(c *call) any {
	return c.each(0, func(_ int, v any, out *[]any) {
		if truth(c.apply(1, v)) {
			*out = append(*out, v)
		}
	}, nil)
}

func selectEach(c *call) any {
	return c.each(0, func(_ int, v any, out *[]any) { *out = append(*out, c.apply(1, v)) }, nil)
}

func selectMany(c *call) any {
	it := c.iter(0)
	var inner *iterator
	return c.e.produce(func(out *[]any) bool {
		if inner != nil {
			if v, ok := inner.next(); ok {
				*out = append(*out, v)
				return true
			}
			inner = nil
		}
		v, ok := it.next()
		if !ok {
			return false
		}
		if v = c.apply(1, v); isIterable(v) {
			inner = c.e.iterate(v)
		} else {
			*out = append(*out, v)
		}
		return true
	})
}

func (c *call) natural(i int, what string) int {
	n := c.int(i)
	if n < 0 {
		c.e.fail("%s must not be negative, got %d", what, n)
	}
	return n
}

func skip(c *call) any {
	n := c.natural(1, "the count")
	return c.each(0, func(i int, v any, out *[]any) {
		if i >= n {
			*out = append(*out, v)
		}
	}, nil)
}

func limit(c *call) any {
	n, it := c.natural(1, "the count"), c.iter(0)
	return c.e.lazy(func() (any, bool) {
		if n == 0 {
			return nil, false
		}
		n--
		return it.next()
	})
}

func takeWhile(c *call) any {
	it, end := c.iter(0), false
	return c.e.lazy(func() (any, bool) {
		if end {
			return nil, false
		}
		v, ok := it.next()
		if end = !ok || !truth(c.apply(1, v)); end {
			return nil, false
		}
		return v, true
	})
}

func skipWhile(c *call) any {
	begun := false
	return c.each(0, func(_ int, v any, out *[]any) {
		if begun = begun || !truth(c.apply(1, v)); begun {
			*out = append(*out, v)
		}
	}, nil)
}

// chain reads sequences one after the other.
func chain(e *evaluator, seqs []any) *iterator {
	its := make([]*iterator, len(seqs))
	for i, s := range seqs {
		its[i] = e.iterate(s)
	}
	return e.produce(func(out *[]any) bool {
		if len(its) == 0 {
			return false
		}
		if v, ok := its[0].next(); ok {
			*out = append(*out, v)
		} else {
			its = its[1:]
		}
		return true
	})
}

func distinct(e *evaluator, seq any, by *lambda) *iterator {
	seen := map[any]bool{}
	it := e.iterate(seq)
	return e.produce(func(out *[]any) bool {
		v, ok := it.next()
		if !ok {
			return false
		}
		k := v
		if by != nil {
			k = by.call(v)
		}
		if hash := e.key(k); !seen[hash] {
			e.grow(64)
			seen[hash] = true
			*out = append(*out, v)
		}
		return true
	})
}

func enumerate(c *call) any {
	return c.each(0, func(i int, v any, out *[]any) {
		c.e.grow(64)
		*out = append(*out, []any{c.e.add(c.int(1), i), v})
	}, nil)
}

func memorize(c *call) any {
	if it, ok := c.args[0].(*iterator); ok {
		return &memo{from: it}
	}
	return c.args[0]
}

func defaultIfEmpty(c *call) any {
	v := memorize(c)
	if _, ok := c.e.iterate(v).next(); ok {
		return v
	}
	return c.args[1]
}

// zip makes lists of the first items, the second … and ends with the shortest
// sequence or, filled up, with the longest.
func zip(c *call, longest bool) any {
	var fill any
	for _, a := range c.named {
		if a.name != "default" {
			c.e.fail("zipLongest() has no argument %q, but default", a.name)
		}
		fill = a.value
	}
	its := make([]*iterator, len(c.rest))
	for i, s := range c.rest {
		its[i] = c.e.iterate(s)
	}
	return c.e.lazy(func() (any, bool) {
		row, live := make([]any, len(its)), 0
		for i, it := range its {
			v, ok := it.next()
			if !ok && !longest {
				return nil, false
			}
			if ok {
				live++
			} else {
				v = fill
			}
			row[i] = v
		}
		c.e.grow(16 * len(row))
		return row, live > 0
	})
}

func joinLists(c *call) any {
	second := c.args[1]
	if it, ok := second.(*iterator); ok {
		second = &memo{from: it}
	}
	outer := c.iter(0)
	var left any
	var inner *iterator
	return c.e.produce(func(out *[]any) bool {
		if inner == nil {
			v, ok := outer.next()
			if !ok {
				return false
			}
			left, inner = v, c.e.iterate(second)
		}
		right, ok := inner.next()
		if !ok {
			inner = nil
		} else if truth(c.lambda(2).call(left, right)) {
			*out = append(*out, c.lambda(3).call(left, right))
		}
		return true
	})
}

func slice(c *call) any {
	it := c.iter(0)
	return c.e.lazy(func() (any, bool) {
		n := c.natural(1, "the length")
		var part []any
		for len(part) < n {
			v, ok := it.next()
			if !ok {
				break
			}
			c.e.grow(16)
			part = append(part, v)
		}
		return part, len(part) > 0
	})
}

func splitWhere(c *call) any {
	var part []any
	return c.each(0, func(_ int, v any, out *[]any) {
		if truth(c.apply(1, v)) {
			*out = append(*out, append([]any{}, part...))
			part = nil
			return
		}
		c.e.grow(16)
		part = append(part, v)
	}, func(out *[]any) {
		if len(part) > 0 {
			*out = append(*out, part)
		}
	})
}

// sliceWhere cuts where the lambda's value changes.
func sliceWhere(c *call) any {
	var part []any
	var before any
	return c.each(0, func(i int, v any, out *[]any) {
		now := c.apply(1, v)
		if i > 0 && !c.e.equal(now, before) {
			*out = append(*out, part)
			part = nil
		}
		c.e.grow(16)
		part, before = append(part, v), now
	}, func(out *[]any) {
		if len(part) > 0 {
			*out = append(*out, part)
		}
	})
}

func splitAt(c *call) any {
	list, i := c.list(0), c.int(1)
	if i < 0 {
		i += len(list)
	}
	i = max(0, min(i, len(list)))
	return []any{list[:i:i], list[i:]}
}

func reverse(c *call) any {
	list := c.list(0)
	i := len(list)
	return c.e.lazy(func() (any, bool) {
		if i == 0 {
			return nil, false
		}
		i--
		return list[i], true
	})
}

func accumulate(c *call) any {
	it, begun := c.iter(0), false
	total := c.args[2]
	return c.e.lazy(func() (any, bool) {
		if !begun && c.has(2) {
			begun = true
			return total, true
		}
		v, ok := it.next()
		switch {
		case !ok && !begun:
			c.e.fail("accumulate() of nothing needs a seed")
		case !ok:
			return nil, false
		case !begun:
			begun, total = true, v
		default:
			total = c.lambda(1).call(total, v)
		}
		return total, true
	})
}
