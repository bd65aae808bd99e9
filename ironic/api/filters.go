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

// filter is one query parameter that narrows a list; apply sets it in the store's filter F.
type filter[F any] struct {
	name  string
	since int
	apply func(c *call, value string, f *F) error
}

// filtered turns the rest of a query into the store's filter.
func filtered[F any](c *call, table []filter[F], q url.Values) (f F, err error) {
	for name := range q {
		i := slices.IndexFunc(table, func(t filter[F]) bool { return t.name == name })
		if i < 0 {
			return f, badRequest("Unexpected arguments: %s", name).choosing(name, filterNames(table, c.version))
		}
		if table[i].since > c.version {
			return f, tooNew("the filter "+name, table[i].since, c.version)
		}
		if err := table[i].apply(c, q.Get(name), &f); err != nil {
			return f, err
		}
	}
	return f, nil
}

// filterNames are the parameters of a list that a version knows.
func filterNames[F any](table []filter[F], version int) []string {
	out := []string{"limit", "marker", "sort_key", "sort_dir", "fields", "detail"}
	for _, f := range table {
		if f.since <= version {
			out = append(out, f.name)
		}
	}
	return out
}

type nodeFilter = filter[ironic.NodeFilter]

// nodeFilterTable has every filter of nodes with the version that brought it.
func nodeFilterTable() []nodeFilter {
	type store = ironic.NodeFilter
	type apply = func(*call, string, *store) error
	text := func(at func(*store) *string) apply {
		return func(_ *call, v string, f *store) error { *at(f) = v; return nil }
	}
	exact := func(at func(*store) **string) apply { // also an empty one
		return func(_ *call, v string, f *store) error { *at(f) = &v; return nil }
	}
	flag := func(name string, at func(*store) **bool) nodeFilter {
		return nodeFilter{name, 0, func(_ *call, v string, f *store) (err error) { *at(f), err = queryBool(name, v); return err }}
	}
	since := func(version int, f nodeFilter) nodeFilter { f.since = version; return f }
	return []nodeFilter{
		{"instance_uuid", 0, filterInstance},
		{"driver", 16, text(func(f *store) *string { return &f.Driver })},
		{"resource_class", 21, text(func(f *store) *string { return &f.ResourceClass })},
		{"owner", 50, text(func(f *store) *string { return &f.Owner })},
		{"lessee", 65, text(func(f *store) *string { return &f.Lessee })},
		{"provision_state", 9, filterState},
		{"fault", 42, filterFault},
		flag("associated", func(f *store) **bool { return &f.Associated }),
		flag("maintenance", func(f *store) **bool { return &f.Maintenance }),
		since(61, flag("retired", func(f *store) **bool { return &f.Retired })),
		since(82, flag("sharded", func(f *store) **bool { return &f.Sharded })),
		{"shard", 82, func(_ *call, v string, f *store) (err error) { f.Shards, err = names("shard", v); return err }},
		{"chassis_uuid", 0, filterChassis},
		{"conductor_group", 46, func(_ *call, v string, f *store) error { f.Groups = []string{strings.ToLower(v)}; return nil }},
		{"conductor", 49, exact(func(f *store) **string { return &f.Conductor })},
		{"description_contains", 51, text(func(f *store) *string { return &f.Description })},
		{"project", 66, filterProject},
		{"parent_node", 83, filterParent},
		{"include_children", 83, func(_ *call, v string, _ *store) error { _, err := queryBool("include_children", v); return err }},
		{"instance_name", 104, exact(func(f *store) **string { return &f.InstanceName })},
		{"health", 109, exact(func(f *store) **string { return &f.Health })},
	}
}

func filterState(_ *call, v string, f *ironic.NodeFilter) error {
	if !fsm.Known(fsm.State(v)) {
		var known []string
		for _, s := range fsm.States() {
			known = append(known, string(s))
		}
		return badRequest("Provision state \"%s\" is not valid", v).choosing(v, known)
	}
	f.ProvisionState = v
	return nil
}

func filterInstance(_ *call, v string, f *ironic.NodeFilter) error {
	if !ironic.IsUUID(v) {
		return badRequest("Expected UUID for instance_uuid: %s", v)
	}
	f.InstanceUUID = strings.ToLower(v)
	return nil
}

func filterFault(_ *call, v string, f *ironic.NodeFilter) error {
	known := []string{"power failure", "clean failure", "rescue abort failure", "service failure"}
	if !slices.Contains(known, v) {
		return badRequest("Unrecognized fault \"%s\" is specified, allowed faults are %s", v, strings.Join(known, ", "))
	}
	f.Fault = v
	return nil
}

// filterChassis refuses a chassis that is not there, as Ironic does.
func filterChassis(c *call, v string, f *ironic.NodeFilter) error {
	h, err := c.s.store.Chassis(c.ctx(), strings.ToLower(v))
	if errs.Is(err, errs.NotFound) {
		return clientError(http.StatusNotFound, "Chassis %s could not be found.", v)
	}
	if err != nil {
		return fmt.Errorf("read chassis: %w", err)
	}
	f.Chassis = h.UUID
	return nil
}

// filterProject passes over an empty one, as Ironic does: it is no project's name.
func filterProject(_ *call, v string, f *ironic.NodeFilter) error {
	if v != "" {
		f.Projects = append(f.Projects, v)
	}
	return nil
}

// filterParent takes the parent's uuid as Ironic does, or its name. A parent
// that nobody knows has no children.
func filterParent(c *call, v string, f *ironic.NodeFilter) error {
	f.Parent = &v
	if n, err := c.s.store.Node(c.ctx(), v); err == nil {
		f.Parent = &n.UUID
	}
	return nil
}

// nodeFilters reads the filters of a list of nodes. Nodes that are parts of
// another are in a list only where it asks for them.
func (c *call) nodeFilters(q url.Values) (ironic.NodeFilter, error) {
	f, err := filtered(c, nodeFilterTable(), q)
	if all, _ := parseBool(q.Get("include_children")); !all && f.Parent == nil {
		f.Parent = new(string)
	}
	return f, err
}

// maxNames is how many names a filter takes; SQLite has a limit of its own behind it.
const maxNames = 1000

// names are those that a filter lists, with commas between.
func names(filter, value string) ([]string, error) {
	if n := 1 + strings.Count(value, ","); n > maxNames {
		return nil, badRequest("%s has %d names; at most %d are taken", filter, n, maxNames)
	}
	return strings.Split(value, ","), nil
}
