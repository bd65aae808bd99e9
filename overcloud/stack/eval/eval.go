// Package eval evaluates stacks without a cloud: templates with their
// parameters, resources nested by the registry, groups and chains, outputs. What
// only a running cloud would know is planned instead: addresses are taken from
// the pools of the networks that the templates make, identifiers are made from
// names. The same input gives the same result.
//
// A role's machines are members of a group: the first is evaluated whole, the
// others only where they differ from it (see share.go), so that sixty cost
// little more than one. It is pure: files come from a Read function.
//
// Source of behaviour: OpenStack Heat (queens, wallaby).
package eval

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
)

// Bounds of one evaluation, so that no tree runs for ever.
const (
	maxSteps   = 50_000_000
	stackSteps = 500 // that a nested stack counts for: at most 100,000 of them
	maxNested  = 12  // Heat stops at 5, TripleO's undercloud at 7
	maxMembers = 10_000
)

// Evaluator evaluates stacks of templates. Set its fields, then call Stack. It
// is not for concurrent use.
type Evaluator struct {
	Read func(name string) ([]byte, error) // a file of the tree; fs.ErrNotExist where there is none
	Env  *hot.Environment
	Root string // name of the root stack, OS::stack_name

	// ID makes the identifier of a resource from its dotted path; nil: a UUID
	// that follows from the path.
	ID func(path string) string
	// Random makes the text of an OS::Heat::RandomString from its path and length;
	// nil: one that follows from the path, which is no secret.
	Random func(path string, length int) string
	// Subnets are those that exist already, such as ctlplane's.
	Subnets []Subnet
	// Addresses are known ones, by the path of a port or server and the network:
	// overcloud.Controller.0.Controller/ctlplane. They are kept.
	Addresses map[string]string
	// Indexes are those of the members that groups have, by the path of the group;
	// a group that is not named counts from 0.
	Indexes map[string][]int
	// Removed are those that members of a group had which were removed earlier, by the
	// path of the group. They are not given again unless removal_policies_mode is update.
	Removed map[string][]int
	// Sketch are the groups, by their path, of which one member is made, whatever their count.
	Sketch map[string]bool

	ctx       context.Context
	templates map[string]*hot.Template
	first     map[string]*Stack          // the first stack of each template: a model for the next
	used      map[string]map[string]bool // parameters and the evaluated templates that declare them
	hidden    map[string]bool            // those that are declared hidden
	told      told
	steps     int
	problems  problems
	warnings  problems
	net       *planner
	ids       map[string]*Resource // by the identifiers that were asked for
}

// Stack evaluates the root template and everything below it. params are laid
// over the environment's. What is wrong with parameters, properties and types
// is told all at once.
func (ev *Evaluator) Stack(ctx context.Context, file string, params map[string]any) (*Stack, error) {
	ev.ctx = ctx
	ev.templates, ev.first = map[string]*hot.Template{}, map[string]*Stack{}
	ev.used, ev.hidden = map[string]map[string]bool{}, map[string]bool{}
	ev.steps, ev.problems, ev.warnings = 0, problems{}, problems{}
	ev.told = told{deprecated: map[string]string{}, ofRoles: map[string]map[string]bool{}, asked: map[string]bool{}, refused: map[string]bool{}}
	ev.ids = map[string]*Resource{}
	ev.net = newPlanner(ev.Subnets, ev.Addresses)
	given := map[string]any{}
	for k, v := range ev.Env.Parameters {
		given[k] = v
	}
	for k, v := range params {
		given[k] = v
	}
	s, err := ev.stack(file, ev.Root, given, hot.Origin{File: file}, nil, nil)
	if p := ev.problems.err(); p != nil {
		return nil, p // an error that followed would only hide the cause
	}
	return s, err
}

// Template returns a parsed template of the tree.
func (ev *Evaluator) Template(file string) (*hot.Template, error) {
	if t, ok := ev.templates[file]; ok {
		return t, nil
	}
	data, err := ev.Read(file)
	if err != nil {
		return nil, err
	}
	t, err := hot.ParseTemplate(file, data)
	if err != nil {
		return nil, err
	}
	ev.templates[file] = t
	return t, nil
}

// Used tells whether an evaluated template declares the parameter.
func (ev *Evaluator) Used(param string) bool { return len(ev.used[param]) > 0 }

// DeclaredBelow tells whether an evaluated template other than root declares the parameter.
func (ev *Evaluator) DeclaredBelow(param, root string) bool {
	n := len(ev.used[param])
	return n > 1 || n == 1 && !ev.used[param][root]
}

// Declared returns the names of all parameters that evaluated templates declare, sorted.
func (ev *Evaluator) Declared() []string { return sortedKeys(ev.used) }

// Hidden returns the names of parameters that must not be shown, sorted.
func (ev *Evaluator) Hidden() []string { return sortedKeys(ev.hidden) }

// Planned returns the addresses that were handed out or kept, by the path of the
// port or server and its network. Give them as Addresses the next time.
func (ev *Evaluator) Planned() map[string]string { return ev.net.planned() }

// Networks that the templates made or that were given.
func (ev *Evaluator) Networks() []Network { return ev.net.networks() }

// warn notes what may be a mistake.
func (ev *Evaluator) warn(o hot.Origin, format string, args ...any) {
	ev.warnings.add(o, format, args...)
}

// Warnings returns those of all templates that were read, sorted.
func (ev *Evaluator) Warnings() []string {
	out := append([]string(nil), ev.warnings.list...)
	for _, t := range ev.templates {
		out = append(out, t.Warnings...)
	}
	sort.Strings(out)
	return out
}

// stack makes a nested stack, or the root where parent is nil.
func (ev *Evaluator) stack(file, name string, given map[string]any, from hot.Origin, parent *Resource, model *Stack) (*Stack, error) {
	s := &Stack{Name: name, ev: ev, parent: parent, resources: map[string]*Resource{}, conditions: map[string]*value{}, outputs: map[string]*value{}}
	if parent != nil {
		s.depth = parent.stack.depth + 1
	}
	if s.depth > maxNested {
		return nil, hot.At(from, "stacks are nested more than %d deep: %s", maxNested, s.circle(file))
	}
	if err := ev.step(stackSteps); err != nil {
		return nil, err
	}
	t, err := ev.Template(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hot.At(from, "template %s not found", file)
	}
	if err != nil {
		return nil, err
	}
	s.t = t
	s.setParameters(given, from)
	if model == nil || model.t != t {
		model = ev.first[file]
	}
	s.follow(model)
	if ev.first[file] == nil {
		ev.first[file] = s
	}
	return s, s.complete()
}

// step counts work.
func (ev *Evaluator) step(n int) error {
	before := ev.steps >> 12
	ev.steps += n + 1
	if ev.steps > maxSteps {
		return errs.New(errs.Invalid, "the templates take more than %d steps to evaluate; look for a repeat or a group that is too large", maxSteps)
	}
	if ev.steps>>12 != before {
		return ev.ctx.Err()
	}
	return nil
}

// problems are what is wrong, each once, in the order in which it was met.
type problems struct {
	list []string
	seen map[string]bool
}

// maxProblems is how many are told.
const maxProblems = 50

func (p *problems) add(o hot.Origin, format string, args ...any) {
	p.text(fmt.Sprintf("%s: %s", o, fmt.Sprintf(format, args...)))
}

func (p *problems) text(msg string) {
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	if !p.seen[msg] {
		p.seen[msg] = true
		p.list = append(p.list, msg)
	}
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	list := p.list
	if len(list) > maxProblems {
		list = append(list[:maxProblems:maxProblems], fmt.Sprintf("… and %d more", len(p.list)-maxProblems))
	}
	return errs.New(errs.Invalid, "%s", strings.Join(list, "\n"))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
