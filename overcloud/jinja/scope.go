package jinja

import "strings"

// scope is one level of names; lookups go outward, assignments stay inside.
type scope struct {
	names  []string
	vals   []any
	index  map[string]int // once there are many names
	parent *scope
	unit   *unit // the template that runs here
}

// unit is one run of a template: what Jinja calls its context.
type unit struct {
	tmpl   *Template
	top    *scope
	blocks map[string][]*blockNode // the child's first
	parent *Template               // what extends named, until it runs
	out    *strings.Builder        // where the output stood at the extends
}

// manyNames is from when on a map is faster than looking along the names.
const manyNames = 12

func newScope(parent *scope) *scope {
	s := &scope{parent: parent}
	if parent != nil {
		s.unit = parent.unit
	}
	return s
}

func (s *scope) find(name string) int {
	if s.index != nil {
		if i, ok := s.index[name]; ok {
			return i
		}
		return -1
	}
	for i, n := range s.names {
		if n == name {
			return i
		}
	}
	return -1
}

func (s *scope) set(name string, v any) {
	if i := s.find(name); i >= 0 {
		s.vals[i] = v
		return
	}
	s.names = append(s.names, name)
	s.vals = append(s.vals, v)
	switch {
	case s.index != nil:
		s.index[name] = len(s.names) - 1
	case len(s.names) > manyNames:
		s.index = make(map[string]int, 2*manyNames)
		for i, n := range s.names {
			s.index[n] = i
		}
	}
}

func (s *scope) lookup(name string) (any, bool) {
	for ; s != nil; s = s.parent {
		if i := s.find(name); i >= 0 {
			return s.vals[i], true
		}
	}
	return nil, false
}
