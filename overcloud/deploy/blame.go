package deploy

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// blame finds out why machines that others wait for do not come. Safe for concurrent use.
type blame struct {
	observer Observer // nil: nobody is asked
	nodes    []stack.Node
	cfg      plan.Config
	hide     *strings.Replacer // the plan's secrets

	mu      sync.Mutex
	running map[[2]string]bool // machines and keys of units that they have started in this action, or that it does not touch
}

// suspect is a unit of a machine that somebody waits for.
type suspect struct {
	node    stack.Node
	step    int // that starts it
	service string
	unit    string
}

// answer is what the machine says of it.
type answer struct {
	suspect
	health  resource.Health
	err     error
	started bool // in this action: what is wrong with it is not of before
}

// begun notes that a machine has a resource as it is to be.
func (b *blame) begun(node, key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == nil {
		b.running = map[[2]string]bool{}
	}
	if strings.HasPrefix(key, "unit:") {
		b.running[[2]string{node, key}] = true
	}
}

// beyond notes what an action does not touch: nothing of it will start what has ended there.
// taken are the machines that it takes through steps.
func (b *blame) beyond(taken func(plan.Node) bool, l stack.Limits) {
	for _, n := range b.nodes {
		for _, d := range b.cfg[n.Name] {
			for _, x := range d.Resources {
				if !taken(n.Node) || d.Step < l.FromStep || len(l.Tags) > 0 && !slices.Contains(l.Tags, x.Service) {
					b.begun(n.Name, x.Key())
				}
			}
		}
	}
}

// unitOn is how queries name what is missing, a unit and a machine.
var unitOn = regexp.MustCompile(`([A-Za-z0-9@_.-]+) on ([A-Za-z0-9-]+)`)

// suspects are the units that a text of what is missing names.
func (b *blame) suspects(missing string) []suspect {
	var out []suspect
	for _, m := range unitOn.FindAllStringSubmatch(missing, -1) {
		i := slices.IndexFunc(b.nodes, func(n stack.Node) bool { return n.Name == m[2] })
		if i < 0 {
			continue
		}
		var found *suspect
		for _, d := range b.cfg[m[2]] {
			for _, x := range d.Resources {
				if x.Unit != nil && x.Unit.Name == m[1] && x.Unit.State != "stopped" {
					found = &suspect{b.nodes[i], d.Step, x.Service, m[1]}
				}
			}
		}
		same := func(s suspect) bool { return s.node.Name == m[2] && s.unit == m[1] }
		if found != nil && !slices.ContainsFunc(out, same) {
			out = append(out, *found)
		}
	}
	return out
}

// ask asks the machines that a text of what is missing names how their units are: first
// those whose unit has ended, then those where something else is wrong, then the rest.
func (b *blame) ask(ctx context.Context, missing string) []answer {
	list := b.suspects(missing)
	if b.observer == nil || len(list) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	out := make([]answer, len(list))
	var wg sync.WaitGroup
	for i, s := range list {
		wg.Go(func() {
			out[i] = answer{suspect: s}
			found, err := b.observer.Health(ctx, s.node, []resource.Check{{Service: s.service, Units: []string{s.unit}, Explain: true}})
			if err == nil && len(found) != 1 {
				err = fmt.Errorf("%d answers to one question", len(found))
			}
			if out[i].err = err; err == nil {
				out[i].health = found[0]
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			out[i].started = b.running[[2]string{s.node.Name, "unit:" + s.unit}]
		})
	}
	wg.Wait()
	slices.SortStableFunc(out, func(x, y answer) int { return cmp.Compare(x.rank(), y.rank()) })
	for i := range out {
		h := &out[i].health
		h.Detail = b.hide.Replace(h.Detail)
		for k, l := range h.Tail {
			h.Tail[k] = b.hide.Replace(l)
		}
	}
	return out
}

// dead tells whether nothing comes of it any more.
func (a answer) dead() bool { return a.started && a.health.Ended }

func (a answer) rank() int {
	switch {
	case a.dead():
		return 0
	case a.err != nil || a.health.Detail != "":
		return 1
	}
	return 2
}

// what says how the unit is.
func (a answer) what() string {
	switch {
	case a.err != nil:
		return fmt.Sprintf("its machine does not tell how unit %s is: %v", a.unit, a.err)
	case a.health.Detail == "":
		return fmt.Sprintf("unit %s runs, and has given no sign of life", a.unit)
	case !a.health.OK && !a.started:
		return a.health.Detail + " (its turn has not come yet)"
	}
	return a.health.Detail // of one that runs too: it may be unable to write
}

// failure tells of the machine and the service, not of who waits for it.
func (a answer) failure() stack.Failure {
	logs := strings.Join(append(slices.Clone(a.health.Logs), "journalctl -u "+a.unit), " and ")
	hint := fmt.Sprintf("ssh %s@%s: %s tell more (does it reach the message bus, is its clock right?); systemctl restart %s once it is mended, and run the same deploy again",
		RemoteUser, a.node.Address, logs, a.unit)
	if a.err != nil {
		hint = fmt.Sprintf("is it on, and does it answer (ssh %s@%s)? openstack baremetal node show %s", RemoteUser, a.node.Address, a.node.UUID)
	}
	return stack.Failure{Node: a.node.Name, Phase: phaseOf(a.step), Service: a.service, Key: "unit:" + a.unit,
		Error: a.what(), Hint: cmp.Or(a.health.Hint, hint), Tail: a.health.Tail}
}

// toldAnswers is of how many units a line about a wait tells: it is to be read at a glance.
const toldAnswers = 2

// askWhy tells what a machine waits for, with what the machines say that it waits for.
// Where one of them has ended for good, nothing will come: it is left out if that is
// tolerated, and else ends the wait, as the cause of its failure. One that has failed
// ends it too, its failure being told already.
func (r *run) askWhy(ctx context.Context, end context.CancelCauseFunc, n stack.Node, doc resource.Document, text, missing string) {
	var dead []stack.Failure
	vain := false
	for i, a := range r.blame.ask(ctx, missing) { // the worst first
		if i < toldAnswers {
			text += fmt.Sprintf("; %s: %s: %s", a.node.Name, a.service, a.what())
		}
		switch {
		case a.node.Name != n.Name && r.fatal(a.node.Name):
			if !vain && i >= toldAnswers {
				text += fmt.Sprintf("; %s has failed", a.node.Name)
			}
			vain = true
		case a.dead():
			f := a.failure()
			if a.node.Name == n.Name || !r.leaveOut(a.node, &Failed{[]stack.Failure{f}}) {
				dead, vain = append(dead, f), true
			}
		}
	}
	err := r.event(ctx, stack.StepPath(n.Role, fmt.Sprint(doc.Step), n.Index), r.s.Action, stack.InProgress, text, "")
	if err != nil && ctx.Err() == nil {
		r.log.Warn("what a node waits for could not be told", "node", n.Name, "error", err)
	}
	if vain {
		end(&Failed{append(dead, stack.Failure{Node: n.Name, Phase: phaseOf(doc.Step), Error: text})})
	}
}
