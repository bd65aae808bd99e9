package yaql

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// text is a value as yaql's str() writes it.
func (e *evaluator) text(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	}
	return e.pyString(v)
}

// pyString is Python's str().
func (e *evaluator) pyString(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return e.repr(v)
}

// repr is Python's repr(); a list is written as the tuple that yaql makes of it.
func (e *evaluator) repr(v any) string {
	var b strings.Builder
	e.writeRepr(&b, v)
	return e.str(b.String())
}

func (e *evaluator) writeRepr(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
		return
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[v])
		return
	case int:
		b.WriteString(strconv.Itoa(v))
		return
	case float64:
		b.WriteString(floatText(v))
		return
	case string:
		e.room(b.Len() + len(v))
		e.scan(v)
		writeQuoted(b, v)
		return
	}
	e.enter()
	switch v := v.(type) {
	case []any:
		b.WriteByte('(')
		e.writeItems(b, v)
		if len(v) == 1 {
			b.WriteByte(',')
		}
		b.WriteByte(')')
	case map[string]any, *dict:
		keys, vals := e.entries(v)
		b.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				b.WriteString(", ")
			}
			e.writeRepr(b, k)
			b.WriteString(": ")
			e.writeRepr(b, vals[i])
		}
		b.WriteByte('}')
	default:
		e.fail("%s has no text%s", typeName(v), listHint(v))
	}
	e.depth--
}

func (e *evaluator) writeItems(b *strings.Builder, list []any) {
	for i, x := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		e.writeRepr(b, x)
	}
}

func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', -1, 64)), "+")
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	exp, _ := strconv.Atoi(s[strings.IndexByte(s, 'e')+1:])
	if exp < -4 || exp >= 16 {
		return s
	}
	if s = strconv.FormatFloat(f, 'f', -1, 64); !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func writeQuoted(b *strings.Builder, s string) {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b.WriteByte(quote)
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f || r > 0x7f && !unicode.IsPrint(r):
			b.WriteString(escapeRune(r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte(quote)
}

func escapeRune(r rune) string {
	hex := strconv.FormatInt(int64(r), 16)
	switch {
	case r < 0x100:
		return `\x` + strings.Repeat("0", 2-len(hex)) + hex
	case r < 0x10000:
		return `\u` + strings.Repeat("0", 4-len(hex)) + hex
	}
	return `\U` + strings.Repeat("0", 8-len(hex)) + hex
}
