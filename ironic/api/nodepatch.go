package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// patchNode changes a node's row under Ironic's rules of who may change what when.
func (s *server) patchNode(c *call) error {
	ops, err := c.operations()
	if err != nil {
		return err
	}
	reset, err := c.resetInterfaces(ops)
	if err != nil {
		return err
	}
	n, err := c.node()
	if err != nil {
		return err
	}
	if err := c.mayUpdate(n, ops); err != nil {
		return err
	}
	draft, changed, err := s.draft(c, n, ops, reset)
	if err != nil {
		return err
	}
	if changed["owner"] && n.ProvisionState == string(fsm.Active) && !c.allowed("baremetal:node:update_owner_provisioned", target(n)) {
		return clientError(http.StatusConflict, "Cannot update owner of node \"%s\" while it is in state \"%s\".", n.UUID, n.ProvisionState)
	}
	if err := s.checkInstance(c, draft, n.InstanceUUID); err != nil {
		return err
	}
	if changed["parent_node"] {
		if err := s.linkParent(c, draft); err != nil {
			return err
		}
	}
	if changed["chassis_uuid"] && c.version < 25 && draft.ChassisUUID == "" {
		return tooNew("taking a node out of its chassis", 25, c.version)
	}
	rewired := changed["driver"] || len(changedInterfaces(changed)) > 0
	if rewired {
		if err := s.conductor.CheckCreate(c.ctx(), draft); err != nil {
			return err
		}
	}
	saved, err := s.store.UpdateNode(c.ctx(), n.UUID, func(row *ironic.Node) error {
		fresh, _, err := s.draft(c, row, ops, reset) // the row may have moved on since
		if err != nil {
			return err
		}
		*row = *fresh
		if changed["parent_node"] {
			row.ParentNode = draft.ParentNode // the uuid behind a name
		}
		if rewired {
			row.Interfaces, row.Conductor = draft.Interfaces, draft.Conductor
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, s.nodes.object(c, saved, nil))
}

// nameInstance takes an instance's name from where Nova writes it, unless it has one.
func nameInstance(n *ironic.Node) {
	if name, _ := n.InstanceInfo["display_name"].(string); n.InstanceName == "" && len([]rune(name)) <= 255 {
		n.InstanceName = name
	}
}

// resetInterfaces reads the parameter of that name; it goes only with a change of driver.
func (c *call) resetInterfaces(ops []operation) (bool, error) {
	value := c.r.URL.Query().Get("reset_interfaces")
	if value == "" {
		return false, nil
	}
	if c.version < 45 {
		return false, tooNew("the parameter reset_interfaces", 45, c.version)
	}
	reset, err := queryBool("reset_interfaces", value)
	if err != nil {
		return false, err
	}
	if *reset && !slices.ContainsFunc(ops, func(o operation) bool { return o.path == "/driver" }) {
		return false, badRequest("The reset_interfaces parameter can only be used when changing the node's driver.")
	}
	return *reset, nil
}

// draft applies ops to a copy of row and checks the result; row stays as it is.
func (s *server) draft(c *call, row *ironic.Node, ops []operation, reset bool) (*ironic.Node, map[string]bool, error) {
	if err := mayPatch(row, ops, s.conductor.Host()); err != nil {
		return nil, nil, err
	}
	draft := *row
	draft.Interfaces = maps.Clone(row.Interfaces)
	if reset {
		draft.Interfaces = map[string]string{}
	}
	changed, err := patched(s.nodes, "node", ops, c.version, &draft)
	if err != nil {
		return nil, nil, err
	}
	if reset {
		changed["driver"] = true
	}
	if changed["instance_info"] {
		nameInstance(&draft)
	}
	if slices.ContainsFunc(ops, func(o operation) bool { return o.path == "/lessee" }) { // also the one that it is: now it is somebody's choice
		draft.DriverInternalInfo = maps.Clone(row.DriverInternalInfo)
		delete(draft.DriverInternalInfo, KeyAutomaticLessee)
	}
	return &draft, changed, checkNodeChange(c.version, row, &draft, changed)
}

// mayPatch refuses changes while the conductor is at work on the node. One
// thing always goes in maintenance: freeing the node from its instance.
func mayPatch(n *ironic.Node, ops []operation, host string) error {
	if n.Maintenance && len(ops) == 1 && ops[0].op == "remove" && ops[0].path == "/instance_uuid" {
		return nil
	}
	if n.Updatable() {
		return nil
	}
	return clientError(http.StatusConflict, "Node %s can not be updated while a state transition is in progress: %s has it.", n.UUID, n.Transition(host))
}

// checkNodeChange has the rules that look at both sides of a change.
func checkNodeChange(version int, old, n *ironic.Node, changed map[string]bool) error {
	if changed["name"] && n.Name != "" && !validName(n.Name, version) {
		return badRequest("Node %s: Cannot change name to invalid name '%s'", old.UUID, n.Name)
	}
	if changed["description"] && len([]rune(n.Description)) > maxDescription {
		return badRequest("Cannot update node with description exceeding %d characters", maxDescription)
	}
	if n.Driver == "" {
		return badRequest("Schema error for node: 'driver' can not be removed")
	}
	idle := []fsm.State{fsm.Enroll, fsm.Inspecting, fsm.InspectWait, fsm.Manageable, fsm.Available}
	resting := slices.Contains(idle, fsm.State(old.ProvisionState))
	if names := changedInterfaces(changed); len(names) > 0 && !resting && !old.Maintenance {
		return clientError(http.StatusConflict, "Node %s can not have %s updated unless it is in one of allowed "+
			"(%s) states or in maintenance mode.", old.UUID, strings.Join(names, ", "), stateNames(idle))
	}
	switch {
	case changed["resource_class"] && old.ResourceClass != "" && !resting:
		return clientError(http.StatusConflict, "Node %s can not have resource_class updated unless it is in one of "+
			"allowed (%s) states.", old.UUID, stateNames(idle))
	case changed["driver"] && old.ConsoleEnabled:
		return clientError(http.StatusConflict, "Node %s can not have driver updated while its console is enabled.", old.UUID)
	case changed["console_interface"] && old.ConsoleEnabled:
		return clientError(http.StatusConflict, "Node %s can not have console_interface updated while its console is enabled.", old.UUID)
	case changed["instance_uuid"] && old.InstanceUUID != "" && n.InstanceUUID != "":
		return clientError(http.StatusConflict, "Node %s is associated with instance %s.", old.UUID, old.InstanceUUID)
	case changed["instance_uuid"] && old.AllocationUUID != "" && !resting && !old.Maintenance:
		return clientError(http.StatusConflict, "Node %s with an allocation can not have instance_uuid removed unless it is in "+
			"one of allowed (%s) states or in maintenance mode. Current state is '%s'.", old.UUID, stateNames(idle), old.ProvisionState)
	case changed["owner"] && old.AllocationUUID != "":
		return clientError(http.StatusConflict, "Owner of node %s can not be changed while it is allocated.", old.UUID)
	}
	return checkFlagChange(old, n, changed)
}

// checkFlagChange keeps maintenance, protected and retired in step with their reasons.
func checkFlagChange(old, n *ironic.Node, changed map[string]bool) error {
	if changed["maintenance"] && !n.Maintenance {
		n.MaintenanceReason, n.Fault = "", ""
	}
	if changed["protected"] {
		if n.Protected && old.ProvisionState != string(fsm.Active) && old.ProvisionState != string(fsm.Rescue) {
			return clientError(http.StatusConflict, "Node %s can not be protected while it is in state \"%s\": "+
				"only active and rescue nodes can.", old.UUID, old.ProvisionState)
		}
		if !n.Protected && !changed["protected_reason"] {
			n.ProtectedReason = ""
		}
	}
	if changed["retired"] {
		if n.Retired && old.ProvisionState == string(fsm.Available) {
			return clientError(http.StatusConflict, "Node %s can not be retired while it is in state \"available\": "+
				"move it to manageable first.", old.UUID)
		}
		if !n.Retired && !changed["retired_reason"] {
			n.RetiredReason = ""
		}
	}
	return checkFlags(n, false)
}

// checkFlags refuses a reason without its flag. A new node cannot be protected:
// it is not deployed yet.
func checkFlags(n *ironic.Node, isNew bool) error {
	fault := ironic.FlagsFault(n)
	switch {
	case fault != "":
		return badRequest("%s", fault)
	case isNew && n.Protected:
		return badRequest("A new node can not be protected: only active and rescue nodes can.")
	}
	return nil
}

func changedInterfaces(changed map[string]bool) []string {
	var names []string
	for name := range changed {
		if strings.HasSuffix(name, "_interface") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func stateNames(states []fsm.State) string {
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
