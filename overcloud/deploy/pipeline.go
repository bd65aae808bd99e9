package deploy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// pipeline takes machines through steps 1 … 5. A step begins when the machine's own
// step before it is done and its gate is open: all machines of some roles have done
// the step before, the catalog is made. Gates only look back, so that some machine
// can always go on. The functions are set once; run is called once.
type pipeline struct {
	nodes    []stack.Node
	gates    map[string][plan.Steps]plan.Gate // by role
	keystone []string                         // roles behind whose step 3 the catalog is made; none: there is nothing to make

	busy    map[string]bool // machines that serve users meanwhile
	atATime map[string]int  // how many busy machines of a role do a step at a time; 0: all
	maxFail map[string]int  // percentage of a role's machines that may fail and be left out

	now func() time.Time
	// step does one step of one machine; catalog makes the catalog.
	step    func(ctx context.Context, n stack.Node, step int) error
	catalog func(ctx context.Context) error
	// opened is called as the first machine of a role begins a step, closed as the
	// last one has ended it, before any other learns of it. Never two at a time.
	opened func(ctx context.Context, role string, step int) error
	closed func(ctx context.Context, role string, step int, failed map[string]error) error

	mu       sync.Mutex // guards what follows
	wake     chan struct{}
	groups   map[string]*[plan.Steps + 1]group // by role and step
	made     bool                              // the catalog
	spans    map[stepOf]span                   // of what has ended
	size     map[string]int                    // machines by role
	lost     map[string][]loss                 // by role
	failures []error                           // that end it, in the order of time; none begins a step behind the first
}

// group is one step on all machines of a role.
type group struct {
	open   bool
	left   int              // machines that have yet to end it
	busy   int              // machines at it that serve users
	failed map[string]error // by machine
}

// loss is a machine that failed, and why.
type loss struct {
	node string
	err  error
}

// run returns when nothing is under way any more: all is done, or something failed
// and what had begun has ended. The error holds all failures, the first one first.
func (p *pipeline) run(ctx context.Context) error {
	p.wake, p.groups, p.made = make(chan struct{}), map[string]*[plan.Steps + 1]group{}, len(p.keystone) == 0
	p.spans = map[stepOf]span{}
	p.size, p.lost = map[string]int{}, map[string][]loss{}
	for _, n := range p.nodes {
		p.size[n.Role]++
		if p.groups[n.Role] == nil {
			p.groups[n.Role] = &[plan.Steps + 1]group{}
		}
		for step := range p.groups[n.Role] {
			p.groups[n.Role][step].left++
		}
	}
	for role := range p.groups {
		p.groups[role][0].left = 0 // before step 1 there is nothing
	}
	var wg sync.WaitGroup
	for _, n := range p.nodes {
		wg.Go(func() { p.machine(ctx, n) })
	}
	if !p.made {
		wg.Go(func() { p.makeCatalog(ctx) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return errors.Join(append(p.failures, ctx.Err())...) // stopped: the next run closes what is open
	}
	p.closeOpen(ctx)
	return together(p.failures)
}

// together makes one Failed of all failures.
func together(list []error) error {
	var all Failed
	for _, err := range list {
		var f *Failed
		if !errors.As(err, &f) {
			return err // of the store: nothing else counts
		}
		all.Failures = append(all.Failures, f.Failures...)
	}
	if len(all.Failures) == 0 {
		return nil
	}
	return &all
}

// machine takes one machine as far as it gets.
func (p *pipeline) machine(ctx context.Context, n stack.Node) {
	for step := 1; step <= plan.Steps; step++ {
		if !p.begin(ctx, n, step) {
			return
		}
		began := p.now()
		err := p.step(ctx, n, step)
		p.ended(stepOf{n.Name, step}, began)
		if !p.end(ctx, n, step, err) {
			return
		}
	}
}

// ended times what has ended.
func (p *pipeline) ended(at stepOf, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spans[at] = span{began, p.now()}
}

// makeCatalog makes the catalog when Keystone answers on all its machines.
func (p *pipeline) makeCatalog(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.await(ctx, func() bool { return p.done(p.keystone, plan.CatalogStep) }) {
		return
	}
	p.mu.Unlock()
	began := p.now()
	err := p.catalog(ctx)
	p.ended(stepOf{}, began)
	p.mu.Lock()
	if p.made = err == nil; err != nil {
		p.failures = append(p.failures, err)
	}
	p.tell()
}

// begin waits for the gate of a step; false: it will not be begun.
func (p *pipeline) begin(ctx context.Context, n stack.Node, step int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	role, gate, g := n.Role, p.gates[n.Role][step-1], &p.groups[n.Role][step]
	batch := 0
	if p.busy[n.Name] {
		batch = p.atATime[role]
	}
	if !p.await(ctx, func() bool {
		return p.done(gate.Roles, step-1) && (p.made || !gate.Catalog) && (batch == 0 || g.busy < batch)
	}) {
		return false
	}
	if batch > 0 {
		g.busy++
	}
	if g.open {
		return true
	}
	g.open = true
	if err := p.opened(ctx, role, step); err != nil {
		p.failures = append(p.failures, err)
		p.tell()
		return false
	}
	return true
}

// await returns true once ready does, false when nothing is to begin any more. It
// is called with the lock, and gives it away while it waits.
func (p *pipeline) await(ctx context.Context, ready func() bool) bool {
	for len(p.failures) == 0 && ctx.Err() == nil {
		if ready() {
			return true
		}
		wake := p.wake
		p.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
		}
		p.mu.Lock()
	}
	return false
}

// done tells whether all machines of roles have ended a step. Machines that are not
// taken through steps now have.
func (p *pipeline) done(roles []string, step int) bool {
	return !slices.ContainsFunc(roles, func(role string) bool { return p.groups[role] != nil && p.groups[role][step].left > 0 })
}

// tell wakes all that wait.
func (p *pipeline) tell() {
	close(p.wake)
	p.wake = make(chan struct{})
}

// end writes down how a step of a machine went; false: the machine goes no further.
func (p *pipeline) end(ctx context.Context, n stack.Node, step int, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.tell()
	g := &p.groups[n.Role][step]
	if p.busy[n.Name] && p.atATime[n.Role] > 0 {
		g.busy--
	}
	if err != nil {
		p.lose(n, err)
		if g.failed == nil {
			g.failed = map[string]error{}
		}
		g.failed[n.Name] = err
	}
	last := step
	if err != nil {
		last = plan.Steps // it will not come to the others
	}
	for ; step <= last; step++ {
		g := &p.groups[n.Role][step]
		if g.left == 1 && g.open && ctx.Err() == nil {
			failed := g.failed
			if p.tolerable(n.Role) {
				failed = nil
			}
			if cerr := p.closed(ctx, n.Role, step, failed); cerr != nil {
				p.failures = append(p.failures, cerr)
				return false
			}
		}
		g.left--
	}
	return err == nil
}

// lose writes down that a machine has failed: what its role does not tolerate ends all.
func (p *pipeline) lose(n stack.Node, err error) {
	before := p.lost[n.Role]
	if slices.ContainsFunc(before, func(l loss) bool { return l.node == n.Name }) {
		return // left out meanwhile
	}
	p.lost[n.Role] = append(before, loss{n.Name, err})
	switch {
	case p.tolerable(n.Role):
	case len(before) > 0 && slices.ContainsFunc(p.failures, func(e error) bool { return e == before[0].err }):
		p.failures = append(p.failures, err)
	default:
		for _, l := range p.lost[n.Role] { // those before were tolerated as long as they were few
			p.failures = append(p.failures, l.err)
		}
	}
}

// tolerable tells whether the machines of a role that have failed may be left out.
func (p *pipeline) tolerable(role string) bool {
	return len(p.lost[role])*100 <= p.maxFail[role]*p.size[role]
}

// leaveOut gives up a machine that failed behind its last step, if its role tolerates
// one more. Safe for concurrent use.
func (p *pipeline) leaveOut(n stack.Node, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(p.lost[n.Role], func(l loss) bool { return l.node == n.Name }) {
		return p.tolerable(n.Role)
	}
	if (len(p.lost[n.Role])+1)*100 > p.maxFail[n.Role]*p.size[n.Role] {
		return false
	}
	p.lost[n.Role] = append(p.lost[n.Role], loss{n.Name, err})
	return true
}

// gone are the machines that are gone on without, sorted. Safe for concurrent use.
func (p *pipeline) gone() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for role, lost := range p.lost {
		for _, l := range lost {
			if p.tolerable(role) {
				out = append(out, l.node)
			}
		}
	}
	slices.Sort(out)
	return out
}

// fatal tells whether a machine has failed and is not gone on without. Safe for concurrent use.
func (p *pipeline) fatal(node string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for role, lost := range p.lost {
		if !p.tolerable(role) && slices.ContainsFunc(lost, func(l loss) bool { return l.node == node }) {
			return true
		}
	}
	return false
}

// tolerated are the failures that did not end it.
func (p *pipeline) tolerated() []stack.Failure {
	var out []stack.Failure
	for _, role := range sortedKeys(p.lost) {
		for _, l := range p.lost[role] {
			var f *Failed
			if p.tolerable(role) && errors.As(l.err, &f) {
				out = append(out, f.Failures...)
			}
		}
	}
	return out
}

// errAborted is what Heat says of a resource that a failure elsewhere kept from its end.
var errAborted = errors.New("aborted")

// closeOpen ends the groups that some machines have begun and others never will.
func (p *pipeline) closeOpen(ctx context.Context) {
	for _, role := range sortedKeys(p.groups) {
		for step := range p.groups[role] {
			g := &p.groups[role][step]
			if !g.open || g.left == 0 {
				continue
			}
			if g.failed == nil {
				g.failed = map[string]error{"": errAborted}
			}
			if err := p.closed(ctx, role, step, g.failed); err != nil {
				p.failures = append(p.failures, err)
			}
		}
	}
}
