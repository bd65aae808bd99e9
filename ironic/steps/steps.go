// Package steps holds the lists of steps that cleaning, deploying and servicing
// consist of: what a person may ask for, what a driver and the ramdisk's agent
// offer, and the list that comes of both, in the order in which it is run. It is
// pure: whoever runs the steps is ironic/conductor.
//
// Source of the rules and of the messages: openstack/ironic 38.0.0,
// conductor/steps.py and api/controllers/v1/node.py.
package steps

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Kind is what a list of steps is for.
type Kind string

// The kinds; each is also the word in Ironic's messages and the beginning of the
// names of its members and fields (clean_steps, clean_step).
const (
	Clean   Kind = "clean"
	Deploy  Kind = "deploy"
	Service Kind = "service"
)

// Steps that the conductor runs itself, on any interface.
const (
	Hold     = "hold"      // rests until somebody asks for unhold
	Wait     = "wait"      // for args.seconds, else for the next heartbeat
	PowerOn  = "power_on"  // into the ramdisk, where one is in use
	PowerOff = "power_off" //
	Reboot   = "reboot"    //
)

// Reserved reports whether the conductor runs steps of this name itself.
func Reserved(name string) bool {
	return slices.Contains([]string{Hold, Wait, PowerOn, PowerOff, Reboot}, name)
}

// Interfaces returns the interfaces that may have steps. Of two steps with the
// same priority the one whose interface comes first here is run first.
func Interfaces() []string {
	return []string{"vendor", "power", "management", "firmware", "deploy", "bios", "raid"}
}

// Step is one step in the form in which agents announce and are sent it.
type Step struct {
	Interface       string         `json:"interface"`
	Name            string         `json:"step"`
	Priority        int            `json:"priority"` // the highest is first; 0 is only run when asked for
	Args            map[string]any `json:"args,omitempty"`
	ArgsInfo        map[string]Arg `json:"argsinfo,omitempty"`
	Abortable       bool           `json:"abortable"`        // may be broken off while it runs
	RebootRequested bool           `json:"reboot_requested"` // the machine is to be restarted after it
	RequiresRamdisk bool           `json:"requires_ramdisk"` // is run by the agent

	// OnChildren has the step run on the node's parts in its place: on all, or on those that Children names.
	OnChildren bool     `json:"execute_on_child_nodes,omitempty"`
	Children   []string `json:"limit_child_node_execution,omitempty"` // UUIDs
}

// Own is the step as a child node runs it.
func (s Step) Own() Step {
	s.OnChildren, s.Children = false, nil
	return s
}

// ID names a step: interface.step.
func (s Step) ID() string { return s.Interface + "." + s.Name }

// String is the step as Ironic's messages show it, but for its arguments, which
// may hold secrets.
func (s Step) String() string {
	return fmt.Sprintf("{'interface': '%s', 'step': '%s'}", s.Interface, s.Name)
}

// Map is the step as an object of the API.
func (s Step) Map() map[string]any {
	var out map[string]any
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil { // args came out of JSON
		return map[string]any{"interface": s.Interface, "step": s.Name}
	}
	return out
}

// Sort puts steps in the order in which they are run: the highest priority first,
// then by interface, then as they were.
func Sort(list []Step) []Step {
	out := slices.Clone(list)
	rank := func(s Step) int { return slices.Index(Interfaces(), s.Interface) }
	slices.SortStableFunc(out, func(a, b Step) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(rank(a), rank(b)))
	})
	return out
}

// Offered reads the steps that an agent announces under key ("clean_steps"), and
// the versions of its hardware managers, which it wants to be told with each step.
// Where two managers have the same step the one with the higher priority counts.
func Offered(kind Kind, answer map[string]any) (list []Step, versions map[string]any, err error) {
	key := string(kind) + "_steps"
	managers, _ := answer[key].(map[string]any)
	for _, m := range slices.Sorted(maps.Keys(managers)) {
		var offered []Step
		b, err := json.Marshal(managers[m])
		if err == nil {
			err = json.Unmarshal(b, &offered)
		}
		if err != nil {
			return nil, nil, errs.Wrap(errs.Internal, err, "the agent's %s of manager %s can not be read", key, m)
		}
		for _, s := range offered {
			s.RequiresRamdisk = true
			list = Merge(list, []Step{s.Own()}) // an agent speaks for its own machine
		}
	}
	versions, _ = answer["hardware_manager_version"].(map[string]any)
	return list, versions, nil
}

// Merge joins two lists of offered steps. Of two with the same name the one with
// the higher priority stays, the first where they are alike.
func Merge(a, b []Step) []Step {
	out := slices.Clone(a)
	for _, s := range b {
		i := slices.IndexFunc(out, func(o Step) bool { return o.ID() == s.ID() })
		switch {
		case i < 0:
			out = append(out, s)
		case s.Priority > out[i].Priority:
			out[i] = s
		}
	}
	return out
}

// Automated returns what is run without being asked for: all steps with a priority,
// which override sets anew by their ID; 0 there switches a step off.
func Automated(offered []Step, override map[string]int) []Step {
	var out []Step
	for _, s := range offered {
		if p, ok := override[s.ID()]; ok {
			s.Priority = p
		}
		if s.Priority > 0 {
			out = append(out, s)
		}
	}
	return Sort(out)
}

// Names lists steps for a message, sorted.
func Names(list []Step) string {
	var out []string
	for _, s := range list {
		out = append(out, s.ID())
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}
