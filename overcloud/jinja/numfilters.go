package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

func filterAbs(c *Call) any {
	c.Used(c.Self)
	if i, ok := integer(c.Self); ok {
		if i == math.MinInt64 {
			c.Fail("abs(%d) does not fit into 64 bits", i)
		}
		return max(i, -i)
	}
	f, ok := c.Self.(float64)
	if !ok {
		c.Fail("bad operand type for abs(): '%s'", iterName(c.Self))
	}
	return math.Abs(f)
}

// filterInt is Jinja2's int: what is no number is the default.
func filterInt(c *Call) any {
	c.Used(c.Self)
	def := c.Or(0, int64(0))
	base := c.Int(1, 10)
	if i, ok := integer(c.Self); ok {
		return i
	}
	if f, ok := c.Self.(float64); ok {
		return floatToInt(c, f, def)
	}
	s, ok := text(c.Self)
	if !ok {
		return def
	}
	if i, ok := ParseInt(s, int(base)); ok {
		return i
	}
	if f, ok := ParseFloat(s); ok {
		return floatToInt(c, f, def)
	}
	if digits := strings.Trim(strings.TrimSpace(s), "0123456789"); digits == "" || digits == "-" || digits == "+" {
		if strings.ContainsAny(s, "0123456789") {
			c.Fail("number %s does not fit into 64 bits", strings.TrimSpace(s))
		}
	}
	return def
}

func floatToInt(c *Call, f float64, def any) any {
	switch {
	case math.IsNaN(f):
		return def
	case math.IsInf(f, 0):
		c.Fail("cannot convert float infinity to integer")
	case math.Abs(f) >= math.MaxInt64:
		c.Fail("number %s does not fit into 64 bits", reprFloat(f))
	}
	return int64(f)
}

// ParseInt is Python's int(s, base): blanks around, a sign, underscores between
// digits, and the prefix of the base.
func ParseInt(s string, base int) (int64, bool) {
	s = strings.TrimFunc(s, isSpace)
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	prefix := map[int]string{2: "0b", 8: "0o", 16: "0x"}
	if p := prefix[base]; p != "" && len(s) > 2 && strings.EqualFold(s[:2], p) {
		s = strings.TrimPrefix(s[2:], "_")
	}
	if base == 0 {
		base = 10
		for b, p := range prefix {
			if len(s) > 2 && strings.EqualFold(s[:2], p) {
				s, base = strings.TrimPrefix(s[2:], "_"), b
			}
		}
		if base == 10 && len(s) > 1 && s[0] == '0' && strings.Trim(s, "0_") != "" {
			return 0, false
		}
	}
	if s == "" || s[0] == '_' || s[0] == '-' || s[0] == '+' || strings.HasSuffix(s, "_") || strings.Contains(s, "__") || base < 2 || base > 36 {
		return 0, false
	}
	i, err := strconv.ParseInt(sign+strings.ReplaceAll(s, "_", ""), base, 64)
	return i, err == nil
}

// ParseFloat is Python's float(s).
func ParseFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, isSpace)
	if strings.ContainsAny(s, "xXpP") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || math.IsInf(f, 0)
}

func filterFloat(c *Call) any {
	c.Used(c.Self)
	if f, ok := number(c.Self); ok {
		return f
	}
	if s, ok := text(c.Self); ok {
		if f, ok := ParseFloat(s); ok {
			return f
		}
	}
	return c.Or(0, 0.0)
}

func filterRound(c *Call) any {
	c.Used(c.Self)
	x, ok := number(c.Self)
	method, precision := c.Str(1, "common"), c.Int(0, 0)
	switch {
	case method != "common" && method != "ceil" && method != "floor":
		c.Fail("method must be common, ceil or floor")
	case !ok:
		c.Fail("type %s doesn't define __round__ method", iterName(c.Self))
	case precision > 300 || precision < -300:
		c.Fail("precision %d is out of range", precision)
	}
	if method == "common" {
		if i, whole := integer(c.Self); whole {
			return roundWhole(c, i, int(-precision))
		}
		return roundCommon(x, int(precision))
	}
	scale := math.Pow(10, float64(precision))
	if method == "ceil" {
		return math.Ceil(x*scale) / scale
	}
	return math.Floor(x*scale) / scale
}

// roundWhole is Python's round() of a whole number to zeros at its end, halves
// to even.
func roundWhole(c *Call, i int64, zeros int) any {
	if zeros <= 0 {
		return i
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(zeros)), nil)
	quo, rest := new(big.Int).QuoRem(big.NewInt(i), unit, new(big.Int))
	twice := rest.Abs(rest).Lsh(rest, 1)
	if cmp := twice.Cmp(unit); cmp > 0 || cmp == 0 && quo.Bit(0) == 1 {
		quo.Add(quo, big.NewInt(i>>63|1)) // away from zero
	}
	if quo.Mul(quo, unit); !quo.IsInt64() {
		c.Fail("%d rounded to %d zeros does not fit into 64 bits", i, zeros)
	}
	return quo.Int64()
}

// roundCommon is Python's round(): correctly rounded, halves to even.
func roundCommon(x float64, precision int) any {
	if precision < 0 {
		scale := math.Pow(10, float64(-precision))
		return math.RoundToEven(x/scale) * scale
	}
	f, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'f', precision, 64), 64)
	return f
}

func filterFileSize(c *Call) any {
	c.Used(c.Self)
	bytes, ok := number(c.Self)
	if s, isText := text(c.Self); isText {
		bytes, ok = ParseFloat(s)
	}
	if !ok {
		c.Fail("filesizeformat needs a number, got %s", typeName(c.Self))
	}
	base, units := 1000.0, []string{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}
	if c.True(0) {
		base, units = 1024, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}
	}
	switch {
	case bytes == 1:
		return "1 Byte"
	case bytes < base:
		return fmt.Sprintf("%d Bytes", int64(bytes))
	}
	unit := base
	for i, name := range units {
		if unit *= base; bytes < unit || i == len(units)-1 {
			return fmt.Sprintf("%.1f %s", base*bytes/unit, name)
		}
	}
	return nil
}
