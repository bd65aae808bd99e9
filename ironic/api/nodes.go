package api

import (
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/audit"
	"trefoil/ironic/fsm"
)

// node finds the node of the path. A name or uuid that nobody has gets
// Ironic's sentence.
func (c *call) node() (*ironic.Node, error) {
	if n := c.found; n != nil {
		c.found = nil // who asks again wants to know what it is by then
		return n, nil
	}
	n, err := c.nodeBy(c.r.PathValue("node"))
	if err == nil {
		audit.Note(c.ctx(), func(t *audit.Trail) { t.Node = n.UUID })
	}
	return n, err
}

func (c *call) nodeBy(ident string) (*ironic.Node, error) {
	n, err := c.s.store.Node(c.ctx(), ident)
	if errs.Is(err, errs.NotFound) || err == nil && !c.sees(n) {
		return nil, noNode(ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read node: %w", err)
	}
	return n, nil
}

func noNode(ident string) error {
	return clientError(http.StatusNotFound, "Node %s could not be found.", ident)
}

func (s *server) listNodes(c *call) error       { return s.allNodes(c, "nodes", false) }
func (s *server) listNodesDetail(c *call) error { return s.allNodes(c, "nodes/detail", true) }

func (s *server) allNodes(c *call, path string, detail bool) error {
	l, err := c.collectionQuery(detail)
	if err != nil {
		return err
	}
	return s.sendNodes(c, path, l, "")
}

// sendNodes lists nodes, those of one chassis if one is given.
func (s *server) sendNodes(c *call, path string, l *listQuery, chassis string) error {
	filter, err := c.nodeFilters(l.filters)
	if err != nil {
		return err
	}
	if chassis != "" {
		filter.Chassis = chassis
	}
	own, err := c.listsOf("node")
	if err != nil {
		return err
	}
	if own != nil && l.marker != "" { // where a page begins behind a foreign node, it tells how that sorts
		if _, err := c.nodeBy(l.marker); err != nil {
			return err
		}
	}
	filter.Projects = append(filter.Projects, own...)
	if c.full && l.detail {
		return s.sendWholeNodes(c, path, l, filter)
	}
	return sendPage(c, s.nodes, "nodes", path, l, defaultNodeFields(c.version), func(p ironic.Page) ([]*ironic.Node, error) {
		filter.Page = p
		return s.store.Nodes(c.ctx(), filter)
	})
}

func (s *server) getNode(c *call) error {
	if c.full && c.r.URL.RawQuery == "" {
		return s.showWholeNode(c)
	}
	return s.nodes.show(c, (*call).node)
}

// createNode enrols a machine.
func (s *server) createNode(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	n := &ironic.Node{ProvisionState: string(fsm.Enroll)}
	if c.version < 11 {
		n.ProvisionState = string(fsm.Available)
	}
	if err := s.nodes.fill("node", body, c.version, n); err != nil {
		return err
	}
	if err := c.ownNew(n); err != nil {
		return err
	}
	if n.Driver == "" {
		return badRequest("Schema error for node: 'driver' is a required property")
	}
	if n.Name != "" && !validName(n.Name, c.version) {
		return badRequest("Cannot create node with invalid name '%s'", n.Name)
	}
	if len([]rune(n.Description)) > maxDescription {
		return tooLong("node", "description", maxDescription)
	}
	if err := checkFlags(n, true); err != nil {
		return err
	}
	if n.UUID == "" {
		n.UUID = uuid.NewString()
	}
	if err := s.checkInstance(c, n, ""); err != nil {
		return err
	}
	if err := s.linkParent(c, n); err != nil {
		return err
	}
	nameInstance(n)
	if err := s.conductor.CheckCreate(c.ctx(), n); err != nil {
		return err
	}
	if err := s.store.CreateNode(c.ctx(), n); err != nil {
		return err
	}
	return s.nodes.created(c, "nodes", n)
}

// checkInstance refuses an instance that another node has.
func (s *server) checkInstance(c *call, n *ironic.Node, old string) error {
	if n.InstanceUUID == "" || n.InstanceUUID == old {
		return nil
	}
	others, err := s.store.Nodes(c.ctx(), ironic.NodeFilter{InstanceUUID: n.InstanceUUID})
	if err != nil {
		return fmt.Errorf("look for instance: %w", err)
	}
	for _, o := range others {
		if o.UUID != n.UUID {
			return clientError(http.StatusConflict,
				"Instance %s is already associated with a node, it cannot be associated with this other node %s",
				n.InstanceUUID, n.UUID)
		}
	}
	return nil
}

// deleteNode refuses protected nodes and leaves the rest to the conductor.
func (s *server) deleteNode(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	if n.Protected {
		return protectedError(n)
	}
	if n.InstanceUUID != "" && !n.Maintenance {
		return clientError(http.StatusConflict, "Node %s is associated with instance %s.", n.UUID, n.InstanceUUID)
	}
	if err := s.hasNoParts(c, n); err != nil {
		return err
	}
	if err := s.conductor.DeleteNode(c.ctx(), n.UUID); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

func protectedError(n *ironic.Node) error {
	reason := n.ProtectedReason
	if reason == "" {
		reason = "not provided"
	}
	return clientError(http.StatusForbidden, "Node %s is protected and cannot be undeployed, rebuilt or deleted. "+
		"Protected reason: %s", n.UUID, reason)
}

func (s *server) validateNode(c *call) error { return s.validate(c, c.r.PathValue("node")) }

func (s *server) validateByQuery(c *call) error {
	ident := c.r.URL.Query().Get("node")
	if ident == "" {
		ident = c.r.URL.Query().Get("node_uuid")
	}
	if ident == "" {
		return badRequest("Missing mandatory parameter: node")
	}
	return s.validate(c, ident)
}

// validatedAlways is the version of the youngest interface that a validation
// names at every version, as Ironic 21.4 does; those that came later are named
// from their own version on.
const validatedAlways = 40

func (s *server) validate(c *call, ident string) error {
	n, err := c.nodeBy(ident)
	if err != nil {
		return err
	}
	if err := c.require("baremetal:node:validate", target(n)); err != nil {
		return err
	}
	rows, err := s.conductor.Validate(c.ctx(), n.UUID)
	if err != nil {
		return err
	}
	shown := map[string]Validation{}
	for _, i := range interfaceVersions() {
		if i.since > c.version && i.since > validatedAlways {
			continue
		}
		if row, ok := rows[i.name]; ok && i.name != "vendor" { // Ironic checks vendor interfaces by call
			shown[i.name] = row
		}
	}
	return c.json(http.StatusOK, shown)
}
