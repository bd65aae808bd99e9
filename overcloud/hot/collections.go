package hot

import "strings"

func listConcat(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 0, "lists")
	if err != nil {
		return nil, err
	}
	n := 0
	for _, e := range l {
		items, ok := e.([]any)
		if !ok && e != nil {
			return nil, c.fail("expected lists, got %s", kind(e))
		}
		n += len(items)
	}
	if err := c.scope.Step(n); err != nil {
		return nil, err
	}
	out := make([]any, 0, n)
	for _, e := range l {
		items, _ := e.([]any)
		for _, v := range items {
			if c.name == "list_concat" || indexOf(out, v) < 0 {
				out = append(out, v)
			}
		}
	}
	return out, nil
}

func mapMerge(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 0, "maps")
	if err != nil {
		return nil, err
	}
	n := 0
	for _, e := range l {
		m, ok := e.(map[string]any)
		if !ok && e != nil {
			return nil, c.fail("expected maps, got %s", kind(e))
		}
		n += len(m)
	}
	if err := c.scope.Step(n); err != nil {
		return nil, err
	}
	out := make(map[string]any, n)
	for _, e := range l {
		m, _ := e.(map[string]any)
		for k, v := range m {
			out[k] = v
		}
	}
	return out, nil
}

func mapReplace(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "a map and a map with keys or values")
	if err != nil {
		return nil, err
	}
	m, ok := l[0].(map[string]any)
	if !ok && l[0] != nil {
		return nil, c.fail("expected a map to replace in, got %s", kind(l[0]))
	}
	how, err := mapArg(c, l[1], "keys", "values")
	if err != nil {
		return nil, err
	}
	keys, _ := how["keys"].(map[string]any)
	values, _ := how["values"].(map[string]any)
	out := make(map[string]any, len(m))
	for _, k := range sortedKeys(m) {
		v := m[k]
		switch v.(type) {
		case map[string]any, []any:
		default:
			if to, ok := values[String(v)]; ok {
				v = to
			}
		}
		if to, ok := keys[k]; ok {
			k = String(to)
		}
		out[k] = v
	}
	return out, nil
}

func filter(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "what to drop and what to drop it from")
	if err != nil {
		return nil, err
	}
	drop, ok := l[0].([]any)
	items, ok2 := l[1].([]any)
	if !ok || !ok2 && l[1] != nil {
		return nil, c.fail("expected two lists, got %s and %s", kind(l[0]), kind(l[1]))
	}
	out := []any{}
	for _, it := range items {
		if indexOf(drop, it) < 0 {
			out = append(out, it)
		}
	}
	return out, nil
}

func contains(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "a value and a list or text")
	if err != nil {
		return nil, err
	}
	switch in := l[1].(type) {
	case []any:
		return indexOf(in, l[0]) >= 0, nil
	case map[string]any:
		_, ok := in[String(l[0])]
		return ok, nil
	}
	return strings.Contains(String(l[1]), String(l[0])), nil
}

func indexOf(list []any, v any) int {
	for i, e := range list {
		if Same(e, v) {
			return i
		}
	}
	return -1
}

// repeat makes one item of template for every combination of the for_each lists.
func repeat(c call, arg any) (any, error) {
	m, err := mapArg(c, arg, "template", "for_each", "permutations")
	if err != nil {
		return nil, err
	}
	each, ok := m["for_each"].(map[string]any)
	if !ok {
		return nil, c.fail("for_each must be a map of lists, got %s", kind(m["for_each"]))
	}
	rows, err := combinations(c, each, m["permutations"] != false)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(rows))
	for _, row := range rows {
		if err := c.scope.Step(10); err != nil {
			return nil, err
		}
		out = append(out, fill(m["template"], row))
	}
	return out, nil
}

// combinations are the rows that the lists make: all of them, or side by side.
func combinations(c call, each map[string]any, permute bool) ([]map[string]any, error) {
	rows := []map[string]any{{}}
	if !permute {
		rows = nil
	}
	for _, name := range sortedKeys(each) {
		values := items(each[name])
		if !permute {
			if rows == nil {
				rows = make([]map[string]any, len(values))
			}
			if len(rows) != len(values) {
				return nil, c.fail("without permutations the lists of for_each must be equally long")
			}
			for i, v := range values {
				rows[i] = with(rows[i], name, v)
			}
			continue
		}
		if len(rows)*len(values) > maxRepeat {
			return nil, c.fail("more than %d items", maxRepeat)
		}
		next := make([]map[string]any, 0, len(rows)*len(values))
		for _, row := range rows {
			for _, v := range values {
				next = append(next, with(row, name, v))
			}
		}
		rows = next
	}
	return rows, nil
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

// kind names the type of a value in errors.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}
