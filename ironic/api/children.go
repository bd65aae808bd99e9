package api

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// A node can be a part of another: a card with a processor and a BMC of its
// own in a server. Parts stand in no list of nodes that does not ask for them.

func (s *server) listChildren(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	seen, err := c.seen("node")
	if err != nil {
		return err
	}
	uuids, err := s.children(c, n.UUID, seen)
	if err != nil {
		return err
	}
	link := object{{"href", c.base() + "/v1/nodes?parent_node=" + n.UUID}, {"rel", "children"}}
	return c.json(http.StatusOK, object{{"children", uuids}, {"links", link}})
}

// children are the uuids of a node's parts, as far as keep says.
func (s *server) children(c *call, uuid string, keep func(*ironic.Node) bool) ([]string, error) {
	nodes, err := s.store.Nodes(c.ctx(), ironic.NodeFilter{Parent: &uuid})
	if err != nil {
		return nil, fmt.Errorf("list children: %w", err)
	}
	out := []string{}
	for _, n := range nodes {
		if keep(n) {
			out = append(out, n.UUID)
		}
	}
	return out, nil
}

// linkParent puts the uuid of a new parent in the place of what the client
// wrote. Parts have no parts, so that no circle can come about; and a parent of
// another owner is refused in the words of one that is not there.
func (s *server) linkParent(c *call, n *ironic.Node) error {
	if n.ParentNode == "" {
		return nil
	}
	asked := n.ParentNode
	refuse := func(why string) error {
		return badRequest("Unable to apply the requested parent_node '%s'. Requested value was invalid.%s", asked, why)
	}
	parent, err := s.store.Node(c.ctx(), asked)
	switch {
	case errs.Is(err, errs.NotFound):
		return refuse("")
	case err != nil:
		return fmt.Errorf("read parent node: %w", err)
	case parent.UUID == n.UUID:
		return refuse(" A node can not be a part of itself.")
	case parent.Owner != n.Owner || !c.sees(parent):
		return refuse("")
	case parent.ParentNode != "":
		return refuse(" That node is a part of another one itself.")
	}
	parts, err := s.children(c, n.UUID, func(*ironic.Node) bool { return true })
	if err != nil {
		return err
	}
	if len(parts) > 0 {
		return refuse(" This node has parts of its own.")
	}
	n.ParentNode = parent.UUID
	return nil
}

// maxPartsNamed bounds a refusal's text.
const maxPartsNamed = 10

// hasNoParts refuses to delete a node that others are parts of: Ironic deletes it, and its parts stay in no list,
// with a parent that is gone.
func (s *server) hasNoParts(c *call, n *ironic.Node) error {
	parts, err := s.store.Nodes(c.ctx(), ironic.NodeFilter{Parent: &n.UUID})
	if err != nil {
		return fmt.Errorf("list child nodes: %w", err)
	}
	if len(parts) == 0 {
		return nil
	}
	var names []string
	for _, p := range parts {
		if c.sees(p) && len(names) < maxPartsNamed {
			names = append(names, cmp.Or(p.Name, p.UUID))
		}
	}
	if more := len(parts) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return clientError(http.StatusConflict, "Node %s is the parent_node of %d nodes: %s.", n.UUID, len(parts), strings.Join(names, ", ")).
		hinting("delete them first, or take their parent_node away: openstack baremetal node unset NODE --parent-node")
}
