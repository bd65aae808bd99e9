package yaml

import (
	"regexp"
	"strconv"
	"strings"
)

// What PyYAML takes for a number: an exponent needs a point and a sign, and
// 190:20:30 counts in sixties.
var (
	pyInt   = regexp.MustCompile(`^[-+]?(0b[01_]+|0[0-7_]*|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$`)
	pySixty = regexp.MustCompile(`^[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+$`)
	pyFloat = regexp.MustCompile(`^[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?$`)
)

// Scalar reads one scalar node as PyYAML's safe_load does, by YAML 1.1: yes, no, on
// and off are booleans, 010 is eight, 1e3 is text. It gives nil, bool, int, float64
// or string; a number that does not fit, .inf and .nan stay text.
func Scalar(n *Node) any {
	s := n.Value
	if n.Tag == "!!null" {
		return nil
	}
	if n.Style != 0 {
		return tagged(n.Tag, s) // in quotes or a block: text, unless a tag says otherwise
	}
	switch s {
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON":
		return true
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF":
		return false
	}
	if s == "" || !strings.ContainsRune("-+.0123456789", rune(s[0])) {
		return s
	}
	return numeric(s)
}

// tagged reads a scalar whose type is written before it.
func tagged(tag, s string) any {
	switch tag {
	case "!!int", "!!float":
		v := numeric(s)
		if i, ok := v.(int); ok && tag == "!!float" {
			return float64(i)
		}
		return v
	case "!!bool":
		return strings.EqualFold(s, "true") || strings.EqualFold(s, "yes") || strings.EqualFold(s, "on")
	}
	return s
}

// numeric reads a plain scalar that may be a number.
func numeric(s string) any {
	digits := strings.ReplaceAll(s, "_", "")
	switch {
	case pyInt.MatchString(s):
		if v, err := strconv.ParseInt(digits, 0, 64); err == nil {
			return int(v)
		}
	case pyFloat.MatchString(s):
		if v, err := strconv.ParseFloat(digits, 64); err == nil {
			return v
		}
	case pySixty.MatchString(s):
		total := 0
		for _, part := range strings.Split(strings.TrimLeft(digits, "-+"), ":") {
			n, err := strconv.Atoi(part)
			if err != nil || total > 1<<40 {
				return s
			}
			total = total*60 + n
		}
		if digits[0] == '-' {
			total = -total
		}
		return total
	}
	return s
}
