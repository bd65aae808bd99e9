package jinja

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"trefoil/internal/nearest"
)

func (r *renderer) applyFilter(e *filterExpr, x any, s *scope) any {
	args, kw := r.args(e.at(), e.args, s)
	return r.filterCall(e.at(), e.name, x, args, kw)
}

func (r *renderer) filterCall(line int, name string, x any, args []any, kw *Dict) any {
	f := filter(name)
	if f == nil {
		r.fail(line, "unknown filter %q%s", name, nearest.Hint(name, filterNames()))
	}
	r.step(line)
	return f(&callCtx{r: r, line: line, name: name, self: x, args: args, kw: kw})
}

func filterNames() []string {
	return strings.Fields(`abs attr batch bool capitalize combine count d default dictsort dict2items e escape first
		float format from_json groupby indent int items items2dict join last length list lower map max min quote
		reject rejectattr replace reverse round safe select selectattr slice sort string sum title to_json
		to_nice_json tojson trim truncate unique upper wordcount ternary`)
}

// filter returns the filter of that name or nil.
func filter(name string) methodFunc {
	switch name {
	case "default", "d":
		return filterDefault
	case "lower", "upper", "title", "capitalize":
		return func(c *callCtx) any {
			c.self = Str(c.self)
			c.args = nil
			return stringCase(c)
		}
	case "trim":
		return func(c *callCtx) any { c.self = Str(c.self); c.name = "strip"; return stringCase(c) }
	case "length", "count":
		return func(c *callCtx) any { return c.length() }
	case "list":
		return func(c *callCtx) any { return &List{append([]any{}, c.items()...)} }
	case "first", "last":
		return filterEnd
	case "join":
		return filterJoin
	case "int", "float", "bool", "string", "abs", "round":
		return filterNumber
	case "replace":
		return func(c *callCtx) any {
			return c.r.sized(c.line, strings.Replace(Str(c.self), Str(c.need(0, "old")), Str(c.need(1, "new")), int(c.intOr(2, "count", -1))))
		}
	case "tojson", "to_json", "to_nice_json", "from_json":
		return filterJSON
	case "indent", "truncate", "wordcount", "quote", "format":
		return filterText
	case "safe", "e", "escape":
		return filterEscape
	case "attr":
		return func(c *callCtx) any { return c.r.attr(c.line, c.self, c.str(0, "name")) }
	}
	return sequenceFilter(name)
}

func (c *callCtx) items() []any { return c.r.iterate(c.line, c.self) }

func (c *callCtx) length() any {
	switch v := c.self.(type) {
	case string:
		return int64(runeLen(v))
	case *Dict:
		return int64(v.Len())
	}
	return int64(len(c.items()))
}

func filterDefault(c *callCtx) any {
	_, undef := c.self.(Undefined)
	boolean, _ := c.arg(1, "boolean")
	if undef || (Truth(boolean) && !Truth(c.self)) {
		if v, ok := c.arg(0, "default_value"); ok {
			return v
		}
		return ""
	}
	return c.self
}

func filterEnd(c *callCtx) any {
	items := c.items()
	if len(items) == 0 {
		return Undefined{"no " + c.name + " item, sequence was empty"}
	}
	if c.name == "first" {
		return items[0]
	}
	return items[len(items)-1]
}

func filterJoin(c *callCtx) any {
	sep := ""
	if v, ok := c.arg(0, "d"); ok {
		sep = Str(v)
	}
	var parts []string
	for _, it := range c.items() {
		if a, ok := c.arg(1, "attribute"); ok && a != nil {
			it = c.path(it, a)
		}
		parts = append(parts, Str(it))
	}
	return c.r.sized(c.line, strings.Join(parts, sep))
}

// path follows a dotted attribute such as "a.b.0", as map and sort do.
func (c *callCtx) path(v, attr any) any {
	if n, ok := integer(attr); ok {
		return c.r.item(c.line, v, n)
	}
	for _, part := range strings.Split(Str(attr), ".") {
		if n, err := strconv.ParseInt(part, 10, 64); err == nil {
			v = c.r.item(c.line, v, n)
			continue
		}
		v = c.r.item(c.line, v, part)
	}
	return v
}

func filterNumber(c *callCtx) any {
	switch c.name {
	case "string":
		return Str(c.self)
	case "bool":
		return ansibleBool(c.self)
	case "int":
		return toInt(c)
	case "float":
		if f, ok := number(c.self); ok {
			return f
		}
		if f, err := strconv.ParseFloat(strings.TrimSpace(Str(c.self)), 64); err == nil {
			return f
		}
		if v, ok := c.arg(0, "default"); ok {
			return v
		}
		return 0.0
	}
	c.r.used(c.line, c.self)
	f, ok := number(c.self)
	if !ok {
		c.r.fail(c.line, "%s needs a number, got %s", c.name, typeName(c.self))
	}
	if c.name == "round" {
		scale := math.Pow(10, float64(c.intOr(0, "precision", 0)))
		switch c.strOr(1, "method", "common") {
		case "ceil":
			return math.Ceil(f*scale) / scale
		case "floor":
			return math.Floor(f*scale) / scale
		}
		return math.RoundToEven(f*scale) / scale
	}
	if i, ok := integer(c.self); ok {
		return max(i, -i)
	}
	return math.Abs(f)
}

func toInt(c *callCtx) any {
	if i, ok := integer(c.self); ok {
		return i
	}
	if f, ok := c.self.(float64); ok && !math.IsNaN(f) && math.Abs(f) < math.MaxInt64 {
		return int64(f)
	}
	s := strings.TrimSpace(Str(c.self))
	base := int(c.intOr(1, "base", 10))
	if base < 2 || base > 36 {
		base = 10
	}
	if base == 16 {
		s = strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	}
	if i, err := strconv.ParseInt(s, base, 64); err == nil {
		return i
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < math.MaxInt64 {
		return int64(f)
	}
	if v, ok := c.arg(0, "default"); ok {
		return v
	}
	return int64(0)
}

// ansibleBool is Ansible's bool filter: yes, on, 1 and true are true.
func ansibleBool(v any) any {
	switch v := v.(type) {
	case nil, bool:
		return v
	}
	switch strings.ToLower(Str(v)) {
	case "yes", "on", "1", "true":
		return true
	}
	return false
}

func filterJSON(c *callCtx) any {
	if c.name == "from_json" {
		var v any
		if err := json.Unmarshal([]byte(Str(c.self)), &v); err != nil {
			c.r.fail(c.line, "from_json: %v", err)
		}
		return FromGo(v)
	}
	c.r.used(c.line, c.self)
	var b strings.Builder
	indent := int(c.intOr(0, "indent", 0))
	if c.name == "to_nice_json" {
		indent = int(c.intOr(0, "indent", 4))
	}
	writeJSON(&b, c.self, c.name != "to_json", indent, 0)
	out := b.String()
	if c.name == "tojson" { // Jinja makes it safe inside HTML
		out = strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`, "'", `\u0027`).Replace(out)
	}
	return c.r.sized(c.line, out)
}

func filterEscape(c *callCtx) any {
	if c.name == "safe" {
		return Str(c.self)
	}
	return strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;").Replace(Str(c.self))
}

func filterText(c *callCtx) any {
	s := Str(c.self)
	switch c.name {
	case "format":
		return c.r.sized(c.line, c.r.percent(c.line, s, Tuple{c.args}))
	case "wordcount":
		return int64(len(strings.Fields(s)))
	case "quote":
		if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_") == "" {
			return s
		}
		return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
	case "indent":
		return filterIndent(c, s)
	}
	length := int(c.intOr(0, "length", 255))
	kill, _ := c.arg(1, "killwords")
	end := c.strOr(2, "end", "...")
	leeway := int(c.intOr(3, "leeway", 5))
	if r := []rune(s); len(r) > length+leeway && length >= runeLen(end) {
		s = string(r[:length-runeLen(end)])
		if i := strings.LastIndex(s, " "); !Truth(kill) && i >= 0 {
			s = s[:i]
		}
		s += end
	}
	return s
}

func filterIndent(c *callCtx, s string) any {
	pad := ""
	if v, ok := c.arg(0, "width"); ok {
		if p, isStr := v.(string); isStr {
			pad = p
		}
	}
	if pad == "" {
		n := c.intOr(0, "width", 4)
		if n > 1000 {
			c.r.fail(c.line, "indent is larger than 1000")
		}
		pad = strings.Repeat(" ", int(max(n, 0)))
	}
	first, _ := c.arg(1, "first")
	blank, _ := c.arg(2, "blank")
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if (i > 0 || Truth(first)) && (l != "" || Truth(blank)) {
			lines[i] = pad + l
		}
	}
	return c.r.sized(c.line, strings.Join(lines, "\n"))
}
