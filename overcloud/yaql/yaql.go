// Package yaql evaluates YAQL expressions as Heat's yaql function does: the
// standard library of yaql 2.0 with Heat's options (no delegates, tuples and
// sets become lists), lazy sequences, Python's numbers, text and equality. It
// is pure, bounded in every way, and its errors point into the expression.
//
// What differs from the original, on purpose: maps that come in are walked in
// the order of their sorted keys; integers have 64 bits; sets and dict views
// leave as lists where Heat would pass a Python set on; lists and tuples are
// one type and may be keys; random(), now() and the rest of the date functions
// are refused; so is what Go's linear-time regular expressions lack (look-around
// and back references). In these, $ is the very end, not also the place before
// the last line feed, and an empty match right after another match does not
// count. An unknown function is refused even where it would not be called.
package yaql

import (
	"fmt"
)

// Expression is a parsed expression. It is immutable and safe for concurrent use.
type Expression struct {
	text string
	root node
	lib  *library
}

// Limits bound one evaluation; the zero value means the defaults. Heat allows
// 200 items and 10 000 bytes, which it counts per value, and TripleO raises that
// to 1000 and 100 000; here more is allowed, and all of it is counted.
type Limits struct {
	Steps int // nodes evaluated and items drawn from sequences; default 5 million
	Items int // items in any one collection; default 100 000
	Bytes int // strings and lists made, summed up over the evaluation; default 64 MiB

	// Step, if given, is told how many more steps were taken, about every 1000 and
	// when the evaluation succeeds; an error of its ends the evaluation, and Eval
	// returns it as it is.
	Step func(n int) error
}

func (l Limits) withDefaults() Limits {
	if l.Steps <= 0 {
		l.Steps = 5_000_000
	}
	if l.Items <= 0 {
		l.Items = 100_000
	}
	if l.Bytes <= 0 {
		l.Bytes = 64 << 20
	}
	return l
}

const (
	maxText    = 64 << 10 // bytes of an expression
	maxNesting = 250      // depth of a parsed expression
	maxDepth   = 1000     // depth of an evaluation: calls, lazy sequences, data
)

// Parse compiles an expression. A name that no function has is an error here
// already, unless the expression defines functions of its own with def(). The
// error is an *Error with the byte offset into the expression.
func Parse(text string) (x *Expression, err error) {
	defer recoverFailure(text, &err)
	if len(text) > maxText {
		fail(maxText, "the expression is longer than %d bytes", maxText)
	}
	lib := standard()
	return &Expression{text: text, root: parse(text, lib), lib: lib}, nil
}

// Eval evaluates the expression with $ bound to root; Heat gives
// map[string]any{"data": …}. Values that go in are nil, bool, int, float64,
// string, []any and map[string]any, and are not changed; the same kinds come
// out, and may share what went in. An error is an *Error, or one of l.Step.
func (x *Expression) Eval(root any, l Limits) (v any, err error) {
	defer recoverFailure(x.text, &err)
	e := &evaluator{lim: l.withDefaults(), lib: x.lib}
	v = e.eval(x.root, &scope{args: []any{root}})
	e.off = 0
	v = e.plain(v)
	e.report()
	return v, nil
}

// recoverFailure turns a failure into an *Error; other panics are bugs and go on.
func recoverFailure(text string, err *error) {
	switch v := recover().(type) {
	case nil:
	case failure:
		*err = &Error{Expression: text, Offset: min(v.off, len(text)), Message: v.msg}
	case stopped:
		*err = v.err
	default:
		panic(v)
	}
}

// fail stops a parse or an evaluation at an offset.
func fail(off int, format string, args ...any) {
	panic(failure{off: off, msg: fmt.Sprintf(format, args...)})
}
