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
			return -i
		}
		return i
	}
	f, ok := x.(float64)
	if !ok {
		r.fail(e.at(), "bad operand type for unary %s: '%s'", e.op, typeName(x))
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
	y := r.eval(e.y, s)
	if e.op == "~" {
		return r.sized(e.at(), Str(x)+Str(y))
	}
	r.used(e.at(), x, y)
	if v, ok := r.sequenceOp(e, x, y); ok {
		return v
	}
	if a, ok := integer(x); ok {
		if b, ok := integer(y); ok {
			return r.intOp(e, a, b)
		}
	}
	a, okA := number(x)
	b, okB := number(y)
	if !okA || !okB {
		r.fail(e.at(), "unsupported operand type(s) for %s: '%s' and '%s'", e.op, typeName(x), typeName(y))
	}
	return r.floatOp(e, a, b)
}

// sized fails when a string grew over the limit.
func (r *renderer) sized(line int, s string) string {
	if len(s) > r.limits.Output {
		r.fail(line, "a string is larger than %d bytes", r.limits.Output)
	}
	return s
}

// sequenceOp is + and * on strings and lists, and % on strings.
func (r *renderer) sequenceOp(e *binaryExpr, x, y any) (any, bool) {
	if s, ok := x.(string); ok && e.op == "%" {
		return r.sized(e.at(), r.percent(e.at(), s, y)), true
	}
	if e.op == "+" {
		switch a := x.(type) {
		case string:
			if b, ok := y.(string); ok {
				return r.sized(e.at(), a+b), true
			}
		case *List:
			if b, ok := y.(*List); ok {
				return &List{r.join(e.at(), a.Items, b.Items)}, true
			}
		case Tuple:
			if b, ok := y.(Tuple); ok {
				return Tuple{r.join(e.at(), a.Items, b.Items)}, true
			}
		}
	}
	if e.op != "*" {
		return nil, false
	}
	if _, ok := integer(x); ok {
		x, y = y, x
	}
	n, ok := integer(y)
	if !ok {
		return nil, false
	}
	n = max(n, 0)
	switch a := x.(type) {
	case string:
		if a != "" && n > int64(r.limits.Output/len(a)) {
			r.fail(e.at(), "a string is larger than %d bytes", r.limits.Output)
		}
		return strings.Repeat(a, int(n)), true
	case *List:
		return &List{r.repeat(e.at(), a.Items, n)}, true
	case Tuple:
		return Tuple{r.repeat(e.at(), a.Items, n)}, true
	}
	return nil, false
}

func (r *renderer) join(line int, a, b []any) []any {
	r.cost(line, len(a)+len(b))
	return append(append(make([]any, 0, len(a)+len(b)), a...), b...)
}

func (r *renderer) repeat(line int, items []any, n int64) []any {
	if len(items) == 0 {
		return nil
	}
	if n > int64(r.limits.Steps/len(items)) {
		r.fail(line, "a list is longer than %d items", r.limits.Steps)
	}
	r.cost(line, len(items)*int(n))
	out := make([]any, 0, len(items)*int(n))
	for range n {
		out = append(out, items...)
	}
	return out
}

// cost counts work that one step would hide.
func (r *renderer) cost(line, n int) {
	r.steps += n
	r.step(line)
}

func (r *renderer) intOp(e *binaryExpr, a, b int64) any {
	over := func(ok bool) {
		if !ok {
			r.fail(e.at(), "%d %s %d does not fit into 64 bits", a, e.op, b)
		}
	}
	switch e.op {
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
		return r.power(e, a, b)
	}
	if b == 0 {
		r.fail(e.at(), "division by zero")
	}
	switch e.op {
	case "/":
		return float64(a) / float64(b)
	case "//":
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

func (r *renderer) power(e *binaryExpr, a, b int64) any {
	if b < 0 {
		if a == 0 {
			r.fail(e.at(), "division by zero")
		}
		return math.Pow(float64(a), float64(b))
	}
	if f := math.Pow(math.Abs(float64(a)), float64(b)); f >= math.MaxInt64 {
		r.fail(e.at(), "%d ** %d does not fit into 64 bits", a, b)
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

func (r *renderer) floatOp(e *binaryExpr, a, b float64) any {
	switch e.op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "**":
		return math.Pow(a, b)
	}
	if b == 0 {
		r.fail(e.at(), "division by zero")
	}
	switch e.op {
	case "/":
		return a / b
	case "//":
		return math.Floor(a / b)
	}
	m := math.Mod(a, b)
	if m != 0 && (m < 0) != (b < 0) {
		m += b
	}
	return m
}
