package hot

// Scope is the stack that an expression is evaluated in: what its functions ask
// for. Values that it returns are shared and must not be changed.
type Scope interface {
	// Step counts work; an error, one past the limit or a cancelled context, ends the evaluation.
	Step(n int) error
	// Param is the value of a declared parameter or of a pseudo parameter (OS::stack_name).
	Param(name string) (v any, ok bool)
	// Attr is an attribute of a resource. A group applies the rest of the path to
	// each member, so the whole path is given; an empty one asks for all attributes.
	Attr(resource string, path []any, from Origin) (any, error)
	// Ref is what refers to a resource: its physical identifier. Of this and of Attr,
	// a resource that its condition leaves out is an error, as in Heat.
	Ref(resource string, from Origin) (any, error)
	// Condition is a named condition.
	Condition(name string, from Origin) (bool, error)
	// File is the content of a file; fs.ErrNotExist where there is none.
	File(name string) ([]byte, error)
	// Facade is metadata, deletion_policy or update_policy of the resource in the
	// parent stack that this stack stands for; an error where there is none.
	Facade(what string) (any, error)
}

// Expr is a compiled value of a template: data with functions in it. It is
// immutable and safe for concurrent use.
type Expr interface {
	eval(s Scope) (any, error)
}

// omitted is what an if without an else leaves: no item, no property.
type omitted struct{}

// Eval evaluates an expression; nil for none, and for a value that is omitted.
func Eval(e Expr, s Scope) (any, error) {
	if e == nil {
		return nil, nil
	}
	v, err := e.eval(s)
	if v == (omitted{}) {
		v = nil
	}
	return v, err
}

// Holds evaluates a condition; none holds always.
func Holds(e Expr, s Scope) (bool, error) {
	if e == nil {
		return true, nil
	}
	v, err := e.eval(s)
	b, _ := v.(bool)
	return b, err
}

// constant is data without functions. Its value is shared.
type constant struct{ v any }

func (e constant) eval(Scope) (any, error) { return e.v, nil }

type listExpr []Expr

func (e listExpr) eval(s Scope) (any, error) {
	if err := s.Step(len(e)); err != nil {
		return nil, err
	}
	out := make([]any, 0, len(e))
	for _, item := range e {
		v, err := item.eval(s)
		if err != nil {
			return nil, err
		}
		if v != (omitted{}) {
			out = append(out, v)
		}
	}
	return out, nil
}

type entry struct {
	key string
	val Expr
}

// mapping keeps the order of the file, so that the first error is the first in the file.
type mapping []entry

func (e mapping) eval(s Scope) (any, error) {
	if err := s.Step(len(e)); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(e))
	for _, en := range e {
		v, err := en.val.eval(s)
		if err != nil {
			return nil, err
		}
		if v != (omitted{}) {
			out[en.key] = v
		}
	}
	return out, nil
}
