package jinja

import (
	"strings"

	"trefoil/internal/nearest"
)

// Filter is a filter that an Env has beside Jinja2's own. It is safe for
// concurrent use if Do is.
type Filter struct {
	// Params names the arguments, as "a b? *": optional ones end with "?", "*"
	// takes the other positional and "**" the other named ones.
	Params string
	Do     func(c *Call) any
}

// Test is a test that an Env has beside Jinja2's own.
type Test struct {
	Params string // as a Filter's
	Do     func(c *Call) bool
}

// Call is one call of a filter, test, method or function. It may be used only
// while that runs, and by what it returned, within the same Render.
type Call struct {
	Name string // what was called
	Self any    // the value before the bar, "is" or dot

	r     *renderer
	line  int
	args  []any // one a parameter; absent where none was given
	rest  []any
	extra *Dict
}

// absent stands for an argument that was not given.
type absent struct{}

// Arg returns the i-th argument, false when it was not given.
func (c *Call) Arg(i int) (any, bool) {
	if i >= len(c.args) {
		return nil, false
	}
	_, none := c.args[i].(absent)
	return c.args[i], !none
}

// Or returns the i-th argument or def.
func (c *Call) Or(i int, def any) any {
	if v, ok := c.Arg(i); ok {
		return v
	}
	return def
}

// Rest is what "*" took, Named what "**" took.
func (c *Call) Rest() []any { return c.rest }

// Named is the dict of the named arguments that "**" took; never nil.
func (c *Call) Named() *Dict {
	if c.extra == nil {
		return NewDict()
	}
	return c.extra
}

// Str returns the i-th argument, which has to be a string; None or none is def.
func (c *Call) Str(i int, def string) string {
	v, ok := c.Arg(i)
	if !ok || v == nil {
		return def
	}
	s, ok := text(v)
	if !ok {
		c.Used(v)
		c.Fail("%s: a string is needed, got %s", c.Name, typeName(v))
	}
	return s
}

// Int returns the i-th argument, which has to be a whole number; None or none is def.
func (c *Call) Int(i int, def int64) int64 {
	v, ok := c.Arg(i)
	if !ok || v == nil {
		return def
	}
	n, ok := integer(v)
	if !ok {
		c.Used(v)
		c.Fail("%s: a whole number is needed, got %s", c.Name, typeName(v))
	}
	return n
}

// True tells whether the i-th argument was given and is true in Python's sense.
func (c *Call) True(i int) bool {
	v, ok := c.Arg(i)
	return ok && Truth(v)
}

// Fail ends the render with an error at the call's place.
func (c *Call) Fail(format string, args ...any) { c.r.fail(c.line, format, args...) }

// Used fails when one of the values is undefined, with the reason why.
func (c *Call) Used(vs ...any) { c.r.used(c.line, vs...) }

// Items is list(v); the caller may change it.
func (c *Call) Items(v any) []any { return c.r.items(c.line, v) }

// Text is str(v), within the limits.
func (c *Call) Text(v any) string { return c.r.str(c.line, v) }

// Equal is Python's ==.
func (c *Call) Equal(a, b any) bool { return c.r.equal(c.line, a, b) }

// Sized counts a string of n bytes that is about to be made, and fails when it
// is over a limit.
func (c *Call) Sized(n int) { c.r.sized(c.line, n) }

// brief is the beginning of repr(v), for errors.
func (c *Call) brief(v any) string { return c.r.brief(c.line, v) }

// Lookup returns the value of a key of a dict, within the limits.
func (c *Call) Lookup(d *Dict, k any) (any, bool) { return c.r.get(c.line, d, k) }

// Memory counts n bytes of lists and the like that are about to be made.
func (c *Call) Memory(n int) { c.r.alloc(c.line, n) }

// Grow counts more bytes that are about to be added to a text of have bytes,
// and fails when it is over a limit then.
func (c *Call) Grow(have, more int) {
	if have+more > c.r.limits.Output {
		c.r.sized(c.line, have+more)
	}
	c.r.alloc(c.line, more)
}

// Cost counts n steps of work.
func (c *Call) Cost(n int) { c.r.cost(c.line, n) }

// Filter applies another filter to a value.
func (c *Call) Filter(name string, v any, args ...any) any {
	return c.r.filterCall(c.line, name, v, args, nil)
}

// Format is Python's str.format of s.
func (c *Call) Format(s string, args []any, kw *Dict) string { return c.r.format(c.line, s, args, kw) }

// Set stores an item of a dict, and fails when Python could not hash the key.
func (c *Call) Set(d *Dict, k, v any) { c.set(d, k, v) }

// Get is x[key], Undefined when it is not there.
func (c *Call) Get(x, key any) any { return c.r.item(c.line, x, key) }

// Contains is v in in.
func (c *Call) Contains(in, v any) bool { return c.r.contains(c.line, in, v) }

// AsText gives the content of a string.
func AsText(v any) (string, bool) { return text(v) }

// AsInt gives a whole number; True and False are 1 and 0.
func AsInt(v any) (int64, bool) { return integer(v) }

// AsNumber gives a number as a float.
func AsNumber(v any) (float64, bool) { return number(v) }

// TypeName is the name of a value's type in Python.
func TypeName(v any) string { return iterName(v) }

// Lazy makes a generator of items that are computed when the first is asked for.
func Lazy(items func() []any) *Iter { return deferred(items) }

// result makes text of the same kind as the call's value.
func (c *Call) result(s string) any {
	if _, ok := c.Self.(Markup); ok {
		return Markup(s)
	}
	return s
}

// newCall binds arguments to the parameters of a signature.
func (r *renderer) newCall(line int, name string, self any, params string, args []any, kw *Dict) *Call {
	r.step(line)
	r.read(line, self)
	r.read(line, args...)
	if kw.Len() > 0 {
		for _, v := range kw.All() {
			r.read(line, v)
		}
	}
	c := &Call{Name: name, Self: self, r: r, line: line}
	if params == "*" && kw.Len() == 0 {
		c.rest = args
		return c
	}
	if params == "" && len(args) == 0 && kw.Len() == 0 {
		return c
	}
	names := strings.Fields(params)
	taken := 0
	for i, p := range names {
		switch p {
		case "*":
			c.rest = args[min(i, len(args)):]
			args = args[:min(i, len(args))]
			continue
		case "**":
			c.extra = NewDict()
			continue
		}
		p, optional := strings.CutSuffix(p, "?")
		v, named := kw.Get(p)
		switch {
		case i < len(args) && named:
			c.Fail("%s() got the argument %q twice", name, p)
		case i < len(args):
			c.args = append(c.args, args[i])
		case named:
			taken++
			c.args = append(c.args, v)
		case optional:
			c.args = append(c.args, absent{})
		default:
			c.Fail("%s() needs the argument %q", name, p)
		}
	}
	if len(args) > len(c.args) {
		c.Fail("%s() takes at most %d argument(s), got %d", name, len(c.args), len(args))
	}
	if taken < kw.Len() {
		c.takeNamed(names, kw)
	}
	return c
}

// takeNamed gives the other named arguments to "**", or fails.
func (c *Call) takeNamed(names []string, kw *Dict) {
	var known []string
	for _, n := range names {
		if n != "*" && n != "**" {
			known = append(known, strings.TrimSuffix(n, "?"))
		}
	}
	for k, v := range kw.All() {
		isKnown := false
		for _, n := range known {
			isKnown = isKnown || k == n
		}
		switch {
		case isKnown:
		case c.extra == nil:
			c.Fail("%s() has no argument %q%s", c.Name, cut(Str(k)), nearest.Hint(cut(Str(k)), known))
		default:
			c.r.put(c.line, c.extra, k, v)
		}
	}
}

// newFunc makes a callable of a Go function.
func newFunc(name, params string, do func(*Call) any) *Func {
	return &Func{name, "function", func(r *renderer, line int, args []any, kw *Dict) any {
		return do(r.newCall(line, name, nil, params, args, kw))
	}}
}
