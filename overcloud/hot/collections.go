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
	seen := uniq{}
	for _, e := range l {
		items, _ := e.([]any)
		for _, v := range items {
			if c.name == "list_concat" || seen.add(v) {
				out = append(out, v)
			}
		}
	}
	return out, nil
}

// uniq remembers values. Text and numbers are looked up, the rest is compared.
type uniq struct {
	text    map[string]bool
	numbers map[float64]bool
	rest    []any
}

// add tells whether the value was not there before.
func (u *uniq) add(v any) bool {
	if s, ok := v.(string); ok {
		if u.text == nil {
			u.text = map[string]bool{}
		}
		had := u.text[s]
		u.text[s] = true
		return !had
	}
	if n, ok := toNumber(v); ok {
		if u.numbers == nil {
			u.numbers = map[float64]bool{}
		}
		had := u.numbers[n]
		u.numbers[n] = true
		return !had
	}
	if indexOf(u.rest, v) >= 0 {
		return false
	}
	u.rest = append(u.rest, v)
	return true
}

func mapMerge(c call, arg any) (any, error) {
	if arg == "" {
		arg = []any{} // as empty as a list to Python
	}
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

// mapReplace replaces keys, and values that are text: as keys of a map, what they
// are replaced with is found under text only.
func mapReplace(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "a map and a map with keys and values")
	if err != nil {
		return nil, err
	}
	if len(l) > 2 {
		return nil, c.fail("expected two maps, got %d values", len(l))
	}
	in, err := nullMap(c, "the map to replace in", l[0])
	if err != nil {
		return nil, err
	}
	how := map[string]any{}
	if l[1] != nil {
		if how, err = mapArg(c, l[1], "keys?", "values?"); err != nil {
			return nil, err
		}
	}
	keys, err := nullMap(c, "keys", how["keys"])
	if err != nil {
		return nil, err
	}
	values, err := nullMap(c, "values", how["values"])
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(in))
	for _, k := range sortedKeys(in) {
		v, to := in[k], k
		if text, ok := v.(string); ok {
			if w, ok := values[text]; ok {
				v = w
			}
		}
		if w := keys[k]; w != nil {
			to = String(w)
			if _, there := in[to]; there && to != k {
				return nil, c.fail("key %q would become %q, which the map has already", k, to)
			}
		}
		if _, there := out[to]; there {
			return nil, c.fail("key %q would become %q, as another key does", k, to)
		}
		out[to] = v
	}
	return out, c.scope.Step(len(in))
}

// nullMap is a map, or an empty one for null.
func nullMap(c call, what string, v any) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, c.fail("%s must be a map, got %s", what, kind(v))
	}
	return m, nil
}

func filter(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "values to drop and the list to drop them from")
	if err != nil {
		return nil, err
	}
	items, ok := l[1].([]any)
	switch {
	case falsy(l[1]):
		return l[1], nil
	case !ok:
		return nil, c.fail("expected a list to drop values from, got %s", kind(l[1]))
	case falsy(l[0]):
		return items, nil
	}
	drop, ok := l[0].([]any)
	if !ok {
		return nil, c.fail("expected a list of values to drop, got %s", kind(l[0]))
	}
	if err := c.scope.Step(len(items) * len(drop)); err != nil {
		return nil, err
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
	l, err := listArg(c, arg, 2, "a value and the list or text to look in")
	if err != nil {
		return nil, err
	}
	switch in := l[1].(type) {
	case []any:
		return indexOf(in, l[0]) >= 0, c.scope.Step(len(in))
	case string:
		part, ok := l[0].(string)
		if !ok {
			return nil, c.fail("expected text to look for in text, got %s", kind(l[0]))
		}
		return strings.Contains(in, part), nil
	}
	return nil, c.fail("expected a list or text to look in, got %s", kind(l[1]))
}

func indexOf(list []any, v any) int {
	for i, e := range list {
		if Same(e, v) {
			return i
		}
	}
	return -1
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
		return "text"
	case bool:
		return "a boolean"
	}
	return "a number"
}
