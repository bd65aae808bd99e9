package jinja

import "slices"

// tupleExpr reads an expression or an unparenthesised tuple.
func (p *parser) tupleExpr() expr { return p.tupleOf(p.expr) }

func (p *parser) tupleOf(one func() expr) expr {
	first := one()
	if !p.isOp(",") {
		return first
	}
	l := &listExpr{pos: pos(p.line), items: []expr{first}, tuple: true}
	for p.accept(",") {
		if t := p.peek(); t.kind == tokEnd || p.isOp(")") {
			break
		}
		l.items = append(l.items, one())
	}
	return l
}

// expr reads an inline if or less.
func (p *parser) expr() expr {
	p.enter()
	defer p.leave()
	unknown := len(p.unknown)
	e := p.or()
	for p.isWord("if") {
		at := pos(p.line)
		p.pos++
		c := &condExpr{pos: at, then: e, cond: p.or()}
		if p.acceptWord("else") {
			c.orel = p.expr()
		}
		p.unknown = p.unknown[:unknown]
		e = c
	}
	return e
}

func (p *parser) or() expr {
	x := p.and()
	for p.isWord("or") {
		at := pos(p.line)
		p.pos++
		x = &binaryExpr{at, "or", x, p.and()}
	}
	return x
}

func (p *parser) and() expr {
	x := p.not()
	for p.isWord("and") {
		at := pos(p.line)
		p.pos++
		x = &binaryExpr{at, "and", x, p.not()}
	}
	return x
}

func (p *parser) not() expr {
	if p.isWord("not") {
		p.enter()
		defer p.leave()
		at := pos(p.line)
		p.pos++
		return &unaryExpr{at, "not", p.not()}
	}
	return p.compare()
}

var comparisons = []string{"==", "!=", "<", "<=", ">", ">="}

func (p *parser) compare() expr {
	c := &compareExpr{pos: pos(p.line), x: p.sum()}
	for {
		t := p.peek()
		switch {
		case t.kind == tokOp && slices.Contains(comparisons, t.text):
			p.pos++
			c.ops = append(c.ops, t.text)
		case p.isWord("in"):
			p.pos++
			c.ops = append(c.ops, "in")
		case p.isWord("not") && p.toks[p.pos+1].kind == tokName && p.toks[p.pos+1].text == "in":
			p.pos += 2
			c.ops = append(c.ops, "not in")
		default:
			if len(c.ops) == 0 {
				return c.x
			}
			return c
		}
		c.rest = append(c.rest, p.sum())
	}
}

func (p *parser) sum() expr {
	x := p.concat()
	for p.isOp("+") || p.isOp("-") {
		t := p.take()
		x = &binaryExpr{pos(t.line), t.text, x, p.concat()}
	}
	return x
}

func (p *parser) concat() expr {
	first := p.product()
	if !p.isOp("~") {
		return first
	}
	c := &concatExpr{pos: pos(p.line), items: []expr{first}}
	for p.accept("~") {
		c.items = append(c.items, p.product())
	}
	return c
}

func (p *parser) product() expr {
	x := p.power()
	for {
		t := p.peek()
		if t.kind != tokOp || !slices.Contains([]string{"*", "/", "//", "%"}, t.text) {
			return x
		}
		p.pos++
		x = &binaryExpr{pos(t.line), t.text, x, p.power()}
	}
}

// power binds less than the sign before a number: -2 ** 2 is 4, as in Jinja2.
func (p *parser) power() expr {
	x := p.unary(true)
	for p.isOp("**") {
		t := p.take()
		x = &binaryExpr{pos(t.line), "**", x, p.unary(true)}
	}
	return x
}

func (p *parser) unary(filters bool) expr {
	p.enter()
	defer p.leave()
	var x expr
	if t := p.peek(); t.kind == tokOp && (t.text == "-" || t.text == "+") {
		p.pos++
		x = &unaryExpr{pos(t.line), t.text, p.unary(false)}
	} else {
		x = p.postfix(p.primary())
	}
	if filters {
		x = p.filters(x)
	}
	return x
}

func (p *parser) primary() expr {
	t := p.peek()
	at := pos(t.line)
	switch t.kind {
	case tokName:
		p.pos++
		return p.nameOrConst(at, t.text)
	case tokString:
		s := ""
		for p.peek().kind == tokString {
			s += p.take().text
		}
		return &constExpr{at, s}
	case tokInt:
		p.pos++
		return &constExpr{at, t.i}
	case tokFloat:
		p.pos++
		return &constExpr{at, t.f}
	case tokOp:
		switch {
		case p.accept("("):
			if p.accept(")") {
				return &listExpr{pos: at, tuple: true}
			}
			e := p.tupleExpr()
			p.want(")")
			return e
		case p.accept("["):
			return p.list(at)
		case p.accept("{"):
			return p.dict(at)
		}
	}
	p.fail("expected an expression, got %s", p.describe())
	return nil
}

func (p *parser) nameOrConst(at pos, name string) expr {
	switch name {
	case "true", "True":
		return &constExpr{at, true}
	case "false", "False":
		return &constExpr{at, false}
	case "none", "None":
		return &constExpr{at, nil}
	}
	if slices.Contains(specialNames, name) {
		if p.uses == nil {
			p.uses = map[string]int{}
		}
		p.uses[name]++
	}
	return &nameExpr{at, name}
}

func (p *parser) list(at pos) expr {
	l := &listExpr{pos: at}
	for !p.accept("]") {
		if len(l.items) > 0 {
			p.want(",")
			if p.accept("]") {
				break
			}
		}
		l.items = append(l.items, p.expr())
	}
	return l
}

func (p *parser) dict(at pos) expr {
	d := &dictExpr{pos: at}
	for !p.accept("}") {
		if len(d.keys) > 0 {
			p.want(",")
			if p.accept("}") {
				break
			}
		}
		d.keys = append(d.keys, p.expr())
		p.want(":")
		d.values = append(d.values, p.expr())
	}
	return d
}

// postfix reads .attr, [item] and calls.
func (p *parser) postfix(x expr) expr {
	for {
		at := pos(p.peek().line)
		switch {
		case p.accept("."):
			t := p.take()
			switch t.kind {
			case tokName:
				x = &attrExpr{at, x, t.text}
			case tokInt:
				x = &itemExpr{at, x, &constExpr{at, t.i}}
			default:
				p.fail("expected a name after \".\"")
			}
		case p.accept("["):
			x = &itemExpr{at, x, p.subscripts(at)}
		case p.isOp("("):
			x = &callExpr{at, x, p.args()}
		default:
			return x
		}
	}
}

// subscripts reads what stands in brackets; several are a tuple.
func (p *parser) subscripts(at pos) expr {
	l := &listExpr{pos: at, tuple: true}
	for !p.accept("]") {
		if len(l.items) > 0 {
			p.want(",")
		}
		l.items = append(l.items, p.subscript())
	}
	if len(l.items) == 1 {
		return l.items[0]
	}
	return l
}

func (p *parser) subscript() expr {
	s := &sliceExpr{pos: pos(p.line)}
	end := func() bool { return p.isOp("]") || p.isOp(",") }
	if !p.isOp(":") {
		s.from = p.expr()
		if !p.isOp(":") {
			return s.from
		}
	}
	p.want(":")
	if !end() && !p.isOp(":") {
		s.to = p.expr()
	}
	if p.accept(":") && !end() {
		s.step = p.expr()
	}
	return s
}

func (p *parser) args() args {
	var a args
	p.want("(")
	for first := true; !p.accept(")"); first = false {
		if !first {
			p.want(",")
			if p.accept(")") {
				break
			}
		}
		next := p.after()
		switch {
		case p.isOp("*"):
			p.ensure(a.star == nil && a.kwargs == nil, "*")
			p.pos++
			a.star = p.expr()
		case p.isOp("**"):
			p.ensure(a.kwargs == nil, "**")
			p.pos++
			a.kwargs = p.expr()
		case p.peek().kind == tokName && next.kind == tokOp && next.text == "=":
			p.ensure(a.kwargs == nil, "a named argument")
			a.names = append(a.names, p.take().text)
			p.pos++
			a.named = append(a.named, p.expr())
		default:
			p.ensure(a.star == nil && a.kwargs == nil && len(a.named) == 0, "a positional argument")
			a.pos = append(a.pos, p.expr())
		}
	}
	return a
}

func (p *parser) ensure(ok bool, what string) {
	if !ok {
		p.fail("%s cannot stand here: the order is positional, named, *list, **dict", what)
	}
}

// filters reads |filter and "is test".
func (p *parser) filters(x expr) expr {
	for {
		switch {
		case p.isOp("|"):
			x = p.filterChain(x, false)
		case p.isWord("is"):
			x = p.test(x)
		case p.isOp("("):
			x = &callExpr{pos(p.line), x, p.args()}
		default:
			return x
		}
	}
}

// filterChain reads |name(args)…; open means that the first has no bar.
func (p *parser) filterChain(x expr, open bool) expr {
	for open || p.accept("|") {
		open = false
		at := pos(p.peek().line)
		f := &filterExpr{pos: at, x: x, name: p.wantName("a filter name")}
		for p.accept(".") {
			f.name += "." + p.wantName("a filter name")
		}
		if _, ok := p.env.filter(f.name); !ok && p.maybe == 0 {
			p.unknown = append(p.unknown, failure{file: p.name, line: p.line, msg: p.env.unknownFilter(f.name)})
		}
		if p.isOp("(") {
			f.args = p.args()
		}
		x = f
	}
	return x
}

func (p *parser) test(x expr) expr {
	t := &testExpr{pos: pos(p.line), x: x}
	p.pos++ // is
	t.negate = p.acceptWord("not")
	t.name = p.wantName("a test name")
	for p.accept(".") {
		t.name += "." + p.wantName("a test name")
	}
	if _, ok := p.env.test(t.name); !ok && p.maybe == 0 {
		p.unknown = append(p.unknown, failure{file: p.name, line: p.line, msg: p.env.unknownTest(t.name)})
	}
	next := p.peek()
	switch {
	case p.isOp("("):
		t.args = p.args()
	case p.isWord("is"):
		p.fail("tests cannot follow one another: write (x is a) and (x is b)")
	case next.kind == tokString || next.kind == tokInt || next.kind == tokFloat || p.isOp("[") || p.isOp("{"),
		next.kind == tokName && !slices.Contains([]string{"else", "or", "and", "if", "in", "not", "recursive"}, next.text):
		t.args.pos = []expr{p.postfix(p.primary())}
	}
	return t
}
