package jinja

import (
	"math"
	"strings"
)

func (r *renderer) unary(e *unaryExpr, x any) any {
	if e.op == "not" {
		return !Truth(x)
	}
	r.used(e.at(), x)
	if i, ok := integer(x); ok {
		if e.op == "-" {
			if i == math.MinInt64 {
				r.fail(e.at(), "-(%d) does not fit into 64 bits", i)
			}
			return -i
		}
		return i
	}
	f, ok := x.(float64)
	if !ok {
		r.fail(e.at(), "bad operand type for unary %s: '%s'", e.op, iterName(x))
	}
	if e.op == "-" {
		return -f
	}
	return f
}

func (r *renderer) binary(e *binaryExpr, s *scope) any {
	x := r.eval(e.x, s)
	switch e.op {
	case "and":
		if !Truth(x) {
			return x
		}
		return r.eval(e.y, s)
	case "or":
		if Truth(x) {
			return x
		}
		return r.eval(e.y, s)
	}
	return r.operate(e.at(), e.op, x, r.eval(e.y, s))
}

// operate is x op y of two values.
func (r *renderer) operate(line int, op string, x, y any) any {
	if v, ok := r.sequenceOp(line, op, x, y); ok {
		return v
	}
	r.used(line, x, y)
	if a, ok := integer(x); ok {
		if b, ok := integer(y); ok {
			return r.intOp(line, op, a, b)
		}
	}
	a, okA := number(x)
	b, okB := number(y)
	if !okA || !okB {
		r.fail(line, "unsupported operand type(s) for %s: '%s' and '%s'", op, iterName(x), iterName(y))
	}
	return r.floatOp(line, op, a, b)
}

// sequenceOp is + and * on strings and lists, and % on strings.
func (r *renderer) sequenceOp(line int, op string, x, y any) (any, bool) {
	switch op {
	case "%":
		switch s := x.(type) {
		case string:
			return r.percent(line, s, y), true
		case Markup:
			return Markup(r.percent(line, string(s), r.escapeArgs(line, y))), true
		}
	case "+":
		return r.plus(line, x, y)
	case "*":
		if _, ok := integer(x); ok {
			x, y = y, x
		}
		if n, ok := integer(y); ok {
			return r.times(line, x, max(n, 0))
		}
	}
	return nil, false
}

func (r *renderer) plus(line int, x, y any) (any, bool) {
	switch a := x.(type) {
	case *List:
		if b, ok := y.(*List); ok {
			return &List{r.join(line, a.Items, b.Items)}, true
		}
		return nil, false
	case Tuple:
		if b, ok := y.(Tuple); ok {
			return Tuple{Items: r.join(line, a.Items, b.Items)}, true
		}
		return nil, false
	}
	a, okA := text(x)
	b, okB := text(y)
	if !okA || !okB {
		return nil, false
	}
	_, safeA := x.(Markup)
	_, safeB := y.(Markup)
	if safeA || safeB {
		a, b = r.escaped(line, x), r.escaped(line, y)
	}
	r.sized(line, len(a)+len(b))
	if safeA || safeB {
		return Markup(a + b), true
	}
	return a + b, true
}

func (r *renderer) times(line int, x any, n int64) (any, bool) {
	switch a := x.(type) {
	case *List:
		return &List{r.repeat(line, a.Items, n)}, true
	case Tuple:
		return Tuple{Items: r.repeat(line, a.Items, n)}, true
	}
	s, ok := text(x)
	if !ok {
		return nil, false
	}
	if s == "" {
		return x, true
	}
	r.sized(line, int(min(n, int64(math.MaxInt32)))*len(s))
	return like(x, strings.Repeat(s, int(n))), true
}

func (r *renderer) join(line int, a, b []any) []any {
	r.cost(line, len(a)+len(b))
	r.alloc(line, 16*(len(a)+len(b)))
	return append(append(make([]any, 0, len(a)+len(b)), a...), b...)
}

func (r *renderer) repeat(line int, items []any, n int64) []any {
	if len(items) == 0 {
		return nil
	}
	if n > int64(r.limits.Steps/len(items)) {
		r.fail(line, "a list is longer than %d items", r.limits.Steps)
	}
	size := len(items) * int(n)
	r.cost(line, size)
	r.alloc(line, 16*size)
	out := make([]any, 0, size)
	for range n {
		out = append(out, items...)
	}
	return out
}

func (r *renderer) intOp(line int, op string, a, b int64) any {
	over := func(ok bool) {
		if !ok {
			r.fail(line, "%d %s %d does not fit into 64 bits", a, op, b)
		}
	}
	switch op {
	case "+":
		over((b >= 0) == (a+b >= a))
		return a + b
	case "-":
		over((b <= 0) == (a-b >= a))
		return a - b
	case "*":
		over(a == 0 || ((a*b)/a == b && !(a == -1 && b == math.MinInt64)))
		return a * b
	case "**":
		return r.power(line, a, b)
	}
	if b == 0 {
		r.fail(line, "division by zero")
	}
	switch op {
	case "/":
		return float64(a) / float64(b)
	case "//":
		over(a != math.MinInt64 || b != -1)
		q := a / b
		if a%b != 0 && (a < 0) != (b < 0) {
			q--
		}
		return q
	}
	m := a % b
	if m != 0 && (m < 0) != (b < 0) {
		m += b
	}
	return m
}

func (r *renderer) power(line int, a, b int64) any {
	if b < 0 {
		if a == 0 {
			r.fail(line, "0 cannot be raised to a negative power")
		}
		return math.Pow(float64(a), float64(b))
	}
	if f := math.Pow(math.Abs(float64(a)), float64(b)); f >= math.MaxInt64 {
		r.fail(line, "%d ** %d does not fit into 64 bits", a, b)
	}
	out := int64(1)
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			out *= a
		}
		a *= a
	}
	return out
}

func (r *renderer) floatOp(line int, op string, a, b float64) any {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "**":
		return r.floatPower(line, a, b)
	}
	if b == 0 {
		r.fail(line, "float division by zero")
	}
	if op == "/" {
		return a / b
	}
	m := math.Mod(a, b)
	if m != 0 && (m < 0) != (b < 0) {
		m += b
	}
	if op == "%" {
		return m
	}
	return math.Round((a - m) / b)
}

func (r *renderer) floatPower(line int, a, b float64) any {
	v := math.Pow(a, b)
	switch {
	case math.IsInf(v, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0):
		r.fail(line, "%s ** %s is out of range", reprFloat(a), reprFloat(b))
	case math.IsNaN(v) && !math.IsNaN(a) && !math.IsNaN(b):
		r.fail(line, "%s ** %s is a complex number, which is not supported", reprFloat(a), reprFloat(b))
	}
	return v
}
