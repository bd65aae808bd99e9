package yaql

import (
	"math"
	"strconv"
	"strings"
)

func mathRows() []row {
	return []row{
		{"abs(op number)", abs},
		{"int(value any)", func(c *call) any { return c.e.toInt(c.args[0]) }},
		{"float(value any)", func(c *call) any { return c.e.toFloat(c.args[0]) }},
		{"bitwiseAnd(left int, right int)", func(c *call) any { return c.int(0) & c.int(1) }},
		{"bitwiseOr(left int, right int)", func(c *call) any { return c.int(0) | c.int(1) }},
		{"bitwiseXor(left int, right int)", func(c *call) any { return c.int(0) ^ c.int(1) }},
		{"bitwiseNot(arg int)", func(c *call) any { return ^c.int(0) }},
		{"shiftBitsRight(value int, bitsNumber int)", func(c *call) any { return shift(c, false) }},
		{"shiftBitsLeft(value int, bitsNumber int)", func(c *call) any { return shift(c, true) }},
		{"max(a any, b any)", func(c *call) any { return c.e.larger(c.args[0], c.args[1]) }},
		{"min(a any, b any)", func(c *call) any { return c.e.smaller(c.args[0], c.args[1]) }},
		{"pow(a number, b number, c number? = null)", pow},
		{"sign(num number)", sign},
		{"round(number number, ndigits int = 0)", round},
		{"isInteger(value any)", func(c *call) any { _, ok := c.args[0].(int); return ok }},
		{"isNumber(value any)", func(c *call) any { return isNumber(c.args[0]) }},
	}
}

func isNumber(v any) bool {
	switch v.(type) {
	case int, float64:
		return true
	}
	return false
}

func float(v any) float64 {
	if n, ok := v.(int); ok {
		return float64(n)
	}
	return v.(float64)
}

func (e *evaluator) overflow() { e.fail("the number does not fit into 64 bits") }

func (e *evaluator) add(a, b int) int {
	s := a + b
	if (s > a) != (b > 0) {
		e.overflow()
	}
	return s
}

func (e *evaluator) sub(a, b int) int {
	s := a - b
	if (s < a) != (b > 0) {
		e.overflow()
	}
	return s
}

func (e *evaluator) mul(a, b int) int {
	if a == 0 || b == 0 {
		return 0
	}
	p := a * b
	if p/b != a || a == -1 && b == math.MinInt || b == -1 && a == math.MinInt {
		e.overflow()
	}
	return p
}

// larger and smaller keep the first of equal values, as max and min of yaql do.
func (e *evaluator) larger(a, b any) any {
	if e.compare(">", b, a) {
		return b
	}
	return a
}

func (e *evaluator) smaller(a, b any) any {
	if e.compare(">", b, a) {
		return a
	}
	return b
}

func abs(c *call) any {
	if n, ok := c.args[0].(int); ok {
		if n < 0 {
			return c.e.sub(0, n)
		}
		return n
	}
	return math.Abs(c.args[0].(float64))
}

func sign(c *call) any {
	f := float(c.args[0])
	return boolInt(f > 0) - boolInt(f < 0)
}

func (e *evaluator) toInt(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case int, bool:
		n, _ := integer(v)
		return n
	case float64:
		if math.IsNaN(v) || math.Abs(v) >= 1<<63 {
			e.overflow()
		}
		return int(v)
	case string:
		e.digits("int", v)
		n, err := strconv.Atoi(pythonNumber(v))
		if err != nil {
			e.fail("int() cannot read %s as a number", someText(v))
		}
		return n
	}
	e.fail("int() needs a number or a string, got %s", typeName(v))
	return 0
}

// maxDigits is how long a text may be that is read as a number, about Python's own limit.
const maxDigits = 4300

func (e *evaluator) digits(name, s string) {
	if len(s) > maxDigits {
		e.fail("%s() reads texts of up to %d bytes", name, maxDigits)
	}
}

// someText speaks of a text without showing it: it may be a secret.
func someText(s string) string {
	if s == "" {
		return "an empty string"
	}
	return "this string"
}

// pythonNumber drops what Python allows around and in a number.
func pythonNumber(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return s
	}
	return strings.ReplaceAll(s, "_", "")
}

func (e *evaluator) toFloat(v any) float64 {
	switch v := v.(type) {
	case nil:
		return 0
	case int, bool:
		n, _ := integer(v)
		return float64(n)
	case float64:
		return v
	case string:
		e.digits("float", v)
		s := pythonNumber(v)
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !math.IsInf(f, 0) || strings.ContainsAny(s, "xXpP") {
			e.fail("float() cannot read %s as a number", someText(v))
		}
		return f
	}
	e.fail("float() needs a number or a string, got %s", typeName(v))
	return 0
}

func shift(c *call, left bool) any {
	v, n := c.int(0), c.int(1)
	if n < 0 {
		c.e.fail("a negative number of bits")
	}
	if !left {
		return v >> min(n, 63)
	}
	if v != 0 && (n > 62 || v<<n>>n != v) {
		c.e.overflow()
	}
	return v << min(n, 63)
}

func pow(c *call) any {
	a, aok := c.args[0].(int)
	b, bok := c.args[1].(int)
	if c.args[2] != nil {
		m, ok := c.args[2].(int)
		if !aok || !bok || !ok || b < 0 || m == 0 {
			c.e.fail("pow() with a modulus needs integers, the power 0 or more, the modulus not 0")
		}
		return powMod(c.e, a, b, m)
	}
	if aok && bok && b >= 0 {
		return powMod(c.e, a, b, 0)
	}
	f := math.Pow(float(c.args[0]), float(c.args[1]))
	if math.IsNaN(f) || math.IsInf(f, 0) {
		c.e.fail("the power is no number that fits")
	}
	return f
}

// powMod multiplies by squares; m is 0 for no modulus.
func powMod(e *evaluator, a, b, m int) int {
	reduce := func(n int) int {
		if m == 0 {
			return n
		}
		return n - floorDiv(n, m)*m
	}
	out, base := reduce(1), reduce(a)
	for {
		if b&1 == 1 {
			out = reduce(e.mul(out, base))
		}
		if b >>= 1; b == 0 {
			return out
		}
		base = reduce(e.mul(base, base))
	}
}

// round rounds halves to even, as Python does.
func round(c *call) any {
	digits := max(-400, min(c.int(1), 400))
	n, isInt := c.args[0].(int)
	if isInt && digits >= 0 {
		return n
	}
	if isInt {
		if digits < -18 {
			return 0
		}
		unit := powMod(c.e, 10, -digits, 0)
		return roundTo(c.e, n, unit)
	}
	f := c.args[0].(float64)
	if digits < 0 {
		unit := math.Pow(10, float64(-digits))
		if math.IsInf(unit, 0) {
			return 0.0
		}
		return math.RoundToEven(f/unit) * unit
	}
	out, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', digits, 64), 64)
	if err != nil {
		return f
	}
	return out
}

func roundTo(e *evaluator, n, unit int) int {
	low := e.mul(floorDiv(n, unit), unit)
	rest := n - low
	if rest > unit-rest || rest == unit-rest && floorDiv(n, unit)%2 != 0 {
		return e.add(low, unit)
	}
	return low
}
