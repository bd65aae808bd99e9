package hot

import (
	"strings"

	"trefoil/internal/yaml"
)

// maxRepeat bounds the items that one repeat makes.
const maxRepeat = 100_000

// repeat makes one item of template for every combination of the for_each lists.
func (s *Stack) repeat(arg *yaml.Node) (any, error) {
	v, err := s.eval(arg)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, s.fail(arg, "repeat needs template and for_each")
	}
	for k := range m {
		if k != "template" && k != "for_each" && k != "permutations" {
			return nil, s.fail(arg, "repeat has no argument %q%s", k, Suggest(k, []string{"template", "for_each", "permutations"}))
		}
	}
	each, ok := m["for_each"].(map[string]any)
	if !ok {
		return nil, s.fail(arg, "repeat: for_each must be a map of lists")
	}
	rows := []map[string]any{{}}
	if m["permutations"] == false {
		rows = nil
	}
	for _, name := range sortedKeys(each) {
		values := items(each[name])
		if m["permutations"] == false {
			if rows == nil {
				rows = make([]map[string]any, len(values))
			}
			if len(rows) != len(values) {
				return nil, s.fail(arg, "repeat: without permutations the lists of for_each must be equally long")
			}
			for i, v := range values {
				rows[i] = with(rows[i], name, v)
			}
			continue
		}
		if len(rows)*len(values) > maxRepeat {
			return nil, s.fail(arg, "repeat makes more than %d items", maxRepeat)
		}
		next := make([]map[string]any, 0, len(rows)*len(values))
		for _, row := range rows {
			for _, v := range values {
				next = append(next, with(row, name, v))
			}
		}
		rows = next
	}
	out := make([]any, 0, len(rows))
	for _, row := range rows {
		s.ev.steps += 10
		out = append(out, fill(m["template"], row))
	}
	return out, nil
}

// items is what a for_each value gives: the items of a list, the keys of a map.
func items(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case map[string]any:
		var out []any
		for _, k := range sortedKeys(v) {
			out = append(out, k)
		}
		return out
	case nil:
		return nil
	}
	return []any{v}
}

func with(row map[string]any, name string, v any) map[string]any {
	out := map[string]any{name: v}
	for k, v := range row {
		out[k] = v
	}
	return out
}

// fill replaces names in a template value; a string that is just a name becomes the value itself.
func fill(v any, row map[string]any) any {
	switch t := v.(type) {
	case string:
		if whole, ok := row[t]; ok {
			return whole
		}
		for _, k := range sortedKeys(row) {
			t = strings.ReplaceAll(t, k, String(row[k]))
		}
		return t
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = fill(e, row)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[String(fill(k, row))] = fill(e, row)
		}
		return out
	}
	return v
}
