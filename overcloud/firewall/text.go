package firewall

import (
	"fmt"
	"strconv"
	"strings"
)

// set is one value, or several in braces.
func set(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return "{ " + strings.Join(list, ", ") + " }"
}

// list is a value or a list of values as texts; a text may have several, by commas.
func list(v any) []string {
	var out []string
	switch t := v.(type) {
	case nil:
	case []any:
		for _, e := range t {
			out = append(out, list(e)...)
		}
	default:
		for s := range strings.SplitSeq(text(v), ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// text is a scalar as templates write it.
func text(v any) string {
	switch t := v.(type) {
	case nil:
		return ""
	case string:
		return t
	case float64:
		return strconv.FormatFloat(t, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
