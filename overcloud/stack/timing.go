package stack

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Hop is one step of one machine on the critical path: the chain of steps that each
// began when the one before it ended, up to the last. Step 0 is the catalog.
type Hop struct {
	Node    string  `json:"node,omitempty"`
	Step    int     `json:"step,omitempty"`
	Seconds float64 `json:"seconds"`

	// What took longest in it.
	Service        string  `json:"service,omitempty"`
	Key            string  `json:"key,omitempty"` // unit:mariadb
	LongestSeconds float64 `json:"longest_seconds,omitempty"`
}

// Timing says where the time of an action went, in at most two dozen lines: its phases,
// which overlap, the critical path of the steps, and what each step cost the machines.
// None where nothing was timed.
func (s Summary) Timing() []string {
	if len(s.Seconds) == 0 {
		return nil
	}
	var phases []string
	for _, name := range s.phases() {
		phases = append(phases, fmt.Sprintf("%s %d s", name, s.Seconds[name]))
	}
	out := []string{fmt.Sprintf("Time: %d s; %s", s.Total, strings.Join(phases, ", "))}
	if len(s.Path) > 0 {
		out = append(out, "Critical path of the steps:")
	}
	for _, h := range s.Path {
		line := fmt.Sprintf("  %s step %d: %.1f s", h.Node, h.Step, h.Seconds)
		if h.Step == 0 {
			line = fmt.Sprintf("  catalog: %.1f s", h.Seconds)
		}
		if h.Key != "" {
			line += fmt.Sprintf(", of it %.1f s for %s", h.LongestSeconds, h.Key)
			if h.Service != "" {
				line += " of " + h.Service
			}
		}
		out = append(out, line)
	}
	return append(out, s.spent()...)
}

// phases are in the order of a deployment.
func (s Summary) phases() []string {
	order := []string{"removal", "placement", "provisioning", "step 1", "step 2", "step 3", "keystone resources"}
	var names []string
	for name := range s.Seconds {
		names = append(names, name)
	}
	rank := func(name string) string {
		if i := slices.Index(order, name); i >= 0 {
			return strconv.Itoa(i)
		}
		return name // step 4, step 5
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(rank(a), rank(b)) })
	return names
}
