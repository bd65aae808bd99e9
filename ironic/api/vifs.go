package api

import (
	"fmt"
	"net/http"

	"trefoil/ironic"
)

// carrier is what a virtual interface can be attached to: a port or a portgroup.
type carrier struct {
	kind string // "port" or "portgroup"
	uuid string
	vif  string
}

// wiring is a node with its ports and portgroups.
type wiring struct {
	node   *ironic.Node
	ports  []*ironic.Port
	groups []*ironic.Portgroup
}

func (s *server) wiring(c *call) (*wiring, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	ports, err := s.store.Ports(c.ctx(), ironic.PortFilter{NodeUUID: n.UUID})
	if err != nil {
		return nil, fmt.Errorf("list ports of node: %w", err)
	}
	groups, err := s.store.Portgroups(c.ctx(), ironic.PortgroupFilter{NodeUUID: n.UUID})
	if err != nil {
		return nil, fmt.Errorf("list portgroups of node: %w", err)
	}
	return &wiring{n, ports, groups}, nil
}

// carriers are all ports and portgroups.
func (w *wiring) carriers() []carrier {
	var out []carrier
	for _, g := range w.groups {
		out = append(out, carrier{"portgroup", g.UUID, g.VIF()})
	}
	for _, p := range w.ports {
		out = append(out, carrier{"port", p.UUID, p.VIF()})
	}
	return out
}

// free are the carriers that can take a virtual interface, in the order in
// which Ironic takes them: portgroups, then PXE ports, then others. A portgroup
// carries none by itself while one of its ports does, and while it is whole its
// ports carry none by themselves.
func (w *wiring) free() []carrier {
	broken, members := map[string]bool{}, map[string]bool{} // portgroups by uuid
	for _, p := range w.ports {
		members[p.PortgroupUUID] = true
		if p.VIF() != "" {
			broken[p.PortgroupUUID] = true
		}
	}
	var groups, first, then []carrier
	for _, g := range w.groups {
		if g.VIF() == "" && members[g.UUID] && !broken[g.UUID] {
			groups = append(groups, carrier{kind: "portgroup", uuid: g.UUID})
		}
	}
	for _, p := range w.ports {
		alone := p.PortgroupUUID == "" || broken[p.PortgroupUUID]
		switch {
		case p.VIF() != "" || !alone:
		case p.PXEEnabled:
			first = append(first, carrier{kind: "port", uuid: p.UUID})
		default:
			then = append(then, carrier{kind: "port", uuid: p.UUID})
		}
	}
	return append(append(groups, first...), then...)
}

func (s *server) listVIFs(c *call) error {
	w, err := s.wiring(c)
	if err != nil {
		return err
	}
	list := []object{}
	for _, k := range w.carriers() {
		if k.vif != "" {
			list = append(list, object{{"id", k.vif}})
		}
	}
	return c.json(http.StatusOK, object{{"vifs", list}})
}

// wantedCarrier reads which port or portgroup the client names, if it does.
func (c *call) wantedCarrier(body map[string]any) (carrier, error) {
	var out carrier
	for kind, name := range map[string]string{"port": "port_uuid", "portgroup": "portgroup_uuid"} {
		if body[name] == nil {
			continue
		}
		if c.version < 67 {
			return out, tooNew("the field "+name, 67, c.version)
		}
		if out.uuid != "" {
			return out, badRequest("Cannot specify both port_uuid and portgroup_uuid.")
		}
		id, err := text("vif", body, name)
		if err != nil {
			return out, err
		}
		out = carrier{kind: kind, uuid: id}
	}
	return out, nil
}

// attachVIF ties a virtual interface to a free port or portgroup.
func (s *server) attachVIF(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	id, err := text("vif", body, "id")
	if err != nil {
		return err
	}
	wanted, err := c.wantedCarrier(body)
	if err != nil {
		return err
	}
	n, err := c.node()
	if err != nil {
		return err
	}
	// Looked at and written in one transaction: of two requests at a time, each sees what the other did.
	err = s.store.UpdateWiring(c.ctx(), n.UUID, func(ports []*ironic.Port, groups []*ironic.Portgroup) error {
		return (&wiring{n, ports, groups}).attach(id, wanted)
	})
	if err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

// attach ties a virtual interface to the carrier that is wanted, or to the first free one.
func (w *wiring) attach(id string, wanted carrier) error {
	for _, k := range w.carriers() {
		if k.vif == id {
			return clientError(http.StatusConflict,
				"Unable to attach VIF because VIF %s is already attached to Ironic %s %s", id, k.kind, k.uuid)
		}
	}
	for _, k := range w.free() {
		if wanted.uuid == "" || k == wanted {
			w.set(k, id)
			return nil
		}
	}
	return badRequest("Unable to attach VIF %s, not enough free physical ports on node %s.", id, w.node.UUID)
}

// set writes a virtual interface, or none, into a carrier.
func (w *wiring) set(k carrier, id string) {
	for _, g := range w.groups {
		if k.kind == "portgroup" && g.UUID == k.uuid {
			g.SetVIF(id)
		}
	}
	for _, p := range w.ports {
		if k.kind == "port" && p.UUID == k.uuid {
			p.SetVIF(id)
		}
	}
}

func (s *server) detachVIF(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	id := c.r.PathValue("vif")
	err = s.store.UpdateWiring(c.ctx(), n.UUID, func(ports []*ironic.Port, groups []*ironic.Portgroup) error {
		w := &wiring{n, ports, groups}
		for _, k := range w.carriers() {
			if k.vif == id {
				w.set(k, "")
				return nil
			}
		}
		return badRequest("Unable to detach VIF %s from node %s because it is not attached to it.", id, n.UUID)
	})
	if err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}
