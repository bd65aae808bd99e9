package steps

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// maxWait bounds what a wait step may ask for, in seconds.
const maxWait = 24 * 60 * 60

// Parse reads the steps that a person asks for: the value of clean_steps,
// deploy_steps or service_steps in a request. It checks their form, not whether
// anybody has such steps. The error is Invalid, in Ironic's words.
func Parse(kind Kind, v any) ([]Step, error) {
	must, may := members(kind)
	out, err := parseList(v, must, may)
	if err != nil {
		return nil, wrong(kind, "%v", err)
	}
	if twice := repeated(out, ownID); kind == Deploy && twice != nil {
		return out, wrong(Deploy, "deploy steps cannot have the same interface and step. Duplicate deploy steps for %s", strings.Join(twice, ", "))
	}
	return out, nil
}

// parseList reads steps with the members that each must and may have.
func parseList(v any, must, may []string) ([]Step, error) {
	list, ok := v.([]any)
	if objects, is := v.([]map[string]any); is {
		ok = true
		for _, m := range objects {
			list = append(list, m)
		}
	}
	if !ok {
		return nil, fmt.Errorf("it is not of type 'array'")
	}
	var out []Step
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("step %d is not of type 'object'", i)
		}
		s, err := parseStep(m, must, may)
		if err != nil {
			return nil, fmt.Errorf("%v (step %d)", err, i)
		}
		out = append(out, s)
	}
	return out, nil
}

func wrong(kind Kind, format string, args ...any) error {
	return errs.New(errs.Invalid, "Invalid %s_steps: %s", kind, fmt.Sprintf(format, args...)).
		WithHint("for example %s", example(kind))
}

// example is a list of such steps that is right.
func example(kind Kind) string {
	if kind == Deploy {
		return `[{"interface": "deploy", "step": "hold", "args": {}, "priority": 30}]`
	}
	return `[{"interface": "deploy", "step": "erase_devices_metadata"}]`
}

// members returns what a step of a request must and may have.
func members(kind Kind) (must, may []string) {
	if kind == Deploy {
		return []string{"interface", "step", "args", "priority"}, nil
	}
	return []string{"interface", "step"}, []string{"args", keyOnChildren, keyChildren}
}

func parseStep(m map[string]any, must, may []string) (Step, error) {
	for _, key := range must {
		if _, ok := m[key]; !ok {
			return Step{}, fmt.Errorf("'%s' is a required property", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(must, key) && !slices.Contains(may, key) {
			return Step{}, fmt.Errorf("Additional properties are not allowed ('%s' was unexpected)", key)
		}
	}
	s := Step{}
	s.Interface, _ = m["interface"].(string)
	if !slices.Contains(Interfaces(), s.Interface) {
		return s, fmt.Errorf("%s is not one of ['%s']", quoted(m["interface"]), strings.Join(Interfaces(), "', '"))
	}
	var ok bool
	if s.Name, ok = m["step"].(string); !ok {
		return s, fmt.Errorf("%s is not of type 'string'", quoted(m["step"]))
	}
	if s.Name == "" {
		return s, fmt.Errorf("'' is too short")
	}
	if args, given := m["args"]; given {
		if s.Args, ok = args.(map[string]any); !ok {
			return s, fmt.Errorf("args is not of type 'object'")
		}
	}
	for _, rank := range []string{InTemplate.Rank(), InRunbook.Rank()} {
		v, given := m[rank]
		if !given {
			continue
		}
		if s.Priority, ok = priority(v); !ok {
			return s, fmt.Errorf("%s is not valid under any of the given schemas. Possible root cause: %s is no whole number with a minimum of 0",
				quoted(v), rank)
		}
	}
	if s.Name == Wait {
		if err := checkWait(s); err != nil {
			return s, err
		}
	}
	return s, s.parseChildren(m)
}

// Members that say which child nodes a step runs on.
const (
	keyOnChildren = "execute_on_child_nodes"
	keyChildren   = "limit_child_node_execution"
)

// parseChildren reads which child nodes a step runs on. What makes a node wait is no step for one: it would
// wait for nobody.
func (s *Step) parseChildren(m map[string]any) error {
	on, given := m[keyOnChildren]
	var ok bool
	if s.OnChildren, ok = on.(bool); given && !ok {
		return fmt.Errorf("%s is not of type 'boolean' (field %s)", quoted(on), keyOnChildren)
	}
	limit, given := m[keyChildren]
	list, ok := limit.([]any)
	if given && !ok {
		return fmt.Errorf("%s is not of type 'array' (field %s)", quoted(limit), keyChildren)
	}
	switch {
	case !s.OnChildren && len(list) > 0: // Ironic passes over the list, and runs the step on this node
		return fmt.Errorf("%s lists child nodes, but %s is not true, so that the step would run on this node itself: set both or neither", keyChildren, keyOnChildren)
	case !s.OnChildren:
		return nil
	}
	for _, v := range list {
		uuid, _ := v.(string)
		if !ironic.IsUUID(uuid) {
			return fmt.Errorf("%s is no UUID of a child node (field %s)", quoted(v), keyChildren)
		}
		s.Children = append(s.Children, strings.ToLower(uuid))
	}
	if s.Name == Hold || s.Name == Wait {
		return fmt.Errorf("step %s cannot run on child nodes (field %s): a child node has nothing that ends it; leave the field out to have this node do it", s.Name, keyOnChildren)
	}
	return nil
}

// quoted shows a value of a request, as Python would. What has members may hold secrets, and shows none.
func quoted(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case string:
		return "'" + x + "'"
	case map[string]any:
		return "{…}"
	case []any:
		return "[…]"
	}
	return fmt.Sprint(v)
}

// priority reads a whole number that is not negative; Ironic takes digits as text, too.
func priority(v any) (int, bool) {
	switch x := v.(type) {
	case float64:
		return int(x), x >= 0 && x == float64(int32(x))
	case int:
		return x, x >= 0
	case string:
		n, err := strconv.ParseUint(x, 10, 31)
		return int(n), err == nil
	}
	return 0, false
}

func checkWait(s Step) error {
	if n, given := s.Args["seconds"]; given {
		if sec, ok := priority(n); !ok || sec > maxWait {
			return fmt.Errorf("the argument seconds of step wait is %s, not a whole number from 0 to %d", quoted(n), maxWait)
		}
	}
	for key := range s.Args {
		if key != "seconds" {
			return fmt.Errorf("step wait has these unexpected arguments: %s", key)
		}
	}
	return nil
}

// Seconds is how long a wait step waits; false: until the next heartbeat.
func (s Step) Seconds() (int, bool) {
	n, given := s.Args["seconds"]
	if !given {
		return 0, false
	}
	return priority(n)
}

// Resolve holds the steps a person asked for against those offered, and returns
// what is to be run: the asked ones in their order, with what is known of them.
// noRamdisk refuses those that the agent would run. The error is Invalid and
// names everything that is wrong.
func Resolve(kind Kind, asked, offered []Step, noRamdisk bool) ([]Step, error) {
	out, wrongs, form := resolve(kind, asked, offered, noRamdisk)
	if len(wrongs) == 0 {
		return out, nil
	}
	err := errs.New(errs.Invalid, "%s", strings.Join(wrongs, "; "))
	switch {
	case form != "":
		err = err.WithHint("%s", form)
	case len(offered) > 0:
		err = err.WithHint("choose among %s", Names(offered))
	}
	return nil, err
}

// resolve is Resolve with all that is wrong. form is how arguments are written, where those of a step are
// wrong and all steps are known.
func resolve(kind Kind, asked, offered []Step, noRamdisk bool) (out []Step, wrongs []string, form string) {
	unknown := false
	for _, s := range asked {
		if s.OnChildren { // whoever knows the children looks at it
			out = append(out, s)
			continue
		}
		if Reserved(s.Name) {
			s.Abortable = s.Name == Wait
			out = append(out, s)
			continue
		}
		i := slices.IndexFunc(offered, func(o Step) bool { return o.ID() == s.ID() })
		if i < 0 {
			unknown = true
			wrongs = append(wrongs, fmt.Sprintf("node does not support this %s step: %s", kind, s))
			continue
		}
		known := offered[i]
		if bad := known.wrongArgs(kind, s); len(bad) > 0 {
			form = cmp.Or(form, known.Form())
			wrongs = append(wrongs, bad...)
		}
		if off := kind == Deploy && s.Priority == 0; noRamdisk && known.RequiresRamdisk && !off {
			wrongs = append(wrongs, fmt.Sprintf("%s step %s requires booting a ramdisk", kind, s))
		}
		known.Args = s.Args
		if kind == Deploy {
			known.Priority = s.Priority
		}
		out = append(out, known)
	}
	if unknown {
		form = ""
	}
	return out, wrongs, form
}
