package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// filter is one query parameter that narrows a list of resources R. It either
// sets a field of the store's filter F or returns a test of its own.
type filter[R, F any] struct {
	name  string
	since int
	apply func(c *call, value string, f *F) (keep func(R) bool, err error)
}

// filtered turns the rest of a query into the store's filter and a test for
// what the store cannot filter.
func filtered[R, F any](c *call, table []filter[R, F], q url.Values) (F, func(R) bool, error) {
	var f F
	var tests []func(R) bool
	for name := range q {
		i := slices.IndexFunc(table, func(t filter[R, F]) bool { return t.name == name })
		if i < 0 {
			return f, nil, badRequest("Unexpected arguments: %s", name)
		}
		if table[i].since > c.version {
			return f, nil, notAcceptable()
		}
		keep, err := table[i].apply(c, q.Get(name), &f)
		if err != nil {
			return f, nil, err
		}
		if keep != nil {
			tests = append(tests, keep)
		}
	}
	return f, func(r R) bool {
		return !slices.ContainsFunc(tests, func(t func(R) bool) bool { return !t(r) })
	}, nil
}

type nodeFilter = filter[*ironic.Node, ironic.NodeFilter]

// nodeFilterTable has every filter of nodes with the version that brought it.
func nodeFilterTable() []nodeFilter {
	type store = ironic.NodeFilter
	type keep = func(*ironic.Node) bool
	type apply = func(*call, string, *store) (keep, error)
	put := func(at func(*store) *string) apply {
		return func(_ *call, v string, f *store) (keep, error) { *at(f) = v; return nil, nil }
	}
	test := func(t func(n *ironic.Node, v string) bool) apply {
		return func(_ *call, v string, _ *store) (keep, error) {
			return func(n *ironic.Node) bool { return t(n, v) }, nil
		}
	}
	return []nodeFilter{
		{"instance_uuid", 0, put(func(f *store) *string { return &f.InstanceUUID })},
		{"driver", 16, put(func(f *store) *string { return &f.Driver })},
		{"resource_class", 21, put(func(f *store) *string { return &f.ResourceClass })},
		{"owner", 50, put(func(f *store) *string { return &f.Owner })},
		{"lessee", 65, put(func(f *store) *string { return &f.Lessee })},
		{"provision_state", 9, filterState},
		{"fault", 42, filterFault},
		{"associated", 0, func(_ *call, v string, f *store) (keep, error) { return nil, putBool(&f.Associated, "associated", v) }},
		{"maintenance", 0, func(_ *call, v string, f *store) (keep, error) { return nil, putBool(&f.Maintenance, "maintenance", v) }},
		{"retired", 61, boolTest("retired", func(n *ironic.Node) bool { return n.Retired })},
		{"sharded", 82, boolTest("sharded", func(n *ironic.Node) bool { return n.Shard != "" })},
		{"shard", 82, test(func(n *ironic.Node, v string) bool { return slices.Contains(strings.Split(v, ","), n.Shard) })},
		{"chassis_uuid", 0, filterChassis},
		{"conductor_group", 46, test(func(n *ironic.Node, v string) bool { return n.ConductorGroup == strings.ToLower(v) })},
		{"conductor", 49, test(func(n *ironic.Node, v string) bool { return n.Conductor == v })},
		{"description_contains", 51, test(func(n *ironic.Node, v string) bool { return strings.Contains(n.Description, v) })},
		{"project", 66, test(func(n *ironic.Node, v string) bool { return n.Owner == v || n.Lessee == v })},
		{"parent_node", 83, filterParent},
		{"include_children", 83, boolTest("include_children", nil)},
		{"instance_name", 104, test(func(n *ironic.Node, v string) bool { return n.InstanceName == v })},
		{"health", 109, test(func(n *ironic.Node, v string) bool { return strings.EqualFold(n.Health, v) })},
	}
}

func putBool(at **bool, name, value string) (err error) {
	*at, err = queryBool(name, value)
	return err
}

// boolTest keeps the nodes of which get says what was asked for; without get
// the value is only checked.
func boolTest(name string, get func(*ironic.Node) bool) func(*call, string, *ironic.NodeFilter) (func(*ironic.Node) bool, error) {
	return func(_ *call, v string, _ *ironic.NodeFilter) (func(*ironic.Node) bool, error) {
		want, err := queryBool(name, v)
		if err != nil || get == nil {
			return nil, err
		}
		return func(n *ironic.Node) bool { return get(n) == *want }, nil
	}
}

func filterState(_ *call, v string, f *ironic.NodeFilter) (func(*ironic.Node) bool, error) {
	if !fsm.Known(fsm.State(v)) {
		return nil, badRequest("Provision state \"%s\" is not valid", v)
	}
	f.ProvisionState = v
	return nil, nil
}

func filterFault(_ *call, v string, f *ironic.NodeFilter) (func(*ironic.Node) bool, error) {
	known := []string{"power failure", "clean failure", "rescue abort failure", "service failure"}
	if !slices.Contains(known, v) {
		return nil, badRequest("Unrecognized fault \"%s\" is specified, allowed faults are %s", v, strings.Join(known, ", "))
	}
	f.Fault = v
	return nil, nil
}

// filterChassis refuses a chassis that is not there, as Ironic does.
func filterChassis(c *call, v string, _ *ironic.NodeFilter) (func(*ironic.Node) bool, error) {
	h, err := c.s.store.Chassis(c.ctx(), strings.ToLower(v))
	if errs.Is(err, errs.NotFound) {
		return nil, clientError(http.StatusNotFound, "Chassis %s could not be found.", v)
	}
	if err != nil {
		return nil, fmt.Errorf("read chassis: %w", err)
	}
	return func(n *ironic.Node) bool { return n.ChassisUUID == h.UUID }, nil
}

// filterParent takes the parent's uuid as Ironic does, or its name. A parent
// that nobody knows has no children.
func filterParent(c *call, v string, _ *ironic.NodeFilter) (func(*ironic.Node) bool, error) {
	uuid := v
	if n, err := c.s.store.Node(c.ctx(), v); err == nil {
		uuid = n.UUID
	}
	return func(n *ironic.Node) bool { return n.ParentNode == uuid }, nil
}

// nodeFilters reads the filters of a list of nodes. Nodes that are parts of
// another are in a list only where it asks for them.
func (c *call) nodeFilters(q url.Values) (ironic.NodeFilter, func(*ironic.Node) bool, error) {
	f, keep, err := filtered(c, nodeFilterTable(), q)
	if err != nil {
		return f, nil, err
	}
	if all, given := parseBool(q.Get("include_children")); given && all || q.Get("parent_node") != "" {
		return f, keep, nil
	}
	return f, func(n *ironic.Node) bool { return n.ParentNode == "" && keep(n) }, nil
}
