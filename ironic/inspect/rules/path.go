package rules

import (
	"strconv"
	"strings"

	"trefoil/internal/errs"
)

// Bounds of a JSON path: its length, what it may find, and what it may look at. Two ".."
// over a deep document find the same things again and again.
const (
	maxPathSteps = 32
	maxFound     = 10_000
	maxVisited   = 1_000_000
)

// path is a JSON path in the subset that fields of inspector's rules are written
// in: $, names with dots or in ['…'], [n], [*], * and ..name.
type path []pathStep

type pathStep struct {
	name  string // empty: by index
	index int    // -1: every member
	deep  bool   // on every level, not only the next
}

// parsePath reads a path; the error says at which character it is none.
func parsePath(s string) (path, error) {
	p, rest := path{}, strings.TrimPrefix(s, "$")
	first := rest == s // a name may begin the path without a dot
	for rest != "" {
		var st pathStep
		var err error
		at := len(s) - len(rest)
		switch {
		case strings.HasPrefix(rest, ".."):
			rest = rest[2:]
			st, rest, err = parseName(rest)
			st.deep = true
		case rest[0] == '[':
			st, rest, err = parseBracket(rest)
		case rest[0] == '.':
			st, rest, err = parseName(rest[1:])
		case first:
			st, rest, err = parseName(rest)
		default:
			err = errs.New(errs.Invalid, "expected . or [")
		}
		if err != nil {
			return nil, errs.New(errs.Invalid, "%s at character %d", err.Error(), at+1)
		}
		first = false
		p = append(p, st)
	}
	switch {
	case len(p) == 0 && s != "$":
		return nil, errs.New(errs.Invalid, "the path is empty")
	case len(p) > maxPathSteps:
		return nil, errs.New(errs.Invalid, "more than %d steps", maxPathSteps)
	}
	return p, nil
}

// parseName reads a name or * up to the next . or [.
func parseName(s string) (pathStep, string, error) {
	n := strings.IndexAny(s, ".[")
	if n < 0 {
		n = len(s)
	}
	switch name := s[:n]; {
	case name == "":
		return pathStep{}, s, errs.New(errs.Invalid, "expected a name")
	case name == "*":
		return pathStep{index: -1}, s[n:], nil
	case strings.ContainsAny(name, " \t|,()?@'\"]"):
		return pathStep{}, s, errs.New(errs.Invalid, "%q is no name; write ['%s'] if it is one", name, name)
	default:
		return pathStep{name: name}, s[n:], nil
	}
}

// parseBracket reads [n], [*] or a name in quotes.
func parseBracket(s string) (pathStep, string, error) {
	if len(s) > 1 && (s[1] == '\'' || s[1] == '"') {
		end := strings.Index(s[2:], s[1:2]+"]")
		if end <= 0 {
			return pathStep{}, s, errs.New(errs.Invalid, "expected a name in quotes and ]")
		}
		return pathStep{name: s[2 : 2+end]}, s[2+end+2:], nil
	}
	inner, rest, ok := strings.Cut(s[1:], "]")
	if ok && strings.TrimSpace(inner) == "*" {
		return pathStep{index: -1}, rest, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(inner))
	if !ok || err != nil || n < 0 {
		return pathStep{}, s, errs.New(errs.Invalid, "expected [number], [*] or ['name']")
	}
	return pathStep{index: n}, rest, nil
}

// find returns what the path leads to, in the order of the document (objects in the
// order of their keys); nothing where it leads nowhere.
func (p path) find(doc any) ([]any, error) {
	found := []any{doc}
	left := maxVisited
	for _, st := range p {
		var next []any
		for _, v := range found {
			next = st.from(v, next, &left)
			if len(next) > maxFound {
				return nil, errs.New(errs.Invalid, "the path finds more than %d values", maxFound)
			}
			if left < 0 {
				return nil, errs.New(errs.Invalid, "the path leads through more than %d values", maxVisited)
			}
		}
		found = next
	}
	return found, nil
}

// from adds what the step leads to from v; left counts the values that were looked at.
func (st pathStep) from(v any, out []any, left *int) []any {
	*left--
	out = st.member(v, out)
	if !st.deep {
		return out
	}
	each(v, func(m any) {
		if len(out) <= maxFound && *left >= 0 {
			out = st.from(m, out, left)
		}
	})
	return out
}

func (st pathStep) member(v any, out []any) []any {
	if st.name == "" && st.index < 0 {
		each(v, func(m any) { out = append(out, m) })
		return out
	}
	switch x := v.(type) {
	case map[string]any:
		if m, ok := x[st.name]; ok && st.name != "" {
			out = append(out, m)
		}
	case []any:
		if st.name == "" && st.index < len(x) {
			out = append(out, x[st.index])
		}
	}
	return out
}

func each(v any, f func(any)) {
	switch x := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(x) {
			f(x[k])
		}
	case []any:
		for _, m := range x {
			f(m)
		}
	}
}
