package jinja

// node is a statement; expr is an expression. Both know their line.
type node interface{ at() int }

type expr interface{ at() int }

type pos int

func (p pos) at() int { return int(p) }

type (
	dataNode struct {
		pos
		text string
	}
	outputNode struct {
		pos
		e expr
	}
	ifNode struct {
		pos
		conds  []expr // of if and every elif
		bodies [][]node
		orel   []node
	}
	forNode struct {
		pos
		target     expr
		iter       expr
		cond       expr
		body, orel []node
		recursive  bool
		usesLoop   bool // the body says "loop"
	}
	setNode struct {
		pos
		target expr
		value  expr
		filter expr // set block: filters on a placeholder
		body   []node
		block  bool
	}
	withNode struct {
		pos
		names  []string
		values []expr
		body   []node
	}
	filterNode struct {
		pos
		filter expr
		body   []node
	}
	includeNode struct {
		pos
		name    expr
		missing bool // ignore missing
		context bool
	}
	importNode struct {
		pos
		name    expr
		as      string      // import … as
		names   [][2]string // from … import name as other
		context bool
	}
	extendsNode struct {
		pos
		name expr
	}
	macroNode struct {
		pos
		name     string
		params   []string
		defaults []expr // for the last len(defaults) params
		body     []node
		special  map[string]bool // varargs, kwargs, caller: what the body uses
	}
	callNode struct {
		pos
		call   *callExpr
		caller *macroNode
	}
	blockNode struct {
		pos
		name     string
		file     string
		body     []node
		scoped   bool // sees the names of the loop it stands in
		required bool // the child has to define it
	}
	autoescapeNode struct {
		pos
		on   expr
		body []node
	}
)

type (
	constExpr struct {
		pos
		v any
	}
	nameExpr struct {
		pos
		name string
	}
	listExpr struct {
		pos
		items []expr
		tuple bool
	}
	dictExpr struct {
		pos
		keys, values []expr
	}
	unaryExpr struct {
		pos
		op string
		x  expr
	}
	concatExpr struct {
		pos
		items []expr
	}
	binaryExpr struct {
		pos
		op   string
		x, y expr
	}
	compareExpr struct {
		pos
		x    expr
		ops  []string
		rest []expr
	}
	condExpr struct {
		pos
		cond, then, orel expr // orel may be nil
	}
	attrExpr struct {
		pos
		x    expr
		name string
	}
	itemExpr struct {
		pos
		x, key expr
	}
	sliceExpr struct {
		pos
		from, to, step expr
	}
	callExpr struct {
		pos
		fn   expr
		args args
	}
	filterExpr struct {
		pos
		x    expr // nil: the body of a filter block
		name string
		args args
	}
	testExpr struct {
		pos
		x      expr
		name   string
		args   args
		negate bool
	}
)

type args struct {
	pos    []expr
	names  []string
	named  []expr
	star   expr
	kwargs expr
}
