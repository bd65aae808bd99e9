// Package ansible has the filters and tests that Ansible gives to Jinja2, for
// templates and conditions that Ansible evaluates: the service templates of
// TripleO's trees use them in their tasks. The trees themselves are rendered
// without, as TripleO renders them. It is pure: what looks at files, time or
// chance is refused with a reason.
//
// No program of Trefoil calls it yet: nodes are configured by resources, not by
// Ansible's tasks, and what reads those tasks hands them on as they are.
//
// Source of behaviour: ansible-core 2.14 and, for ipaddr and its like,
// ansible.netcommon. Patterns are Go's: no lookahead and no back-references.
package ansible

import (
	"strings"

	"trefoil/overcloud/jinja"
)

// Env switches the filters and tests on.
func Env(e jinja.Env) jinja.Env {
	e.Filters, e.Tests = Filters(), Tests()
	return e
}

// Filters returns Ansible's filters by name.
func Filters() map[string]jinja.Filter {
	out := map[string]jinja.Filter{}
	for _, group := range []map[string]jinja.Filter{dataFilters(), textFilters(), pathFilters(), setFilters(), mathFilters(), netFilters()} {
		for name, f := range group {
			out[name] = f
		}
	}
	for name, why := range refused {
		out[name] = jinja.Filter{Params: "* **", Do: func(c *jinja.Call) any {
			c.Fail("the filter %s is not supported: %s", c.Name, why)
			return nil
		}}
	}
	return out
}

// refused are filters that a pure evaluation cannot have.
var refused = map[string]string{
	"password_hash": "its salt is random, so that it gives another result each time; make the hash once and store it",
	"random":        "the same input has to give the same output",
	"shuffle":       "the same input has to give the same output",
	"strftime":      "it looks at the time",
	"to_datetime":   "there are no times among the values",
	"fileglob":      "it looks at files",
	"realpath":      "it looks at files",
	"expanduser":    "it looks at users",
	"expandvars":    "it looks at the environment",
	"vault":         "there are no vault secrets here",
	"unvault":       "there are no vault secrets here",
}

// list is the value of a filter for lists.
func list(c *jinja.Call, v any) []any {
	if s, ok := jinja.AsText(v); ok {
		c.Fail("%s needs a list, got the string %s", c.Name, jinja.Repr(s))
	}
	c.Used(v)
	return c.Items(v)
}

// dict is an argument that has to be a dict.
func dict(c *jinja.Call, v any) *jinja.Dict {
	d, ok := v.(*jinja.Dict)
	if !ok {
		c.Used(v)
		c.Fail("%s needs a dict, got %s", c.Name, jinja.TypeName(v))
	}
	return d
}

// Bool is Ansible's bool filter: yes, on, 1 and true are true, all else false.
func Bool(v any) any {
	switch v := v.(type) {
	case nil, bool:
		return v
	case *jinja.List, jinja.Tuple, *jinja.Dict:
		return false // without writing them out
	}
	switch strings.ToLower(jinja.Str(v)) {
	case "yes", "on", "1", "true":
		return true
	}
	return false
}
