package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// percent is Python's string % values.
func (r *renderer) percent(line int, s string, v any) string {
	args := []any{v}
	if t, ok := v.(Tuple); ok {
		args = t.Items
	}
	var b strings.Builder
	next := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		var value any
		named := false
		if i < len(s) && s[i] == '(' {
			end := strings.IndexByte(s[i:], ')')
			d, ok := v.(*Dict)
			if end < 0 || !ok {
				r.fail(line, "format requires a mapping")
			}
			key := s[i+1 : i+end]
			if value, ok = d.Get(key); !ok {
				r.fail(line, "KeyError: %s", Repr(key))
			}
			named = true
			i += end + 1
		}
		from := i
		for i < len(s) && strings.IndexByte("-+ #0123456789.", s[i]) >= 0 {
			i++
		}
		if i >= len(s) {
			r.fail(line, "incomplete format")
		}
		spec, verb := s[from:i], s[i]
		if verb == '%' {
			b.WriteByte('%')
			continue
		}
		if !named {
			if next >= len(args) {
				r.fail(line, "not enough arguments for format string")
			}
			value = args[next]
			next++
		}
		b.WriteString(r.verb(line, spec, verb, value))
	}
	if _, isDict := v.(*Dict); next < len(args) && !isDict && next > 0 || next == 0 && len(args) > 0 && !isDict && !strings.Contains(s, "%") {
		r.fail(line, "not all arguments converted during string formatting")
	}
	return b.String()
}

// verb formats one value; spec holds flags, width and precision.
func (r *renderer) verb(line int, spec string, verb byte, v any) string {
	for _, part := range strings.FieldsFunc(spec, func(c rune) bool { return c < '0' || c > '9' }) {
		if len(part) > 4 {
			r.fail(line, "format width %s is too large", part)
		}
	}
	switch verb {
	case 's':
		return fmt.Sprintf("%"+spec+"s", Str(v))
	case 'r', 'a':
		return fmt.Sprintf("%"+spec+"s", Repr(v))
	case 'd', 'i', 'u', 'x', 'X', 'o', 'c':
		n, ok := integer(v)
		if f, isFloat := v.(float64); isFloat && strings.IndexByte("diu", verb) >= 0 && math.Abs(f) < math.MaxInt64 {
			n, ok = int64(f), true
		}
		if s, isStr := v.(string); isStr && verb == 'c' {
			return s
		}
		if !ok {
			r.used(line, v)
			r.fail(line, "%%%c format: a real number is required, not %s", verb, typeName(v))
		}
		if verb == 'i' || verb == 'u' {
			verb = 'd'
		}
		return fmt.Sprintf("%"+spec+string(verb), n)
	case 'f', 'F', 'e', 'E', 'g', 'G':
		f, ok := number(v)
		if !ok {
			r.used(line, v)
			r.fail(line, "must be real number, not %s", typeName(v))
		}
		return fmt.Sprintf("%"+spec+string(verb), f)
	}
	r.fail(line, "unsupported format character %q", verb)
	return ""
}

// format is Python's str.format with positions, names, attributes and the
// usual format specifications.
func (r *renderer) format(line int, s string, args []any, kw *Dict) string {
	var b strings.Builder
	next := int64(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c {
			b.WriteByte(c)
			i++
			continue
		}
		if c == '}' {
			r.fail(line, "single '}' encountered in format string")
		}
		if c != '{' {
			b.WriteByte(c)
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			r.fail(line, "expected '}' before end of string")
		}
		field := s[i+1 : i+end]
		i += end
		field, spec, _ := strings.Cut(field, ":")
		field, conv, _ := strings.Cut(field, "!")
		v := r.formatField(line, field, &next, args, kw)
		if conv == "r" {
			v = Repr(v)
		}
		b.WriteString(r.formatSpec(line, spec, v))
	}
	return b.String()
}

func (r *renderer) formatField(line int, field string, next *int64, args []any, kw *Dict) any {
	head := field
	if i := strings.IndexAny(field, ".["); i >= 0 {
		head = field[:i]
	}
	rest := field[len(head):]
	var v any
	ok := false
	switch n, err := strconv.ParseInt(head, 10, 64); {
	case head == "":
		v, ok = index(args, *next)
		*next++
	case err == nil:
		v, ok = index(args, n)
	default:
		v, ok = kw.Get(head)
	}
	if !ok {
		r.fail(line, "format field %s has no value", Repr(field))
	}
	for rest != "" {
		end := strings.IndexAny(rest[1:], ".[")
		part := rest
		if end >= 0 {
			part = rest[:end+1]
		}
		rest = rest[len(part):]
		if part[0] == '.' {
			v = r.attr(line, v, part[1:])
			continue
		}
		key := any(strings.TrimSuffix(part[1:], "]"))
		if n, err := strconv.ParseInt(key.(string), 10, 64); err == nil {
			key = n
		}
		v = r.item(line, v, key)
	}
	return v
}

// formatSpec is [[fill]align][sign][0][width][.precision][type].
func (r *renderer) formatSpec(line int, spec string, v any) string {
	if spec == "" {
		return Str(v)
	}
	fill, align := " ", byte(0)
	runes := []rune(spec)
	if len(runes) > 1 && strings.ContainsRune("<>^=", runes[1]) {
		fill, align, spec = string(runes[0]), byte(runes[1]), string(runes[2:])
	} else if strings.IndexByte("<>^=", spec[0]) >= 0 {
		align, spec = spec[0], spec[1:]
	}
	verb := byte(0)
	if spec != "" && strings.IndexByte("sdxXofFeEgGc%", spec[len(spec)-1]) >= 0 {
		verb, spec = spec[len(spec)-1], spec[:len(spec)-1]
	}
	if strings.HasPrefix(spec, "0") && align == 0 {
		fill, align = "0", '='
	}
	width, prec, _ := strings.Cut(strings.TrimLeft(spec, "+ 0"), ".")
	n, _ := strconv.Atoi(width)
	if n > 10_000 || len(prec) > 4 {
		r.fail(line, "format width %q is too large", spec)
	}
	_, isNumber := number(v)
	var s string
	switch {
	case verb == 0 && !isNumber, verb == 's':
		s = r.verb(line, dot(prec), 's', v)
	case verb == 0 && prec == "":
		s = Str(v)
	case verb == 0:
		s = r.verb(line, dot(prec), 'g', v)
	default:
		s = r.verb(line, dot(prec), verb, v)
	}
	pad := strings.Repeat(fill, max(0, n-runeLen(s)))
	switch {
	case align == '>' || (align == 0 && isNumber):
		return pad + s
	case align == '^':
		half := len(pad) / 2 / len(fill) * len(fill)
		return pad[:half] + s + pad[half:]
	case align == '=' && strings.HasPrefix(s, "-"):
		return "-" + pad + s[1:]
	case align == '=':
		return pad + s
	}
	return s + pad
}

func dot(prec string) string {
	if prec == "" {
		return ""
	}
	return "." + prec
}
