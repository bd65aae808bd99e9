package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"

	"trefoil/ironic"
)

// vifKey is where a port remembers its virtual interface, in internal_info, as
// Ironic's network interfaces do.
const vifKey = "tenant_vif_port_id"

func vifOf(p *ironic.Port) string {
	id, _ := p.InternalInfo[vifKey].(string)
	return id
}

func (s *server) nodePorts(c *call) (*ironic.Node, []*ironic.Port, error) {
	n, err := c.node()
	if err != nil {
		return nil, nil, err
	}
	ports, err := s.store.Ports(c.ctx(), ironic.PortFilter{NodeUUID: n.UUID})
	if err != nil {
		return nil, nil, fmt.Errorf("list ports of node: %w", err)
	}
	return n, ports, nil
}

func (s *server) listVIFs(c *call) error {
	_, ports, err := s.nodePorts(c)
	if err != nil {
		return err
	}
	list := []object{}
	for _, p := range ports {
		if id := vifOf(p); id != "" {
			list = append(list, object{{"id", id}})
		}
	}
	return c.json(http.StatusOK, object{{"vifs", list}})
}

// errTaken says that a port got a virtual interface in the meantime.
var errTaken = errors.New("port is taken")

// attachVIF ties a virtual interface to a free port, PXE ports first.
func (s *server) attachVIF(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	id, err := text("vif", body, "id")
	if err != nil {
		return err
	}
	wanted, _ := body["port_uuid"].(string)
	if wanted != "" && c.version < 67 {
		return notAcceptable()
	}
	if body["portgroup_uuid"] != nil {
		return badRequest("There are no portgroups that a VIF could be attached to.")
	}
	n, ports, err := s.nodePorts(c)
	if err != nil {
		return err
	}
	for _, p := range ports {
		if vifOf(p) == id {
			return clientError(http.StatusConflict,
				"Unable to attach VIF because VIF %s is already attached to Ironic port %s", id, p.UUID)
		}
	}
	for _, p := range pxeFirst(ports) {
		if vifOf(p) != "" || wanted != "" && p.UUID != wanted {
			continue
		}
		err := s.setVIF(c, p.UUID, id)
		if errors.Is(err, errTaken) {
			continue
		}
		if err != nil {
			return err
		}
		return c.status(http.StatusNoContent)
	}
	return badRequest("Unable to attach VIF %s, not enough free physical ports on node %s.", id, n.UUID)
}

func (s *server) setVIF(c *call, port, id string) error {
	_, err := s.store.UpdatePort(c.ctx(), port, func(p *ironic.Port) error {
		if vifOf(p) != "" {
			return errTaken
		}
		p.InternalInfo = maps.Clone(p.InternalInfo)
		if p.InternalInfo == nil {
			p.InternalInfo = map[string]any{}
		}
		p.InternalInfo[vifKey] = id
		return nil
	})
	return err
}

func pxeFirst(ports []*ironic.Port) []*ironic.Port {
	var first, then []*ironic.Port
	for _, p := range ports {
		if p.PXEEnabled {
			first = append(first, p)
		} else {
			then = append(then, p)
		}
	}
	return append(first, then...)
}

func (s *server) detachVIF(c *call) error {
	n, ports, err := s.nodePorts(c)
	if err != nil {
		return err
	}
	id := c.r.PathValue("vif")
	for _, p := range ports {
		if vifOf(p) != id {
			continue
		}
		_, err := s.store.UpdatePort(c.ctx(), p.UUID, func(row *ironic.Port) error {
			row.InternalInfo = maps.Clone(row.InternalInfo)
			delete(row.InternalInfo, vifKey)
			return nil
		})
		if err != nil {
			return err
		}
		return c.status(http.StatusNoContent)
	}
	return badRequest("Unable to detach VIF %s from node %s because it is not attached to it.", id, n.UUID)
}
