package yaql

import "slices"

func listRows() []row {
	return []row{
		{"list(values any…)", func(c *call) any { return c.e.list(spread(c)) }},
		{".flatten(collection iterable)", flatten},
		{".toList(collection iterable)", func(c *call) any { return c.list(0) }},
		{"isList(value any)", func(c *call) any { return isKind("list", c.args[0]) }},
		{"isIterable(value any)", func(c *call) any { return isIterable(c.args[0]) }},
		{".contains(collection iterable, value any)", func(c *call) any { return c.e.contains(c.args[0], c.args[1]) }},
		{"+len(sequence list)", func(c *call) any { return len(c.list(0)) }},
		{"+len(map map)", func(c *call) any { return mapLen(c.args[0]) }},
		{"+len(set set)", func(c *call) any { return len(c.list(0)) }},
		{"+len(collection iterator)", count},
		{".count(collection iterable)", count},
		{".delete(collection iterable, position int, count int = 1)", deleteItems},
		{".replace(collection iterable, position int, value any, count int = 1)", replaceItem},
		{".replaceMany(collection iterable, position int, values iterable, count int = 1)", replaceMany},
		{".insert(collection list, position int, value any)", insertIntoList},
		{".insert(collection iterable, position int, value any)", insertItem},
		{".insertMany(collection iterable, position int, values iterable)", insertMany},
	}
}

// spread walks arguments of which lazy sequences count as their items.
func spread(c *call) *iterator {
	return descend(c.e, c.e.items(c.rest), func(v any) bool { return isKind("iterator", v) })
}

func flatten(c *call) any { return descend(c.e, c.iter(0), isIterable) }

// descend reads a sequence and, in place of items that are to be opened, theirs.
func descend(e *evaluator, it *iterator, open func(v any) bool) *iterator {
	stack := []*iterator{it}
	return e.lazy(func() (any, bool) {
		for len(stack) > 0 {
			v, ok := stack[len(stack)-1].next()
			if !ok {
				stack = stack[:len(stack)-1]
				continue
			}
			if !open(v) {
				return v, true
			}
			if len(stack) >= maxDepth {
				e.fail("lists are nested more than %d deep", maxDepth)
			}
			stack = append(stack, e.iterate(v))
		}
		return nil, false
	})
}

func (e *evaluator) contains(collection, value any) bool {
	if s, ok := collection.(*set); ok {
		return e.inSet(s, value)
	}
	for it := e.iterate(collection); ; {
		v, ok := it.next()
		if !ok {
			return false
		}
		if e.equal(v, value) {
			return true
		}
	}
}

func count(c *call) any {
	n := 0
	for it := c.iter(0); ; n++ {
		if _, ok := it.next(); !ok {
			return n
		}
	}
}

// within says whether item i is among count items from position on; a negative
// count means all of them.
func within(i, position, count int) bool {
	return i >= position && (count < 0 || i-position < count)
}

func deleteItems(c *call) any {
	return c.each(0, func(i int, v any, out *[]any) {
		if !within(i, c.int(1), c.int(2)) {
			*out = append(*out, v)
		}
	}, nil)
}

func replaceItem(c *call) any { return replaceItems(c, []any{c.args[2]}) }

func replaceMany(c *call) any { return replaceItems(c, c.list(2)) }

func replaceItems(c *call, values []any) any {
	done := false
	return c.each(0, func(i int, v any, out *[]any) {
		switch {
		case !within(i, c.int(1), c.int(3)):
			*out = append(*out, v)
		case !done:
			*out = append(*out, values...)
			done = true
		}
	}, nil)
}

func insertIntoList(c *call) any {
	in, at := c.list(0), c.int(1)
	if at < 0 {
		at = max(0, at+len(in))
	}
	c.e.sized(len(in) + 1)
	return slices.Insert(slices.Clone(in), min(at, len(in)), c.args[2])
}

func insertItem(c *call) any {
	return insertItems(c, []any{c.args[2]}, false)
}

func insertMany(c *call) any { return insertItems(c, c.list(2), true) }

// insertItems puts values before the item at a position, or at the end; before
// all items where the position is negative and early is set.
func insertItems(c *call, values []any, early bool) any {
	last, at := -1, c.int(1)
	return c.each(0, func(i int, v any, out *[]any) {
		if i == at || i == 0 && at < 0 && early {
			*out = append(*out, values...)
		}
		*out = append(*out, v)
		last = i
	}, func(out *[]any) {
		if at > last || last < 0 && at < 0 && early {
			*out = append(*out, values...)
		}
	})
}
