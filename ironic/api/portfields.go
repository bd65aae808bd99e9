package api

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"trefoil/ironic"
)

// portTable has every field of a port in the order in which Ironic answers.
func portTable() table[*ironic.Port] {
	text := func(name string, since int, at func(*ironic.Port) *string) field[*ironic.Port] {
		return field[*ironic.Port]{name: name, since: since, kind: shortText, initial: true, patch: true,
			get: func(_ *call, p *ironic.Port) any { return orNull(*at(p)) },
			set: func(p *ironic.Port, v any) { *at(p) = v.(string) }}
	}
	return table[*ironic.Port]{
		{name: "uuid", kind: uuidText, initial: true, get: func(_ *call, p *ironic.Port) any { return p.UUID },
			set: func(p *ironic.Port, v any) { p.UUID = strings.ToLower(v.(string)) }},
		timeField("created_at", 0, func(p *ironic.Port) *time.Time { return &p.CreatedAt }),
		timeField("updated_at", 0, func(p *ironic.Port) *time.Time { return p.UpdatedAt }),
		{name: "address", kind: shortText, initial: true, patch: true,
			get: func(_ *call, p *ironic.Port) any { return p.Address },
			set: func(p *ironic.Port, v any) { p.Address = macText(v.(string)) }},
		{name: "extra", kind: dict, initial: true, patch: true, noSort: true,
			get: func(_ *call, p *ironic.Port) any { return mapOrEmpty(p.Extra) },
			set: func(p *ironic.Port, v any) { p.Extra = v.(map[string]any) }},
		{name: "internal_info", since: 18, noSort: true,
			get: func(_ *call, p *ironic.Port) any { return mask(p.InternalInfo) }},
		{name: "is_smartnic", since: 53, kind: flag, initial: true, patch: true,
			get: func(_ *call, p *ironic.Port) any { return p.IsSmartNIC },
			set: func(p *ironic.Port, v any) { p.IsSmartNIC = v.(bool) }},
		{name: "local_link_connection", since: 19, kind: dict, initial: true, patch: true, noSort: true,
			get:      shownLink,
			unmasked: func(p *ironic.Port) any { return mapOrEmpty(p.LocalLinkConnection) },
			set:      func(p *ironic.Port, v any) { p.LocalLinkConnection = plainLink(v.(map[string]any)) }},
		{name: "node_uuid", kind: uuidText, initial: true, patch: true,
			get: func(_ *call, p *ironic.Port) any { return orNull(p.NodeUUID) },
			set: func(p *ironic.Port, v any) { p.NodeUUID = strings.ToLower(v.(string)) }},
		text("physical_network", 34, func(p *ironic.Port) *string { return &p.PhysicalNetwork }),
		{name: "portgroup_uuid", since: 24, kind: uuidText, initial: true, patch: true,
			get: func(_ *call, p *ironic.Port) any { return orNull(p.PortgroupUUID) },
			set: func(p *ironic.Port, v any) { p.PortgroupUUID = strings.ToLower(v.(string)) }},
		{name: "pxe_enabled", since: 19, kind: flag, initial: true, patch: true,
			get: func(_ *call, p *ironic.Port) any { return p.PXEEnabled },
			set: func(p *ironic.Port, v any) { p.PXEEnabled = v.(bool) }},
		text("name", 88, func(p *ironic.Port) *string { return &p.Name }),
		text("description", 97, func(p *ironic.Port) *string { return &p.Description }),
		text("vendor", 100, func(p *ironic.Port) *string { return &p.Vendor }),
		text("category", 101, func(p *ironic.Port) *string { return &p.Category }),
		{name: "links", noSort: true, get: func(c *call, p *ironic.Port) any { return c.links("ports/" + p.UUID) }},
	}
}

var macPattern = regexp.MustCompile(`^([0-9a-f]{2}:){5}[0-9a-f]{2}$`)

// macText is a MAC address in lower case with colons, whatever the client wrote.
func macText(s string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "-", ":")
}

type portFilter = filter[ironic.PortFilter]

// portFilterTable has every filter of ports with the version that brought it.
func portFilterTable() []portFilter {
	type store = ironic.PortFilter
	return []portFilter{
		{"address", 0, func(_ *call, v string, f *store) (err error) { f.Address, err = queryMAC(v); return err }},
		{"node", 0, func(c *call, v string, f *store) error {
			if !ironic.IsUUID(v) && c.version < 5 { // nodes have no names yet
				return tooNew("a node's name in the filter node", 5, c.version)
			}
			return portsOf(c, v, f)
		}},
		{"node_uuid", 0, func(c *call, v string, f *store) error {
			if !ironic.IsUUID(v) {
				return badRequest("Expected a UUID but received %s.", v)
			}
			return portsOf(c, v, f)
		}},
		{"portgroup", 24, func(c *call, v string, f *store) error {
			g, err := c.portgroupBy(v)
			if err == nil {
				f.Portgroup = g.UUID
			}
			return err
		}},
		{"shard", 82, func(_ *call, v string, f *store) (err error) { f.Shards, err = names("shard", v); return err }},
		{"description_contains", 97, func(_ *call, v string, f *store) error { f.Description = v; return nil }},
		{"conductor_groups", 99, func(_ *call, v string, f *store) (err error) {
			f.Groups, err = names("conductor_groups", strings.ToLower(v))
			return err
		}},
	}
}

// queryMAC reads a MAC address out of a query.
func queryMAC(v string) (string, error) {
	mac := macText(v)
	if !macPattern.MatchString(mac) {
		return "", badRequest("Expected a MAC address but received %s.", v)
	}
	return mac, nil
}

func portsOf(c *call, ident string, f *ironic.PortFilter) error {
	n, err := c.nodeBy(ident)
	if err != nil {
		return err
	}
	f.NodeUUID = n.UUID
	return nil
}

// portScope is what a list of ports lies below: the uuid of a node or a portgroup.
type portScope struct{ node, group string }

// portFilters reads the filters of a list of ports. Ironic takes one only of
// those that name whose ports are meant.
func (c *call) portFilters(q url.Values, in portScope) (ironic.PortFilter, error) {
	owners := 0
	for _, given := range []bool{in.node != "" || q.Has("node") || q.Has("node_uuid"),
		in.group != "" || q.Has("portgroup"), q.Has("shard")} {
		if given {
			owners++
		}
	}
	if owners > 1 {
		return ironic.PortFilter{}, clientError(http.StatusForbidden, "Operation not permitted.")
	}
	if q.Has("conductor_groups") && (owners > 0 && !q.Has("shard") || q.Has("address")) {
		return ironic.PortFilter{}, badRequest("Filtering by conductor_groups cannot be combined with node_ident, " +
			"portgroup_ident, or node address filters.")
	}
	f, err := filtered(c, portFilterTable(), q)
	if in.node != "" {
		f.NodeUUID = in.node
	}
	if in.group != "" {
		f.Portgroup = in.group
	}
	return f, err
}
