package api

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// portTable has every field of a port in the order in which Ironic answers.
func portTable() table[*ironic.Port] {
	return table[*ironic.Port]{
		{name: "uuid", kind: uuidText, initial: true, get: func(_ *call, p *ironic.Port) any { return p.UUID },
			set: func(p *ironic.Port, v any) { p.UUID = strings.ToLower(v.(string)) }},
		{name: "created_at", get: func(_ *call, p *ironic.Port) any { return timeText(p.CreatedAt) }},
		{name: "updated_at", get: func(_ *call, p *ironic.Port) any { return timeOrNull(p.UpdatedAt) }},
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
			get: func(_ *call, p *ironic.Port) any { return mapOrEmpty(p.LocalLinkConnection) },
			set: func(p *ironic.Port, v any) { p.LocalLinkConnection = v.(map[string]any) }},
		{name: "node_uuid", kind: uuidText, initial: true, patch: true,
			get: func(_ *call, p *ironic.Port) any { return orNull(p.NodeUUID) },
			set: func(p *ironic.Port, v any) { p.NodeUUID = strings.ToLower(v.(string)) }},
		{name: "physical_network", since: 34, kind: shortText, initial: true, patch: true,
			get: func(_ *call, p *ironic.Port) any { return orNull(p.PhysicalNetwork) },
			set: func(p *ironic.Port, v any) { p.PhysicalNetwork = v.(string) }},
		{name: "portgroup_uuid", since: 24, kind: uuidText, initial: true, patch: true,
			get: func(_ *call, p *ironic.Port) any { return orNull(p.PortgroupUUID) },
			set: func(p *ironic.Port, v any) { p.PortgroupUUID = v.(string) }},
		{name: "pxe_enabled", since: 19, kind: flag, initial: true, patch: true,
			get: func(_ *call, p *ironic.Port) any { return p.PXEEnabled },
			set: func(p *ironic.Port, v any) { p.PXEEnabled = v.(bool) }},
		{name: "links", noSort: true, get: func(c *call, p *ironic.Port) any { return c.links("ports/" + p.UUID) }},
	}
}

var macPattern = regexp.MustCompile(`^([0-9a-f]{2}:){5}[0-9a-f]{2}$`)

// macText is a MAC address in lower case with colons, whatever the client wrote.
func macText(s string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "-", ":")
}

func (c *call) port() (*ironic.Port, error) {
	ident := c.r.PathValue("port")
	p, err := c.s.store.Port(c.ctx(), ident)
	if errs.Is(err, errs.NotFound) {
		return nil, clientError(http.StatusNotFound, "Port %s could not be found.", ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read port: %w", err)
	}
	return p, nil
}

func (s *server) listPorts(c *call) error       { return s.sendPorts(c, "ports", "", false) }
func (s *server) listPortsDetail(c *call) error { return s.sendPorts(c, "ports/detail", "", true) }

func (s *server) listNodePorts(c *call) error       { return s.portsOfNode(c, "", false) }
func (s *server) listNodePortsDetail(c *call) error { return s.portsOfNode(c, "/detail", true) }

func (s *server) portsOfNode(c *call, suffix string, detail bool) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	return s.sendPorts(c, "nodes/"+n.UUID+"/ports"+suffix, n.UUID, detail)
}

func (s *server) sendPorts(c *call, path, nodeUUID string, detail bool) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	if l.fields != nil && c.version < 8 || l.detail && c.version < 43 {
		return notAcceptable()
	}
	if l.fields != nil && detail {
		return badRequest("Can't fetch a subset of fields with 'detail' set")
	}
	l.detail = l.detail || detail
	filter, err := c.portFilter(l.filters)
	if err != nil {
		return err
	}
	if nodeUUID != "" {
		filter.NodeUUID = nodeUUID
	}
	ports, err := s.store.Ports(c.ctx(), filter)
	if err != nil {
		return fmt.Errorf("list ports: %w", err)
	}
	return sendList(c, s.ports, "ports", path, l, []string{"uuid", "address"}, ports,
		func(p *ironic.Port) string { return p.UUID })
}

// portFilter reads the filters of a list of ports.
func (c *call) portFilter(q url.Values) (ironic.PortFilter, error) {
	var f ironic.PortFilter
	for name := range q {
		value := q.Get(name)
		switch name {
		case "address":
			if f.Address = macText(value); !macPattern.MatchString(f.Address) {
				return f, badRequest("Expected a MAC address but received %s.", value)
			}
		case "node", "node_uuid":
			if name == "node_uuid" && !isUUID(value) {
				return f, badRequest("Expected a UUID but received %s.", value)
			}
			if name == "node" && c.version < 6 {
				return f, notAcceptable()
			}
			n, err := c.nodeBy(value)
			if err != nil {
				return f, err
			}
			f.NodeUUID = n.UUID
		default:
			return f, badRequest("Unexpected arguments: %s", name)
		}
	}
	return f, nil
}

func (s *server) getPort(c *call) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	if l.fields != nil && c.version < 8 {
		return notAcceptable()
	}
	if err := s.ports.check(l.fields, c.version); err != nil {
		return err
	}
	p, err := c.port()
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, s.ports.render(c, p, l.fields, true))
}

func (s *server) createPort(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	p := &ironic.Port{PXEEnabled: true}
	if err := s.ports.fill("port", body, c.version, p); err != nil {
		return err
	}
	if err := s.checkPort(c, p); err != nil {
		return err
	}
	if p.UUID == "" {
		p.UUID = uuid.NewString()
	}
	if err := s.store.CreatePort(c.ctx(), p); err != nil {
		return err
	}
	cut := *p
	cut.CreatedAt = p.CreatedAt.Truncate(1e9)
	c.w.Header().Set("Location", c.base()+"/v1/ports/"+p.UUID)
	return c.json(http.StatusCreated, s.ports.render(c, &cut, nil, true))
}

// checkPort wants what every stored port has.
func (s *server) checkPort(c *call, p *ironic.Port) error {
	if p.Address == "" {
		return badRequest("Schema error for port: 'address' is a required property")
	}
	if !macPattern.MatchString(p.Address) {
		return badRequest("Expected a MAC address but received %s.", p.Address)
	}
	if p.NodeUUID == "" {
		return badRequest("Schema error for port: 'node_uuid' is a required property")
	}
	if p.PortgroupUUID != "" {
		return badRequest("Portgroup %s could not be found.", p.PortgroupUUID)
	}
	n, err := s.store.Node(c.ctx(), p.NodeUUID)
	if errs.Is(err, errs.NotFound) {
		return badRequest("Node %s could not be found.", p.NodeUUID)
	}
	if err != nil {
		return fmt.Errorf("read node of port: %w", err)
	}
	p.NodeUUID = n.UUID
	return nil
}

func (s *server) patchPort(c *call) error {
	ops, err := c.operations()
	if err != nil {
		return err
	}
	p, err := c.port()
	if err != nil {
		return err
	}
	draft := *p
	changed, err := patched(s.ports, "port", ops, c.version, &draft)
	if err != nil {
		return err
	}
	if err := s.checkPort(c, &draft); err != nil {
		return err
	}
	if (changed["address"] || changed["node_uuid"]) && vifOf(p) != "" {
		return clientError(http.StatusConflict, "Port %s can not be moved or renamed while VIF %s is attached to it.",
			p.UUID, vifOf(p))
	}
	saved, err := s.store.UpdatePort(c.ctx(), p.UUID, func(row *ironic.Port) error {
		_, err := patched(s.ports, "port", ops, c.version, row)
		return err
	})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, s.ports.render(c, saved, nil, true))
}

func (s *server) deletePort(c *call) error {
	p, err := c.port()
	if err != nil {
		return err
	}
	if vif := vifOf(p); vif != "" {
		return clientError(http.StatusConflict, "Cannot delete the port %s as VIF %s is attached to it.", p.UUID, vif)
	}
	if err := s.store.DeletePort(c.ctx(), p.UUID); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}
