// Package rules is the engine of inspection rules: conditions on what a machine's
// inventory says, and actions on its node. It does no I/O.
//
// Two dialects are compiled into it: that of ironic-inspector (classic.go:
// conditions with field and op, JSON paths) and Ironic's own since 1.96
// (native.go: op and args, fields in braces, loops). Operators, actions and
// messages are one.
//
// What differs from Ironic on purpose: a number that was put into a text still
// compares as a number; what a field brings into a loop's arguments is not looked
// through for fields again; regular expressions are RE2's; the action api-call is
// refused, since the service would call whatever address an inventory names;
// secrets of the node are seen as stars.
//
// Sources: ironic-inspector's and Ironic's documentation of rules, and their behaviour.
package rules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// MainPhase is the one phase that there is: after the hooks have read the inventory.
const MainPhase = "main"

// Machine is what rules look at and change: a node with its ports, and what was
// found on it. Rules edit all of it in place.
type Machine struct {
	Node       *ironic.Node
	Ports      []*ironic.Port
	Inventory  map[string]any
	PluginData map[string]any
	// Data is what inspector's rules call data: the inventory and all else in one object.
	Data map[string]any
}

// Note is a line that a rule has to say.
type Note struct {
	Level string // debug, info, warning or error
	Text  string
}

// Rule is a rule that can be run. Safe for concurrent use.
type Rule struct {
	title      string
	dialect    string
	scope      string
	phase      string
	priority   int
	conditions []condition
	actions    []action
}

// condition and action are compiled; name is what errors call them by.
type condition struct {
	name  string
	check func(*run) (bool, error)
}

type action struct {
	name string
	do   func(*run) error
}

// run is one machine going through the rules.
type run struct {
	*Machine
	ctx   context.Context
	spent spent
	stop  error // why it must not go on
	rule  *Rule
	notes []Note
	item  any // of the loop at work
	loops bool
	// What fields see, as long as it has not changed; nil: to be made.
	node, inventory, plugins any
}

// Compile reads a rule. The error is Invalid, in the words of the dialect's API.
func Compile(r *ironic.InspectionRule) (*Rule, error) {
	out := &Rule{title: cmp.Or(r.Description, r.UUID), dialect: r.Dialect, scope: r.Scope,
		phase: cmp.Or(r.Phase, MainPhase), priority: r.Priority}
	var err error
	switch r.Dialect {
	case ironic.RuleInspector:
		err = out.compileClassic(r)
	case ironic.RuleIronic:
		err = out.compileNative(r)
	default:
		err = errs.New(errs.Invalid, "inspection rule %s is in the dialect %q, which is not known", r.UUID, r.Dialect)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CompileAll compiles the rules of a store.
func CompileAll(all []*ironic.InspectionRule) ([]*Rule, error) {
	var out []*Rule
	for _, r := range all {
		c, err := Compile(r)
		if err != nil {
			return nil, errs.Wrap(errs.CodeOf(err), err, "inspection rule %s", cmp.Or(r.Description, r.UUID))
		}
		out = append(out, c)
	}
	return out, nil
}

// Run takes a machine through rules: first inspector's in the order given, which look
// at the machine before any of them changes it, then Ironic's by priority, one after
// another. An error, which names rule and phase, leaves the machine half changed: it
// must be thrown away. Unavailable: ctx ended; Invalid: a rule fails, or goes beyond what bounds.go allows.
func Run(ctx context.Context, all []*Rule, m *Machine) ([]Note, error) {
	if m.PluginData == nil {
		m.PluginData = map[string]any{}
	}
	before, deep := m.bulk()
	r := &run{Machine: m, ctx: ctx}
	if err := r.all(all); err != nil {
		return r.notes, err
	}
	return r.notes, m.checkBulk(before, deep)
}

func (r *run) all(all []*Rule) error {
	var fit, native []*Rule
	for _, rule := range all {
		if rule.dialect != ironic.RuleInspector {
			native = append(native, rule)
			continue
		}
		ok, err := rule.fits(r)
		if err != nil {
			return err
		}
		if ok {
			fit = append(fit, rule)
		}
	}
	for _, rule := range fit {
		if err := rule.act(r); err != nil {
			return err
		}
	}
	slices.SortStableFunc(native, func(a, b *Rule) int { return cmp.Compare(b.priority, a.priority) })
	for _, rule := range native {
		ok, err := rule.fits(r)
		if err == nil && ok {
			err = rule.act(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (rule *Rule) fits(r *run) (bool, error) {
	r.rule = rule
	if rule.scope != "" && r.Node.Properties["inspection_scope"] != any(rule.scope) {
		return false, nil
	}
	for i, c := range rule.conditions {
		ok, err := c.check(r)
		if err == nil {
			err = r.going()
		}
		if err != nil {
			return false, rule.failed(fmt.Sprintf("condition %d (%s)", i+1, c.name), err)
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

func (rule *Rule) act(r *run) error {
	r.rule = rule
	for i, a := range rule.actions {
		err := a.do(r)
		if err == nil {
			err = r.going()
		}
		if err != nil {
			return rule.failed(fmt.Sprintf("action %d (%s)", i+1, a.name), err)
		}
	}
	r.say("info", fmt.Sprintf("inspection rule %s was applied", rule.title))
	return nil
}

// failure is what the action fail says.
type failure struct{ message string }

func (f failure) Error() string { return f.message }

// failed names the rule; what a rule itself says goes first.
func (rule *Rule) failed(where string, err error) error {
	var f failure
	if errors.As(err, &f) {
		return errs.New(errs.Invalid, "%s (inspection rule %s, phase %s)", cut(f.message), rule.title, rule.phase)
	}
	code := errs.Invalid
	if errs.Is(err, errs.Unavailable) { // it was broken off, and nobody knows whether it would fail
		code = errs.Unavailable
	}
	return errs.Wrap(code, err, "inspection rule %s failed in phase %s at %s", rule.title, rule.phase, where)
}

func (r *run) say(level, text string) {
	text = cut(text)
	if r.fill(len(text)) == nil {
		r.notes = append(r.notes, Note{level, text})
	}
}

// maxWords bounds what a rule says, in bytes: it may have put an inventory into it.
const maxWords = 1000

func cut(s string) string {
	if len(s) <= maxWords {
		return s
	}
	return strings.ToValidUTF8(s[:maxWords], "") + "…"
}

// checkArgs holds the names of arguments against a signature; noun is what the API calls them.
func (s signature) check(given map[string]any, noun string) error {
	var missing, unexpected []string
	for _, name := range s.required {
		if _, ok := given[name]; !ok {
			missing = append(missing, name)
		}
	}
	for name := range given {
		if !slices.Contains(s.required, name) && !slices.Contains(s.optional, name) {
			unexpected = append(unexpected, name)
		}
	}
	slices.Sort(unexpected)
	var words []string
	if missing != nil {
		words = append(words, fmt.Sprintf("missing required %s(s): %s", noun, strings.Join(missing, ", ")))
	}
	if unexpected != nil {
		words = append(words, fmt.Sprintf("unexpected %s(s): %s", noun, strings.Join(unexpected, ", ")))
	}
	if words == nil {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(words, "; "))
}
