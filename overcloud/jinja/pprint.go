package jinja

import (
	"regexp"
	"sort"
	"strings"
)

// prettyWidth is pprint's line length.
const prettyWidth = 80

// prettyWriter lays out as Python's pprint.pformat: dict keys sorted, one item a
// line where a line would be longer than prettyWidth.
type prettyWriter struct {
	r    *renderer
	line int
}

func pretty(r *renderer, line int, v any) string {
	return (&prettyWriter{r, line}).value(v, 0, 0, 0)
}

// value lays out v that begins at a column; after is how much follows it.
func (w *prettyWriter) value(v any, indent, after, level int) string {
	w.r.cost(w.line, 1)
	v = w.sorted(v, level)
	flat := w.r.repr(w.line, v)
	if runeLen(flat) <= prettyWidth-indent-after || level > maxRepr {
		return flat
	}
	switch v := v.(type) {
	case *List:
		return w.items("[", "]", v.Items, indent, after, level)
	case Tuple:
		if len(v.Items) == 1 {
			return w.items("(", ",)", v.Items, indent, after, level)
		}
		return w.items("(", ")", v.Items, indent, after, level)
	case *Dict:
		var parts []string
		for i, k := range v.keys {
			key := w.r.repr(w.line, k) + ": "
			item := v.slots[i].value
			parts = append(parts, key+w.value(item, indent+1+runeLen(key), w.follows(i, len(v.keys), after+1), level+1))
		}
		return "{" + strings.Join(parts, ",\n"+strings.Repeat(" ", indent+1)) + "}"
	case string:
		return w.text(v, indent, after, level)
	}
	return flat
}

// follows is what stands behind an item on its line: a comma or the brackets.
func (w *prettyWriter) follows(i, n, after int) int {
	if i < n-1 {
		return 1
	}
	return after
}

func (w *prettyWriter) items(begin, end string, items []any, indent, after, level int) string {
	parts := make([]string, len(items))
	for i, it := range items {
		parts[i] = w.value(it, indent+1, w.follows(i, len(items), after+len(end)), level+1)
	}
	return begin + strings.Join(parts, ",\n"+strings.Repeat(" ", indent+1)) + end
}

// sorted copies a dict with its keys in order; keys of several types stand in
// the order of their types' names.
func (w *prettyWriter) sorted(v any, level int) any {
	if level > maxRepr {
		return v
	}
	switch v := v.(type) {
	case *Dict:
		keys := v.Keys()
		w.r.cost(w.line, len(keys))
		sort.SliceStable(keys, func(i, j int) bool {
			c, ok := w.r.compare(w.line, keys[i], keys[j])
			if !ok {
				return iterName(keys[i]) < iterName(keys[j])
			}
			return c < 0
		})
		d := NewDict()
		for _, k := range keys {
			it, _ := w.r.get(w.line, v, k)
			w.r.put(w.line, d, k, w.sorted(it, level+1))
		}
		return d
	case *List:
		return &List{w.sortedItems(v.Items, level)}
	case Tuple:
		return Tuple{Items: w.sortedItems(v.Items, level)}
	}
	return v
}

func (w *prettyWriter) sortedItems(items []any, level int) []any {
	w.r.cost(w.line, len(items))
	out := make([]any, len(items))
	for i, it := range items {
		out[i] = w.sorted(it, level+1)
	}
	return out
}

var wordAndSpace = regexp.MustCompile(`\S*\s*`)

// text breaks a long string after blanks into several literals.
func (w *prettyWriter) text(s string, indent, after, level int) string {
	if level == 0 {
		indent, after = indent+1, after+1
	}
	var out []string
	lines := splitLines(s, true)
	for i, line := range lines {
		room := prettyWidth - indent
		if i == len(lines)-1 {
			room -= after
		}
		if runeLen(reprString(line)) <= room {
			out = append(out, reprString(line))
			continue
		}
		parts := wordAndSpace.FindAllString(line, -1)
		cur := ""
		for j, p := range parts {
			room := prettyWidth - indent
			if j == len(parts)-1 && i == len(lines)-1 {
				room -= after
			}
			if runeLen(reprString(cur+p)) > room && cur != "" {
				out = append(out, reprString(cur))
				cur = p
				continue
			}
			cur += p
		}
		if cur != "" {
			out = append(out, reprString(cur))
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	joined := strings.Join(out, "\n"+strings.Repeat(" ", indent))
	if level == 0 {
		return "(" + joined + ")"
	}
	return joined
}

func sortedUnique(s []string) []string {
	sort.Strings(s)
	var out []string
	for i, v := range s {
		if i == 0 || s[i-1] != v {
			out = append(out, v)
		}
	}
	return out
}
