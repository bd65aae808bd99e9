package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// portgroupRoutes are the bonds of nodes.
func (s *server) portgroupRoutes() []route {
	const g = "/v1/portgroups"
	return []route{
		{path: g, since: 23, methods: methods{"GET": s.listPortgroups, "POST": s.createPortgroup,
			"DELETE": missing("portgroup_ident"), "PATCH": missing("portgroup_ident")}},
		{path: g + "/detail", since: 23, methods: methods{"GET": s.listPortgroupsDetail}},
		{path: g + "/{portgroup}", since: 23, methods: methods{"GET": s.getPortgroup, "PATCH": s.patchPortgroup, "DELETE": s.deletePortgroup}},
		{path: g + "/{portgroup}/ports", since: 24, methods: methods{"GET": s.listGroupPorts}},
		{path: g + "/{portgroup}/ports/detail", since: 24, methods: methods{"GET": s.listGroupPortsDetail}},
		{path: "/v1/nodes/{node}/portgroups", since: 24, methods: methods{"GET": s.listNodePortgroups}},
		{path: "/v1/nodes/{node}/portgroups/detail", since: 24, methods: methods{"GET": s.listNodePortgroupsDetail}},
	}
}

// portgroupTable has every field of a portgroup in the order in which Ironic answers.
func portgroupTable() table[*ironic.Portgroup] {
	type group = ironic.Portgroup
	text := func(name string, since int, at func(*group) *string) field[*group] {
		return field[*group]{name: name, since: since, kind: shortText, initial: true, patch: true,
			get: func(_ *call, p *group) any { return orNull(*at(p)) },
			set: func(p *group, v any) { *at(p) = v.(string) }}
	}
	address := text("address", 0, func(p *group) *string { return &p.Address })
	address.set = func(p *group, v any) { p.Address = macText(v.(string)) }
	return table[*group]{
		{name: "uuid", kind: uuidText, initial: true, get: func(_ *call, p *group) any { return p.UUID },
			set: func(p *group, v any) { p.UUID = strings.ToLower(v.(string)) }},
		timeField("created_at", 0, func(p *group) *time.Time { return &p.CreatedAt }),
		timeField("updated_at", 0, func(p *group) *time.Time { return p.UpdatedAt }),
		address,
		{name: "extra", kind: dict, initial: true, patch: true, noSort: true,
			get: func(_ *call, p *group) any { return mapOrEmpty(p.Extra) },
			set: func(p *group, v any) { p.Extra = v.(map[string]any) }},
		{name: "internal_info", noSort: true, get: func(_ *call, p *group) any { return mask(p.InternalInfo) }},
		text("mode", 26, func(p *group) *string { return &p.Mode }),
		text("name", 0, func(p *group) *string { return &p.Name }),
		{name: "properties", since: 26, kind: dict, initial: true, patch: true, noSort: true,
			get: func(_ *call, p *group) any { return mapOrEmpty(p.Properties) },
			set: func(p *group, v any) { p.Properties = v.(map[string]any) }},
		{name: "standalone_ports_supported", kind: flag, initial: true, patch: true,
			get: func(_ *call, p *group) any { return p.StandalonePortsSupported },
			set: func(p *group, v any) { p.StandalonePortsSupported = v.(bool) }},
		{name: "node_uuid", kind: uuidText, initial: true, patch: true,
			get: func(_ *call, p *group) any { return orNull(p.NodeUUID) },
			set: func(p *group, v any) { p.NodeUUID = strings.ToLower(v.(string)) }},
		text("physical_network", 102, func(p *group) *string { return &p.PhysicalNetwork }),
		text("category", 103, func(p *group) *string { return &p.Category }),
		{name: "links", noSort: true, get: func(c *call, p *group) any { return c.links("portgroups/" + p.UUID) }},
		{name: "ports", since: 24, noSort: true, onDemand: true,
			get: func(c *call, p *group) any { return c.links("portgroups/" + p.UUID + "/ports") }},
	}
}

type portgroupFilter = filter[ironic.PortgroupFilter]

// portgroupFilterTable has every filter of portgroups with the version that brought it.
func portgroupFilterTable() []portgroupFilter {
	type store = ironic.PortgroupFilter
	return []portgroupFilter{
		{"node", 0, func(c *call, v string, f *store) error {
			n, err := c.nodeBy(v)
			if err == nil {
				f.NodeUUID = n.UUID
			}
			return err
		}},
		{"address", 0, func(_ *call, v string, f *store) (err error) { f.Address, err = queryMAC(v); return err }},
		{"conductor_groups", 99, func(_ *call, v string, f *store) (err error) {
			f.Groups, err = names("conductor_groups", strings.ToLower(v))
			return err
		}},
		{"shard", 106, func(_ *call, v string, f *store) (err error) { f.Shards, err = names("shard", v); return err }},
	}
}

// portgroup finds the one of the path.
func (c *call) portgroup() (*ironic.Portgroup, error) {
	return c.portgroupBy(c.r.PathValue("portgroup"))
}

func (c *call) portgroupBy(ident string) (*ironic.Portgroup, error) {
	p, err := c.s.store.Portgroup(c.ctx(), ident)
	if errs.Is(err, errs.NotFound) {
		return nil, clientError(http.StatusNotFound, "Portgroup %s could not be found.", ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read portgroup: %w", err)
	}
	return p, c.seesPart(p.NodeUUID, clientError(http.StatusNotFound, "Portgroup %s could not be found.", ident))
}

func (s *server) listPortgroups(c *call) error { return s.sendPortgroups(c, "portgroups", "", false) }
func (s *server) listPortgroupsDetail(c *call) error {
	return s.sendPortgroups(c, "portgroups/detail", "", true)
}
func (s *server) listNodePortgroups(c *call) error { return s.portgroupsOfNode(c, "", false) }
func (s *server) listNodePortgroupsDetail(c *call) error {
	return s.portgroupsOfNode(c, "/detail", true)
}

func (s *server) portgroupsOfNode(c *call, suffix string, detail bool) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	return s.sendPortgroups(c, "nodes/"+n.UUID+"/portgroups"+suffix, n.UUID, detail)
}

func (s *server) sendPortgroups(c *call, path, node string, detail bool) error {
	l, err := c.collectionQuery(detail)
	if err != nil {
		return err
	}
	if given := len(l.filters); given > 1 || given == 1 && node != "" {
		return badRequest("Filtering by node, address, or shard simultaneously is not supported.")
	}
	f, err := filtered(c, portgroupFilterTable(), l.filters)
	if err != nil {
		return err
	}
	if node != "" {
		f.NodeUUID = node
	}
	own, err := c.listsOf("portgroup")
	if err != nil {
		return err
	}
	f.Projects = append(f.Projects, own...)
	list, err := s.store.Portgroups(c.ctx(), f)
	if err != nil {
		return fmt.Errorf("list portgroups: %w", err)
	}
	return sendList(c, s.portgroups, "portgroups", path, l, []string{"uuid", "address", "name"}, list)
}

func (s *server) getPortgroup(c *call) error { return s.portgroups.show(c, (*call).portgroup) }

func (s *server) createPortgroup(c *call) error {
	return create(c, s.portgroups, making[ironic.Portgroup]{resource: "portgroup", path: "portgroups",
		row: &ironic.Portgroup{StandalonePortsSupported: true}, store: s.store.CreatePortgroup, check: func(p *ironic.Portgroup) error {
			if err := c.mayAddTo(p.NodeUUID, "baremetal:portgroup:create"); err != nil {
				return err
			}
			if p.Mode == "" {
				p.Mode = "active-backup" // Ironic's default_portgroup_mode
			}
			_, err := s.checkPortgroup(c, p)
			return err
		}})
}

func (s *server) patchPortgroup(c *call) error {
	var ports []*ironic.Port
	moved := false
	check := func(p, draft *ironic.Portgroup, changed map[string]bool) error {
		n, err := s.checkPortgroup(c, draft)
		if err != nil {
			return err
		}
		if err := c.mayMoveTo(n); err != nil {
			return err
		}
		if ports, err = s.members(c, p); err != nil {
			return err
		}
		moved = changed["physical_network"]
		return checkGroupChange(c, n, draft, ports, changed)
	}
	return patch(c, s.portgroups, "portgroup", (*call).portgroup, check,
		func(ctx context.Context, uuid string, change func(*ironic.Portgroup) error) (*ironic.Portgroup, error) {
			saved, err := s.store.UpdatePortgroup(ctx, uuid, change)
			if err != nil || !moved {
				return saved, err
			}
			// The group went first, since it may be refused; who is killed in between repeats it.
			return saved, s.moveMembers(c, ports, saved.PhysicalNetwork)
		})
}

func (s *server) deletePortgroup(c *call) error {
	p, err := c.portgroup()
	if err != nil {
		return err
	}
	if err := s.store.DeletePortgroup(c.ctx(), p.UUID, c.mayDeletePortgroup); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

// mayDeletePortgroup is asked in the transaction that deletes, as mayDeletePort is. A virtual interface
// is no objection: Ironic has none.
func (c *call) mayDeletePortgroup(p *ironic.Portgroup) error {
	gone := clientError(http.StatusNotFound, "Portgroup %s could not be found.", p.UUID)
	return c.stillMay("baremetal:portgroup:delete", p.NodeUUID, gone)
}
