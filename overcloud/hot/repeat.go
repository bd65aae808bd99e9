package hot

import "strings"

// repeat makes one item of template for every combination of the for_each lists,
// or with permutations: false, for every row of them. The names of for_each are
// sorted: the first turns slowest, and is replaced first.
func repeat(c call, arg any) (any, error) {
	m, err := mapArg(c, arg, "template", "for_each", "permutations?")
	if err != nil {
		return nil, err
	}
	each, ok := m["for_each"].(map[string]any)
	if !ok || len(each) == 0 {
		return nil, c.fail("for_each must be a map of lists, got %s", kind(m["for_each"]))
	}
	permute := true
	if v, given := m["permutations"]; given {
		if permute, ok = v.(bool); !ok {
			return nil, c.fail("permutations must be true or false, got %s", kind(v))
		}
		if c.version < permutationSince {
			return nil, c.fail("permutations needs heat_template_version %s or later", sinceText(permutationSince))
		}
	}
	names := sortedKeys(each)
	lists := make([][]any, len(names))
	for i, name := range names {
		if lists[i], err = items(c, name, each[name], permute); err != nil {
			return nil, err
		}
	}
	rows, err := combinations(c, lists, permute)
	if err != nil {
		return nil, err
	}
	return fillAll(c, m["template"], names, rows)
}

// items is what a for_each value gives: the items of a list, the keys of a map.
func items(c call, name string, v any, permute bool) ([]any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		if v == nil {
			v = []any{}
		}
		return v, nil
	case map[string]any:
		if !permute {
			return nil, c.fail("without permutations, for_each takes lists only; %s is a map", name)
		}
		if c.version < repeatMapsSince {
			return nil, c.fail("a map in for_each needs heat_template_version %s or later", sinceText(repeatMapsSince))
		}
		out := make([]any, 0, len(v))
		for _, k := range sortedKeys(v) {
			out = append(out, k)
		}
		return out, nil
	}
	return nil, c.fail("for_each takes lists and maps; %s is %s", name, kind(v))
}

// combinations are the rows that the lists make: all of them, or side by side.
func combinations(c call, lists [][]any, permute bool) ([][]any, error) {
	if !permute {
		return sideBySide(c, lists)
	}
	rows := [][]any{{}}
	for _, values := range lists {
		if len(rows)*len(values) > maxRepeat {
			return nil, c.fail("more than %d items", maxRepeat)
		}
		next := make([][]any, 0, len(rows)*len(values))
		for _, row := range rows {
			for _, v := range values {
				next = append(next, append(row[:len(row):len(row)], v))
			}
		}
		rows = next
	}
	return rows, nil
}

// sideBySide takes one item of each list at a time. A list that is null makes no rows.
func sideBySide(c call, lists [][]any) ([][]any, error) {
	n, none := -1, false
	for _, l := range lists {
		switch {
		case l == nil:
			none = true
		case n >= 0 && n != len(l):
			return nil, c.fail("without permutations the lists of for_each must be equally long")
		default:
			n = len(l)
		}
	}
	if none || n < 0 {
		return nil, nil
	}
	rows := make([][]any, n)
	for i := range rows {
		for _, l := range lists {
			rows[i] = append(rows[i], l[i])
		}
	}
	return rows, nil
}

func fillAll(c call, template any, names []string, rows [][]any) (any, error) {
	out := make([]any, 0, len(rows))
	f := filler{c: c, names: names}
	for _, row := range rows {
		if f.row = row; f.size > maxString {
			return nil, c.fail("the result is larger than %d bytes", maxString)
		}
		v, err := f.fill(template)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// filler puts a row into a template.
type filler struct {
	c     call
	names []string
	row   []any
	size  int
}

func (f *filler) fill(v any) (any, error) {
	if err := f.c.scope.Step(1); err != nil {
		return nil, err
	}
	switch t := v.(type) {
	case string:
		return f.text(t)
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			var err error
			if out[i], err = f.fill(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(t))
		for _, k := range sortedKeys(t) {
			key, err := f.text(k)
			if err != nil {
				return nil, err
			}
			if out[key], err = f.fill(t[k]); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// text replaces the names one after the other, so that a later one is replaced
// in what an earlier one put in.
func (f *filler) text(s string) (string, error) {
	for i, name := range f.names {
		with, ok := f.row[i].(string)
		if !ok {
			return "", f.c.fail("%s is %s, which cannot be put into text", name, kind(f.row[i]))
		}
		if !strings.Contains(s, name) || name == "" {
			continue
		}
		n := strings.Count(s, name)
		if len(s)+n*len(with) > maxString {
			return "", f.c.fail("the result is larger than %d bytes", maxString)
		}
		s = strings.ReplaceAll(s, name, with)
	}
	f.size += len(s)
	return s, nil
}
