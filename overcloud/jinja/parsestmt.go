package jinja

import (
	"slices"
	"strings"
)

func (p *parser) parseIf(at pos) node {
	n := &ifNode{pos: at}
	for end := "elif"; end == "elif"; {
		p.maybe++
		n.conds = append(n.conds, p.tupleOf(p.or))
		p.close()
		var body []node
		body, end = p.parseUntil([]string{"elif", "else", "endif"})
		n.bodies = append(n.bodies, body)
		if end == "else" {
			p.close()
			n.orel, _ = p.parseUntil([]string{"endif"})
		}
		p.maybe--
	}
	p.close()
	return n
}

func (p *parser) parseFor(at pos) node {
	n := &forNode{pos: at, target: p.target("in")}
	p.wantWord("in")
	n.iter = p.tupleOf(p.or)
	if p.acceptWord("if") {
		n.cond = p.expr()
	}
	n.recursive = p.acceptWord("recursive")
	p.close()
	before := p.uses["loop"]
	var end string
	n.body, end = p.parseUntil([]string{"else", "endfor"})
	n.usesLoop = p.uses["loop"] > before
	p.close()
	if end == "else" {
		n.orel, _ = p.parseUntil([]string{"endfor"})
		p.close()
	}
	return n
}

// target is what for and set assign to: a name, names, or ns.attr. It ends
// before the word or operator end.
func (p *parser) target(end string) expr {
	first := p.oneTarget(end)
	if !p.isOp(",") {
		return first
	}
	l := &listExpr{pos: pos(p.line), items: []expr{first}, tuple: true}
	for p.accept(",") {
		if p.isWord(end) || p.isOp(end) || p.isOp(")") {
			break
		}
		l.items = append(l.items, p.oneTarget(end))
	}
	return l
}

func (p *parser) oneTarget(end string) expr {
	p.enter()
	defer p.leave()
	if p.accept("(") {
		t := p.target(end)
		p.want(")")
		return t
	}
	at := pos(p.line)
	name := p.wantName("a name to assign to")
	switch {
	case end == "=" && p.accept("."):
		return &attrExpr{at, &nameExpr{at, name}, p.wantName("an attribute")}
	case slices.Contains([]string{"true", "false", "none", "True", "False", "None"}, name):
		p.fail("cannot assign to %q", name)
	case end == "in" && name == "loop":
		p.fail("cannot assign to the special name \"loop\" in a for")
	}
	return &nameExpr{at, name}
}

func (p *parser) parseSet(at pos) node {
	n := &setNode{pos: at, target: p.target("=")}
	if p.accept("=") {
		n.value = p.tupleExpr()
		p.close()
		return n
	}
	n.block = true
	if p.isOp("|") {
		n.filter = p.filterChain(nil, false)
	}
	n.body = p.bodyUntil("endset")
	return n
}

func (p *parser) parseInclude(at pos) node {
	n := &includeNode{pos: at, name: p.expr()}
	if p.isWord("ignore") && p.after().text == "missing" {
		p.pos += 2
		n.missing = true
	}
	n.context = p.parseContext(true)
	p.close()
	return n
}

// parseContext reads "with context" or "without context".
func (p *parser) parseContext(def bool) bool {
	if p.isWord("with", "without") && p.after().text == "context" {
		def = p.take().text == "with"
		p.pos++
	}
	return def
}

func (p *parser) parseImport(at pos) node {
	n := &importNode{pos: at, name: p.expr()}
	p.wantWord("as")
	n.as = p.wantName("a name for the module")
	n.context = p.parseContext(false)
	p.close()
	return n
}

func (p *parser) parseFrom(at pos) node {
	n := &importNode{pos: at, name: p.expr()}
	p.wantWord("import")
	for {
		if len(n.names) > 0 && !p.accept(",") || p.peek().kind == tokEnd {
			break
		}
		if p.peek().kind == tokEnd || p.isWord("with", "without") && p.after().text == "context" {
			break
		}
		name := p.wantName("a name to import")
		if strings.HasPrefix(name, "_") {
			p.fail("%q begins with an underscore and can not be imported", name)
		}
		as := name
		if p.acceptWord("as") {
			as = p.wantName("a name")
		}
		n.names = append(n.names, [2]string{name, as})
	}
	if len(n.names) == 0 {
		p.fail("expected a name to import, got %s", p.describe())
	}
	n.context = p.parseContext(false)
	p.close()
	return n
}

// signature reads the parameters of a macro or call block.
func (p *parser) signature(n *macroNode) {
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
}

// macroBody reads the body and notes which special names it uses.
func (p *parser) macroBody(n *macroNode, end string) {
	before := map[string]int{}
	for _, name := range specialNames {
		before[name] = p.uses[name]
	}
	n.body = p.bodyUntil(end)
	n.special = map[string]bool{}
	for _, name := range specialNames[1:] {
		if p.uses[name] > before[name] && !slices.Contains(n.params, name) {
			n.special[name] = true
		}
	}
	if i := slices.Index(n.params, "caller"); i >= 0 {
		if i < len(n.params)-len(n.defaults) {
			p.fail("a parameter \"caller\" needs a default")
		}
		n.special["caller"] = true
	}
}

func (p *parser) parseMacro(at pos) node {
	n := &macroNode{pos: at, name: p.wantName("a macro name")}
	p.signature(n)
	p.macroBody(n, "endmacro")
	return n
}

func (p *parser) parseCall(at pos) node {
	n := &callNode{pos: at, caller: &macroNode{pos: at, name: "caller"}}
	if p.isOp("(") {
		p.signature(n.caller)
	}
	call, ok := p.expr().(*callExpr)
	if !ok {
		p.fail("expected a call")
	}
	n.call = call
	p.macroBody(n.caller, "endcall")
	return n
}

func (p *parser) parseBlock(at pos) node {
	n := &blockNode{pos: at, name: p.wantName("a block name"), file: p.name}
	n.scoped = p.acceptWord("scoped")
	n.required = p.acceptWord("required")
	p.close()
	if _, dup := p.blocks[n.name]; dup {
		p.fail("block %q is defined twice", n.name)
	}
	if p.blocks == nil {
		p.blocks = map[string]*blockNode{}
	}
	p.blocks[n.name] = n
	n.body, _ = p.parseUntil([]string{"endblock"})
	p.acceptWord(n.name)
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
	n.body = p.bodyUntil("endwith")
	return n
}

func (p *parser) parsePrint(at pos) []node {
	var out []node
	for p.peek().kind != tokEnd {
		if len(out) > 0 {
			p.want(",")
		}
		out = append(out, &outputNode{at, p.expr()})
	}
	p.close()
	return out
}
