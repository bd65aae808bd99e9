package yaql

import (
	"fmt"

	"trefoil/internal/nearest"
)

// evaluator is one evaluation: what it may cost and what it has cost.
type evaluator struct {
	lim                 Limits
	lib                 *library
	steps, bytes, depth int
	reported            int // steps that lim.Step was told
	off                 int // where the evaluation is, for errors
	regexes             map[string]*regex
}

// scope holds the variables that a function or a lambda sees; it hides its parent's.
type scope struct {
	parent *scope
	args   []any // $1, $2 …
	names  map[string]any
	funcs  map[string]*lambda // made by def()
}

func (s *scope) get(v *variable) any {
	for ; s != nil; s = s.parent {
		if v.index > 0 && v.index <= len(s.args) {
			return s.args[v.index-1]
		}
		if x, ok := s.names[v.name]; ok {
			return x
		}
	}
	return nil
}

func (s *scope) set(name string, v any) {
	if s.names == nil {
		s.names = map[string]any{}
	}
	s.names[name] = v
}

func (s *scope) function(name string) *lambda {
	for ; s != nil; s = s.parent {
		if f := s.funcs[name]; f != nil {
			return f
		}
	}
	return nil
}

func (e *evaluator) fail(format string, args ...any) { fail(e.off, format, args...) }

// refuse fails because of the kind of the arguments: groupBy tries others.
func (e *evaluator) refuse(format string, args ...any) {
	panic(failure{off: e.off, msg: fmt.Sprintf(format, args...), retry: true})
}

// step counts one unit of work.
func (e *evaluator) step() {
	if e.steps++; e.steps > e.lim.Steps {
		e.fail("the evaluation takes more than %d steps", e.lim.Steps)
	}
	if e.steps-e.reported >= reportEvery {
		e.report()
	}
}

const reportEvery = 1000 // steps after which lim.Step is told

// report tells lim.Step what it does not know yet, and stops if it says so.
func (e *evaluator) report() {
	n := e.steps - e.reported
	e.reported = e.steps
	if e.lim.Step == nil || n == 0 {
		return
	}
	if err := e.lim.Step(n); err != nil {
		panic(stopped{err})
	}
}

// work counts n units of work that are about to be done.
func (e *evaluator) work(n int) {
	e.steps += max(n, 0)
	e.step()
}

const perStep = 256 // bytes of text that are read in one step

// read counts what it costs to look at all of a text.
func (e *evaluator) read(v any) {
	if s, ok := v.(string); ok && len(s) >= perStep {
		e.work(len(s) / perStep)
	}
}

// scan counts what it costs to look at each character of a text.
func (e *evaluator) scan(s string) {
	e.work(len(s) / 16)
}

// room fails when a text that has grown to n bytes would be over the limit.
func (e *evaluator) room(n int) {
	if n > e.lim.Bytes-e.bytes {
		e.grow(e.lim.Bytes + 1)
	}
}

// grow counts n bytes that are about to be made.
func (e *evaluator) grow(n int) {
	if e.bytes += n; e.bytes > e.lim.Bytes || n < 0 {
		e.fail("the evaluation makes more than %d bytes of text and lists", e.lim.Bytes)
	}
}

func (e *evaluator) str(s string) string {
	e.grow(len(s))
	return s
}

// sized checks the length of a collection that is about to be made.
func (e *evaluator) sized(n int) int {
	if n > e.lim.Items || n < 0 {
		e.fail("a collection has more than %d items", e.lim.Items)
	}
	e.grow(24 + 16*n)
	return n
}

func (e *evaluator) enter() {
	e.step()
	if e.depth++; e.depth > maxDepth {
		e.fail("the evaluation is nested more than %d deep: calls, lazy sequences or data", maxDepth)
	}
}

func (e *evaluator) eval(n node, sc *scope) any {
	e.off = n.pos()
	e.enter()
	v := n.eval(e, sc)
	e.depth--
	return v
}

func (n *constant) eval(*evaluator, *scope) any { return n.value }

func (n *variable) eval(_ *evaluator, sc *scope) any { return sc.get(n) }

func (n *group) eval(e *evaluator, sc *scope) any { return e.eval(n.x, sc) }

func (n *binary) eval(e *evaluator, sc *scope) any {
	l := e.eval(n.l, sc)
	r := e.eval(n.r, sc)
	e.off = n.pos()
	e.read(l)
	e.read(r)
	return n.do(e, l, r)
}

func (n *logic) eval(e *evaluator, sc *scope) any {
	if l := e.eval(n.l, sc); truth(l) == n.or {
		return l
	}
	return e.eval(n.r, sc)
}

func (n *send) eval(e *evaluator, sc *scope) any {
	l := e.eval(n.l, sc)
	made, ok := l.(*scope)
	if !ok {
		fail(n.pos(), `the left of "->" must be let(), with(), unpack() or def(), got %s`, typeName(l))
	}
	return e.eval(n.r, made)
}

func (n *unary) eval(e *evaluator, sc *scope) any {
	v := e.eval(n.x, sc)
	e.off = n.pos()
	if n.op == "not" {
		return !truth(v)
	}
	switch v := v.(type) {
	case int:
		if n.op == "-" {
			return e.sub(0, v)
		}
		return v
	case float64:
		if n.op == "-" {
			return -v
		}
		return v
	}
	e.fail("%q needs a number, got %s", n.op, typeName(v))
	return nil
}

func (n *index) eval(e *evaluator, sc *scope) any {
	x := e.eval(n.x, sc)
	key := e.eval(n.args[0], sc)
	var other any
	if len(n.args) == 2 {
		other = e.eval(n.args[1], sc)
	}
	e.off = n.pos()
	if isMap(x) {
		v, ok := e.lookup(x, key)
		switch {
		case ok:
			return v
		case len(n.args) == 2:
			return other
		}
		e.missing(x, key)
	}
	list, ok := x.([]any)
	if !ok || len(n.args) == 2 {
		e.fail("[ ] takes an item of a list or a map, got %s%s", typeName(x), listHint(x))
	}
	i, ok := integer(key)
	if !ok {
		e.fail("the index of a list must be an integer, got %s", typeName(key))
	}
	at := i
	if at < 0 {
		at += len(list)
	}
	if at < 0 || at >= len(list) {
		e.refuse("there is no item %d in a list of %d", i, len(list))
	}
	return list[at]
}

// listHint says how a lazy sequence becomes a list.
func listHint(v any) string {
	if isIterable(v) {
		return "; append .toList() first"
	}
	return ""
}

func (n *listNode) eval(e *evaluator, sc *scope) any {
	out := make([]any, e.sized(len(n.items)))
	for i, x := range n.items {
		out[i] = e.eval(x, sc)
	}
	return out
}

func (n *mapNode) eval(e *evaluator, sc *scope) any {
	d := e.newDict(len(n.pairs))
	for _, p := range n.pairs {
		k := e.eval(p.key, sc)
		d.set(e.key(k), k, e.eval(p.value, sc))
	}
	return d
}

func (n *attribute) eval(e *evaluator, sc *scope) any {
	x := e.eval(n.x, sc)
	e.off = n.pos()
	if n.maybe && x == nil {
		return nil
	}
	return e.attribute(x, n.name)
}

// attribute is a key of a map; of a sequence, that key of each item.
func (e *evaluator) attribute(x any, name string) any {
	if isMap(x) {
		v, ok := e.lookup(x, name)
		if !ok {
			e.missing(x, name)
		}
		return v
	}
	if !isIterable(x) {
		hint := ""
		if e.lib.find(name, true) != nil {
			hint = ": write " + name + "()"
		}
		e.fail("%s has no attribute %q%s", typeName(x), name, hint)
	}
	it := e.iterate(x)
	return e.lazy(func() (any, bool) {
		v, ok := it.next()
		if !ok {
			return nil, false
		}
		return e.attribute(v, name), true
	})
}

func (e *evaluator) missing(m, key any) {
	name, ok := key.(string)
	if !ok {
		e.fail("the map has no key %s", e.repr(key))
	}
	keys, _ := e.entries(m)
	var known []string
	for _, k := range keys {
		if s, ok := k.(string); ok {
			known = append(known, s)
		}
	}
	e.fail("the map has no key %q%s; .get() gives null instead", name, nearest.Hint(name, known))
}
