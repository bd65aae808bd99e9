package jinja

import (
	"slices"
	"strings"

	"trefoil/internal/nearest"
)

// parser turns segments into statements. toks is the tag that is being read.
type parser struct {
	env   *Env
	name  string
	segs  []segment
	at    int
	toks  []token
	pos   int
	line  int
	depth int
	ends  []string // tags that may end the body that is being read
	maybe int      // inside of an if: unknown filters fail when they are used

	unknown []failure // filters and tests of this tag that are not there, unless an inline if holds them

	blocks map[string]*blockNode
	uses   map[string]int // how often the names of specialNames were read
}

// specialNames are those whose use in a body changes what the body gets.
var specialNames = []string{"loop", "varargs", "kwargs", "caller"}

// maxNesting bounds recursion in the parser.
const maxNesting = 200

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
	outer := p.ends
	p.ends = ends
	defer func() { p.ends = outer }()
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
			out = append(out, p.statement(name)...)
		}
	}
	if len(ends) > 0 {
		p.line = start
		p.fail("block is not closed; expected {%% %s %%}", ends[len(ends)-1])
	}
	return out, ""
}

// bodyUntil reads a body to its end tag and that to its end.
func (p *parser) bodyUntil(end string) []node {
	p.close()
	body, _ := p.parseUntil([]string{end})
	p.close()
	return body
}

func (p *parser) open(s segment) { p.toks, p.pos, p.line = s.toks, 0, s.line }

func (p *parser) close() {
	if t := p.peek(); t.kind != tokEnd {
		p.fail("unexpected %s; expected the end of the tag", p.describe())
	}
	if len(p.unknown) > 0 {
		panic(p.unknown[0])
	}
}

func (p *parser) peek() token {
	t := p.toks[p.pos]
	p.line = t.line
	return t
}

// after is the token behind the next one.
func (p *parser) after() token { return p.toks[min(p.pos+1, len(p.toks)-1)] }

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

func (p *parser) isWord(words ...string) bool {
	t := p.peek()
	return t.kind == tokName && slices.Contains(words, t.text)
}

func (p *parser) acceptWord(w string) bool {
	if p.isWord(w) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) wantWord(w string) {
	if !p.acceptWord(w) {
		p.fail("expected %q, got %s", w, p.describe())
	}
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
func (p *parser) statement(name string) []node {
	at := pos(p.line)
	switch name {
	case "if":
		return []node{p.parseIf(at)}
	case "for":
		return []node{p.parseFor(at)}
	case "set":
		return []node{p.parseSet(at)}
	case "include":
		return []node{p.parseInclude(at)}
	case "import":
		return []node{p.parseImport(at)}
	case "from":
		return []node{p.parseFrom(at)}
	case "extends":
		n := &extendsNode{at, p.expr()}
		p.close()
		return []node{n}
	case "macro":
		return []node{p.parseMacro(at)}
	case "call":
		return []node{p.parseCall(at)}
	case "with":
		return []node{p.parseWith(at)}
	case "filter":
		return []node{&filterNode{at, p.filterChain(nil, true), p.bodyUntil("endfilter")}}
	case "autoescape":
		return []node{&autoescapeNode{at, p.expr(), p.bodyUntil("endautoescape")}}
	case "block":
		return []node{p.parseBlock(at)}
	case "print":
		return p.parsePrint(at)
	}
	p.unknownTag(name)
	return nil
}

func (p *parser) unknownTag(name string) {
	switch name {
	case "do":
		p.fail("unknown tag \"do\": it is an extension that TripleO does not load; use {%% set _ = … %%}")
	case "break", "continue":
		p.fail("unknown tag %q: it is an extension that TripleO does not load; filter the loop: {%% for … if … %%}", name)
	}
	known := []string{"for", "if", "set", "include", "import", "from", "extends", "macro", "call", "with", "filter",
		"autoescape", "block", "print", "raw"}
	stray := []string{"elif", "else"}
	for _, k := range known {
		stray = append(stray, "end"+k)
	}
	if slices.Contains(stray, name) {
		if len(p.ends) > 0 {
			p.fail("unexpected tag %q; expected %s", name, strings.Join(p.ends, " or "))
		}
		p.fail("unexpected tag %q; no block is open", name)
	}
	p.fail("unknown tag %q%s", name, nearest.Hint(name, append(known, p.ends...)))
}
