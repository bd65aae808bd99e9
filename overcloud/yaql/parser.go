package yaql

import (
	"strconv"
	"strings"

	"trefoil/internal/nearest"
)

type parser struct {
	toks    []token
	i       int
	depth   int
	defines bool // the expression has a def(): unknown functions are told when they run
	lib     *library
}

// binding is how tight an operator binds, as in yaql's own table.
const (
	bindSend = iota + 1
	bindOr
	bindAnd
	bindNot
	bindCompare
	bindAdd
	bindMultiply
	bindMatch
	bindSign
	bindIndex
	bindDot
)

func binding(op string) int {
	switch op {
	case "->":
		return bindSend
	case "or":
		return bindOr
	case "and":
		return bindAnd
	case ">", "<", ">=", "<=", "!=", "=", "in":
		return bindCompare
	case "+", "-":
		return bindAdd
	case "*", "/", "mod":
		return bindMultiply
	case "=~", "!~":
		return bindMatch
	case "[":
		return bindIndex
	case ".", "?.":
		return bindDot
	}
	return 0
}

func parse(text string, lib *library) node {
	p := &parser{toks: scan(text), lib: lib}
	for _, t := range p.toks {
		p.defines = p.defines || t.kind == tokCall && t.text == "def"
	}
	x := p.expr(0)
	if t := p.peek(); t.kind != tokEnd {
		p.unexpected("the end of the expression or an operator")
	}
	return x
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) take() token {
	t := p.toks[p.i]
	if t.kind != tokEnd {
		p.i++
	}
	return t
}

func (p *parser) is(op string) bool {
	t := p.peek()
	return t.kind == tokOp && t.text == op
}

func (p *parser) expect(op, after string) {
	if !p.is(op) {
		p.unexpected(strconv.Quote(op) + " " + after)
	}
	p.i++
}

func (p *parser) unexpected(want string) {
	t := p.peek()
	got := strconv.Quote(t.text)
	switch t.kind {
	case tokEnd:
		got = "the end"
	case tokNumber:
		got = "a number"
	case tokString:
		got = "a string"
	case tokVar:
		got = strconv.Quote("$" + t.text)
	case tokCall:
		got = strconv.Quote(t.text + "(")
	}
	fail(t.off, "expected %s, got %s%s", want, got, p.remark(t))
}

// remark explains the mistakes that are made most.
func (p *parser) remark(t token) string {
	switch {
	case t.kind == tokCall && binding(t.text) > 0:
		return `: put a space between "` + t.text + `" and "("`
	case t.text == "=" && p.i > 0 && p.toks[p.i-1].text == "=":
		return `: equality is one "="`
	}
	return ""
}

// deeper guards the recursion; the caller calls shallower after.
func (p *parser) deeper() {
	if p.depth++; p.depth > maxNesting {
		fail(p.peek().off, "the expression is nested more than %d deep", maxNesting)
	}
}

// expr parses what binds tighter than min. A chain of operators makes the tree
// as deep as nesting does, and counts as such.
func (p *parser) expr(min int) node {
	start := p.depth
	p.deeper()
	x := p.operand()
	for {
		t := p.peek()
		b := 0
		if t.kind == tokOp {
			b = binding(t.text)
		}
		if b <= min && !(b == bindSend && min == bindSend) || b == 0 {
			p.depth = start
			return x
		}
		p.deeper()
		p.take()
		x = p.operator(t, x, b)
	}
}

// operator parses what follows an operator and joins both sides.
func (p *parser) operator(t token, x node, b int) node {
	switch t.text {
	case ".", "?.":
		return p.member(t, x)
	case "[":
		return p.index(t, x)
	case "->":
		return &send{at(t.off), x, p.expr(b)} // binds to the right
	case "and", "or":
		return &logic{at(t.off), t.text == "or", x, p.expr(b)}
	}
	return &binary{at(t.off), t.text, x, p.expr(b), operator(t.text)}
}

func (p *parser) member(t token, x node) node {
	maybe := t.text == "?."
	switch m := p.peek(); m.kind {
	case tokName:
		p.take()
		return &attribute{at(m.off), x, m.text, maybe}
	case tokCall:
		p.take()
		return p.call(m, x, maybe)
	}
	p.unexpected(`a name or a function after "` + t.text + `"`)
	return nil
}

func (p *parser) index(t token, x node) node {
	args := values(p.arguments("]"), t.off)
	if len(args) != 1 && len(args) != 2 {
		fail(t.off, "an index is one value, or a key and a default, got %d", len(args))
	}
	return &index{at(t.off), x, args}
}

func (p *parser) operand() node {
	t := p.peek()
	switch t.kind {
	case tokEnd:
		p.unexpected("a value")
	case tokOp:
		return p.symbol(t)
	}
	p.take()
	switch t.kind {
	case tokVar:
		return newVariable(t)
	case tokCall:
		return p.call(t, nil, false)
	case tokNumber:
		return &constant{at: at(t.off), value: t.num}
	}
	return &constant{at: at(t.off), value: t.text, word: t.kind == tokName}
}

func newVariable(t token) node {
	if t.text == "" {
		return &variable{at(t.off), 1, "1"}
	}
	n, err := strconv.Atoi(t.text)
	if err != nil || n < 1 || t.text[0] == '0' {
		n = 0
	}
	return &variable{at(t.off), n, t.text}
}

// symbol parses an operand that begins with a sign, a bracket or a keyword.
func (p *parser) symbol(t token) node {
	switch t.text {
	case "true", "false", "null":
		p.take()
		return &constant{at: at(t.off), value: map[string]any{"true": true, "false": false}[t.text]}
	case "not":
		p.take()
		return &unary{at(t.off), "not", p.expr(bindNot)}
	case "+", "-":
		p.take()
		return &unary{at(t.off), t.text, p.expr(bindSign)}
	case "(":
		p.take()
		x := p.expr(0)
		p.expect(")", "for the parenthesis at character "+strconv.Itoa(t.off+1))
		return &group{at(t.off), x}
	case "[":
		p.take()
		return &listNode{at(t.off), values(p.arguments("]"), t.off)}
	case "{":
		p.take()
		return p.mapping(t)
	}
	p.unexpected("a value")
	return nil
}

func (p *parser) mapping(t token) node {
	args := p.arguments("}")
	for _, a := range args {
		if a.key == nil {
			fail(t.off, "a map has pairs: {key => value}")
		}
	}
	return &mapNode{at(t.off), args}
}

func values(args []argument, off int) []node {
	out := make([]node, len(args))
	for i, a := range args {
		if a.key != nil || a.value == nil {
			fail(off, "brackets hold values only, no pairs and no gaps")
		}
		out[i] = a.value
	}
	return out
}

func (p *parser) call(t token, recv node, maybe bool) node {
	c := &callNode{at: at(t.off), name: t.text, recv: recv, maybe: maybe}
	c.fn = p.lib.find(t.text, recv != nil)
	if c.fn == nil && (recv != nil || !p.defines) {
		p.lib.unknown(t.off, t.text, recv != nil)
	}
	c.args = p.arguments(")")
	return c
}

// arguments parses up to the closing bracket: values first, pairs after.
func (p *parser) arguments(end string) []argument {
	var out []argument
	open := p.toks[p.i-1]
	if p.is(end) {
		p.take()
		return nil
	}
	for pairs := false; ; {
		if p.is(",") && !pairs {
			p.take()
			out = append(out, argument{})
			continue
		}
		a := argument{value: p.expr(0)}
		if p.is("=>") {
			p.take()
			a.key, a.value, pairs = a.value, p.expr(0), true
		} else if pairs {
			fail(a.value.pos(), "values come before pairs")
		}
		out = append(out, a)
		if p.is(end) {
			p.take()
			return out
		}
		p.expect(",", `or "`+end+`" for the bracket at character `+strconv.Itoa(open.off+1))
	}
}

// unknown says that there is no such function, and what may have been meant.
func (l *library) unknown(off int, name string, method bool) {
	what, other := "function", "method: write x."+name+"(…)"
	if method {
		what, other = "method", "function: write "+name+"(x)"
	}
	switch {
	case binding(name) > 0 || name == "not":
		fail(off, `%q is an operator: put a space before "("`, name)
	case refusal(name) != "":
		fail(off, "%s() is not available: %s", name, refusal(name))
	case l.find(name, !method) != nil:
		fail(off, "there is no %s %q, but a %s", what, name, other)
	}
	fail(off, "unknown %s %q%s", what, name, nearest.Hint(name, l.names(method)))
}

// refusal says why a function of yaql is left out, or "".
func refusal(name string) string {
	switch strings.TrimRight(name, "_") {
	case "random":
		return "its result changes at every evaluation, and with it what is deployed; use a parameter or OS::Heat::RandomString"
	case "now", "localtz":
		return "its result changes with time and place, and with it what is deployed; use a parameter"
	case "datetime", "timespan", "utctz", "isDatetime", "isTimespan":
		return "date functions are left out; pass the date as text by a parameter"
	case "lambda":
		return "Heat does not allow delegates; use def(name, …) -> …"
	}
	return ""
}
