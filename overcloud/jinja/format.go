package jinja

import (
	"regexp"
	"strconv"
	"strings"
)

// formatWriter is a running str.format.
type formatWriter struct {
	r      *renderer
	line   int
	args   []any
	kw     *Dict
	next   int64
	manual bool // fields have numbers
	safe   bool // the format is Markup: values are escaped
}

// format is Python's str.format with positions, names, attributes and format
// specifications, which may hold fields themselves.
func (r *renderer) format(line int, s string, args []any, kw *Dict) string {
	w := &formatWriter{r: r, line: line, args: args, kw: kw}
	return w.text(s, 2)
}

func (w *formatWriter) text(s string, depth int) string {
	w.r.cost(w.line, len(s)/16)
	if depth == 0 {
		w.r.fail(w.line, "max string recursion exceeded")
	}
	var b strings.Builder
	add := func(s string) {
		if b.Len()+len(s) > w.r.limits.Output {
			w.r.sized(w.line, b.Len()+len(s))
		}
		w.r.sized(w.line, len(s))
		b.WriteString(s)
	}
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			add(s)
			break
		}
		add(s[:i])
		w.r.step(w.line)
		c := s[i]
		s = s[i+1:]
		switch {
		case s != "" && s[0] == c:
			add(string(c))
			s = s[1:]
		case c == '}':
			w.r.fail(w.line, "single '}' encountered in format string")
		default:
			end := fieldEnd(s)
			if end < 0 {
				w.r.fail(w.line, "expected '}' before end of string")
			}
			add(w.field(s[:end], depth))
			s = s[end+1:]
		}
	}
	return b.String()
}

// fieldEnd finds the brace that closes a field, which may hold others.
func fieldEnd(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

func (w *formatWriter) field(field string, depth int) string {
	name, spec := field, ""
	if i := strings.IndexByte(field, ':'); i >= 0 {
		name, spec = field[:i], field[i+1:]
	}
	name, conv, has := strings.Cut(name, "!")
	v := w.value(name)
	switch {
	case !has:
	case conv == "r":
		v = w.r.repr(w.line, v)
	case conv == "s":
		v = w.r.str(w.line, v)
	case conv == "a":
		v = ascii(w.r.repr(w.line, v))
	default:
		w.r.fail(w.line, "unknown conversion specifier %q", conv)
	}
	if strings.Contains(spec, "{") {
		spec = w.text(spec, depth-1)
	}
	s := w.r.formatSpec(w.line, spec, v)
	if _, isMarkup := v.(Markup); w.safe && !isMarkup {
		s = escapeHTML(s)
	}
	return s
}

// value finds what a field's name means: a position or name, then .attributes
// and [items].
func (w *formatWriter) value(field string) any {
	head := field
	if i := strings.IndexAny(field, ".["); i >= 0 {
		head = field[:i]
	}
	rest := field[len(head):]
	var v any
	ok := false
	switch n, err := strconv.ParseInt(head, 10, 64); {
	case head == "":
		if w.manual {
			w.r.fail(w.line, "cannot switch from manual field specification to automatic field numbering")
		}
		v, ok = index(w.args, w.next)
		w.next++
	case err == nil:
		if w.next > 0 {
			w.r.fail(w.line, "cannot switch from automatic field numbering to manual field specification")
		}
		w.manual = true
		v, ok = index(w.args, n)
	default:
		v, ok = w.kw.Get(head)
	}
	if !ok {
		w.r.fail(w.line, "format field %s has no value", w.r.brief(w.line, field))
	}
	for rest != "" {
		end := strings.IndexAny(rest[1:], ".[")
		part := rest
		if end >= 0 {
			part = rest[:end+1]
		}
		rest = rest[len(part):]
		if part[0] == '.' {
			next, ok := attribute(v, part[1:])
			if !ok {
				w.r.fail(w.line, "'%s' object has no attribute '%s'", iterName(v), part[1:])
			}
			v = next
			continue
		}
		key := any(strings.TrimSuffix(part[1:], "]"))
		if n, err := strconv.ParseInt(key.(string), 10, 64); err == nil {
			key = n
		}
		v = w.strict(w.r.item(w.line, v, key))
	}
	return v
}

// strict fails where Python's getattr would.
func (w *formatWriter) strict(v any) any {
	w.r.used(w.line, v)
	return v
}

var specRe = regexp.MustCompile(`^(?s:(.?)([<>=^]))?([-+ ]?)(#?)(0?)(\d*)([,_]?)(?:\.(\d+))?([bcdeEfFgGnosxX%]?)$`)

// layout is a parsed format specification.
type layout struct {
	fill, align, sign string
	alt               bool
	width, prec       int
	group, verb       string
}

// formatSpec is [[fill]align][sign][#][0][width][,][.precision][type].
func (r *renderer) formatSpec(line int, spec string, v any) string {
	if spec == "" {
		return r.str(line, v)
	}
	m := specRe.FindStringSubmatch(spec)
	if m == nil {
		r.fail(line, "invalid format specifier %q", spec)
	}
	f := layout{fill: m[1], align: m[2], sign: m[3], alt: m[4] != "", prec: -1, group: m[7], verb: m[9]}
	if m[5] != "" && f.align == "" {
		f.fill, f.align = "0", "="
	}
	if f.fill == "" {
		f.fill = " "
	}
	var errW, errP error
	if m[6] != "" {
		f.width, errW = strconv.Atoi(m[6])
	}
	if m[8] != "" {
		f.prec, errP = strconv.Atoi(m[8])
	}
	if errW != nil || errP != nil || f.width > maxWidth || f.prec > maxWidth {
		r.fail(line, "format width %q is too large", spec)
	}
	return r.layOut(line, f, v)
}

func (r *renderer) layOut(line int, f layout, v any) string {
	_, isFloat := v.(float64)
	n, isInt := integer(v)
	var sign, digits string
	switch {
	case isInt && strings.Contains("bcdnoxX", f.verb):
		sign, digits = r.intDigits(line, f, n)
	case isInt || isFloat:
		x, _ := number(v)
		if f.verb != "" && strings.Contains("bcdoxXs", f.verb) {
			r.fail(line, "unknown format code %q for %s", f.verb, typeName(v))
		}
		sign, digits = floatDigits(f, x)
	default:
		return r.layOutText(line, f, v)
	}
	body := len(sign) + len(digits)
	if f.align == "=" && f.fill == "0" && f.group != "" {
		for len(sign)+len(groupDigits("0"+digits, f.group)) <= f.width {
			digits = "0" + strings.TrimLeft(digits, ",_")
		}
		digits = groupDigits(digits, f.group)
		body = len(sign) + len(digits)
	} else if f.group != "" {
		digits = groupDigits(digits, f.group)
		body = len(sign) + len(digits)
	}
	pad := strings.Repeat(f.fill, max(0, f.width-body))
	if f.align == "=" {
		return sign + pad + digits
	}
	return align(f, sign+digits, pad, ">")
}

func align(f layout, s, pad, def string) string {
	if f.align != "" {
		def = f.align
	}
	switch def {
	case "<":
		return s + pad
	case "^":
		half := runeLen(pad) / 2 * len(f.fill)
		return pad[:half] + s + pad[half:]
	}
	return pad + s
}

func (r *renderer) layOutText(line int, f layout, v any) string {
	s, ok := text(v)
	if !ok {
		r.used(line, v)
		r.fail(line, "unsupported format string passed to %s.__format__", iterName(v))
	}
	if f.verb != "" && f.verb != "s" || f.align == "=" && f.fill != "0" || f.sign != "" || f.group != "" || f.alt {
		r.fail(line, "this format specification is not for strings")
	}
	if f.align == "=" {
		f.align = "<"
	}
	if f.prec >= 0 && runeLen(s) > f.prec {
		s = string([]rune(s)[:f.prec])
	}
	return align(f, s, strings.Repeat(f.fill, max(0, f.width-runeLen(s))), "<")
}

func (f layout) signOf(negative bool) string {
	if negative {
		return "-"
	}
	return strings.Trim(f.sign, "-")
}

func (r *renderer) intDigits(line int, f layout, n int64) (sign, digits string) {
	if f.prec >= 0 {
		r.fail(line, "precision not allowed in integer format specifier")
	}
	base, prefix := 10, ""
	switch f.verb {
	case "b":
		base, prefix = 2, "0b"
	case "o":
		base, prefix = 8, "0o"
	case "x":
		base, prefix = 16, "0x"
	case "X":
		base, prefix = 16, "0X"
	case "c":
		if n < 0 || n > 0x10ffff {
			r.fail(line, "%%c arg not in range(0x110000)")
		}
		return "", string(rune(n))
	}
	digits = strings.TrimPrefix(strconv.FormatInt(n, base), "-")
	if f.verb == "X" {
		digits = strings.ToUpper(digits)
	}
	sign = f.signOf(n < 0)
	if f.alt {
		sign += prefix
	}
	return sign, digits
}

func floatDigits(f layout, x float64) (sign, digits string) {
	percent := ""
	switch verb := f.verb; {
	case verb == "" && f.prec < 0:
		digits = reprFloat(x)
	case verb == "":
		digits = goFloat("%."+strconv.Itoa(max(f.prec, 1)), 'g', x)
		if !strings.ContainsAny(digits, ".en") {
			digits += ".0"
		}
	default:
		if verb == "n" {
			verb = "g"
		}
		if verb == "%" {
			verb, percent, x = "f", "%", x*100
		}
		if f.prec < 0 {
			f.prec = 6
		}
		digits = goFloat("%."+strconv.Itoa(f.prec), verb[0], x)
	}
	negative := strings.HasPrefix(digits, "-")
	return f.signOf(negative), strings.TrimPrefix(digits, "-") + percent
}

// groupDigits puts a mark between each three digits before the point.
func groupDigits(s, mark string) string {
	end := strings.IndexAny(s, ".e%")
	if end < 0 {
		end = len(s)
	}
	var b strings.Builder
	for i := range end {
		if i > 0 && (end-i)%3 == 0 {
			b.WriteString(mark)
		}
		b.WriteByte(s[i])
	}
	return b.String() + s[end:]
}
