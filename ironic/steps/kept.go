package steps

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Kept is what keeps a list of steps under a name, as Ironic's messages call it.
type Kept string

const (
	// InTemplate is the list of a deploy template: each step has args and a priority.
	InTemplate Kept = "template"
	// InRunbook is the list of a runbook: each step has an order.
	InRunbook Kept = "runbook"
)

// Rank names the member that says when a step is run.
func (k Kept) Rank() string {
	if k == InRunbook {
		return "order"
	}
	return "priority"
}

// Parse reads the steps of a deploy template or a runbook; their Priority is the value of
// Rank. It checks their form, not whether anybody has such steps. The error is Invalid,
// in Ironic's words, and shows no argument.
func (k Kept) Parse(v any) ([]Step, error) {
	must, may := []string{"interface", "step", k.Rank()}, []string{"args"}
	if k == InTemplate {
		must, may = append(must, "args"), nil
	}
	list, err := parseList(v, must, may)
	if raw, ok := v.([]any); !ok {
		err = fmt.Errorf("steps is not of type 'array'")
	} else if len(raw) == 0 {
		err = fmt.Errorf("[] is too short (field steps)")
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "Schema error for %s: %s", k, err)
	}
	if twice := repeated(list, func(s Step) string { return "interface: " + s.Interface + ", step: " + s.Name }); twice != nil {
		return nil, errs.New(errs.Invalid, "Deploy template invalid: Duplicate deploy steps. A template cannot have multiple deploy steps "+
			"with the same interface and step. Duplicates: %s.", strings.Join(twice, "; "))
	}
	return list, nil
}

// repeated lists, sorted, the names that more than one step has; a step without a name is not counted.
func repeated(list []Step, name func(Step) string) []string {
	count := map[string]int{}
	for _, s := range list {
		if n := name(s); n != "" {
			count[n]++
		}
	}
	maps.DeleteFunc(count, func(_ string, n int) bool { return n < 2 })
	return slices.Sorted(maps.Keys(count))
}

// ownID is the ID of a step that the conductor does not run itself; those may be asked for more than once.
func ownID(s Step) string {
	if Reserved(s.Name) {
		return ""
	}
	return s.ID()
}
