package jinja

import (
	"slices"

	"trefoil/internal/nearest"
)

// parser turns segments into statements. toks is the tag that is being read.
type parser struct {
	name  string
	segs  []segment
	at    int
	toks  []token
	pos   int
	line  int
	depth int

	blocks map[string]*blockNode
}

// maxNesting bounds recursion in the parser.
const maxNesting = 100

func (p *parser) fail(format string, a ...any) { fail(p.name, p.line, format, a...) }

func (p *parser) enter() {
	if p.depth++; p.depth > maxNesting {
		p.fail("nested more than %d levels deep", maxNesting)
	}
}

func (p *parser) leave() { p.depth-- }

// parseUntil reads statements up to a tag whose name is in ends and returns
// that name, with the parser after the name. No ends: up to the end.
func (p *parser) parseUntil(ends []string) ([]node, string) {
	p.enter()
	defer p.leave()
	start := p.line
	var out []node
	for p.at < len(p.segs) {
		s := p.segs[p.at]
		p.at++
		p.line = s.line
		switch s.kind {
		case segData:
			out = append(out, &dataNode{pos(s.line), s.text})
		case segExpr:
			p.open(s)
			out = append(out, &outputNode{pos(s.line), p.tupleExpr()})
			p.close()
		case segStmt:
			p.open(s)
			name := p.wantName("a tag name")
			if slices.Contains(ends, name) {
				return out, name
			}
			out = append(out, p.statement(name))
		}
	}
	if len(ends) > 0 {
		p.line = start
		p.fail("block is not closed; expected {%% %s %%}", ends[len(ends)-1])
	}
	return out, ""
}

func (p *parser) open(s segment) { p.toks, p.pos, p.line = s.toks, 0, s.line }

func (p *parser) close() {
	if t := p.peek(); t.kind != tokEnd {
		p.fail("unexpected %q; expected the end of the tag", t.text)
	}
}

func (p *parser) peek() token {
	t := p.toks[p.pos]
	p.line = t.line
	return t
}

func (p *parser) take() token {
	t := p.peek()
	if t.kind != tokEnd {
		p.pos++
	}
	return t
}

// isOp tells whether the next token is the operator; accept also takes it.
func (p *parser) isOp(op string) bool {
	t := p.peek()
	return t.kind == tokOp && t.text == op
}

func (p *parser) accept(op string) bool {
	if p.isOp(op) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) want(op string) {
	if !p.accept(op) {
		p.fail("expected %q, got %s", op, p.describe())
	}
}

func (p *parser) describe() string {
	t := p.peek()
	if t.kind == tokEnd {
		return "the end of the tag"
	}
	if t.kind == tokString {
		return Repr(t.text)
	}
	return "\"" + t.text + "\""
}

func (p *parser) isWord(w string) bool {
	t := p.peek()
	return t.kind == tokName && t.text == w
}

func (p *parser) acceptWord(w string) bool {
	if p.isWord(w) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) wantName(what string) string {
	t := p.peek()
	if t.kind != tokName {
		p.fail("expected %s, got %s", what, p.describe())
	}
	p.pos++
	return t.text
}

// statement reads what follows a tag's name.
func (p *parser) statement(name string) node {
	at := pos(p.line)
	switch name {
	case "if":
		return p.parseIf(at)
	case "for":
		return p.parseFor(at)
	case "set":
		return p.parseSet(at)
	case "include":
		return p.parseInclude(at)
	case "macro":
		return p.parseMacro(at)
	case "with":
		return p.parseWith(at)
	case "filter":
		f := p.filterChain(nil, true)
		p.close()
		body, _ := p.parseUntil([]string{"endfilter"})
		p.close()
		return &filterNode{at, f, body}
	case "block":
		return p.parseBlock(at)
	case "do":
		n := &doNode{at, p.tupleExpr()}
		p.close()
		return n
	}
	p.fail("unknown tag %q%s", name, nearest.Hint(name, tagNames))
	return nil
}

var tagNames = []string{"if", "for", "set", "include", "macro", "with", "filter", "block", "do", "raw",
	"elif", "else", "endif", "endfor", "endset", "endmacro", "endwith", "endfilter", "endblock", "endraw"}

func (p *parser) parseIf(at pos) node {
	n := &ifNode{pos: at, cond: p.tupleExpr()}
	p.close()
	var end string
	n.then, end = p.parseUntil([]string{"elif", "else", "endif"})
	switch end {
	case "elif":
		n.orel = []node{p.parseIf(pos(p.line))}
		return n
	case "else":
		p.close()
		n.orel, _ = p.parseUntil([]string{"endif"})
	}
	p.close()
	return n
}

func (p *parser) parseFor(at pos) node {
	n := &forNode{pos: at, target: p.target()}
	if !p.acceptWord("in") {
		p.fail("expected \"in\", got %s", p.describe())
	}
	n.iter = p.tupleOf(p.noCond)
	if p.acceptWord("if") {
		n.cond = p.expr()
	}
	n.recursive = p.acceptWord("recursive")
	p.close()
	var end string
	n.body, end = p.parseUntil([]string{"else", "endfor"})
	p.close()
	if end == "else" {
		n.orel, _ = p.parseUntil([]string{"endfor"})
		p.close()
	}
	return n
}

// target is what for and set assign to: a name, names, or ns.attr.
func (p *parser) target() expr {
	one := func() expr {
		if p.accept("(") {
			t := p.target()
			p.want(")")
			return t
		}
		at := pos(p.line)
		name := p.wantName("a name to assign to")
		if p.accept(".") {
			return &attrExpr{at, &nameExpr{at, name}, p.wantName("an attribute")}
		}
		if slices.Contains([]string{"true", "false", "none", "True", "False", "None"}, name) {
			p.fail("cannot assign to %q", name)
		}
		return &nameExpr{at, name}
	}
	first := one()
	if !p.isOp(",") {
		return first
	}
	l := &listExpr{pos: pos(p.line), items: []expr{first}, tuple: true}
	for p.accept(",") {
		if p.isWord("in") || p.isOp("=") || p.isOp(")") {
			break
		}
		l.items = append(l.items, one())
	}
	return l
}

func (p *parser) parseSet(at pos) node {
	n := &setNode{pos: at, target: p.target()}
	if p.accept("=") {
		n.value = p.tupleExpr()
		p.close()
		return n
	}
	n.block = true
	if p.isOp("|") {
		n.filter = p.filterChain(nil, false)
	}
	p.close()
	n.body, _ = p.parseUntil([]string{"endset"})
	p.close()
	return n
}

func (p *parser) parseInclude(at pos) node {
	n := &includeNode{pos: at, name: p.expr(), context: true}
	for p.peek().kind != tokEnd {
		switch w := p.wantName("\"ignore missing\" or \"with context\""); w {
		case "ignore":
			if !p.acceptWord("missing") {
				p.fail("expected \"missing\" after \"ignore\"")
			}
			n.missing = true
		case "with", "without":
			n.context = w == "with"
			if !p.acceptWord("context") {
				p.fail("expected \"context\" after %q", w)
			}
		default:
			p.fail("unexpected %q in include", w)
		}
	}
	return n
}

func (p *parser) parseMacro(at pos) node {
	n := &macroNode{pos: at, name: p.wantName("a macro name")}
	p.want("(")
	for !p.accept(")") {
		if len(n.params) > 0 {
			p.want(",")
		}
		n.params = append(n.params, p.wantName("a parameter"))
		switch {
		case p.accept("="):
			n.defaults = append(n.defaults, p.expr())
		case len(n.defaults) > 0:
			p.fail("a parameter without a default follows one with a default")
		}
	}
	p.close()
	n.body, _ = p.parseUntil([]string{"endmacro"})
	if p.peek().kind == tokName {
		p.pos++
	}
	p.close()
	return n
}

func (p *parser) parseBlock(at pos) node {
	n := &blockNode{pos: at, name: p.wantName("a block name")}
	n.scoped = p.acceptWord("scoped")
	p.close()
	if _, dup := p.blocks[n.name]; dup {
		p.fail("block %q is defined twice", n.name)
	}
	if p.blocks == nil {
		p.blocks = map[string]*blockNode{}
	}
	p.blocks[n.name] = n
	n.body, _ = p.parseUntil([]string{"endblock"})
	if p.peek().kind == tokName {
		p.pos++
	}
	p.close()
	return n
}

func (p *parser) parseWith(at pos) node {
	n := &withNode{pos: at}
	for p.peek().kind != tokEnd {
		if len(n.names) > 0 {
			p.want(",")
		}
		n.names = append(n.names, p.wantName("a name"))
		p.want("=")
		n.values = append(n.values, p.expr())
	}
	n.body, _ = p.parseUntil([]string{"endwith"})
	p.close()
	return n
}
