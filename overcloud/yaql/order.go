package yaql

import "sort"

func orderBy(c *call, down bool) any {
	return &ordering{from: c.args[0], fields: []orderField{{c.lambda(1), down}}}
}

// thenBy adds a field to an order, as yaql does: to the order itself.
func thenBy(c *call, down bool) any {
	o := c.args[0].(*ordering)
	o.fields = append(o.fields, orderField{c.lambda(1), down})
	return o
}

// sort orders the items by the fields; equal items stay as they are.
func (e *evaluator) sort(o *ordering) []any {
	if o.done {
		return o.sorted
	}
	list := e.list(o.from)
	if len(list) < 2 { // nothing is compared, no field is looked at
		o.sorted, o.done = list, true
		return list
	}
	keys := make([][]any, e.sized(len(list)))
	at := make([]int, len(list))
	for i, v := range list {
		at[i] = i
		for _, f := range o.fields {
			keys[i] = append(keys[i], f.by.call(v))
		}
	}
	e.grow(32 * len(list) * len(o.fields))
	sort.SliceStable(at, func(i, j int) bool { return e.before(o, keys[at[i]], keys[at[j]]) })
	o.sorted, o.done = make([]any, len(list)), true
	for i, j := range at {
		o.sorted[i] = list[j]
	}
	return o.sorted
}

func (e *evaluator) before(o *ordering, a, b []any) bool {
	e.step()
	for i, f := range o.fields {
		switch {
		case e.compare("<", a[i], b[i]):
			return !f.down
		case e.compare(">", a[i], b[i]):
			return f.down
		}
	}
	return false
}

// groupBy makes pairs [key, [values]] or, with an aggregator, [key, result], in
// the order in which the keys come first.
func groupBy(c *call) any {
	groups := c.e.newDict(0)
	for it := c.iter(0); ; {
		v, ok := it.next()
		if !ok {
			break
		}
		k := c.apply(1, v)
		if c.lambda(2) != nil {
			v = c.apply(2, v)
		}
		hash := c.e.key(k)
		c.e.grow(64)
		if i, ok := groups.at[hash]; ok {
			groups.vals[i] = append(groups.vals[i].([]any), v)
		} else {
			groups.set(hash, k, []any{v})
		}
	}
	i := -1
	a := &aggregator{c: c, old: true}
	return c.e.lazy(func() (any, bool) {
		if i++; i == len(groups.keys) {
			return nil, false
		}
		return a.group(groups.keys[i], groups.vals[i].([]any)), true
	})
}

// aggregator calls groupBy's aggregator on the values or, where that fails and
// did from the first group on, on [key, values], which old expressions expect.
type aggregator struct {
	c      *call
	old    bool
	failed *failure
}

func (a *aggregator) group(key any, values []any) any {
	if a.c.lambda(3) == nil {
		return []any{key, values}
	}
	if a.failed == nil {
		v, f := a.try(values)
		if f == nil {
			list, ok := v.([]any)
			if !ok || len(values) != 2 || len(list) != 2 || !a.c.e.equal(list[0], values[0]) {
				a.old = false
			}
			return []any{key, v}
		}
		a.failed = f
	}
	if a.old {
		v, f := a.try([]any{key, values})
		if list, ok := v.([]any); f == nil && ok && len(list) == 2 {
			return v
		}
	}
	panic(*a.failed)
}

// try returns the failure instead of going on with it when it is one that says
// that the aggregator takes something else.
func (a *aggregator) try(arg any) (v any, failed *failure) {
	depth := a.c.e.depth
	defer func() {
		switch f := recover().(type) {
		case nil:
		case failure:
			if !f.retry {
				panic(f)
			}
			a.c.e.depth, failed = depth, &f
		default:
			panic(f)
		}
	}()
	return a.c.lambda(3).call(arg), nil
}
