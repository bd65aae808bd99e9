package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxWidth is the largest width or precision of a format.
const maxWidth = 100_000

// percentSpec is one %(key)-05.2f.
type percentSpec struct {
	key         string
	named       bool
	flags       string
	width, prec int // -1: none
	verb        byte
}

// percentWriter is a running string % values.
type percentWriter struct {
	r    *renderer
	line int
	v    any // the right side
	args []any
	next int
	used bool // a value or a key of v was
	b    strings.Builder
}

// percent is Python's string % values.
func (r *renderer) percent(line int, s string, v any) string {
	w := &percentWriter{r: r, line: line, v: v, args: []any{v}}
	if t, ok := v.(Tuple); ok {
		w.args = t.Items
	}
	r.cost(line, len(s)/16)
	for s != "" {
		text, rest, found := strings.Cut(s, "%")
		w.write(text)
		if !found {
			break
		}
		s = w.verb(rest)
	}
	switch v.(type) {
	case *Dict, *List, *View, *Range:
		w.used = true // these may stay unused
	}
	if _, one := v.(Tuple); w.next < len(w.args) && (one || !w.used) {
		r.fail(line, "not all arguments converted during string formatting")
	}
	return w.b.String()
}

func (w *percentWriter) write(s string) {
	w.r.sized(w.line, len(s))
	if w.b.Len()+len(s) > w.r.limits.Output {
		w.r.sized(w.line, w.b.Len()+len(s))
	}
	w.b.WriteString(s)
}

// verb writes what the text behind a % asks for and returns what follows.
func (w *percentWriter) verb(s string) string {
	w.r.step(w.line)
	spec, rest := w.spec(s)
	if spec.verb == '%' {
		w.write("%")
		return rest
	}
	v := w.v
	if spec.named {
		d, ok := w.v.(*Dict)
		if !ok {
			w.r.fail(w.line, "format requires a mapping")
		}
		if v, ok = d.Get(spec.key); !ok {
			w.r.fail(w.line, "KeyError: %s", w.r.brief(w.line, spec.key))
		}
		w.used = true
	} else {
		v = w.arg()
	}
	w.write(w.r.percentVerb(w.line, spec, v))
	return rest
}

func (w *percentWriter) arg() any {
	if w.next >= len(w.args) {
		w.r.fail(w.line, "not enough arguments for format string")
	}
	w.next++
	w.used = true
	return w.args[w.next-1]
}

func (w *percentWriter) spec(s string) (percentSpec, string) {
	p := percentSpec{width: -1, prec: -1}
	if strings.HasPrefix(s, "(") {
		end := strings.IndexByte(s, ')')
		if end < 0 {
			w.r.fail(w.line, "incomplete format key")
		}
		p.key, p.named, s = s[1:end], true, s[end+1:]
	}
	n := len(s) - len(strings.TrimLeft(s, "-+ #0"))
	p.flags, s = s[:n], s[n:]
	p.width, s = w.size(s)
	if p.width < -1 { // from "*"
		p.flags, p.width = p.flags+"-", -p.width
	}
	if strings.HasPrefix(s, ".") {
		p.prec, s = w.size(s[1:])
		p.prec = max(p.prec, 0)
	}
	s = strings.TrimLeft(s, "hlL")
	if s == "" {
		w.r.fail(w.line, "incomplete format")
	}
	p.verb = s[0]
	if strings.IndexByte("srdiuxXoceEfFgGa%", p.verb) < 0 {
		c, _ := utf8.DecodeRuneInString(s)
		w.r.fail(w.line, "unsupported format character %q", c)
	}
	return p, s[1:]
}

func (w *percentWriter) size(s string) (int, string) {
	if strings.HasPrefix(s, "*") {
		n, ok := integer(w.arg())
		if !ok {
			w.r.fail(w.line, "* wants int")
		}
		if n > maxWidth || n < -maxWidth {
			w.r.fail(w.line, "format width %d is too large", n)
		}
		return int(n), s[1:]
	}
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if n == 0 {
		return -1, s
	}
	size, err := strconv.Atoi(s[:n])
	if err != nil || size > maxWidth {
		w.r.fail(w.line, "format width %s is too large", s[:n])
	}
	return size, s[n:]
}

func (r *renderer) percentVerb(line int, p percentSpec, v any) string {
	layout := "%" + p.flags
	if p.width >= 0 {
		layout += strconv.Itoa(p.width)
	}
	if p.prec >= 0 {
		layout += "." + strconv.Itoa(p.prec)
	}
	switch p.verb {
	case 's', 'r', 'a', 'c':
		s := r.percentText(line, p.verb, v)
		if p.prec >= 0 && p.verb != 'c' && runeLen(s) > p.prec {
			s = string([]rune(s)[:p.prec])
		}
		pad := strings.Repeat(" ", max(0, p.width-runeLen(s)))
		if strings.Contains(p.flags, "-") {
			return s + pad
		}
		return pad + s
	case 'd', 'i', 'u', 'x', 'X', 'o':
		return r.percentInt(line, layout, p, v)
	}
	f, ok := number(v)
	if !ok {
		r.used(line, v)
		r.fail(line, "must be real number, not %s", iterName(v))
	}
	if p.prec < 0 && (p.verb == 'g' || p.verb == 'G') {
		layout += ".6"
	}
	return goFloat(layout, p.verb, f)
}

// goFloat formats with Go, whose infinity and NaN look otherwise.
func goFloat(layout string, verb byte, f float64) string {
	s := fmt.Sprintf(layout+string(verb), f)
	if math.IsInf(f, 0) || math.IsNaN(f) {
		s = strings.ToLower(strings.TrimPrefix(s, "+"))
		if verb == 'F' || verb == 'E' || verb == 'G' {
			s = strings.ToUpper(s)
		}
	}
	return s
}

func (r *renderer) percentText(line int, verb byte, v any) string {
	switch verb {
	case 's':
		return r.str(line, v)
	case 'r':
		return r.repr(line, v)
	case 'a':
		return ascii(r.repr(line, v))
	}
	if s, ok := text(v); ok && runeLen(s) == 1 {
		return s
	}
	n, ok := integer(v)
	if !ok || n < 0 || n > 0x10ffff {
		r.used(line, v)
		r.fail(line, "%%c requires int or char")
	}
	return string(rune(n))
}

// ascii escapes what is not ASCII, as Python's ascii().
func ascii(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c < 0x80:
			b.WriteRune(c)
		case c <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	return b.String()
}

func (r *renderer) percentInt(line int, layout string, p percentSpec, v any) string {
	n, ok := integer(v)
	if f, isFloat := v.(float64); isFloat && strings.IndexByte("diu", p.verb) >= 0 && math.Abs(f) < math.MaxInt64 {
		n, ok = int64(f), true
	}
	if !ok {
		r.used(line, v)
		r.fail(line, "%%%c format: a real number is required, not %s", p.verb, iterName(v))
	}
	switch p.verb {
	case 'i', 'u':
		p.verb = 'd'
	case 'o':
		if strings.Contains(p.flags, "#") {
			layout, p.verb = strings.ReplaceAll(layout, "#", ""), 'O'
		}
	}
	return fmt.Sprintf(layout+string(p.verb), n)
}
