package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// Str is Python's str(v).
func Str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case Markup:
		return string(v)
	case Undefined:
		return ""
	case *module:
		return v.body
	}
	return Repr(v)
}

const (
	maxRepr      = 200      // how deep Repr looks
	maxReprBytes = 32 << 20 // what is longer fails where the limits are checked
)

// Repr is Python's repr(v).
func Repr(v any) string { return reprUpTo(v, maxReprBytes) }

// maxBrief is how many bytes of a value an error shows.
const maxBrief = 200

// brief is the beginning of repr(v), for errors and what may become one.
func (r *renderer) brief(line int, v any) string {
	r.cost(line, maxBrief/16)
	return cut(reprUpTo(v, maxBrief))
}

// cut shortens a text for an error.
func cut(s string) string {
	if len(s) <= 2*maxBrief {
		return s
	}
	return strings.ToValidUTF8(s[:maxBrief], "") + "…"
}

// reprUpTo is repr(v), cut soon after it is longer than limit.
func reprUpTo(v any, limit int) string {
	p := printer{limit: min(limit, maxReprBytes)}
	p.value(v)
	return p.b.String()
}

// printer writes representations; open holds the lists and dicts that it is
// inside of, so that one which contains itself ends.
type printer struct {
	b     strings.Builder
	open  []any
	limit int
}

func (p *printer) value(v any) {
	if len(p.open) > maxRepr || p.b.Len() > p.limit {
		p.b.WriteString("...")
		return
	}
	switch v := v.(type) {
	case *List:
		p.inside(v, "[...]", func() { p.wrap("[", v.Items, "]") })
	case Tuple:
		p.open = append(p.open, nil)
		if len(v.Items) == 1 {
			p.wrap("(", v.Items, ",)")
		} else {
			p.wrap("(", v.Items, ")")
		}
		p.open = p.open[:len(p.open)-1]
	case *Dict:
		p.inside(v, "{...}", func() { p.dict(v) })
	case *View:
		p.inside(v.d, "...", func() { p.wrap(v.kind+"([", v.upTo(p.limit), "])") })
	case *Namespace:
		p.inside(v, "...", func() {
			p.b.WriteString("<Namespace ")
			p.dict(v.attrs)
			p.b.WriteByte('>')
		})
	default:
		p.b.WriteString(reprScalar(p.cut(v)))
	}
}

// cut drops what is beyond the limit anyway before its representation is made.
func (p *printer) cut(v any) any {
	room := p.limit + 4
	switch v := v.(type) {
	case string:
		if len(v) > room {
			return strings.ToValidUTF8(v[:room], "") + "..."
		}
	case Markup:
		if len(v) > room {
			return Markup(strings.ToValidUTF8(string(v[:room]), "") + "...")
		}
	case Bytes:
		return v[:min(len(v), room)]
	}
	return v
}

func (p *printer) inside(v any, again string, write func()) {
	for _, o := range p.open {
		if o == v {
			p.b.WriteString(again)
			return
		}
	}
	p.open = append(p.open, v)
	write()
	p.open = p.open[:len(p.open)-1]
}

func (p *printer) wrap(begin string, items []any, end string) {
	p.b.WriteString(begin)
	for i, it := range items {
		if i > 0 {
			p.b.WriteString(", ")
		}
		if p.b.Len() > p.limit {
			break
		}
		p.value(it)
	}
	p.b.WriteString(end)
}

func (p *printer) dict(d *Dict) {
	p.b.WriteByte('{')
	for i, k := range d.keys {
		if i > 0 {
			p.b.WriteString(", ")
		}
		if p.b.Len() > p.limit {
			break
		}
		p.value(k)
		p.b.WriteString(": ")
		p.value(d.slots[i].value)
	}
	p.b.WriteByte('}')
}

func reprScalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return reprFloat(v)
	case string:
		return reprString(v)
	case Markup:
		return "Markup(" + reprString(string(v)) + ")"
	case Bytes:
		return reprBytes(v)
	case Undefined:
		return "Undefined"
	case *Range:
		return v.repr()
	case *Iter:
		return "<" + v.kind + " object>"
	case *Func:
		return "<" + v.kind + " " + v.name + ">"
	case object:
		return v.repr()
	}
	return "<object>"
}

// reprFloat follows Python: shortest digits, exponent outside 1e-4 … 1e16.
func reprFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func reprString(s string) string {
	var b strings.Builder
	q := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	b.WriteRune(q)
	for _, r := range s {
		switch {
		case r == q || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f || (r > 0x7f && r <= 0xff && !unicode.IsPrint(r)):
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xff && !unicode.IsPrint(r) && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		case r > 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteRune(q)
	return b.String()
}

func reprBytes(v Bytes) string {
	var b strings.Builder
	quote := byte('\'')
	if strings.Contains(string(v), "'") && !strings.Contains(string(v), `"`) {
		quote = '"'
	}
	b.WriteString("b" + string(rune(quote)))
	for i := range len(v) {
		switch c := v[i]; {
		case c == quote || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c == '\n' || c == '\r' || c == '\t':
			b.WriteString(map[byte]string{'\n': `\n`, '\r': `\r`, '\t': `\t`}[c])
		case c < 0x20 || c > 0x7e:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte(quote)
	return b.String()
}
