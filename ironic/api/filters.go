package api

import (
	"net/url"
	"slices"
	"strings"

	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// nodeFilter is one query parameter that narrows a list of nodes. It either
// sets a field of the store's filter or returns a test of its own.
type nodeFilter struct {
	name  string
	since int
	apply func(value string, f *ironic.NodeFilter) (keep func(*ironic.Node) bool, err error)
}

// nodeFilterTable has every filter with the version that brought it.
func nodeFilterTable() []nodeFilter {
	type filter = ironic.NodeFilter
	type keep = func(*ironic.Node) bool
	put := func(at func(*filter) *string) func(string, *filter) (keep, error) {
		return func(v string, f *filter) (keep, error) { *at(f) = v; return nil, nil }
	}
	test := func(t func(n *ironic.Node, v string) bool) func(string, *filter) (keep, error) {
		return func(v string, _ *filter) (keep, error) {
			return func(n *ironic.Node) bool { return t(n, v) }, nil
		}
	}
	return []nodeFilter{
		{"instance_uuid", 0, put(func(f *filter) *string { return &f.InstanceUUID })},
		{"driver", 16, put(func(f *filter) *string { return &f.Driver })},
		{"resource_class", 21, put(func(f *filter) *string { return &f.ResourceClass })},
		{"owner", 50, put(func(f *filter) *string { return &f.Owner })},
		{"lessee", 65, put(func(f *filter) *string { return &f.Lessee })},
		{"provision_state", 9, filterState},
		{"fault", 42, filterFault},
		{"associated", 0, func(v string, f *filter) (keep, error) { return nil, putBool(&f.Associated, "associated", v) }},
		{"maintenance", 0, func(v string, f *filter) (keep, error) { return nil, putBool(&f.Maintenance, "maintenance", v) }},
		{"retired", 61, boolTest("retired", func(n *ironic.Node) bool { return n.Retired })},
		{"sharded", 82, boolTest("sharded", func(n *ironic.Node) bool { return n.Shard != "" })},
		{"shard", 82, test(func(n *ironic.Node, v string) bool { return slices.Contains(strings.Split(v, ","), n.Shard) })},
		{"chassis_uuid", 0, test(func(n *ironic.Node, v string) bool { return n.ChassisUUID == v })},
		{"conductor_group", 46, test(func(n *ironic.Node, v string) bool { return n.ConductorGroup == strings.ToLower(v) })},
		{"conductor", 49, test(func(n *ironic.Node, v string) bool { return n.Conductor == v })},
		{"description_contains", 51, test(func(n *ironic.Node, v string) bool { return strings.Contains(n.Description, v) })},
		{"project", 66, test(func(n *ironic.Node, v string) bool { return n.Owner == v || n.Lessee == v })},
	}
}

func putBool(at **bool, name, value string) (err error) {
	*at, err = queryBool(name, value)
	return err
}

func boolTest(name string, get func(*ironic.Node) bool) func(string, *ironic.NodeFilter) (func(*ironic.Node) bool, error) {
	return func(v string, _ *ironic.NodeFilter) (func(*ironic.Node) bool, error) {
		want, err := queryBool(name, v)
		if err != nil {
			return nil, err
		}
		return func(n *ironic.Node) bool { return get(n) == *want }, nil
	}
}

func filterState(v string, f *ironic.NodeFilter) (func(*ironic.Node) bool, error) {
	if !fsm.Known(fsm.State(v)) {
		return nil, badRequest("Provision state \"%s\" is not valid", v)
	}
	f.ProvisionState = v
	return nil, nil
}

func filterFault(v string, f *ironic.NodeFilter) (func(*ironic.Node) bool, error) {
	known := []string{"power failure", "clean failure", "rescue abort failure", "service failure"}
	if !slices.Contains(known, v) {
		return nil, badRequest("Unrecognized fault \"%s\" is specified, allowed faults are %s", v, strings.Join(known, ", "))
	}
	f.Fault = v
	return nil, nil
}

// nodeFilters turns the rest of a query into the store's filter and a test for
// what the store cannot filter.
func nodeFilters(q url.Values, version int) (ironic.NodeFilter, func(*ironic.Node) bool, error) {
	var f ironic.NodeFilter
	var tests []func(*ironic.Node) bool
	for name := range q {
		i := slices.IndexFunc(nodeFilterTable(), func(nf nodeFilter) bool { return nf.name == name })
		if i < 0 {
			return f, nil, badRequest("Unexpected arguments: %s", name)
		}
		nf := nodeFilterTable()[i]
		if nf.since > version {
			return f, nil, notAcceptable()
		}
		keep, err := nf.apply(q.Get(name), &f)
		if err != nil {
			return f, nil, err
		}
		if keep != nil {
			tests = append(tests, keep)
		}
	}
	return f, func(n *ironic.Node) bool {
		for _, t := range tests {
			if !t(n) {
				return false
			}
		}
		return true
	}, nil
}
