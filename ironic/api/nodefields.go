package api

import (
	"strings"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

type nodeField = field[*ironic.Node]

// nodeTable has every field of a node in the order in which Ironic answers.
// Source of the versions: Ironic's REST API version history.
func nodeTable() table[*ironic.Node] {
	t := table[*ironic.Node]{
		{name: "uuid", kind: uuidText, initial: true, get: func(_ *call, n *ironic.Node) any { return n.UUID },
			set: func(n *ironic.Node, v any) { n.UUID = strings.ToLower(v.(string)) }},
		timeField("created_at", 0, func(n *ironic.Node) *time.Time { return &n.CreatedAt }),
		timeField("updated_at", 0, func(n *ironic.Node) *time.Time { return n.UpdatedAt }),
		{name: "automated_clean", since: 47, kind: nullFlag, initial: true, patch: true,
			get: func(_ *call, n *ironic.Node) any { return boolOrNull(n.AutomatedClean) },
			set: func(n *ironic.Node, v any) { n.AutomatedClean = v.(*bool) }},
	}
	t = append(t, interfaceFields()...)
	t = append(t, stateFields()...)
	t = append(t, objectFields()...)
	t = append(t, textFields()...)
	t = append(t, flagFields()...)
	return append(t, linkFields()...)
}

// interfaceVersions names the hardware interfaces with the version that shows each.
func interfaceVersions() []struct {
	name  string
	since int
} {
	return []struct {
		name  string
		since int
	}{
		{"bios", 40}, {"boot", 31}, {"console", 31}, {"deploy", 31}, {"firmware", 86}, {"inspect", 31}, {"management", 31},
		{"network", 20}, {"power", 31}, {"raid", 31}, {"rescue", 38}, {"storage", 33}, {"vendor", 31},
	}
}

func interfaceFields() table[*ironic.Node] {
	var t table[*ironic.Node]
	for _, i := range interfaceVersions() {
		t = append(t, nodeField{name: i.name + "_interface", since: i.since, kind: shortText, initial: true, patch: true,
			get: func(_ *call, n *ironic.Node) any { return orNull(n.Interfaces[i.name]) },
			set: func(n *ironic.Node, v any) {
				if n.Interfaces == nil {
					n.Interfaces = map[string]string{}
				}
				if v.(string) == "" {
					delete(n.Interfaces, i.name)
				} else {
					n.Interfaces[i.name] = v.(string)
				}
			}})
	}
	return t
}

// stateFields are what the conductor writes.
func stateFields() table[*ironic.Node] {
	return table[*ironic.Node]{
		{name: "provision_state", get: func(c *call, n *ironic.Node) any { return shownState(n.ProvisionState, c.version) }},
		{name: "target_provision_state", get: func(_ *call, n *ironic.Node) any { return orNull(n.TargetProvisionState) }},
		timeField("provision_updated_at", 0, func(n *ironic.Node) *time.Time { return n.ProvisionUpdatedAt }),
		{name: "power_state", get: func(_ *call, n *ironic.Node) any { return orNull(n.PowerState) }},
		{name: "target_power_state", get: func(_ *call, n *ironic.Node) any { return orNull(n.TargetPowerState) }},
		timeField("inspection_started_at", 6, func(n *ironic.Node) *time.Time { return n.InspectionStartedAt }),
		timeField("inspection_finished_at", 6, func(n *ironic.Node) *time.Time { return n.InspectionFinishedAt }),
		{name: "last_error", get: func(c *call, n *ironic.Node) any { return c.shown("last_error", n, orNull(n.LastError)) }},
		{name: "reservation", get: func(c *call, n *ironic.Node) any { return c.shown("reservation", n, orNull(n.Reservation)) }},
		{name: "fault", since: 42, get: func(_ *call, n *ironic.Node) any { return orNull(n.Fault) }},
		{name: "conductor", since: 49, get: func(_ *call, n *ironic.Node) any { return orNull(n.Conductor) }, noSort: true},
		{name: "allocation_uuid", since: 52, noSort: true,
			get: func(_ *call, n *ironic.Node) any { return orNull(n.AllocationUUID) }},
		{name: "boot_mode", since: 75, get: func(_ *call, n *ironic.Node) any { return orNull(n.BootMode) }},
		{name: "secure_boot", since: 75, get: func(_ *call, n *ironic.Node) any { return boolOrNull(n.SecureBoot) }},
		{name: "console_enabled", get: func(_ *call, n *ironic.Node) any { return n.ConsoleEnabled }},
		{name: "maintenance_reason", get: func(_ *call, n *ironic.Node) any { return orNull(n.MaintenanceReason) }},
		{name: "clean_step", since: 7, noSort: true, get: func(_ *call, n *ironic.Node) any { return maskStep(n.CleanStep) }},
		{name: "deploy_step", since: 44, noSort: true, get: func(_ *call, n *ironic.Node) any { return maskStep(n.DeployStep) }},
		{name: "service_step", since: 87, noSort: true, get: func(_ *call, n *ironic.Node) any { return maskStep(n.ServiceStep) }},
		{name: "health", since: 109, get: func(_ *call, n *ironic.Node) any { return orNull(n.Health) }},
		{name: "raid_config", since: 12, noSort: true, get: func(_ *call, n *ironic.Node) any { return mapOrEmpty(n.RaidConfig) }},
		{name: "target_raid_config", since: 12, noSort: true,
			get: func(_ *call, n *ironic.Node) any { return mapOrEmpty(n.TargetRaidConfig) }},
		{name: "driver_internal_info", since: 3, noSort: true,
			get: func(c *call, n *ironic.Node) any {
				return c.shown("driver_internal_info", n, mask(n.DriverInternalInfo, neverShown()...))
			}},
		{name: "traits", since: 37, noSort: true, get: func(_ *call, n *ironic.Node) any {
			if n.Traits == nil {
				return []string{}
			}
			return n.Traits
		}},
	}
}

// shownState hides states that a version does not know yet.
func shownState(state string, version int) any {
	switch {
	case state == string(fsm.Available) && version < 2:
		return nil
	case state == string(fsm.InspectWait) && version < 39:
		return string(fsm.Inspecting)
	}
	return orNull(state)
}

func objectFields() table[*ironic.Node] {
	type m = map[string]any
	return table[*ironic.Node]{
		{name: "driver_info", kind: dict, initial: true, patch: true, noSort: true,
			get:      func(c *call, n *ironic.Node) any { return c.shown("driver_info", n, mask(n.DriverInfo)) },
			unmasked: func(n *ironic.Node) any { return mapOrEmpty(n.DriverInfo) },
			set:      func(n *ironic.Node, v any) { n.DriverInfo = v.(m) }},
		{name: "instance_info", kind: dict, initial: true, patch: true, noSort: true,
			get:      func(_ *call, n *ironic.Node) any { return mask(n.InstanceInfo, neverShown()...) },
			unmasked: func(n *ironic.Node) any { return mapOrEmpty(n.InstanceInfo) },
			set:      func(n *ironic.Node, v any) { n.InstanceInfo = v.(m) }},
		{name: "properties", kind: dict, initial: true, patch: true, noSort: true,
			get: func(_ *call, n *ironic.Node) any { return mapOrEmpty(n.Properties) },
			set: func(n *ironic.Node, v any) { n.Properties = v.(m) }},
		{name: "extra", kind: dict, initial: true, patch: true, noSort: true,
			get: func(_ *call, n *ironic.Node) any { return mapOrEmpty(n.Extra) },
			set: func(n *ironic.Node, v any) { n.Extra = v.(m) }},
		{name: "network_data", since: 66, parse: networkData, initial: true, patch: true, noSort: true,
			get: func(_ *call, n *ironic.Node) any { return mapOrEmpty(n.NetworkData) },
			set: func(n *ironic.Node, v any) { n.NetworkData = v.(m) }},
	}
}

// Lengths of texts in characters, where Ironic has others than 255.
const (
	maxResourceClass = 80
	maxDescription   = 4096
)

func textFields() table[*ironic.Node] {
	text := func(name string, since int, k kind, at func(*ironic.Node) *string) nodeField {
		return nodeField{name: name, since: since, kind: k, initial: true, patch: true,
			get: func(_ *call, n *ironic.Node) any { return orNull(*at(n)) },
			set: func(n *ironic.Node, v any) { *at(n) = v.(string) }}
	}
	group := text("conductor_group", 46, shortText, func(n *ironic.Node) *string { return &n.ConductorGroup })
	group.get = func(_ *call, n *ironic.Node) any { return n.ConductorGroup } // "" is a group, never null
	group.set = func(n *ironic.Node, v any) { n.ConductorGroup = strings.ToLower(v.(string)) }
	chassis := text("chassis_uuid", 0, uuidText, func(n *ironic.Node) *string { return &n.ChassisUUID })
	chassis.set = func(n *ironic.Node, v any) { n.ChassisUUID = strings.ToLower(v.(string)) }
	instance := text("instance_uuid", 0, uuidText, func(n *ironic.Node) *string { return &n.InstanceUUID })
	instance.set = func(n *ironic.Node, v any) { n.InstanceUUID = strings.ToLower(v.(string)) } // or two nodes have one instance
	class := text("resource_class", 21, shortText, func(n *ironic.Node) *string { return &n.ResourceClass })
	class.longest = maxResourceClass
	return table[*ironic.Node]{
		text("name", 5, shortText, func(n *ironic.Node) *string { return &n.Name }),
		text("driver", 0, shortText, func(n *ironic.Node) *string { return &n.Driver }),
		instance,
		chassis,
		class,
		group,
		text("owner", 50, shortText, func(n *ironic.Node) *string { return &n.Owner }),
		text("lessee", 65, shortText, func(n *ironic.Node) *string { return &n.Lessee }),
		text("description", 51, anyText, func(n *ironic.Node) *string { return &n.Description }),
		text("shard", 82, shortText, func(n *ironic.Node) *string { return &n.Shard }),
		text("parent_node", 83, shortText, func(n *ironic.Node) *string { return &n.ParentNode }),
		text("instance_name", 104, shortText, func(n *ironic.Node) *string { return &n.InstanceName }),
		text("protected_reason", 48, anyText, func(n *ironic.Node) *string { return &n.ProtectedReason }),
		text("retired_reason", 61, anyText, func(n *ironic.Node) *string { return &n.RetiredReason }),
	}
}

func flagFields() table[*ironic.Node] {
	boolean := func(name string, since int, at func(*ironic.Node) *bool) nodeField {
		return nodeField{name: name, since: since, kind: flag, initial: true, patch: true,
			get: func(_ *call, n *ironic.Node) any { return *at(n) },
			set: func(n *ironic.Node, v any) { *at(n) = v.(bool) }}
	}
	return table[*ironic.Node]{
		boolean("maintenance", 0, func(n *ironic.Node) *bool { return &n.Maintenance }),
		boolean("protected", 48, func(n *ironic.Node) *bool { return &n.Protected }),
		boolean("retired", 61, func(n *ironic.Node) *bool { return &n.Retired }),
		boolean("disable_power_off", 95, func(n *ironic.Node) *bool { return &n.DisablePowerOff }),
	}
}

// linkFields point at sub-resources; only one node's answer has them all.
func linkFields() table[*ironic.Node] {
	sub := func(name string, since int) nodeField {
		return nodeField{name: name, since: since, noSort: true, onDemand: true,
			get: func(c *call, n *ironic.Node) any { return c.links("nodes/" + n.UUID + "/" + name) }}
	}
	return table[*ironic.Node]{
		{name: "links", noSort: true, get: func(c *call, n *ironic.Node) any { return c.links("nodes/" + n.UUID) }},
		sub("ports", 0), sub("portgroups", 24), sub("states", 14), sub("volume", sinceVolume),
	}
}

// defaultNodeFields are the columns of a list that asks for none, in the order
// in which Ironic names them in `next`.
func defaultNodeFields(version int) []string {
	names := []string{"instance_uuid", "maintenance", "power_state", "provision_state", "uuid"}
	if version >= 5 {
		names = append(names, "name")
	}
	return names
}
