package yaql

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"trefoil/internal/errs"
)

// Error points into an expression.
type Error struct {
	Expression string
	Offset     int    // bytes before the place that failed
	Message    string // what failed there, without the expression
}

// Error is the message and an excerpt of the expression with a mark before the
// place, in one line.
func (e *Error) Error() string {
	line := fmt.Sprintf("%s (yaql, character %d: %s)", e.Message, utf8.RuneCountInString(e.Expression[:e.Offset])+1, e.excerpt())
	return errs.Printable(strings.NewReplacer("\r", " ", "\n", " ", "\t", " ").Replace(line))
}

// Unwrap gives the error its code: the template is wrong.
func (e *Error) Unwrap() error { return errs.New(errs.Invalid, "%s", errs.Printable(e.Message)) }

const around = 40 // characters of the expression on either side of the mark

func (e *Error) excerpt() string {
	before, after := []rune(e.Expression[:e.Offset]), []rune(e.Expression[e.Offset:])
	left, right := "", ""
	if len(before) > around {
		before, left = before[len(before)-around:], "…"
	}
	if len(after) > around {
		after, right = after[:around], "…"
	}
	return strings.TrimRight(left+string(before)+"▸"+string(after)+right, " \r\n\t")
}

// stopped is how an error of Limits.Step travels up to Eval.
type stopped struct{ err error }

// failure is how the package's own errors travel up to Parse and Eval.
type failure struct {
	off   int
	msg   string
	retry bool // no function takes such arguments: groupBy tries another form
}
