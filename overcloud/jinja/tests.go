package jinja

import (
	"math"
	"sort"
	"strings"

	"trefoil/internal/nearest"
)

func (r *renderer) applyTest(e *testExpr, s *scope) any {
	x := r.eval(e.x, s)
	args, kw := r.args(e.at(), e.args, s)
	return r.testCall(e.at(), e.name, x, args, kw) != e.negate
}

func (r *renderer) testCall(line int, name string, x any, args []any, kw *Dict) bool {
	t, ok := r.env.test(name)
	if !ok {
		r.fail(line, "%s", r.env.unknownTest(name))
	}
	return t.Do(r.newCall(line, name, x, t.Params, args, kw))
}

func (e *Env) unknownTest(name string) string {
	names := strings.Fields(`boolean callable defined divisibleby eq equalto escaped even false filter float ge gt greaterthan
		in integer iterable le lower lt lessthan mapping ne none number odd sameas sequence string test true undefined upper`)
	for n := range e.Tests {
		names = append(names, n)
	}
	sort.Strings(names)
	return "unknown test \"" + name + "\"" + nearest.Hint(name, names)
}

// test returns the test of that name.
func (e *Env) test(name string) (Test, bool) {
	if t, ok := e.Tests[name]; ok {
		return t, true
	}
	switch name {
	case "defined", "undefined":
		return Test{"", func(c *Call) bool { _, u := c.Self.(Undefined); return u == (c.Name == "undefined") }}, true
	case "none", "true", "false", "boolean", "integer", "float", "number", "string", "mapping", "sequence", "iterable", "callable", "escaped":
		return Test{"", func(c *Call) bool { return isA(c.Self, c.Name) }}, true
	case "odd", "even":
		return Test{"", testParity}, true
	case "divisibleby":
		return Test{"num", func(c *Call) bool { return isZero(c.r.operate(c.line, "%", c.Self, c.args[0])) }}, true
	case "eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<", "gt", "greaterthan", ">", "le", "<=", "ge", ">=":
		return Test{"other", testCompare}, true
	case "sameas":
		return Test{"other", func(c *Call) bool { return same(c.Self, c.args[0]) }}, true
	case "in":
		return Test{"seq", func(c *Call) bool { return c.r.contains(c.line, c.args[0], c.Self) }}, true
	case "lower", "upper":
		return Test{"", func(c *Call) bool { return stringIs("is"+c.Name, c.Text(c.Self)) }}, true
	case "filter":
		return Test{"", func(c *Call) bool { _, ok := c.r.env.filter(c.Text(c.Self)); return ok }}, true
	case "test":
		return Test{"", func(c *Call) bool { _, ok := c.r.env.test(c.Text(c.Self)); return ok }}, true
	}
	return Test{}, false
}

// isA tells whether a value is what one of Jinja2's type tests asks for.
func isA(v any, what string) bool {
	switch what {
	case "none":
		return v == nil
	case "true", "false":
		return v == (what == "true")
	case "number":
		_, ok := number(v)
		return ok
	case "string":
		_, ok := text(v)
		return ok
	case "escaped":
		_, ok := v.(Markup)
		return ok
	case "sequence":
		_, sized := length(v)
		_, view := v.(*View)
		return sized && !view
	case "iterable":
		_, sized := length(v)
		_, iter := v.(*Iter)
		_, loop := v.(*loopState)
		return sized || iter || loop
	case "callable":
		switch v.(type) {
		case *Func, *macro, *loopState, *blockRef, *joiner, Undefined:
			return true
		}
		return false
	}
	return typeName(v) == map[string]string{"boolean": "bool", "integer": "int", "float": "float", "mapping": "dict"}[what]
}

func isZero(v any) bool {
	f, ok := number(v)
	return ok && f == 0
}

func testParity(c *Call) bool {
	if s, ok := text(c.Self); ok {
		c.Fail("test %q needs a number, got the string %s", c.Name, c.brief(s))
	}
	rest := c.r.operate(c.line, "%", c.Self, int64(2))
	if c.Name == "odd" {
		return c.Equal(rest, int64(1))
	}
	return isZero(rest)
}

func testCompare(c *Call) bool {
	op := map[string]string{"eq": "==", "equalto": "==", "ne": "!=", "lt": "<", "lessthan": "<", "gt": ">", "greaterthan": ">",
		"le": "<=", "ge": ">="}[c.Name]
	if op == "" {
		op = c.Name
	}
	return c.r.compareOp(c.line, op, c.Self, c.args[0])
}

// same is Python's "is"; small numbers and texts of the same value are one object.
func same(a, b any) bool {
	switch a := a.(type) {
	case nil, bool, int64, string, Markup, *List, *Dict, *Func, *macro, *Namespace, *Iter, *Range:
		return a == b
	case float64:
		f, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(f)
	case Tuple:
		t, ok := b.(Tuple)
		return ok && len(a.Items) == len(t.Items) && (len(a.Items) == 0 || &a.Items[0] == &t.Items[0])
	}
	return false
}
