package deploy

import (
	"slices"
	"time"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// span is when something began and ended.
type span struct{ began, ended time.Time }

// longest is the resource of a step that took longest.
type longest struct {
	service, key string
	seconds      float64
}

// longestOf remembers, event by event, what takes longest in a step.
func (r *run) longestOf(n stack.Node, doc resource.Document, ev resource.Event) {
	seconds := float64(ev.MS) / 1000
	r.mu.Lock()
	defer r.mu.Unlock()
	at := stepOf{n.Name, doc.Step}
	if r.longest == nil {
		r.longest = map[stepOf]longest{}
	}
	if ev.Key != "" && seconds > r.longest[at].seconds {
		r.longest[at] = longest{serviceOf(doc, ev.Key), ev.Key, seconds}
	}
}

// timing keeps the critical path, with what took longest in each of its steps.
func (r *run) timing(path []stack.Hop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range path {
		l := r.longest[stepOf{path[i].Node, path[i].Step}]
		path[i].Service, path[i].Key, path[i].LongestSeconds = l.service, l.key, l.seconds
	}
	r.summary.Path = path
}

// stepOf is a step of a machine; step 0 without a machine is the catalog.
type stepOf struct {
	node string
	step int
}

// path is the critical path: from the step that ended last back to one that waited
// for nothing. Steps that took no time are left out.
func (p *pipeline) path() []stack.Hop {
	var out []stack.Hop
	at, ok := p.latest(nil, plan.Steps, p.nodes)
	for ok {
		s := p.spans[at]
		if took := s.ended.Sub(s.began); took >= 50*time.Millisecond {
			out = append(out, stack.Hop{Node: at.node, Step: at.step, Seconds: took.Seconds()})
		}
		at, ok = p.before(at)
	}
	slices.Reverse(out)
	return out
}

// before is what a step waited for longest.
func (p *pipeline) before(at stepOf) (stepOf, bool) {
	if at.step == 0 {
		return p.latest(p.keystone, plan.CatalogStep, nil)
	}
	i := slices.IndexFunc(p.nodes, func(n stack.Node) bool { return n.Name == at.node })
	gate := p.gates[p.nodes[i].Role][at.step-1]
	best, ok := p.latest(gate.Roles, at.step-1, p.nodes[i:i+1])
	if made, timed := p.spans[stepOf{}]; gate.Catalog && timed && made.ended.After(p.spans[best].ended) {
		return stepOf{}, true
	}
	return best, ok
}

// latest is the step of the machines of some roles, and of others, that ended last.
func (p *pipeline) latest(roles []string, step int, others []stack.Node) (best stepOf, ok bool) {
	look := func(n stack.Node) {
		s, timed := p.spans[stepOf{n.Name, step}]
		if timed && (!ok || s.ended.After(p.spans[best].ended)) {
			best, ok = stepOf{n.Name, step}, true
		}
	}
	for _, n := range others {
		look(n)
	}
	for _, n := range p.nodes {
		if slices.Contains(roles, n.Role) {
			look(n)
		}
	}
	return best, ok
}
