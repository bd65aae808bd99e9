package yaql

// node is a part of an expression. Nodes are immutable.
type node interface {
	pos() int
	eval(e *evaluator, sc *scope) any
}

// at is a byte offset into the expression.
type at int

func (a at) pos() int { return int(a) }

// constant is a number, a string, true, false, null or a bare word.
type constant struct {
	at
	value any
	word  bool // written without quotes: it may name an argument or an attribute
}

// variable is $, $1 (index 1) or $name.
type variable struct {
	at
	index int // 0: by name
	name  string
}

// callNode is name(…) or, with a receiver, x.name(…) or x?.name(…).
type callNode struct {
	at
	name  string
	recv  node      // nil for a function
	maybe bool      // ?.: null stays null
	fn    *function // nil: the expression must define it
	args  []argument
}

// argument is a value, a key => value pair, or nothing (two commas).
type argument struct {
	key, value node
}

// name is what the pair's bare word names, or "".
func (a argument) name() string {
	if c, ok := a.key.(*constant); ok && c.word {
		return c.value.(string)
	}
	return ""
}

// attribute is x.name or x?.name.
type attribute struct {
	at
	x     node
	name  string
	maybe bool
}

type binary struct {
	at
	op   string
	l, r node
	do   func(e *evaluator, l, r any) any
}

// logic is "and" or "or", which evaluate the right side only when they must.
type logic struct {
	at
	or   bool
	l, r node
}

// send is l -> r: r evaluated with the variables that l made.
type send struct {
	at
	l, r node
}

type unary struct {
	at
	op string
	x  node
}

// index is x[i] or x[key, default].
type index struct {
	at
	x    node
	args []node
}

type listNode struct {
	at
	items []node
}

type mapNode struct {
	at
	pairs []argument
}

// group is a parenthesis: what is inside is no method and no attribute.
type group struct {
	at
	x node
}
