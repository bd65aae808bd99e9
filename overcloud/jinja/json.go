package jinja

import (
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
)

// writeJSON follows Python's json.dumps: ", " and ": " between things, ASCII only.
func writeJSON(b *strings.Builder, v any, sorted bool, indent, level int) {
	if level > maxRepr {
		b.WriteString("null")
		return
	}
	switch v := v.(type) {
	case nil, Undefined:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case string:
		jsonString(b, v)
	case int64, float64:
		b.WriteString(Repr(v))
	case *List:
		jsonItems(b, v.Items, sorted, indent, level)
	case Tuple:
		jsonItems(b, v.Items, sorted, indent, level)
	case *Dict:
		keys := v.Keys()
		if sorted {
			sort.SliceStable(keys, func(i, j int) bool { return Str(keys[i]) < Str(keys[j]) })
		}
		jsonBlock(b, '{', '}', len(keys), indent, level, func(i int) {
			jsonString(b, Str(keys[i]))
			b.WriteString(": ")
			e, _ := v.Get(keys[i])
			writeJSON(b, e, sorted, indent, level+1)
		})
	default:
		jsonString(b, Str(v))
	}
}

func jsonItems(b *strings.Builder, items []any, sorted bool, indent, level int) {
	jsonBlock(b, '[', ']', len(items), indent, level, func(i int) { writeJSON(b, items[i], sorted, indent, level+1) })
}

func jsonBlock(b *strings.Builder, open, end byte, n, indent, level int, item func(int)) {
	b.WriteByte(open)
	newline := func(level int) {
		if indent > 0 && n > 0 {
			b.WriteString("\n" + strings.Repeat(" ", min(indent, 100)*level))
		}
	}
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
			if indent == 0 {
				b.WriteByte(' ')
			}
		}
		newline(level + 1)
		item(i)
	}
	newline(level)
	b.WriteByte(end)
}

func jsonString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		if i := strings.IndexRune("\"\\\n\r\t\b\f", r); i >= 0 {
			b.WriteByte('\\')
			b.WriteByte(`"\nrtbf`[i])
			continue
		}
		switch {
		case r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			b.WriteString(`\u` + hex(hi, 4) + `\u` + hex(lo, 4))
		default:
			b.WriteString(`\u` + hex(r, 4))
		}
	}
	b.WriteByte('"')
}
