package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/policy"
)

// What may be changed by whom, where that depends on the body of a request.

// ownNew gives a new node to the project of a caller who may only enrol his own.
func (c *call) ownNew(n *ironic.Node) error {
	own := c.caller.ProjectID
	switch {
	case c.full, c.caller.System, own == "", !c.allowed("baremetal:node:create:self_owned_node", policy.Target{}):
		return c.require("baremetal:node:create", policy.Target{})
	case n.Owner != "" && n.Owner != own:
		return badRequest("Cannot create a node as a project scoped admin with an owner other than your own project.")
	}
	n.Owner = own
	return nil
}

// ownAllocation gives a new allocation to the caller's project, unless he speaks for
// the whole system.
func (c *call) ownAllocation(a *ironic.Allocation) error {
	own := c.caller.ProjectID
	switch {
	case c.allowed("baremetal:allocation:create_restricted", policy.Target{}):
		return nil
	case own == "":
		return denied("baremetal:allocation:create_restricted")
	case a.Owner != "" && a.Owner != own:
		return clientError(http.StatusForbidden, "Cannot create allocation with an owner Project ID value %s not matching the requester "+
			"Project ID %s. Policy baremetal:allocation:create_restricted is required for this capability.", a.Owner, own)
	}
	a.Owner = own
	return c.require("baremetal:allocation:create", policy.Target{})
}

// ownRunbook gives a new runbook to the caller's project, unless he speaks for the whole system.
func (c *call) ownRunbook(r *ironic.Runbook) error {
	own := c.caller.ProjectID
	switch {
	case c.full, c.caller.System:
		return nil
	case own == "":
		return denied("baremetal:runbook:create")
	case r.Owner != "" && r.Owner != own:
		return badRequest("Cannot create a runbook as a project scoped admin with an owner other than your own project.")
	case r.Public:
		return badRequest("Cannot create a public runbook as a project scoped admin.")
	}
	r.Owner = own
	return nil
}

// mayUpdateRunbook holds a patch of a runbook against the policies of its fields.
func (c *call) mayUpdateRunbook(r *ironic.Runbook, ops []operation) error {
	rest := len(ops) == 0
	for _, o := range ops {
		field, _, _ := strings.Cut(strings.TrimPrefix(o.path, "/"), "/")
		if field != "owner" && field != "public" {
			rest = true
			continue
		}
		if err := c.require("baremetal:runbook:update:"+field, policy.Target{Owner: r.Owner}); err != nil {
			return err
		}
	}
	if !rest {
		return nil
	}
	return c.require("baremetal:runbook:update", policy.Target{Owner: r.Owner})
}

// mayUpdate holds a patch of a node against the policies of its fields.
func (c *call) mayUpdate(n *ironic.Node, ops []operation) error {
	if c.full {
		return nil
	}
	for _, name := range updatePolicies(ops) {
		if err := c.require(name, target(n)); err != nil {
			return err
		}
	}
	return nil
}

// updatePolicies are those that a patch must satisfy. Fields without one of their
// own fall under that of the whole node, which comes last.
func updatePolicies(ops []operation) []string {
	var out []string
	rest := len(ops) == 0
	for _, o := range ops {
		if name := updatePolicy(o); name != "" {
			out = append(out, "baremetal:node:"+name)
		} else {
			rest = true
		}
	}
	if rest {
		out = append(out, "baremetal:node:update")
	}
	return out
}

func updatePolicy(o operation) string {
	field, _, _ := strings.Cut(strings.TrimPrefix(o.path, "/"), "/")
	switch field {
	case "instance_info", "instance_name":
		return "update_instance_info"
	case "extra":
		return "update_extra"
	case "driver_info", "properties", "chassis_uuid", "instance_uuid", "lessee", "owner", "network_data", "conductor_group",
		"name", "retired", "shard", "parent_node", "disable_power_off":
		return "update:" + field
	case "retired_reason":
		return "update:retired"
	case "driver":
		return "update:driver_interfaces"
	case "automated_clean":
		if on, ok := parseBool(o.value); ok && !on {
			return "disable_cleaning"
		}
	}
	if strings.HasSuffix(field, "_interface") {
		return "update:driver_interfaces"
	}
	return ""
}

// mayStep holds steps of the caller's own against their policies.
func (c *call) mayStep(n *ironic.Node, req *ProvisionRequest) error {
	if req.CleanSteps != nil {
		if err := c.require("baremetal:node:set_provision_state:clean_steps", target(n)); err != nil {
			return err
		}
	}
	if req.ServiceSteps != nil {
		if err := c.require("baremetal:node:set_provision_state:service_steps", target(n)); err != nil {
			return err
		}
	}
	list := slices.Concat(req.CleanSteps, req.DeploySteps, req.ServiceSteps)
	if slices.ContainsFunc(list, func(s map[string]any) bool { return s["interface"] == ifaceVendor }) {
		if err := c.mayVendor(); err != nil {
			return err
		}
	}
	return c.mayStepOnChildren(n, list)
}

// mayStepOnChildren holds steps that run on child nodes against the policy of each of them. Ironic does so
// with those that a step names alone.
func (c *call) mayStepOnChildren(n *ironic.Node, list []map[string]any) error {
	list = slices.DeleteFunc(list, func(s map[string]any) bool { return s["execute_on_child_nodes"] != true })
	if c.full || len(list) == 0 {
		return nil
	}
	children, err := c.s.store.Nodes(c.ctx(), ironic.NodeFilter{Parent: &n.UUID})
	if err != nil {
		return fmt.Errorf("list child nodes: %w", err)
	}
	for _, s := range list {
		limit, _ := s["limit_child_node_execution"].([]any)
		named := func(uuid string) bool {
			return len(limit) == 0 || slices.ContainsFunc(limit, func(v any) bool { s, _ := v.(string); return strings.EqualFold(s, uuid) })
		}
		for _, child := range children {
			if !named(child.UUID) {
				continue
			}
			if err := c.require("baremetal:node:set_provision_state", target(child)); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayAddTo holds a new port or portgroup against its policy. A node that the caller
// does not see is refused as one that he may not change, and so is one that is not there.
func (c *call) mayAddTo(node, name string) error {
	if c.full {
		return nil
	}
	if node == "" { // the refusal of the missing field says more
		return c.require(name, c.caller.Own())
	}
	n, err := c.s.store.Node(c.ctx(), node)
	if errs.Is(err, errs.NotFound) || err == nil && !c.sees(n) {
		return denied(name)
	}
	if err != nil {
		return err
	}
	return c.require(name, target(n))
}

// mayMoveTo refuses to hang a port or portgroup on a node of another owner.
func (c *call) mayMoveTo(n *ironic.Node) error {
	if c.full || c.partOf == nil || n.UUID == c.partOf.UUID || n.Owner == c.partOf.Owner {
		return nil
	}
	return badRequest("Unable to apply the requested node_uuid '%s'. Requested value was invalid.", n.UUID)
}
