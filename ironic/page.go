package ironic

import (
	"context"
	"time"
)

// Page is the part of a list that is wanted. The zero value is the whole list in order of ID.
type Page struct {
	Limit   int    // rows at most; 0: all
	Marker  string // uuid of the row that the page comes after, which need not pass the filter; empty: from the beginning
	SortKey string // one of NodeSortKeys or PortSortKeys; empty: ID
	Desc    bool   // from the last to the first
}

// NodeSortKeys are what nodes can be sorted by, under the names of the API, with the
// text that the order of rows is that of, byte by byte: false is before true, null
// is before everything, and rows that have the same text are in order of ID.
func NodeSortKeys() map[string]func(*Node) string {
	keys := map[string]func(*Node) string{
		"uuid": func(n *Node) string { return n.UUID }, "name": func(n *Node) string { return n.Name },
		"driver":          func(n *Node) string { return n.Driver },
		"instance_uuid":   func(n *Node) string { return n.InstanceUUID },
		"instance_name":   func(n *Node) string { return n.InstanceName },
		"resource_class":  func(n *Node) string { return n.ResourceClass },
		"chassis_uuid":    func(n *Node) string { return n.ChassisUUID },
		"owner":           func(n *Node) string { return n.Owner },
		"lessee":          func(n *Node) string { return n.Lessee },
		"description":     func(n *Node) string { return n.Description },
		"conductor_group": func(n *Node) string { return n.ConductorGroup },
		"shard":           func(n *Node) string { return n.Shard },
		"parent_node":     func(n *Node) string { return n.ParentNode },

		"power_state":            func(n *Node) string { return n.PowerState },
		"target_power_state":     func(n *Node) string { return n.TargetPowerState },
		"provision_state":        func(n *Node) string { return n.ProvisionState },
		"target_provision_state": func(n *Node) string { return n.TargetProvisionState },
		"fault":                  func(n *Node) string { return n.Fault },
		"last_error":             func(n *Node) string { return n.LastError },
		"reservation":            func(n *Node) string { return n.Reservation },
		"boot_mode":              func(n *Node) string { return n.BootMode },
		"health":                 func(n *Node) string { return n.Health },
		"maintenance_reason":     func(n *Node) string { return n.MaintenanceReason },
		"protected_reason":       func(n *Node) string { return n.ProtectedReason },
		"retired_reason":         func(n *Node) string { return n.RetiredReason },

		"maintenance":       func(n *Node) string { return flagKey(&n.Maintenance) },
		"protected":         func(n *Node) string { return flagKey(&n.Protected) },
		"retired":           func(n *Node) string { return flagKey(&n.Retired) },
		"console_enabled":   func(n *Node) string { return flagKey(&n.ConsoleEnabled) },
		"disable_power_off": func(n *Node) string { return flagKey(&n.DisablePowerOff) },
		"automated_clean":   func(n *Node) string { return flagKey(n.AutomatedClean) },
		"secure_boot":       func(n *Node) string { return flagKey(n.SecureBoot) },

		"created_at":             func(n *Node) string { return TimeKey(&n.CreatedAt) },
		"updated_at":             func(n *Node) string { return TimeKey(n.UpdatedAt) },
		"provision_updated_at":   func(n *Node) string { return TimeKey(n.ProvisionUpdatedAt) },
		"inspection_started_at":  func(n *Node) string { return TimeKey(n.InspectionStartedAt) },
		"inspection_finished_at": func(n *Node) string { return TimeKey(n.InspectionFinishedAt) },
	}
	for _, name := range InterfaceNames() {
		keys[name+"_interface"] = func(n *Node) string { return n.Interfaces[name] }
	}
	return keys
}

// InterfaceNames are the kinds of hardware interfaces that a node has, in alphabetical order.
func InterfaceNames() []string {
	return []string{"bios", "boot", "console", "deploy", "firmware", "inspect", "management", "network", "power", "raid",
		"rescue", "storage", "vendor"}
}

// Begun is the place of an introspection among all, which is there whether its node still is or not.
type Begun struct {
	At time.Time // when it began
	ID int64     // of its node: of two that began at once, the higher one counts as the later
}

// PortSortKeys are those of ports.
func PortSortKeys() map[string]func(*Port) string {
	return map[string]func(*Port) string{
		"uuid": func(p *Port) string { return p.UUID }, "address": func(p *Port) string { return p.Address },
		"node_uuid":        func(p *Port) string { return p.NodeUUID },
		"portgroup_uuid":   func(p *Port) string { return p.PortgroupUUID },
		"physical_network": func(p *Port) string { return p.PhysicalNetwork },
		"name":             func(p *Port) string { return p.Name },
		"description":      func(p *Port) string { return p.Description },
		"vendor":           func(p *Port) string { return p.Vendor },
		"category":         func(p *Port) string { return p.Category },
		"is_smartnic":      func(p *Port) string { return flagKey(&p.IsSmartNIC) },
		"pxe_enabled":      func(p *Port) string { return flagKey(&p.PXEEnabled) },
		"created_at":       func(p *Port) string { return TimeKey(&p.CreatedAt) },
		"updated_at":       func(p *Port) string { return TimeKey(p.UpdatedAt) },
	}
}

func flagKey(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "1"
	}
	return "0"
}

// TimeKey is a time as lists are sorted by it; "" is none. It has no zone: with one, 12:00:00.5Z would be before 12:00:00Z.
func TimeKey(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.999999999")
}

// walked is how many nodes Walk holds at a time.
const walked = 200

// Walk visits the nodes that f lets through, in order of ID, and holds a few of them at
// a time only. f must have no page. Nodes that come or go meanwhile are visited or not. An
// error of visit ends it and is returned as it is.
func Walk(ctx context.Context, s Store, f NodeFilter, visit func(*Node) error) error {
	f.Page = Page{Limit: walked}
	for {
		nodes, err := s.Nodes(ctx, f)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if err := visit(n); err != nil {
				return err
			}
		}
		if len(nodes) < walked {
			return nil
		}
		f.AfterID = nodes[len(nodes)-1].ID
	}
}
