package ansible

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"trefoil/overcloud/jinja"
)

func mathFilters() map[string]jinja.Filter {
	return map[string]jinja.Filter{
		"log": {Params: "base?", Do: func(c *jinja.Call) any {
			x := num(c, c.Self)
			base := num(c, c.Or(0, math.E))
			if x <= 0 || base <= 0 || base == 1 {
				c.Fail("log: math domain error")
			}
			if base == 10 {
				return math.Log10(x)
			}
			return math.Log(x) / math.Log(base)
		}},
		"pow": {Params: "y", Do: func(c *jinja.Call) any { return math.Pow(num(c, c.Self), num(c, c.Or(0, nil))) }},
		"root": {Params: "base?", Do: func(c *jinja.Call) any {
			base := num(c, c.Or(0, 2.0))
			if base == 2 {
				return math.Sqrt(num(c, c.Self))
			}
			x := num(c, c.Self)
			root := math.Pow(x, 1/base)
			if whole := math.Round(root); math.Pow(whole, base) == x {
				return whole // Go's Pow is less exact than C's
			}
			return root
		}},
		"human_readable": {Params: "isbits? unit?", Do: humanReadable},
		"human_to_bytes": {Params: "default_unit? isbits?", Do: humanToBytes},
	}
}

func num(c *jinja.Call, v any) float64 {
	f, ok := jinja.AsNumber(v)
	if !ok {
		c.Used(v)
		c.Fail("%s needs a number, got %s", c.Name, jinja.TypeName(v))
	}
	return f
}

const sizes = "YZEPTGMK"

func humanReadable(c *jinja.Call) any {
	size := num(c, c.Self)
	if s, ok := jinja.AsText(c.Self); ok {
		size, _ = jinja.ParseFloat(s)
	}
	name := "Bytes"
	if c.True(0) {
		name = "bits"
	}
	unit := strings.ToUpper(c.Str(1, ""))
	for i, u := range sizes {
		limit := math.Pow(1024, float64(len(sizes)-i))
		if unit == "" && size >= limit || unit == string(u) {
			short := "B"
			if c.True(0) {
				short = "b"
			}
			return strconv.FormatFloat(size/limit, 'f', 2, 64) + " " + string(u) + short
		}
	}
	return strconv.FormatFloat(size, 'f', 2, 64) + " " + name
}

var humanRe = regexp.MustCompile(`^\s*(\d*\.?\d*)\s*([A-Za-z]+)?`)

// humanToBytes counts as Ansible does: isbits does not change the number, only
// whether the unit must be written with b or with B.
func humanToBytes(c *jinja.Call) any {
	s := c.Text(c.Self)
	m := humanRe.FindStringSubmatch(s)
	f, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		c.Fail("human_to_bytes() can't interpret following string: %s", s)
	}
	unit := m[2]
	if unit == "" {
		unit = c.Str(0, "")
	}
	if unit != "" {
		i := strings.IndexByte(sizes+"B", strings.ToUpper(unit)[0])
		if i < 0 {
			c.Fail("human_to_bytes() failed to convert %s: the suffix must be one of Y, Z, E, P, T, G, M, K, B", s)
		}
		class, name := byte('B'), "byte"
		if c.True(1) {
			class, name = 'b', "bit"
		}
		if len(unit) > 1 && unit[1] != class && !strings.Contains(strings.ToLower(unit), name) {
			c.Fail("human_to_bytes() failed to convert %s: the unit must end with %c or %s", s, class, name)
		}
		f *= math.Pow(1024, float64(len(sizes)-i))
	}
	if f = math.RoundToEven(f); f >= 1<<63 {
		c.Fail("human_to_bytes() failed to convert %s: the number needs more than 64 bits", s)
	}
	return int64(f)
}
