package api

import (
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

func (c *call) port() (*ironic.Port, error) { return c.portBy(c.r.PathValue("port")) }

func (c *call) portBy(ident string) (*ironic.Port, error) {
	p, err := c.s.store.Port(c.ctx(), ident)
	named := err == nil && p.Name == ident && p.UUID != ident // which versions below 1.88 do not know
	if errs.Is(err, errs.NotFound) || named && c.version < 88 {
		return nil, clientError(http.StatusNotFound, "Port %s could not be found.", ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read port: %w", err)
	}
	return p, c.seesPart(p.NodeUUID, clientError(http.StatusNotFound, "Port %s could not be found.", ident))
}

func (s *server) listPorts(c *call) error { return s.sendPorts(c, "ports", portScope{}, false) }
func (s *server) listPortsDetail(c *call) error {
	return s.sendPorts(c, "ports/detail", portScope{}, true)
}

func (s *server) listNodePorts(c *call) error       { return s.portsOfNode(c, "", false) }
func (s *server) listNodePortsDetail(c *call) error { return s.portsOfNode(c, "/detail", true) }

func (s *server) portsOfNode(c *call, suffix string, detail bool) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	return s.sendPorts(c, "nodes/"+n.UUID+"/ports"+suffix, portScope{node: n.UUID}, detail)
}

func (s *server) listGroupPorts(c *call) error       { return s.portsOfGroup(c, "", false) }
func (s *server) listGroupPortsDetail(c *call) error { return s.portsOfGroup(c, "/detail", true) }

func (s *server) portsOfGroup(c *call, suffix string, detail bool) error {
	g, err := c.portgroup()
	if err != nil {
		return err
	}
	return s.sendPorts(c, "portgroups/"+g.UUID+"/ports"+suffix, portScope{group: g.UUID}, detail)
}

func (s *server) sendPorts(c *call, path string, in portScope, detail bool) error {
	l, err := c.collectionQuery(detail)
	if err != nil {
		return err
	}
	filter, err := c.portFilters(l.filters, in)
	if err != nil {
		return err
	}
	own, err := c.listsOf("port")
	if err != nil {
		return err
	}
	if own != nil && l.marker != "" { // as with nodes
		if _, err := c.portBy(l.marker); err != nil {
			return err
		}
	}
	filter.OfNodes.Projects = append(filter.OfNodes.Projects, own...)
	return sendPage(c, s.ports, "ports", path, l, []string{"uuid", "address"}, func(p ironic.Page) ([]*ironic.Port, error) {
		filter.Page = p
		return s.store.Ports(c.ctx(), filter)
	})
}

func (s *server) getPort(c *call) error { return s.ports.show(c, (*call).port) }

func (s *server) createPort(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	ident, err := c.nodeIdent(body)
	if err != nil {
		return err
	}
	p := &ironic.Port{PXEEnabled: true}
	if err := s.ports.fill("port", body, c.version, p); err != nil {
		return err
	}
	if ident != "" {
		p.NodeUUID = ident
	}
	if err := c.mayAddTo(p.NodeUUID, "baremetal:port:create"); err != nil {
		return err
	}
	if _, err := s.checkPort(c, p); err != nil {
		return err
	}
	if err := checkLink(c, p); err != nil {
		return err
	}
	given := map[string]bool{}
	for name := range body {
		given[name] = true
	}
	if err := s.checkMembership(c, p, given); err != nil {
		return err
	}
	if p.UUID == "" {
		p.UUID = uuid.NewString()
	}
	if err := s.store.CreatePort(c.ctx(), p); err != nil {
		return err
	}
	return s.ports.created(c, "ports", p)
}

// nodeIdent takes the member node_ident, uuid or name of a node, out of a body.
func (c *call) nodeIdent(body map[string]any) (string, error) {
	_, given := body["node_ident"]
	if !given {
		return "", nil
	}
	if c.version < 94 {
		return "", tooNew("the field node_ident", 94, c.version)
	}
	if _, both := body["node_uuid"]; both {
		return "", badRequest("Schema error for port: give node_ident or node_uuid, not both")
	}
	ident, err := text("port", body, "node_ident")
	delete(body, "node_ident")
	return ident, err
}

// checkPort wants what every stored port has, and returns its node.
func (s *server) checkPort(c *call, p *ironic.Port) (*ironic.Node, error) {
	if p.Address == "" {
		return nil, badRequest("Schema error for port: 'address' is a required property")
	}
	if !macPattern.MatchString(p.Address) {
		return nil, badRequest("Expected a MAC address but received %s.", p.Address)
	}
	if p.NodeUUID == "" {
		return nil, badRequest("Schema error for port: 'node_uuid' is a required property")
	}
	n, err := s.store.Node(c.ctx(), p.NodeUUID)
	if errs.Is(err, errs.NotFound) || err == nil && !c.sees(n) {
		return nil, badRequest("Node %s could not be found.", p.NodeUUID)
	}
	if err != nil {
		return nil, fmt.Errorf("read node of port: %w", err)
	}
	p.NodeUUID = n.UUID
	return n, checkPortTexts(p)
}

func (s *server) patchPort(c *call) error {
	return patch(c, s.ports, "port", (*call).port, func(p, draft *ironic.Port, changed map[string]bool) error {
		n, err := s.checkPort(c, draft)
		if err != nil {
			return err
		}
		if err := c.mayMoveTo(n); err != nil {
			return err
		}
		if changed["local_link_connection"] || changed["is_smartnic"] {
			if err := checkLink(c, draft); err != nil {
				return err
			}
		}
		if err := checkPortChange(c, n, p, changed); err != nil {
			return err
		}
		return s.checkMembership(c, draft, changed)
	}, s.store.UpdatePort)
}

func (s *server) deletePort(c *call) error {
	p, err := c.port()
	if err != nil {
		return err
	}
	if err := s.store.DeletePort(c.ctx(), p.UUID, c.mayDeletePort); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

// mayDeletePort is asked in the transaction that deletes: since the request was authorized, the port
// may have got a virtual interface or come to another node, and that node to another owner.
func (c *call) mayDeletePort(p *ironic.Port) error {
	gone := clientError(http.StatusNotFound, "Port %s could not be found.", p.UUID)
	if err := c.stillMay("baremetal:port:delete", p.NodeUUID, gone); err != nil {
		return err
	}
	if vif := p.VIF(); vif != "" {
		return clientError(http.StatusConflict, "Cannot delete the port %s as VIF %s is attached to it.", p.UUID, vif)
	}
	return nil
}
