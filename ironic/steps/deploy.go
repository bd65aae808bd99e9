package steps

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Deployment returns the steps of a deployment in their order. core are those that
// deploying consists of: they can be switched off by an asked step of priority 0,
// not changed. Offered steps with a priority are run unless an asked one takes
// their place. first and last are the priorities between which the ramdisk is up;
// an agent's step outside of them is refused.
func Deployment(core, offered, asked []Step, first, last int) ([]Step, error) {
	var wrongs []string
	own, off := []Step{}, map[string]bool{}
	for _, s := range asked {
		if !slices.ContainsFunc(core, func(c Step) bool { return c.ID() == s.ID() }) {
			own = append(own, s)
			continue
		}
		off[s.ID()] = true
		if s.Priority > 0 {
			wrongs = append(wrongs, fmt.Sprintf("deploy step %s on interface %s is a core step and cannot be overridden by user steps. It may be disabled by setting the priority to 0", s.Name, s.Interface))
		}
	}
	own, err := Resolve(Deploy, own, offered, false)
	if err != nil {
		wrongs = append(wrongs, err.Error())
	}
	all := slices.Clone(own)
	for _, s := range offered {
		known := func(o Step) bool { return o.ID() == s.ID() }
		if !slices.ContainsFunc(own, known) && !slices.ContainsFunc(core, known) {
			all = append(all, s)
		}
	}
	for _, s := range all {
		if s.RequiresRamdisk && s.Priority > 0 && (s.Priority >= first || s.Priority <= last) {
			wrongs = append(wrongs, fmt.Sprintf("deploy step %s has priority %d, but the ramdisk that runs it is only there between %d and %d", s, s.Priority, first, last))
		}
	}
	if len(wrongs) > 0 {
		return nil, errs.New(errs.Invalid, "Validation of deploy steps from \"deploy steps\" argument failed. %s", strings.Join(wrongs, "; ")).
			WithHint("choose among %s", Names(Merge(core, offered)))
	}
	for _, s := range core {
		if !off[s.ID()] {
			all = append(all, s)
		}
	}
	return Sort(slices.DeleteFunc(all, func(s Step) bool { return s.Priority <= 0 })), nil
}
