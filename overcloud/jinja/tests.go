package jinja

import (
	"regexp"
	"strings"
	"trefoil/internal/nearest"
)

func (r *renderer) applyTest(e *testExpr, s *scope) any {
	args, kw := r.args(e.at(), e.args, s)
	return r.testCall(e.at(), e.name, r.eval(e.x, s), args, kw) != e.negate
}

func (r *renderer) testCall(line int, name string, x any, args []any, kw *Dict) bool {
	t := test(name)
	if t == nil {
		r.fail(line, "unknown test %q%s", name, nearest.Hint(name, testNames()))
	}
	r.step(line)
	return t(&callCtx{r: r, line: line, name: name, self: x, args: args, kw: kw})
}

func testNames() []string {
	return strings.Fields(`boolean callable contains defined divisibleby eq equalto even false filter float ge gt in
		integer iterable le lower lt mapping match ne none number odd sameas search sequence string test true undefined upper`)
}

type testFunc func(c *callCtx) bool

// test returns the test of that name or nil.
func test(name string) testFunc {
	switch name {
	case "defined", "undefined":
		return func(c *callCtx) bool { _, u := c.self.(Undefined); return u == (c.name == "undefined") }
	case "none", "true", "false", "boolean", "integer", "float", "number", "string", "mapping", "sequence", "iterable", "callable":
		return testType
	case "odd", "even", "divisibleby":
		return testNumber
	case "eq", "equalto", "==", "ne", "!=", "lt", "<", "gt", ">", "le", "<=", "ge", ">=", "sameas":
		return testCompare
	case "in":
		return func(c *callCtx) bool { return c.r.contains(c.line, c.need(0, "seq"), c.self) }
	case "contains":
		return func(c *callCtx) bool { return c.r.contains(c.line, c.self, c.need(0, "value")) }
	case "lower", "upper":
		return func(c *callCtx) bool {
			s := Str(c.self)
			c.self = s
			c.name = "is" + c.name
			return stringIs(c).(bool)
		}
	case "filter":
		return func(c *callCtx) bool { return filter(Str(c.self)) != nil }
	case "test":
		return func(c *callCtx) bool { return test(Str(c.self)) != nil }
	case "match", "search":
		return testRegexp
	}
	return nil
}

func testType(c *callCtx) bool {
	switch c.name {
	case "none":
		return c.self == nil
	case "true", "false":
		b, ok := c.self.(bool)
		return ok && b == (c.name == "true")
	case "number":
		_, ok := number(c.self)
		return ok
	case "sequence", "iterable":
		switch c.self.(type) {
		case string, *List, Tuple, *Dict, Undefined:
			return true
		}
		return false
	case "callable":
		switch c.self.(type) {
		case Func, *macro:
			return true
		}
		return false
	}
	t := typeName(c.self)
	return t == map[string]string{"boolean": "bool", "integer": "int", "float": "float", "string": "str", "mapping": "dict"}[c.name]
}

func testNumber(c *callCtx) bool {
	n, ok := integer(c.self)
	if !ok {
		c.r.used(c.line, c.self)
		c.r.fail(c.line, "test %q needs a whole number, got %s", c.name, typeName(c.self))
	}
	by := int64(2)
	if c.name == "divisibleby" {
		if by = c.intOr(0, "num", 0); by == 0 {
			c.r.fail(c.line, "division by zero")
		}
	}
	return (n%by == 0) == (c.name != "odd")
}

func testCompare(c *callCtx) bool {
	other := c.need(0, "other")
	switch c.name {
	case "eq", "equalto", "==", "sameas":
		return equal(c.self, other) && (c.name != "sameas" || typeName(c.self) == typeName(other))
	case "ne", "!=":
		return !equal(c.self, other)
	}
	n, ok := compare(c.self, other)
	if !ok {
		c.r.used(c.line, c.self, other)
		c.r.fail(c.line, "'%s' and '%s' cannot be compared", typeName(c.self), typeName(other))
	}
	switch c.name {
	case "lt", "<":
		return n < 0
	case "gt", ">":
		return n > 0
	case "le", "<=":
		return n <= 0
	}
	return n >= 0
}

// testRegexp is Ansible's match (at the start) and search (anywhere).
func testRegexp(c *callCtx) bool {
	pattern := c.str(0, "pattern")
	if c.name == "match" {
		pattern = "^(?:" + pattern + ")"
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		c.r.fail(c.line, "bad pattern: %v", err)
	}
	return re.MatchString(Str(c.self))
}
