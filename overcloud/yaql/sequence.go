package yaql

// iterator is a sequence that is made while it is read, and read once only.
type iterator struct {
	e     *evaluator
	off   int // of the function that made it
	count int
	pull  func() (any, bool)
}

// lazy makes an iterator of the function that is being evaluated.
func (e *evaluator) lazy(pull func() (any, bool)) *iterator {
	e.grow(128)
	return &iterator{e: e, off: e.off, pull: pull}
}

// next draws one item; false at the end.
func (it *iterator) next() (any, bool) {
	e := it.e
	off := e.off
	e.off = it.off
	e.enter()
	v, ok := it.pull()
	if it.count++; ok && it.count > e.lim.Items {
		e.fail("a sequence has more than %d items", e.lim.Items)
	}
	e.depth--
	e.off = off
	return v, ok
}

// memo is a sequence that may be read several times, made while it is read the first time.
type memo struct {
	from *iterator
	seen []any
}

// ordering is the result of orderBy, to which thenBy adds fields.
type ordering struct {
	from   any
	fields []orderField
	sorted []any
	done   bool
}

type orderField struct {
	by   *lambda
	down bool
}

// iterate reads any iterable. An iterator is read on where it is, all others from the beginning.
func (e *evaluator) iterate(v any) *iterator {
	switch v := v.(type) {
	case *iterator:
		return v
	case *memo:
		return v.reader(e)
	case []any:
		return e.items(v)
	case *set:
		return e.items(v.items)
	case *view:
		return e.items(v.items)
	case *ordering:
		return e.items(e.sort(v))
	}
	e.fail("%s is no sequence", typeName(v))
	return nil
}

func (e *evaluator) items(list []any) *iterator {
	i := 0
	return e.lazy(func() (any, bool) {
		if i == len(list) {
			return nil, false
		}
		i++
		return list[i-1], true
	})
}

func (m *memo) reader(e *evaluator) *iterator {
	i := 0
	return e.lazy(func() (any, bool) {
		if i == len(m.seen) {
			v, ok := m.from.next()
			if !ok {
				return nil, false
			}
			e.grow(16)
			m.seen = append(m.seen, v)
		}
		i++
		return m.seen[i-1], true
	})
}

// list reads an iterable to its end.
func (e *evaluator) list(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case *set:
		return v.items
	case *view:
		return v.items
	case *ordering:
		return e.sort(v)
	}
	out := []any{}
	for it := e.iterate(v); ; {
		x, ok := it.next()
		if !ok {
			return out
		}
		e.grow(16)
		out = append(out, x)
	}
}

// lambda is an argument that the function evaluates itself.
type lambda struct {
	e  *evaluator
	n  node // nil: a constant value
	v  any
	sc *scope
}

// call evaluates the lambda with $1, $2 … bound.
func (l *lambda) call(args ...any) any {
	return l.in(&scope{parent: l.sc, args: args})
}

// in evaluates the lambda with the variables of a scope.
func (l *lambda) in(sc *scope) any {
	if l.n == nil {
		return l.v
	}
	off := l.e.off
	v := l.e.eval(l.n, sc)
	l.e.off = off
	return v
}

// produce makes an iterator of a function that puts any number of items out at
// a time, until it returns false.
func (e *evaluator) produce(more func(out *[]any) bool) *iterator {
	var ready []any
	end := false
	return e.lazy(func() (any, bool) {
		for len(ready) == 0 {
			if end {
				return nil, false
			}
			e.step()
			ready = ready[:0]
			end = !more(&ready)
		}
		v := ready[0]
		ready = ready[1:]
		return v, true
	})
}

// each puts out what step makes of each item of an argument, and what last puts after them.
func (c *call) each(arg int, step func(i int, v any, out *[]any), last func(out *[]any)) *iterator {
	it, i := c.iter(arg), -1
	return c.e.produce(func(out *[]any) bool {
		v, ok := it.next()
		if ok {
			i++
			step(i, v, out)
		} else if last != nil {
			last(out)
		}
		return ok
	})
}
