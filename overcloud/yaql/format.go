package yaql

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatter fills in the fields of Python's str.format.
type formatter struct {
	c        *call
	out      strings.Builder
	next     int // of {}
	numbered bool
}

func format(c *call) any {
	f := &formatter{c: c}
	s := c.str(0)
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		f.write(s[:i])
		if s = s[i:]; s == "" {
			break
		}
		if len(s) > 1 && s[1] == s[0] {
			f.write(s[:1])
			s = s[2:]
			continue
		}
		end := strings.IndexByte(s, '}')
		if s[0] == '}' || end < 0 {
			c.e.fail("format() has a single %q: write it twice, or close it", s[:1])
		}
		f.field(s[1:end])
		s = s[end+1:]
	}
	return f.out.String()
}

func (f *formatter) write(s string) {
	f.c.e.grow(len(s))
	f.out.WriteString(s)
}

// field writes {name!conversion:spec}.
func (f *formatter) field(text string) {
	text, spec, _ := strings.Cut(text, ":")
	name, conv, converted := strings.Cut(text, "!")
	v := f.value(name)
	switch {
	case !converted:
	case conv == "r":
		v = f.c.e.repr(v)
	case conv == "s":
		v = f.c.e.pyString(v)
	default:
		f.c.e.fail("format() does not know the conversion !%s, but !r and !s", conv)
	}
	if spec == "" {
		f.write(f.c.e.pyString(v))
		return
	}
	f.write(f.spec(v, spec))
}

func (f *formatter) value(name string) any {
	if strings.ContainsAny(name, ".[{") {
		f.c.e.fail("format() takes {}, {0} or {name}, got {%s}: pass what is inside as its own argument", name)
	}
	n, err := strconv.Atoi(name)
	if err == nil {
		f.numbered = true
	}
	if name == "" {
		n, err = f.next, nil
		f.next++
	}
	if f.numbered && f.next > 0 {
		f.c.e.fail("format() has both {} and {%d}: number all or none", n)
	}
	if err == nil {
		if n < 0 || n >= len(f.c.rest) {
			f.c.e.fail("format() has no argument %d", n)
		}
		return f.c.rest[n]
	}
	for _, a := range f.c.named {
		if a.name == name {
			return a.value
		}
	}
	f.c.e.fail("format() has no argument %q", name)
	return nil
}

// formatSpec is [[fill]align][sign][0][width][,][.precision][type].
type formatSpec struct {
	fill, align, sign string
	comma             bool
	width, precision  int
	kind              string
}

func (f *formatter) parse(whole string) formatSpec {
	spec := whole
	s := formatSpec{fill: " ", precision: -1}
	r, size := utf8.DecodeRuneInString(spec)
	switch {
	case len(spec) > size && strings.IndexByte("<>^=", spec[size]) >= 0:
		s.fill, s.align, spec = string(r), spec[size:size+1], spec[size+1:]
	case strings.IndexByte("<>^=", spec[0]) >= 0:
		s.align, spec = spec[:1], spec[1:]
	}
	if spec != "" && strings.IndexByte("+- ", spec[0]) >= 0 {
		s.sign, spec = spec[:1], spec[1:]
	}
	if strings.HasPrefix(spec, "0") && s.align == "" {
		s.fill, s.align = "0", "="
	}
	n := digits(spec)
	s.width, _ = strconv.Atoi("0" + spec[:n])
	spec = spec[n:]
	if strings.HasPrefix(spec, ",") {
		s.comma, spec = true, spec[1:]
	}
	if strings.HasPrefix(spec, ".") {
		n := digits(spec[1:])
		if n == 0 {
			f.c.e.fail("format() has the format %q, whose point has no digits after it", whole)
		}
		s.precision, _ = strconv.Atoi("0" + spec[1:1+n])
		spec = spec[1+n:]
	}
	if s.comma && s.fill == "0" && s.align == "=" {
		f.c.e.fail("format() does not fill up with zeros and put commas between them")
	}
	if s.width > 1000 || s.precision > 1000 {
		f.c.e.fail("format() has the format %q, which is wider than 1000", whole)
	}
	if len(spec) > 1 {
		f.c.e.fail("format() does not know the format %q", whole)
	}
	s.kind = spec
	return s
}

func (f *formatter) spec(v any, text string) string {
	s := f.parse(text)
	body, number := "", true
	switch x := v.(type) {
	case string:
		number = false
		body = x
		if s.precision >= 0 {
			body = string([]rune(x)[:min(s.precision, utf8.RuneCountInString(x))])
		}
		if s.kind != "" && s.kind != "s" || s.align == "=" && s.fill != "0" || s.sign != "" || s.comma {
			f.c.e.fail("format() has the format %q for a string", text)
		}
	case int:
		body = f.integer(x, s)
	case float64:
		body = f.float(x, s)
	default:
		f.c.e.fail("format() has the format %q for %s", text, typeName(v))
	}
	return pad(body, s, number)
}

func (f *formatter) integer(n int, s formatSpec) string {
	base := map[string]int{"": 10, "d": 10, "x": 16, "X": 16, "o": 8, "b": 2}[s.kind]
	if base == 0 {
		return f.float(float64(n), s)
	}
	if s.precision >= 0 || s.comma && base != 10 {
		f.c.e.fail("format() has a precision for a whole number, or a comma for one that is not decimal")
	}
	out := strconv.FormatInt(int64(n), base)
	if s.kind == "X" {
		out = strings.ToUpper(out)
	}
	return signed(out, s)
}

func (f *formatter) float(v float64, s formatSpec) string {
	precision := s.precision
	if precision < 0 {
		precision = 6
	}
	switch s.kind {
	case "f", "F", "e", "E", "g":
		text := strconv.FormatFloat(v, strings.ToLower(s.kind)[0], precision, 64)
		if s.kind == "E" {
			text = strings.ToUpper(text)
		}
		return signed(text, s)
	case "%":
		return signed(strconv.FormatFloat(v*100, 'f', precision, 64)+"%", s)
	case "":
		if s.precision < 0 {
			return signed(floatText(v), s)
		}
	}
	f.c.e.fail("format() does not know the format %q of a number", s.kind)
	return ""
}

func signed(body string, s formatSpec) string {
	minus := strings.HasPrefix(body, "-")
	body = strings.TrimPrefix(body, "-")
	if s.comma {
		whole, rest, dot := strings.Cut(body, ".")
		for i := len(whole) - 3; i > 0; i -= 3 {
			whole = whole[:i] + "," + whole[i:]
		}
		if body = whole; dot {
			body += "." + rest
		}
	}
	switch {
	case minus:
		return "-" + body
	case s.sign == "+" || s.sign == " ":
		return s.sign + body
	}
	return body
}

// pad fills up to the width: text to the left, numbers to the right.
func pad(body string, s formatSpec, number bool) string {
	gap := s.width - utf8.RuneCountInString(body)
	if gap <= 0 {
		return body
	}
	align := s.align
	if align == "" || align == "=" && !number {
		align = map[bool]string{true: ">", false: "<"}[number]
	}
	switch align {
	case "<":
		return body + strings.Repeat(s.fill, gap)
	case "^":
		return strings.Repeat(s.fill, gap/2) + body + strings.Repeat(s.fill, gap-gap/2)
	case "=":
		if strings.IndexAny(body[:1], "+- ") == 0 {
			return body[:1] + strings.Repeat(s.fill, gap) + body[1:]
		}
	}
	return strings.Repeat(s.fill, gap) + body
}
