package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// checkPortgroup wants what every stored portgroup has, and returns its node.
func (s *server) checkPortgroup(c *call, p *ironic.Portgroup) (*ironic.Node, error) {
	switch {
	case p.NodeUUID == "":
		return nil, badRequest("Schema error for portgroup: 'node_uuid' is a required property")
	case p.Mode == "":
		return nil, badRequest("'mode' is a mandatory attribute and can not be removed")
	case p.Address != "" && !macPattern.MatchString(p.Address):
		return nil, badRequest("Expected a MAC address but received %s.", p.Address)
	case p.Name != "" && (!ironic.ValidName(p.Name) || p.Name == "detail"):
		return nil, badRequest("Portgroup %s: Cannot change name to invalid name '%s'", p.UUID, p.Name)
	case len([]rune(p.PhysicalNetwork)) > 64:
		return nil, badRequest("Schema error for portgroup: physical_network is longer than 64 characters")
	case len([]rune(p.Category)) > 80:
		return nil, badRequest("Schema error for portgroup: category is longer than 80 characters")
	}
	n, err := s.store.Node(c.ctx(), p.NodeUUID)
	if errs.Is(err, errs.NotFound) || err == nil && !c.sees(n) {
		return nil, badRequest("Node %s could not be found.", p.NodeUUID)
	}
	if err != nil {
		return nil, fmt.Errorf("read node of portgroup: %w", err)
	}
	p.NodeUUID = n.UUID
	return n, nil
}

// members are the ports of a portgroup.
func (s *server) members(c *call, p *ironic.Portgroup) ([]*ironic.Port, error) {
	ports, err := s.store.Ports(c.ctx(), ironic.PortFilter{Portgroup: p.UUID})
	if err != nil {
		return nil, fmt.Errorf("list ports of portgroup: %w", err)
	}
	return ports, nil
}

// moveMembers gives all ports of a portgroup its physical network.
func (s *server) moveMembers(c *call, ports []*ironic.Port, network string) error {
	for _, m := range ports {
		_, err := s.store.UpdatePort(c.ctx(), m.UUID, func(m *ironic.Port) error { m.PhysicalNetwork = network; return nil })
		if err != nil {
			return fmt.Errorf("set the physical network of port %s: %w", m.UUID, err)
		}
	}
	return nil
}

// checkGroupChange refuses what would leave a portgroup's ports at odds with it.
func checkGroupChange(c *call, n *ironic.Node, p *ironic.Portgroup, ports []*ironic.Port, changed map[string]bool) error {
	state := fsm.State(n.ProvisionState)
	if state == fsm.Inspecting && c.version >= 39 {
		return clientError(http.StatusConflict, "Cannot update portgroup \"%s\" on node \"%s\" while it is in state \"%s\".", p.UUID, n.UUID, state)
	}
	open := []fsm.State{fsm.Enroll, fsm.Inspecting, fsm.InspectWait, fsm.Manageable}
	if changed["node_uuid"] && !n.Maintenance && !slices.Contains(open, state) {
		return clientError(http.StatusConflict, "Portgroup %s can not be associated to node %s unless the node is in a %s state or in "+
			"maintenance mode. Current state is '%s'.", p.UUID, n.UUID, stateNames(open), state)
	}
	if changed["standalone_ports_supported"] && !p.StandalonePortsSupported {
		for _, m := range ports {
			if why := standsAlone(m); why != "" {
				return clientError(http.StatusConflict, "standalone_ports_supported can not be set to False, because the port group %s "+
					"contains port with %s", p.UUID, why)
			}
		}
	}
	return nil
}

// standsAlone says by what a port works without its group; empty: it does not.
func standsAlone(p *ironic.Port) string {
	var why []string
	if p.PXEEnabled {
		why = append(why, "'pxe_enabled' is set to True")
	}
	if vif := p.VIF(); vif != "" {
		why = append(why, "VIF "+vif+" is attached to this port")
	}
	return strings.Join(why, ", ")
}

// membership are the fields of a port that its portgroup has a say in.
func membership() []string {
	return []string{"portgroup_uuid", "node_uuid", "pxe_enabled", "physical_network"}
}

// checkMembership has the rules of a port in a portgroup. changed names the
// fields that a POST or a PATCH sets.
func (s *server) checkMembership(c *call, p *ironic.Port, changed map[string]bool) error {
	touched := slices.ContainsFunc(membership(), func(name string) bool { return changed[name] })
	if p.PortgroupUUID == "" || !touched {
		return nil
	}
	g, err := s.store.Portgroup(c.ctx(), p.PortgroupUUID)
	if errs.Is(err, errs.NotFound) {
		return badRequest("Portgroup %s could not be found.", p.PortgroupUUID)
	}
	if err != nil {
		return fmt.Errorf("read portgroup of port: %w", err)
	}
	if err := g.Takes(p); err != nil {
		return err
	}
	// As with Ironic, the pxe_enabled that a new port has by default is not held against it.
	asked := changed["pxe_enabled"] || changed["portgroup_uuid"] && p.ID != 0
	switch why := standsAlone(p); {
	case changed["physical_network"] && !changed["portgroup_uuid"] && c.version >= 102:
		return badRequest("physical_network cannot be changed while the port belongs to a portgroup.")
	case asked && !g.StandalonePortsSupported && why != "":
		return clientError(http.StatusConflict, "Port group %s doesn't support standalone ports. This port %s cannot be a member of "+
			"that port group because of: %s", g.UUID, p.UUID, why)
	}
	if changed["portgroup_uuid"] || changed["physical_network"] {
		return s.checkGroupNetwork(c, g, p)
	}
	return nil
}

// checkGroupNetwork wants all ports of a portgroup on one physical network.
func (s *server) checkGroupNetwork(c *call, g *ironic.Portgroup, p *ironic.Port) error {
	ports, err := s.members(c, g)
	if err != nil {
		return err
	}
	ports = slices.DeleteFunc(ports, func(m *ironic.Port) bool { return m.UUID == p.UUID })
	network := g.PhysicalNetwork
	if len(ports) > 0 {
		network = ports[0].PhysicalNetwork
	} else if network == "" {
		return nil
	}
	if network != p.PhysicalNetwork {
		return clientError(http.StatusConflict, "Port with physical network %s cannot become a member of port group %s which has ports "+
			"in physical network %s.", pyText(p.PhysicalNetwork), g.UUID, pyText(network))
	}
	return nil
}

// pyText writes a text that may be null as Python prints it.
func pyText(s string) string {
	if s == "" {
		return "None"
	}
	return s
}
