package yaql

import "strconv"

func systemRows() []row {
	return []row{
		{"let(values any…, **)", let},
		{"with(values any…)", let},
		{".unpack(sequence iterable, names string…)", unpack},
		{"def(name string, func lambda)", define},
		{".assert(value any, condition lambda, message string = Assertion failed)", assert},
		{"call(name string, args list, kwargs map)", callByName},
	}
}

func let(c *call) any {
	c.sc.args = c.rest
	for _, a := range c.named {
		c.sc.set(a.name, a.value)
	}
	return c.sc
}

func unpack(c *call) any {
	var list []any
	for it := c.iter(0); len(c.rest) == 0 || len(list) <= len(c.rest); {
		v, ok := it.next()
		if !ok {
			break
		}
		c.e.grow(16)
		list = append(list, v)
	}
	if len(c.rest) == 0 {
		c.sc.args = list
		return c.sc
	}
	if len(list) != len(c.rest) {
		c.e.fail("unpack() has %d names, the sequence has %s", len(c.rest), atLeast(len(list), len(c.rest)))
	}
	for i, name := range c.rest {
		c.sc.set(name.(string), list[i])
	}
	return c.sc
}

func atLeast(got, want int) string {
	if got > want {
		return "more"
	}
	return strconv.Itoa(got)
}

// define makes a function that the right side of -> may call, and it itself.
func define(c *call) any {
	l := *c.lambda(1)
	l.sc = c.sc
	c.sc.funcs = map[string]*lambda{c.str(0): &l}
	return c.sc
}

func assert(c *call) any {
	v := c.args[0]
	if it, ok := v.(*iterator); ok {
		v = &memo{from: it}
	}
	if !truth(c.lambda(1).call(v)) {
		c.e.fail("%s", c.str(2))
	}
	return v
}

// callByName calls a function whose name is a value.
func callByName(c *call) any {
	name, args := c.str(0), c.args[1].([]any)
	var given []namedArg
	keys, vals := c.e.entries(c.args[2])
	for i, k := range keys {
		s, ok := k.(string)
		if !ok {
			c.e.fail("the names of call()'s arguments must be strings, got %s", typeName(k))
		}
		given = append(given, namedArg{s, vals[i]})
	}
	if f := c.sc.function(name); f != nil {
		in := &scope{parent: f.sc, args: args}
		for _, a := range given {
			in.set(a.name, a.value)
		}
		return f.in(in)
	}
	fn := c.e.lib.find(name, false)
	if fn == nil {
		c.e.lib.unknown(c.e.off, name, false)
	}
	n := &callNode{at: at(c.e.off), name: name, fn: fn}
	for _, a := range args {
		n.args = append(n.args, argument{value: &constant{at: n.at, value: a}})
	}
	for _, a := range given {
		n.args = append(n.args, argument{&constant{at: n.at, value: a.name, word: true}, &constant{at: n.at, value: a.value}})
	}
	return c.e.eval(n, c.sc)
}

func branchRows() []row {
	return []row{
		{"switch(cases case…)", doSwitch},
		{"selectCase(cases lambda…)", selectCase},
		{"selectAllCases(cases lambda…)", selectAllCases},
		{"examine(cases lambda…)", examine},
		{".switchCase(case int, values lambda…)", switchCase},
		{"coalesce(values lambda…)", coalesce},
		{"bool(value any)", func(c *call) any { return truth(c.args[0]) }},
		{"isBoolean(value any)", func(c *call) any { return isKind("bool", c.args[0]) }},
	}
}

// lazyArg evaluates an argument that came as a lambda.
func lazyArg(v any) any {
	l := v.(*lambda)
	return l.in(l.sc)
}

func doSwitch(c *call) any {
	for _, a := range c.rest {
		p := a.(pair)
		if truth(lazyArg(p.key)) {
			return lazyArg(p.value)
		}
	}
	return nil
}

func selectCase(c *call) any {
	for i, a := range c.rest {
		if truth(lazyArg(a)) {
			return i
		}
	}
	return len(c.rest)
}

func selectAllCases(c *call) any {
	i := -1
	return c.e.lazy(func() (any, bool) {
		for i++; i < len(c.rest); i++ {
			if truth(lazyArg(c.rest[i])) {
				return i, true
			}
		}
		return nil, false
	})
}

func examine(c *call) any {
	i := -1
	return c.e.lazy(func() (any, bool) {
		if i++; i >= len(c.rest) {
			return nil, false
		}
		return truth(lazyArg(c.rest[i])), true
	})
}

func switchCase(c *call) any {
	i := c.int(0)
	switch {
	case len(c.rest) == 0:
		return nil
	case i < 0 || i >= len(c.rest):
		i = len(c.rest) - 1
	}
	return lazyArg(c.rest[i])
}

func coalesce(c *call) any {
	for _, a := range c.rest {
		if v := lazyArg(a); v != nil {
			return v
		}
	}
	return nil
}
