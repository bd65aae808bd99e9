package yaql

import (
	"math"
	"slices"
	"strings"
)

// operator returns what a binary operator does.
func operator(op string) func(e *evaluator, l, r any) any {
	switch op {
	case "=":
		return func(e *evaluator, l, r any) any { return e.equal(l, r) }
	case "!=":
		return func(e *evaluator, l, r any) any { return !e.equal(l, r) }
	case "<", ">", "<=", ">=":
		return func(e *evaluator, l, r any) any { return e.compare(op, l, r) }
	case "in":
		return (*evaluator).in
	case "=~", "!~":
		return func(e *evaluator, l, r any) any { return e.matches(op, l, r) == (op == "=~") }
	case "+":
		return (*evaluator).plus
	case "-":
		return (*evaluator).minus
	case "*":
		return (*evaluator).times
	case "/":
		return (*evaluator).divide
	}
	return (*evaluator).modulo
}

func (e *evaluator) noOperator(op string, l, r any) {
	e.refuse("%q does not take %s and %s%s", op, typeName(l), typeName(r), operatorHint(op, l, r))
}

func operatorHint(op string, l, r any) string {
	_, left := l.(string)
	_, right := r.(string)
	switch {
	case op == "in" && isMap(r):
		return "; use .containsKey()"
	case op == "+" && left != right && (isNumber(l) || isNumber(r)):
		return "; use str() or int()"
	case l == nil || r == nil:
		return "; use coalesce(x, …) for what may be null"
	}
	return ""
}

// order is -1, 0 or 1, or 2 where one of the two is not a number (NaN).
func order[T int | float64 | string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return 2
}

func (e *evaluator) compare(op string, l, r any) bool {
	var c int
	ls, lok := l.(string)
	rs, rok := r.(string)
	switch {
	case l == nil || r == nil: // null is less than all else
		c = order(boolInt(l != nil), boolInt(r != nil))
	case lok && rok:
		c = order(ls, rs)
	case isNumber(l) && isNumber(r):
		c = orderNumbers(l, r)
	case isKind("set", l) && isKind("set", r):
		return e.compareSets(op, l.(*set), r.(*set))
	default:
		e.noOperator(op, l, r)
	}
	switch op {
	case "<":
		return c == -1
	case ">":
		return c == 1
	case "<=":
		return c == -1 || c == 0
	}
	return c == 1 || c == 0
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func orderNumbers(l, r any) int {
	a, aok := l.(int)
	b, bok := r.(int)
	if aok && bok {
		return order(a, b)
	}
	return order(float(l), float(r))
}

func (e *evaluator) compareSets(op string, l, r *set) bool {
	if op[0] == '>' {
		l, r = r, l
	}
	return e.subset(l, r) && (len(op) == 2 || len(l.items) < len(r.items))
}

func (e *evaluator) in(l, r any) any {
	if s, ok := r.(string); ok {
		if sub, ok := l.(string); ok {
			return strings.Contains(s, sub)
		}
	}
	if !isIterable(r) {
		e.noOperator("in", l, r)
	}
	return e.contains(r, l)
}

func (e *evaluator) matches(op string, l, r any) bool {
	s, ok := l.(string)
	if !ok {
		e.noOperator(op, l, r)
	}
	if re, ok := r.(*regex); ok {
		return e.match(re, s)
	}
	pattern, ok := r.(string)
	if !ok {
		e.noOperator(op, l, r)
	}
	return e.match(e.compile(pattern, ""), s)
}

func (e *evaluator) plus(l, r any) any {
	switch a := l.(type) {
	case string:
		if b, ok := r.(string); ok {
			e.grow(len(a) + len(b))
			return a + b
		}
	case []any:
		if b, ok := r.([]any); ok {
			return e.join(a, b)
		}
	case int:
		if b, ok := r.(int); ok {
			return e.add(a, b)
		}
	}
	switch {
	case isNumber(l) && isNumber(r):
		return float(l) + float(r)
	case isMap(l) && isMap(r):
		return e.update(l, r)
	case isIterable(l) && isIterable(r):
		a, isSet := l.(*set)
		b, also := r.(*set)
		if isSet && also && a.has != nil && b.has != nil {
			return e.union(a.items, b.items)
		}
		return chain(e, []any{l, r})
	}
	e.noOperator("+", l, r)
	return nil
}

// join makes one list of two.
func (e *evaluator) join(a, b []any) []any {
	e.sized(len(a) + len(b))
	return slices.Concat(a, b)
}

func (e *evaluator) minus(l, r any) any {
	a, ok := l.(int)
	b, also := r.(int)
	switch {
	case ok && also:
		return e.sub(a, b)
	case isNumber(l) && isNumber(r):
		return float(l) - float(r)
	case isKind("set", l) && isKind("set", r):
		return e.keep(l.(*set).items, r.(*set), false)
	}
	e.noOperator("-", l, r)
	return nil
}

func (e *evaluator) times(l, r any) any {
	a, ok := l.(int)
	b, also := r.(int)
	switch {
	case ok && also:
		return e.mul(a, b)
	case isNumber(l) && isNumber(r):
		return float(l) * float(r)
	}
	if _, ok := integer(l); ok {
		l, r = r, l
	}
	n, ok := integer(r)
	if !ok {
		e.noOperator("*", l, r)
	}
	n = max(n, 0)
	switch v := l.(type) {
	case string:
		if len(v) > 0 && n > e.lim.Bytes/len(v) {
			e.grow(e.lim.Bytes + 1)
		}
		e.grow(n * len(v))
		return strings.Repeat(v, n)
	case []any:
		if len(v) > 0 && n > e.lim.Items/len(v) {
			e.sized(e.lim.Items + 1)
		}
		e.sized(n * len(v))
		return slices.Repeat(v, n)
	}
	e.noOperator("*", l, r)
	return nil
}

func (e *evaluator) divide(l, r any) any {
	a, ok := l.(int)
	b, also := r.(int)
	switch {
	case !isNumber(l) || !isNumber(r):
		e.noOperator("/", l, r)
	case float(r) == 0:
		e.fail("division by zero")
	case ok && also:
		if a == math.MinInt && b == -1 {
			e.overflow()
		}
		return floorDiv(a, b)
	}
	return float(l) / float(r)
}

// floorDiv rounds towards minus infinity, as Python does.
func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func (e *evaluator) modulo(l, r any) any {
	a, ok := l.(int)
	b, also := r.(int)
	switch {
	case !isNumber(l) || !isNumber(r):
		e.noOperator("mod", l, r)
	case float(r) == 0:
		e.fail("division by zero")
	case ok && also:
		if b == -1 {
			return 0
		}
		return a - floorDiv(a, b)*b
	}
	m := math.Mod(float(l), float(r))
	if m != 0 && (m < 0) != (float(r) < 0) {
		m += float(r)
	}
	return m
}
