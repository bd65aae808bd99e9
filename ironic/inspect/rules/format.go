package rules

import (
	"strconv"
	"strings"

	"trefoil/internal/errs"
)

// template is a text with replacement fields, {inventory[cpu][count]} or {node.uuid},
// in the part of Python's format strings that rules use: names, members by . and [],
// {{ and }}. Conversions but !s and format specifications are refused.
type template []piece

type piece struct {
	literal string
	root    string // not empty: a field
	keys    []string
}

// errNoField is a field that leads nowhere.
type errNoField struct {
	root string
	keys []string
}

func (e errNoField) Error() string {
	words := "there is no " + e.root
	for _, k := range e.keys {
		words += "[" + k + "]"
	}
	return words
}

func parseTemplate(s string) (template, error) {
	var t template
	var lit strings.Builder
	for s != "" {
		switch {
		case strings.HasPrefix(s, "{{"), strings.HasPrefix(s, "}}"):
			lit.WriteByte(s[0])
			s = s[2:]
		case s[0] == '}':
			return nil, errs.New(errs.Invalid, "a } without {; write }} for the character")
		case s[0] == '{':
			inner, rest, ok := strings.Cut(s[1:], "}")
			if !ok {
				return nil, errs.New(errs.Invalid, "a { without }; write {{ for the character")
			}
			f, err := parseField(inner)
			if err != nil {
				return nil, err
			}
			if lit.Len() > 0 {
				t = append(t, piece{literal: lit.String()})
				lit.Reset()
			}
			t, s = append(t, f), rest
		default:
			n := strings.IndexAny(s, "{}")
			if n < 0 {
				n = len(s)
			}
			lit.WriteString(s[:n])
			s = s[n:]
		}
	}
	if lit.Len() > 0 {
		t = append(t, piece{literal: lit.String()})
	}
	return t, nil
}

// parseField reads what stands between braces.
func parseField(s string) (piece, error) {
	bad := func() (piece, error) {
		return piece{}, errs.New(errs.Invalid, "{%s} is no field; expected a name with .name or [key] behind it", s)
	}
	rest := strings.TrimSuffix(s, "!s")
	n := strings.IndexAny(rest, ".[")
	if n < 0 {
		n = len(rest)
	}
	p := piece{root: rest[:n]}
	if p.root == "" || strings.ContainsAny(p.root, " :!{]") {
		return bad()
	}
	for rest = rest[n:]; rest != ""; {
		var key string
		if rest[0] == '[' {
			var ok bool
			if key, rest, ok = strings.Cut(rest[1:], "]"); !ok {
				return bad()
			}
		} else if rest[0] == '.' {
			n := strings.IndexAny(rest[1:], ".[")
			if n < 0 {
				n = len(rest) - 1
			}
			key, rest = rest[1:1+n], rest[1+n:]
			if strings.ContainsAny(key, ":!") {
				return bad()
			}
		} else {
			return bad()
		}
		if key == "" {
			return bad()
		}
		p.keys = append(p.keys, key)
	}
	return p, nil
}

// expand fills the fields in; vars has the roots. Invalid: the text becomes longer than maxText.
func (t template) expand(vars map[string]any) (string, error) {
	var b strings.Builder
	for _, p := range t {
		if b.Len() > maxText {
			break
		}
		if p.root == "" {
			b.WriteString(p.literal)
			continue
		}
		v, ok := p.value(vars)
		if !ok {
			return "", errNoField{p.root, p.keys}
		}
		b.WriteString(text(v))
	}
	if b.Len() > maxText {
		return "", errs.New(errs.Invalid, "a text becomes longer than %d bytes once its fields are filled in", maxText)
	}
	return b.String(), nil
}

func (p piece) value(vars map[string]any) (any, bool) {
	v, ok := vars[p.root]
	for _, k := range p.keys {
		if !ok {
			return nil, false
		}
		switch x := v.(type) {
		case map[string]any:
			v, ok = x[k]
		case []any:
			i, err := strconv.Atoi(k)
			if ok = err == nil && i >= 0 && i < len(x); ok {
				v = x[i]
			}
		default:
			ok = false
		}
	}
	return v, ok
}

// formatted fills in the texts within v, at any depth; other values stay. What does not
// go through f stays the same value: callers must not change the result in place.
func formatted(v any, f func(string) (string, error)) (any, error) {
	switch x := v.(type) {
	case string:
		if !strings.ContainsAny(x, "{}") {
			return x, nil
		}
		return f(x)
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			m, err := formatted(item, f)
			if err != nil {
				return nil, err
			}
			out[i] = m
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(x))
		for _, k := range sortedKeys(x) {
			m, err := formatted(x[k], f)
			if err != nil {
				return nil, err
			}
			out[k] = m
		}
		return out, nil
	}
	return v, nil
}
