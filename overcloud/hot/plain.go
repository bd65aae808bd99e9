package hot

import (
	"regexp"
	"strconv"
	"strings"

	"trefoil/internal/yaml"
)

// plain reads a node as data: nil, bool, int, float64, string, []any, map[string]any.
// Scalars follow YAML 1.1 as PyYAML reads it for Heat.
func plain(n *yaml.Node) any { return plainDepth(n, 0) }

func plainDepth(n *yaml.Node, depth int) any {
	n = deref(n)
	if n == nil || depth > maxDepth {
		return nil
	}
	switch n.Kind {
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, c := range n.Content {
			out[i] = plainDepth(c, depth+1)
		}
		return out
	case yaml.MappingNode:
		return plainMap(n, depth)
	}
	return scalar(n)
}

// plainMap reads a map; what stands in it itself wins over what a merge key brings.
func plainMap(n *yaml.Node, depth int) map[string]any {
	out := make(map[string]any, len(n.Content)/2)
	var merges []*yaml.Node
	for _, e := range pairs(n) {
		if e.key.Tag == "!!merge" {
			merges = append(merges, e.val)
			continue
		}
		out[e.key.Value] = plainDepth(e.val, depth+1)
	}
	for _, m := range merges {
		sources := []any{plainDepth(m, depth+1)}
		if list, ok := sources[0].([]any); ok {
			sources = list
		}
		for _, s := range sources {
			from, _ := s.(map[string]any)
			for k, v := range from {
				if _, has := out[k]; !has {
					out[k] = v
				}
			}
		}
	}
	return out
}

// What PyYAML takes for a number: an exponent needs a point and a sign, and
// 190:20:30 counts in sixties.
var (
	yamlInt   = regexp.MustCompile(`^[-+]?(0b[01_]+|0[0-7_]*|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$`)
	yamlSixty = regexp.MustCompile(`^[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+$`)
	yamlFloat = regexp.MustCompile(`^[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?$`)
)

// scalar reads one scalar node.
func scalar(n *yaml.Node) any {
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
	case yamlInt.MatchString(s):
		if v, err := strconv.ParseInt(digits, 0, 64); err == nil {
			return int(v)
		}
	case yamlFloat.MatchString(s):
		if v, err := strconv.ParseFloat(digits, 64); err == nil {
			return v
		}
	case yamlSixty.MatchString(s):
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
