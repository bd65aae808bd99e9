package yaql

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// library is the table of functions; it is immutable once made.
type library struct {
	functions map[string]*function
}

// function has one form for each kind of arguments that it takes.
type function struct {
	name          string
	plain, dotted []*form // as name(x) and as x.name()
}

// form is a signature and what it does.
type form struct {
	text    string // as written in the table
	name    string
	method  bool // may be called on its first parameter
	params  []param
	many    *param // the type of all further arguments
	anyName bool   // takes arguments of any name
	pairs   bool   // takes key => value as a value
	do      func(c *call) any
}

type param struct {
	name, kind string
	null       bool // null is allowed
	optional   bool
	def        any
}

// row is a line of the table: a signature, and the function.
//
// "name(…)" is a function, ".name(…)" a method, "+name(…)" both. A parameter is
// "name type", or "name type = default"; "none" is no value; "type?" allows
// null; "name type…" are any number of them; "**" are any names; the types
// pair and case take key => value, evaluated by the caller or by the function.
type row struct {
	signature string
	do        func(c *call) any
}

// standard returns yaql's standard library.
func standard() *library { return standardOnce() }

var standardOnce = sync.OnceValue(func() *library {
	l := &library{functions: map[string]*function{}}
	for _, rows := range [][]row{systemRows(), branchRows(), listRows(), mapRows(), setRows(), queryRows(), pickRows(), foldRows(), makeRows(),
		stringRows(), regexRows(), mathRows()} {
		for _, r := range rows {
			l.add(r)
		}
	}
	return l
})

func (l *library) add(r row) {
	f := &form{do: r.do}
	head, tail, _ := strings.Cut(r.signature, "(")
	f.name = strings.TrimLeft(head, ".+")
	f.method = f.name != head
	f.text = f.name + "(" + tail
	for _, p := range strings.Split(strings.TrimSuffix(tail, ")"), ", ") {
		f.parameter(p)
	}
	fn := l.functions[f.name]
	if fn == nil {
		fn = &function{name: f.name}
		l.functions[f.name] = fn
	}
	if head[0] != '.' {
		fn.plain = append(fn.plain, f)
	}
	if f.method {
		fn.dotted = append(fn.dotted, f)
	}
}

func (f *form) parameter(text string) {
	if text == "" {
		return
	}
	if text == "**" {
		f.anyName = true
		return
	}
	text, def, optional := strings.Cut(text, " = ")
	name, kind, _ := strings.Cut(text, " ")
	many := strings.HasSuffix(kind, "…")
	kind = strings.TrimSuffix(kind, "…")
	p := param{name: name, kind: strings.TrimSuffix(kind, "?"), optional: optional}
	p.null = p.kind != kind || p.kind == "any" || p.kind == "lambda"
	if optional {
		p.def = defaultValue(def)
	}
	f.pairs = f.pairs || p.kind == "pair" || p.kind == "case"
	if many {
		f.many = &p
		return
	}
	f.params = append(f.params, p)
}

func defaultValue(text string) any {
	switch text {
	case "none":
		return absent{}
	case "null":
		return nil
	case "true", "false":
		return text == "true"
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return text
}

// isKind says whether a value that is not null has a parameter's type.
func isKind(kind string, v any) bool {
	switch kind {
	case "any":
		_, isPair := v.(pair)
		return !isPair
	case "string":
		_, ok := v.(string)
		return ok
	case "int":
		_, ok := integer(v)
		return ok
	case "number":
		return isNumber(v)
	case "bool":
		_, ok := v.(bool)
		return ok
	case "iterable":
		return isIterable(v)
	case "list":
		_, ok := v.([]any)
		return ok
	case "map":
		return isMap(v)
	case "pair", "case":
		_, ok := v.(pair)
		return ok
	}
	return isRare(kind, v)
}

func isRare(kind string, v any) bool {
	ok := false
	switch kind {
	case "set":
		_, ok = v.(*set)
	case "regex":
		_, ok = v.(*regex)
	case "iterator":
		if _, ok = v.(*iterator); !ok {
			_, ok = v.(*memo)
		}
	case "sorted":
		_, ok = v.(*ordering)
	}
	return ok
}

// want is the parameter's type in words.
func (p *param) want() string {
	switch p.kind {
	case "int":
		return "an integer"
	case "bool":
		return "a boolean"
	case "iterable":
		return "a list or a sequence"
	case "sorted":
		return "what orderBy() made"
	case "pair", "case":
		return "a pair key => value"
	case "any":
		return "a value"
	}
	article := "a "
	if p.kind[0] == 'i' {
		article = "an "
	}
	return article + p.kind
}

func (l *library) find(name string, method bool) *function {
	fn := l.functions[strings.TrimRight(name, "_")]
	if fn == nil || len(fn.forms(method)) == 0 {
		return nil
	}
	return fn
}

func (fn *function) forms(method bool) []*form {
	if method {
		return fn.dotted
	}
	return fn.plain
}

// names lists the functions or the methods by name.
func (l *library) names(method bool) []string {
	var out []string
	for name, fn := range l.functions {
		if len(fn.forms(method)) > 0 {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// signatures lists what forms a function has, for errors.
func signatures(forms []*form) string {
	var out []string
	for _, f := range forms {
		if !slices.Contains(out, f.text) {
			out = append(out, f.text)
		}
	}
	return strings.Join(out, " or ")
}
