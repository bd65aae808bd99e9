package steps

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Template is the steps of a deploy template.
type Template struct {
	Name  string `json:"name"`
	Steps []Step `json:"steps"`
}

// Asked is what is to be part of a deployment beside what each one consists of.
type Asked struct {
	Steps     []Step     // of the request
	Templates []Template // that the instance's traits choose; a step of the request takes the place of theirs
}

// all are the steps of the request, then those of templates that it does not take the place of.
func (a Asked) all() []Step { return slices.Concat(a.Steps, without(a.templated(), a.Steps)) }

func (a Asked) templated() []Step {
	var out []Step
	for _, t := range a.Templates {
		out = append(out, t.Steps...)
	}
	return out
}

// Off reports whether the step with this ID is switched off: it is asked for with the priority 0.
func (a Asked) Off(id string) bool {
	return slices.ContainsFunc(a.all(), func(s Step) bool { return s.ID() == id && s.Priority == 0 })
}

// Among is a without the steps that nobody in known has. They may be the agent's, which
// tells of them when its ramdisk is up.
func (a Asked) Among(known []Step) Asked {
	keep := func(list []Step) []Step {
		return slices.DeleteFunc(slices.Clone(list), func(s Step) bool { return !Reserved(s.Name) && !has(known, s) })
	}
	out := Asked{Steps: keep(a.Steps)}
	for _, t := range a.Templates {
		out.Templates = append(out.Templates, Template{t.Name, keep(t.Steps)})
	}
	return out
}

// has reports whether a list has the step.
func has(list []Step, s Step) bool {
	return slices.ContainsFunc(list, func(o Step) bool { return o.ID() == s.ID() })
}

// without leaves out what others have. What the conductor runs itself may be there many times.
func without(list, others []Step) []Step {
	return slices.DeleteFunc(slices.Clone(list), func(s Step) bool { return !Reserved(s.Name) && has(others, s) })
}

// deployment is what asked steps are held against.
type deployment struct {
	core, offered []Step
	first, last   int // priorities between which the ramdisk is up
}

// Deployment returns the steps of a deployment in their order. core are those that
// deploying consists of: they can be switched off by an asked step of priority 0,
// not changed. Offered steps with a priority are run unless an asked one takes
// their place. first and last are the priorities between which the ramdisk is up;
// an agent's step outside of them is refused. The error is Invalid and names
// everything that is wrong with the steps of the request, or with those of templates.
func Deployment(core, offered []Step, asked Asked, first, last int) ([]Step, error) {
	d := deployment{core, offered, first, last}
	own, wrongs, form := d.resolve(asked.Steps)
	if err := d.refusal("Validation of deploy steps from \"deploy steps\" argument failed. ", wrongs, form); err != nil {
		return nil, err
	}
	templated, wrongs, form := d.resolve(asked.templated())
	if twice := repeated(asked.templated(), ownID); twice != nil {
		wrongs = append(wrongs, "deploy steps from all deploy templates matching this node's instance traits cannot have the same "+
			"interface and step. Duplicate deploy steps for "+strings.Join(twice, ", "))
	}
	if err := d.refusal(fmt.Sprintf("Validation of deploy steps from deploy templates matching this node's instance traits failed. "+
		"Matching deploy templates: %s. Errors: ", asked.names()), wrongs, form); err != nil {
		return nil, err
	}
	own = append(own, without(templated, own)...)
	rest := slices.DeleteFunc(slices.Clone(offered), func(s Step) bool { return has(own, s) || has(core, s) })
	if err := d.refusal("Validation of deploy steps that the node has of itself failed. ", d.outside(rest), ""); err != nil {
		return nil, err
	}
	all := slices.Concat(own, rest, slices.DeleteFunc(slices.Clone(core), func(s Step) bool { return asked.Off(s.ID()) }))
	return Sort(slices.DeleteFunc(all, func(s Step) bool { return s.Priority <= 0 })), nil
}

func (a Asked) names() string {
	var out []string
	for _, t := range a.Templates {
		out = append(out, t.Name)
	}
	return strings.Join(out, ",")
}

// resolve returns the asked steps but those that are core, with what is known of them,
// and all that is wrong with them; form is as of resolve.
func (d deployment) resolve(asked []Step) (own []Step, wrongs []string, form string) {
	for _, s := range asked {
		switch {
		case !has(d.core, s):
			own = append(own, s)
		case s.Priority > 0:
			wrongs = append(wrongs, fmt.Sprintf("deploy step %s on interface %s is a core step and cannot be overridden by user steps. It may be disabled by setting the priority to 0", s.Name, s.Interface))
		}
	}
	own, more, form := resolve(Deploy, own, d.offered, false)
	wrongs = append(wrongs, more...)
	return own, append(wrongs, d.outside(own)...), form
}

// outside says which of the agent's steps would run while there is no ramdisk.
func (d deployment) outside(list []Step) []string {
	var wrongs []string
	for _, s := range list {
		if s.RequiresRamdisk && s.Priority > 0 && (s.Priority >= d.first || s.Priority <= d.last) {
			wrongs = append(wrongs, fmt.Sprintf("deploy step %s has priority %d, but the ramdisk that runs it is only there between %d and %d", s, s.Priority, d.first, d.last))
		}
	}
	return wrongs
}

// refusal is nil where nothing is wrong. Its hint is form, or else the names that there are.
func (d deployment) refusal(what string, wrongs []string, form string) error {
	if len(wrongs) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s%s", what, strings.Join(wrongs, "; ")).
		WithHint("%s", cmp.Or(form, "choose among "+Names(Merge(d.core, d.offered))))
}
