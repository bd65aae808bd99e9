package ansible

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"trefoil/overcloud/jinja"
)

// yamlWriter writes as PyYAML's dump does: keys sorted, lines folded at width,
// plain scalars where they read back as text.
type yamlWriter struct {
	c             *jinja.Call
	b             strings.Builder
	indent, width int
	flow          int // 1: always, 0: for collections of scalars, -1: never
	sort          bool
	brackets      int // how many flow collections are open
	column        int
}

func toYAML(c *jinja.Call) any {
	w := &yamlWriter{c: c, indent: 2, width: 80, sort: true}
	indent, width := 1, 2
	if c.Name == "to_nice_yaml" {
		w.indent, w.flow = 4, -1
		indent, width = 0, 1
	} else if v := c.Or(0, nil); v != nil {
		w.flow = -1
		if jinja.Truth(v) {
			w.flow = 1
		}
	}
	w.indent = int(c.Int(indent, int64(w.indent)))
	if w.indent < 2 || w.indent > 9 {
		w.indent = 2
	}
	w.width = int(c.Int(width, int64(w.width)))
	if w.width <= 2*w.indent {
		w.width = 80
	}
	for _, k := range c.Named().Keys() {
		v, _ := c.Named().Get(k)
		switch k {
		case "sort_keys":
			w.sort = jinja.Truth(v)
		case "default_flow_style", "explicit_start", "allow_unicode", "line_break", "encoding":
		default:
			c.Fail("%s has no argument %s", c.Name, jinja.Repr(k))
		}
	}
	c.Used(c.Self)
	switch v := c.Self.(type) {
	case *jinja.List, jinja.Tuple, *jinja.Dict:
		w.block(v, 0, 0, false)
	default:
		w.scalar(v, 0, false)
		w.write("\n")
	}
	c.Sized(w.b.Len())
	return w.b.String()
}

func (w *yamlWriter) write(s string) {
	if w.b.Len() > 1<<20 {
		w.c.Sized(w.b.Len())
	}
	w.b.WriteString(s)
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		w.column = len([]rune(s[i+1:]))
	} else {
		w.column += len([]rune(s))
	}
}

func (w *yamlWriter) newline(indent int) { w.write("\n" + strings.Repeat(" ", indent)) }

func items(v any) ([]any, bool) {
	switch v := v.(type) {
	case *jinja.List:
		return v.Items, true
	case jinja.Tuple:
		return v.Items, true
	}
	return nil, false
}

func isScalar(v any) bool {
	_, seq := items(v)
	_, m := v.(*jinja.Dict)
	return !seq && !m
}

// inFlow tells whether a collection stands in brackets.
func (w *yamlWriter) inFlow(v any) bool {
	seq, isSeq := items(v)
	d, _ := v.(*jinja.Dict)
	if w.flow == 1 || len(seq) == 0 && d.Len() == 0 {
		return true
	}
	if w.flow < 0 {
		return false
	}
	if isSeq {
		return len(keep(w.c, seq, isScalar)) == len(seq)
	}
	for _, k := range d.Keys() {
		if x, _ := d.Get(k); !isScalar(x) || !isScalar(k) {
			return false
		}
	}
	return true
}

func (w *yamlWriter) keys(d *jinja.Dict) []any {
	if !w.sort {
		return d.Keys()
	}
	pairs := w.c.Items(w.c.Filter("sort", &jinja.List{Items: d.Keys()}, false, true))
	return pairs
}

// block writes a collection in block style; inline means that it begins behind
// a dash, on the same line.
func (w *yamlWriter) block(v any, indent, depth int, inline bool) {
	w.c.Cost(1)
	if depth > 100 {
		w.c.Fail("%s: nested more than 100 levels deep", w.c.Name)
	}
	if w.inFlow(v) {
		w.flowValue(v, indent+w.indent, depth)
		w.write("\n")
		return
	}
	start := func(i int) {
		if i > 0 || !inline {
			w.write(strings.Repeat(" ", indent))
		}
	}
	if seq, ok := items(v); ok {
		for i, it := range seq {
			start(i)
			if isScalar(it) || w.inFlow(it) {
				w.write("- ")
			} else {
				w.write("-" + strings.Repeat(" ", w.indent-1))
			}
			w.value(it, indent+w.indent, depth, true)
		}
		return
	}
	d := v.(*jinja.Dict)
	for i, k := range w.keys(d) {
		start(i)
		w.scalar(k, indent, true)
		w.write(":")
		it, _ := d.Get(k)
		seq, isSeq := items(it)
		switch {
		case isScalar(it) || w.inFlow(it):
			w.write(" ")
			w.value(it, indent, depth, false)
		case isSeq && len(seq) > 0:
			w.write("\n")
			w.block(it, indent, depth+1, false) // a list in a map is not indented
		default:
			w.write("\n")
			w.block(it, indent+w.indent, depth+1, false)
		}
	}
}

func (w *yamlWriter) value(v any, indent, depth int, inSeq bool) {
	if !isScalar(v) {
		w.block(v, indent, depth+1, inSeq)
		return
	}
	if inSeq {
		indent -= w.indent
	}
	w.scalar(v, indent+w.indent, false)
	w.write("\n")
}

func (w *yamlWriter) flowValue(v any, indent, depth int) {
	w.c.Cost(1)
	if depth > 100 {
		w.c.Fail("%s: nested more than 100 levels deep", w.c.Name)
	}
	w.brackets++
	defer func() { w.brackets-- }()
	sep := func(i int) {
		if i > 0 {
			w.write(",")
			if w.column > w.width {
				w.newline(indent)
			} else {
				w.write(" ")
			}
		}
	}
	if seq, ok := items(v); ok {
		w.write("[")
		for i, it := range seq {
			sep(i)
			w.flowValue(it, indent+w.indent, depth+1)
		}
		w.write("]")
		return
	}
	d, ok := v.(*jinja.Dict)
	if !ok {
		w.scalar(v, indent, true)
		return
	}
	w.write("{")
	for i, k := range w.keys(d) {
		sep(i)
		w.scalar(k, indent, true)
		w.write(": ")
		it, _ := d.Get(k)
		w.flowValue(it, indent+w.indent, depth+1)
	}
	w.write("}")
}

func (w *yamlWriter) scalar(v any, indent int, simple bool) {
	switch v := v.(type) {
	case nil:
		w.write("null")
		return
	case bool:
		w.write(strconv.FormatBool(v))
		return
	case int64:
		w.write(strconv.FormatInt(v, 10))
		return
	case float64:
		w.write(yamlFloat(v))
		return
	}
	s, ok := jinja.AsText(v)
	if !ok {
		w.c.Used(v)
		w.c.Fail("%s: a %s cannot be written as YAML", w.c.Name, jinja.TypeName(v))
	}
	switch {
	case plain(s) && (w.brackets == 0 || !strings.ContainsAny(s, ",[]{}?")):
		w.fold(s, indent, simple, "\n")
	case printable(s) && !(simple && strings.Contains(s, "\n")):
		w.write("'")
		w.fold(strings.ReplaceAll(s, "'", "''"), indent, simple, "\n\n")
		w.write("'")
	default:
		w.write(doubleQuoted(s))
	}
}

func yamlFloat(f float64) string {
	s := jinja.Repr(f)
	switch s {
	case "inf", "-inf", "nan":
		return strings.Replace(strings.Replace(s, "inf", ".inf", 1), "nan", ".nan", 1)
	}
	if !strings.Contains(s, ".") {
		s = strings.Replace(s, "e", ".0e", 1)
	}
	return s
}

// fold writes text and breaks it at single blanks once a line is too long.
func (w *yamlWriter) fold(s string, indent int, simple bool, newline string) {
	words := strings.Split(s, " ")
	for i, word := range words {
		if i > 0 {
			alone := word != "" && words[i-1] != "" // one blank, not several
			if alone && !simple && w.column > w.width {
				w.newline(indent)
			} else {
				w.write(" ")
			}
		}
		lines := strings.Split(word, "\n")
		for j, l := range lines {
			if j > 0 {
				w.write(strings.Repeat("\n", len(newline)-1))
				w.newline(indent)
			}
			w.write(l)
		}
	}
}

var (
	// resolved are plain texts that YAML 1.1 reads as something else.
	resolved = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF|~|null|Null|NULL|=|<<|` +
		`[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+|` +
		`[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|` +
		`[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|\d\d\d\d-\d\d-\d\d|\d\d\d\d-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$`)
	special = regexp.MustCompile(`^[#,\[\]{}&*!|>'"%@` + "`" + `]|^[-?:](?:\s|$)|^---|^\.\.\.|: |:$|\s#|^\s|\s$|\n`)
)

// plain tells whether a text may stand without quotes.
func plain(s string) bool {
	return s != "" && !resolved.MatchString(s) && !special.MatchString(s) && printable(s)
}

func printable(s string) bool {
	for _, r := range s {
		if r != '\n' && !unicode.IsPrint(r) && r != 0x85 {
			return false
		}
	}
	return !strings.Contains(s, "\n ") && !strings.Contains(s, " \n")
}

func doubleQuoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02X`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
