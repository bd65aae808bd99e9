package jinja

// global returns a function that every template sees, nil when there is none.
func global(name string) *Func {
	switch name {
	case "range":
		return newFunc(name, "*", rangeFunc)
	case "dict":
		return newFunc(name, "mapping? **", func(c *Call) any { return newDict(c) })
	case "namespace":
		return newFunc(name, "mapping? **", func(c *Call) any { return &Namespace{newDict(c)} })
	case "cycler":
		return newFunc(name, "*", func(c *Call) any {
			if len(c.Rest()) == 0 {
				c.Fail("at least one item has to be provided")
			}
			return &cycler{items: c.Rest()}
		})
	case "joiner":
		return newFunc(name, "sep?", func(c *Call) any { return &joiner{sep: c.Or(0, ", ")} })
	case "lipsum":
		return newFunc(name, "* **", func(c *Call) any {
			c.Fail("lipsum() is not supported: the same input has to give the same output")
			return nil
		})
	}
	return nil
}

func newDict(c *Call) *Dict {
	d := NewDict()
	if v, ok := c.Arg(0); ok {
		c.r.update(c.line, d, v)
	}
	c.r.update(c.line, d, c.Named())
	return d
}

func rangeFunc(c *Call) any {
	var n [3]int64
	if len(c.Rest()) == 0 || len(c.Rest()) > 3 {
		c.Fail("range() takes one to three integers, got %d arguments", len(c.Rest()))
	}
	for i, v := range c.Rest() {
		k, ok := integer(v)
		if !ok {
			c.Used(v)
			c.Fail("'%s' object cannot be interpreted as an integer", iterName(v))
		}
		n[i] = k
	}
	switch len(c.Rest()) {
	case 1:
		return &Range{0, n[0], 1}
	case 2:
		return &Range{n[0], n[1], 1}
	}
	if n[2] == 0 {
		c.Fail("range() arg 3 must not be zero")
	}
	return &Range{n[0], n[1], n[2]}
}

// cycler is what cycler() makes: it gives its items again and again.
type cycler struct {
	items []any
	at    int
}

func (c *cycler) attr(name string) (any, bool) {
	switch name {
	case "current":
		return c.items[c.at], true
	case "items":
		return Tuple{Items: c.items}, true
	case "pos":
		return int64(c.at), true
	}
	return nil, false
}

func (c *cycler) method(name string) method {
	switch name {
	case "next":
		return method{"", func(*Call) any {
			v := c.items[c.at]
			c.at = (c.at + 1) % len(c.items)
			return v
		}}
	case "reset":
		return method{"", func(*Call) any { c.at = 0; return nil }}
	}
	return method{}
}

func (c *cycler) repr() string { return "<Cycler>" }

// joiner is what joiner() makes: nothing at its first call, then the separator.
type joiner struct {
	sep  any
	used bool
}

func (j *joiner) call() any {
	if !j.used {
		j.used = true
		return ""
	}
	return j.sep
}

func (j *joiner) attr(name string) (any, bool) {
	return map[string]any{"sep": j.sep, "used": j.used}[name], name == "sep" || name == "used"
}

func (j *joiner) repr() string { return "<Joiner>" }
