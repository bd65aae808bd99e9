package eval

import (
	"context"
	"reflect"
)

// Stacks of one template often differ in a parameter or two: the machines of a
// role in their index, a service's template in the role that runs it. Each value
// remembers what it was made of; what was made of nothing that differs is taken
// from the earlier stack, its model.

// alone is the key of a context in which no stack shares with another.
type alone struct{}

// Alone returns a context in which every stack is evaluated for itself. The
// result is the same and takes longer: tests hold the two against each other.
func Alone(ctx context.Context) context.Context { return context.WithValue(ctx, alone{}, true) }

// bits is a set of parameter indexes.
type bits []uint64

func (b bits) has(i int) bool { return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

func (b *bits) set(i int) {
	for len(*b) <= i>>6 {
		*b = append(*b, 0)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}

func (b bits) meets(o bits) bool {
	for i := range min(len(b), len(o)) {
		if b[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// uses is what a value was made of, within its stack.
type uses struct {
	params     bits
	conditions map[string]bool
	resources  map[string]bool
	identity   bool // which stack it is: its name, an identifier, an address
}

func (u *uses) param(i int) { u.params.set(i) }

func (u *uses) condition(name string) {
	if u.conditions == nil {
		u.conditions = map[string]bool{}
	}
	u.conditions[name] = true
}

func (u *uses) resource(name string) {
	if u.resources == nil {
		u.resources = map[string]bool{}
	}
	u.resources[name] = true
}

// frame is the value that is being made.
func (s *Stack) frame() *uses {
	if len(s.frames) == 0 {
		return &uses{}
	}
	return s.frames[len(s.frames)-1]
}

// personal marks the value that is being made, and every stack around it, as
// depending on which stack this is.
func (s *Stack) personal() {
	s.frame().identity = true
	for t := s; !t.identity; t = t.parent.stack {
		t.identity = true
		if t.parent == nil {
			return
		}
	}
}

// follow takes model as the stack to share with, if it is of the same template.
func (s *Stack) follow(model *Stack) {
	if model == nil || model == s || s.ev.ctx.Value(alone{}) != nil {
		return
	}
	s.model, s.shared = model, map[string]bool{}
	for i := range s.values {
		if !identical(s.values[i], model.values[i]) {
			s.differs.set(i)
		}
	}
}

// identical tells whether two values are the same to the last bit: 1 and true,
// equal to Heat, are not, for they differ once they are text.
func identical(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		if reflect.ValueOf(x).UnsafePointer() == reflect.ValueOf(y).UnsafePointer() {
			return true // most values are shared
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !identical(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if &x[0] != &y[0] && !identical(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// sharedOutput is an output of the model that holds here too, or nil.
func (s *Stack) sharedOutput(name string) *value {
	if s.model == nil {
		return nil
	}
	v := s.model.outputs[name]
	if v == nil || v.busy || !s.holds(&v.uses) {
		return nil
	}
	return v
}

// sharedResource is a resource of the model that is the same here, or nil.
func (s *Stack) sharedResource(name string) *Resource {
	if s.model == nil || !s.same(name) {
		return nil
	}
	return s.resources[name]
}

// same tells whether a resource of the model is the same here.
func (s *Stack) same(name string) bool {
	if known, ok := s.shared[name]; ok {
		return known
	}
	s.shared[name] = false // a circle shares nothing
	r := s.model.resources[name]
	ok := r != nil && !r.busy && !r.personal() && s.holds(&r.uses)
	if ok {
		s.resources[name] = r
	}
	s.shared[name] = ok
	return ok
}

// holds tells whether what a value was made of is the same here as in the model.
func (s *Stack) holds(u *uses) bool {
	if u.identity || u.params.meets(s.differs) {
		return false
	}
	for name := range u.conditions {
		v := s.model.conditions[name]
		if v == nil || v.busy || !s.holds(&v.uses) {
			return false
		}
		s.conditions[name] = v
	}
	for name := range u.resources {
		if !s.same(name) {
			return false
		}
	}
	return true
}
