package sqlite

import (
	"context"
	"fmt"
	"strings"

	"trefoil/ironic"
)

// column is one of a row beside its document.
type column struct {
	name  string
	value any
}

// nodeRow are the columns of a node that lists filter or sort by.
func nodeRow(n *ironic.Node) []column {
	return []column{
		{"uuid", n.UUID}, {"name", null(n.Name)}, {"instance_uuid", null(n.InstanceUUID)},
		{"provision_state", n.ProvisionState}, {"driver", n.Driver}, {"resource_class", n.ResourceClass},
		{"maintenance", n.Maintenance}, {"owner", n.Owner}, {"lessee", n.Lessee}, {"fault", n.Fault},
		{"reservation", n.Reservation}, {"parent_node", n.ParentNode}, {"shard", n.Shard},
		{"conductor_group", n.ConductorGroup}, {"chassis_uuid", n.ChassisUUID},
		{"inspection_started_at", ironic.TimeKey(n.InspectionStartedAt)},
	}
}

// nodes makes pages of nodes. Keys that are a column have an index where lists are
// often sorted by them; for the others SQLite goes over all rows, whose documents it
// reads for keys in them. Only the rows of the page are decoded, whatever the key is.
func nodes() pager {
	keys := map[string]string{"name": "name_key", "instance_uuid": "ifnull(instance_uuid, '')",
		"uuid": "uuid", "provision_state": "provision_state", "driver": "driver", "resource_class": "resource_class",
		"maintenance": "maintenance", "owner": "owner", "lessee": "lessee", "fault": "fault", "reservation": "reservation",
		"parent_node": "parent_node", "shard": "shard", "conductor_group": "conductor_group", "chassis_uuid": "chassis_uuid",
		"instance_name": inDoc("InstanceName"), "description": inDoc("Description"),
		"power_state": inDoc("PowerState"), "target_power_state": inDoc("TargetPowerState"),
		"target_provision_state": inDoc("TargetProvisionState"), "last_error": inDoc("LastError"),
		"boot_mode": inDoc("BootMode"), "health": inDoc("Health"), "maintenance_reason": inDoc("MaintenanceReason"),
		"protected_reason": inDoc("ProtectedReason"), "retired_reason": inDoc("RetiredReason"),
		"protected": flagInDoc("Protected", 0), "retired": flagInDoc("Retired", 0), "console_enabled": flagInDoc("ConsoleEnabled", 0),
		"disable_power_off": flagInDoc("DisablePowerOff", 0), "automated_clean": flagInDoc("AutomatedClean", -1),
		"secure_boot": flagInDoc("SecureBoot", -1),
		"created_at":  timeInDoc("CreatedAt"), "updated_at": timeInDoc("UpdatedAt"),
		"provision_updated_at": timeInDoc("ProvisionUpdatedAt"), "inspection_started_at": "inspection_started_at",
		"inspection_finished_at": timeInDoc("InspectionFinishedAt"),
	}
	for _, name := range ironic.InterfaceNames() {
		keys[name+"_interface"] = inDoc("Interfaces." + name)
	}
	return pager{table: "nodes", kind: "Node", columns: nodeColumns, keys: keys}
}

// inDoc is a text in a row's document; one of an earlier version may lack it.
func inDoc(path string) string { return "ifnull(json_extract(doc, '$." + path + "'), '')" }

// flagInDoc is 0 or 1, and none where there is neither: -1 for a flag that may be null.
func flagInDoc(path string, none int) string {
	return fmt.Sprintf("ifnull(json_extract(doc, '$.%s'), %d)", path, none)
}

// timeInDoc has no zone: with one, 12:00:00.5Z would be before 12:00:00Z.
func timeInDoc(path string) string {
	return "ifnull(rtrim(json_extract(doc, '$." + path + "'), 'Z'), '')"
}

// nodeWhere is the filter in SQL. All of it is: no row is decoded that is not shown.
func nodeWhere(f ironic.NodeFilter) where {
	var w where
	w.equal("provision_state", f.ProvisionState)
	w.equal("driver", f.Driver)
	w.equal("resource_class", f.ResourceClass)
	w.equal("instance_uuid", f.InstanceUUID)
	w.equal("owner", f.Owner)
	for _, c := range []struct{ column, value string }{{"lessee", f.Lessee}, {"fault", f.Fault}, {"chassis_uuid", f.Chassis}} {
		if c.value != "" {
			w.oneOf(c.column, []string{c.value})
		}
	}
	if f.Parent != nil {
		w.oneOf("parent_node", []string{*f.Parent})
	}
	w.projects(f.Projects)
	w.flag("associated", f.Associated)
	w.flag("maintenance", f.Maintenance)
	w.flag(flagInDoc("Retired", 0), f.Retired)
	w.flag("(shard <> '')", f.Sharded)
	w.oneOf("shard", f.Shards)
	w.oneOf("conductor_group", f.Groups)
	w.part(inDoc("Description"), f.Description)
	w.is(inDoc("Conductor"), f.Conductor)
	w.is(inDoc("InstanceName"), f.InstanceName)
	if f.Health != nil {
		w.add("lower("+inDoc("Health")+") = ?", strings.ToLower(*f.Health))
	}
	if f.Introspected {
		w.add("inspection_started_at <> ''")
	}
	if b := f.BegunBefore; b != nil {
		// The index leads to the first row; those of the same nanosecond, which it goes over, are few.
		w.add("inspection_started_at <> '' AND (inspection_started_at, id) < (?, ?)", ironic.TimeKey(&b.At), b.ID)
	}
	if f.Unreserved {
		w.add("reservation = ''")
	}
	for _, state := range f.ExceptStates {
		w.add("provision_state <> ?", state)
	}
	if f.UprightOr != "" {
		w.add("(maintenance = 0 OR fault = ?)", f.UprightOr)
	}
	if f.AfterID != 0 {
		w.add("id > ?", f.AfterID)
	}
	return w
}

// projects is for nodes of which each is the owner or the lessee.
func (w *where) projects(names []string) {
	for _, p := range names {
		w.add("(owner = ? OR (lessee = ? AND lessee <> ''))", p, p)
	}
}

// flag stands in the SQL itself, not as a parameter: that is how an index of the rows with 1 alone is found.
func (w *where) flag(column string, value *bool) {
	switch {
	case value == nil:
	case *value:
		w.add(column + " = 1")
	default:
		w.add(column + " = 0")
	}
}

func (w *where) is(column string, value *string) {
	if value != nil {
		w.add(column+" = ?", *value)
	}
}

// Nodes lists what the filter lets through.
func (d *DB) Nodes(ctx context.Context, f ironic.NodeFilter) ([]*ironic.Node, error) {
	return list(ctx, d.read, nodes(), nodeWhere(f), f.Page, scanNode)
}

// StoredNodes lists the same.
func (d *DB) StoredNodes(ctx context.Context, f ironic.NodeFilter) ([]ironic.StoredNode, error) {
	return list(ctx, d.read, nodes(), nodeWhere(f), f.Page, scanStored)
}

// CountShards counts nodes by shard.
func (d *DB) CountShards(ctx context.Context) (map[string]int, error) {
	rows, err := d.read.QueryContext(ctx, "SELECT shard, count(*) FROM nodes GROUP BY shard")
	if err != nil {
		return nil, fmt.Errorf("count the nodes of shards: %w", err)
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var shard string
		var count int
		if err := rows.Scan(&shard, &count); err != nil {
			return nil, fmt.Errorf("count the nodes of shards: %w", err)
		}
		out[shard] = count
	}
	return out, rows.Err()
}
