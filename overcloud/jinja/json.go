package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
)

// JSON is how Call.JSON lays out.
type JSON struct {
	Sort    bool
	Indent  int  // negative: on one line
	Unicode bool // characters beyond ASCII stay
}

// filterToJSON is Jinja2's tojson: safe inside HTML, keys sorted.
func filterToJSON(c *Call) any {
	layout := JSON{Sort: true, Indent: -1}
	if v, ok := c.Arg(0); ok && v != nil {
		layout.Indent = int(min(c.Int(0, 0), 1000))
	}
	s := c.JSON(c.Self, layout)
	c.Sized(len(s))
	return Markup(strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`, "'", `\u0027`).Replace(s))
}

// JSON writes a value as Python's json.dumps does; a negative indent means one
// line. What JSON cannot say is an error.
func (c *Call) JSON(v any, layout JSON) string {
	w := &jsonWriter{c: c, layout: layout}
	w.value(v, 0)
	c.Sized(w.b.Len())
	return w.b.String()
}

type jsonWriter struct {
	c      *Call
	b      strings.Builder
	layout JSON
}

func (w *jsonWriter) value(v any, level int) {
	w.c.Cost(1)
	if w.b.Len() > w.c.r.limits.Output {
		w.c.Sized(w.b.Len())
	}
	if level > maxRepr {
		w.c.Fail("%s: nested more than %d levels deep; does a list contain itself?", w.c.Name, maxRepr)
	}
	switch v := v.(type) {
	case nil:
		w.b.WriteString("null")
	case bool:
		w.b.WriteString(strconv.FormatBool(v))
	case int64:
		w.b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		w.b.WriteString(jsonFloat(v))
	case string:
		w.str(v)
	case Markup:
		w.str(string(v))
	case *List:
		w.items(v.Items, level)
	case Tuple:
		w.items(v.Items, level)
	case *Dict:
		w.dict(v, level)
	default:
		w.c.Used(v)
		w.c.Fail("object of type %s is not JSON serializable", iterName(v))
	}
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return map[bool]string{true: "Infinity", false: "-Infinity"}[f > 0]
	}
	return reprFloat(f)
}

func (w *jsonWriter) items(items []any, level int) {
	w.block('[', ']', len(items), level, func(i int) { w.value(items[i], level+1) })
}

func (w *jsonWriter) dict(d *Dict, level int) {
	keys := d.Keys()
	if w.layout.Sort {
		w.c.r.sort(w.c.line, keys, func(k any) any { return k }, false)
	}
	w.block('{', '}', len(keys), level, func(i int) {
		w.str(w.key(keys[i]))
		w.b.WriteString(": ")
		v, _ := w.c.Lookup(d, keys[i])
		w.value(v, level+1)
	})
}

func (w *jsonWriter) key(k any) string {
	switch k := k.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(k)
	case float64:
		return jsonFloat(k)
	case int64:
		return strconv.FormatInt(k, 10)
	}
	s, ok := text(k)
	if !ok {
		w.c.Fail("keys must be str, int, float, bool or None, not %s", typeName(k))
	}
	return s
}

func (w *jsonWriter) block(open, end byte, n, level int, item func(int)) {
	w.b.WriteByte(open)
	newline := func(level int) {
		if w.layout.Indent >= 0 && n > 0 {
			w.b.WriteByte('\n')
			w.c.Cost(w.layout.Indent * level / 64)
			w.b.WriteString(strings.Repeat(" ", w.layout.Indent*level))
		}
	}
	for i := range n {
		if i > 0 {
			w.b.WriteByte(',')
			if w.layout.Indent < 0 {
				w.b.WriteByte(' ')
			}
		}
		newline(level + 1)
		item(i)
	}
	newline(level)
	w.b.WriteByte(end)
}

func (w *jsonWriter) str(s string) {
	w.b.WriteByte('"')
	for _, r := range s {
		if i := strings.IndexRune("\"\\\n\r\t\b\f", r); i >= 0 {
			w.b.WriteByte('\\')
			w.b.WriteByte(`"\nrtbf`[i])
			continue
		}
		switch {
		case r >= 0x20 && r < 0x7f, w.layout.Unicode && r >= 0x7f:
			w.b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&w.b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&w.b, `\u%04x`, r)
		}
	}
	w.b.WriteByte('"')
}
