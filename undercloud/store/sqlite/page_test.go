package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/ironic"
)

// planOf is how SQLite would go about a query, a step a line.
func planOf(t *testing.T, d *DB, query string, args ...any) string {
	t.Helper()
	rows, err := d.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "\n")
}

// grown is a store with enough rows that a plan has a reason.
func grown(t *testing.T) *DB {
	t.Helper()
	d := open1(t, filepath.Join(t.TempDir(), "state.db"))
	for i := range 20 {
		n := &ironic.Node{UUID: fmt.Sprintf("uuid-%d", i), Name: fmt.Sprintf("n%d", i), ProvisionState: "available"}
		if err := d.CreateNode(t.Context(), n, &ironic.Port{UUID: fmt.Sprintf("port-%d", i), Address: fmt.Sprintf("52:54:00:00:00:%02x", i)}); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// What a page of the usual lists costs must not grow with the table: an index leads to its first row, and its rows come in order.
func TestPagesOfNodesAreIndexHits(t *testing.T) {
	d := grown(t)
	yes, no, none, parent := true, false, "", "uuid-1"
	filters := map[string]ironic.NodeFilter{
		"all": {Parent: &none}, "really all": {}, "state": {ProvisionState: "available", Parent: &none}, "driver": {Driver: "ipmi", Parent: &none},
		"class": {ResourceClass: "big", Parent: &none}, "owner": {Owner: "me", Parent: &none}, "lessee": {Lessee: "me", Parent: &none},
		"fault": {Fault: "power failure"}, "maintenance": {Maintenance: &yes, Parent: &none}, "upright": {Maintenance: &no, Parent: &none},
		"associated": {Associated: &yes}, "free": {Associated: &no, Maintenance: &no, ProvisionState: "available", ResourceClass: "big"},
		"instance": {InstanceUUID: "i"}, "chassis": {Chassis: "c"}, "parts": {Parent: &parent}, "shard": {Shards: []string{"s"}},
		"group": {Groups: []string{"g"}, Parent: &none}, "introspected": {Introspected: true}, "walk": {AfterID: 7, Unreserved: true},
	}
	for name, f := range filters {
		for _, p := range []ironic.Page{{Limit: 10}, {Limit: 10, Marker: "uuid-5"}, {Limit: 10, Marker: "uuid-5", Desc: true}} {
			f.Page = p
			straight(t, d, fmt.Sprintf("%s %+v", name, p), f)
		}
	}
	for _, key := range []string{"uuid", "name", "provision_state", "driver", "resource_class", "owner"} {
		for _, p := range []ironic.Page{{Limit: 10, SortKey: key}, {Limit: 10, SortKey: key, Marker: "uuid-5"}, {SortKey: key, Marker: "uuid-5", Desc: true}} {
			straight(t, d, fmt.Sprintf("%+v", p), ironic.NodeFilter{Parent: &none, Page: p})
		}
	}
}

// straight wants a plan that begins at an index and sorts nothing.
func straight(t *testing.T, d *DB, what string, f ironic.NodeFilter) {
	t.Helper()
	query, args, err := nodes().query(t.Context(), d.read, nodeWhere(f), f.Page)
	if err != nil {
		t.Fatal(err)
	}
	plan := planOf(t, d, query, args...)
	for step := range strings.Lines(plan) {
		// Without a marker the first page begins at the beginning of the index.
		fromTheStart := f.Marker == "" && strings.Contains(step, "USING INDEX")
		if strings.Contains(step, "SCAN nodes") && !fromTheStart || strings.Contains(step, "TEMP B-TREE") {
			t.Errorf("%s:\n%s\n%s", what, query, plan)
			return
		}
	}
}

// Where most nodes are of one state, going over them all for a page is what a page must not cost.
func TestPagesByTwoColumnsComeOutOfOneIndex(t *testing.T) {
	d := grown(t)
	none := ""
	for index, f := range map[string]ironic.NodeFilter{
		"nodes_state_name (provision_state=": {ProvisionState: "available", Parent: &none, Page: ironic.Page{SortKey: "name"}},
		"nodes_inspection_started":           {Introspected: true, Page: ironic.Page{SortKey: "inspection_started_at", Desc: true}},
	} {
		for _, marker := range []string{"", "uuid-5"} {
			f.Limit, f.Marker = 10, marker
			query, args, err := nodes().query(t.Context(), d.read, nodeWhere(f), f.Page)
			if err != nil {
				t.Fatal(err)
			}
			plan := planOf(t, d, query, args...)
			for step := range strings.Lines(plan) {
				if strings.Contains(step, "nodes") && !strings.Contains(step, index) || strings.Contains(step, "TEMP B-TREE") {
					t.Errorf("marker %q: expected %s:\n%s\n%s", marker, index, query, plan)
					break
				}
			}
		}
	}
}

// A page of introspections behind a place goes over none that are before it.
func TestPagesOfIntrospectionsBeginAtAnIndex(t *testing.T) {
	d := grown(t)
	f := ironic.NodeFilter{Introspected: true, BegunBefore: &ironic.Begun{At: time.Now(), ID: 5},
		Page: ironic.Page{Limit: 10, SortKey: "inspection_started_at", Desc: true}}
	query, args, err := nodes().query(t.Context(), d.read, nodeWhere(f), f.Page)
	if err != nil {
		t.Fatal(err)
	}
	if plan := planOf(t, d, query, args...); !strings.HasPrefix(plan, "SEARCH nodes USING INDEX nodes_inspection_started (") || strings.Contains(plan, "\n") {
		t.Errorf("%s\n%s", query, plan)
	}
}

func TestSingleRowsAreIndexHits(t *testing.T) {
	d := grown(t)
	seen := &recorder{db: d.read}
	ctx := t.Context()
	_, _ = findNode(ctx, seen, "n3")
	_, _ = findPort(ctx, seen, "52:54:00:00:00:03")
	_, _ = findPortgroup(ctx, seen, "bond0")
	_, _ = chassis().find(ctx, seen, "c")
	_, _ = findAllocation(ctx, seen, "a")
	_, _ = hasPorts(ctx, seen, "g")
	if len(seen.queries) != 7 { // a node by name takes two
		t.Fatalf("%d queries", len(seen.queries))
	}
	for i, q := range seen.queries {
		if plan := planOf(t, d, q, seen.args[i]...); strings.Contains(plan, "SCAN") || !strings.Contains(plan, "INDEX") {
			t.Errorf("%s:\n%s", q, plan)
		}
	}
	for _, f := range []ironic.PortFilter{{NodeUUID: "uuid-1"}, {Address: "52:54:00:00:00:03"}, {Portgroup: "g"}, {Page: ironic.Page{Limit: 10, Marker: "port-3"}}} {
		query, args, err := ports().query(ctx, d.read, portWhere(f), f.Page)
		if err != nil {
			t.Fatal(err)
		}
		if plan := planOf(t, d, query, args...); strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s:\n%s", query, plan)
		}
	}
}

// recorder remembers the queries for single rows.
type recorder struct {
	db      *sql.DB
	queries []string
	args    [][]any
}

func (r *recorder) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	r.queries, r.args = append(r.queries, query), append(r.args, args)
	return r.db.QueryRowContext(ctx, query, args...)
}

// A change of one column leaves the others' indexes alone, and a change of none is stored all the same.
func TestOnlyChangedColumnsAreWritten(t *testing.T) {
	d := grown(t)
	for _, trigger := range []string{"name", "provision_state", "owner"} {
		if _, err := d.write.Exec("CREATE TRIGGER no_" + trigger + " BEFORE UPDATE OF " + trigger + " ON nodes BEGIN SELECT RAISE(ABORT, 'written: " + trigger + "'); END"); err != nil {
			t.Fatal(err)
		}
	}
	change := func(f func(*ironic.Node)) error {
		_, err := d.UpdateNode(t.Context(), "n3", func(n *ironic.Node) error { f(n); return nil })
		return err
	}
	if err := change(func(n *ironic.Node) { n.Maintenance, n.LastError = true, "x" }); err != nil {
		t.Error(err)
	}
	if err := change(func(n *ironic.Node) { n.Owner = "me" }); err == nil || !strings.Contains(err.Error(), "written: owner") {
		t.Errorf("the trigger saw no change of owner: %v", err)
	}
	yes := true
	if list, err := d.Nodes(t.Context(), ironic.NodeFilter{Maintenance: &yes}); err != nil || len(list) != 1 || list[0].LastError != "x" {
		t.Errorf("%v %v", list, err)
	}
}

// What nodes of an earlier version say in their documents stands in the columns that came later.
func TestColumnsOfEarlierRowsAreFilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	d := open1(t, path)
	for _, statement := range []string{
		// The table as it was before migration 13.
		"DROP TABLE nodes", "DROP TABLE ports", "DROP TABLE node_history", "DROP TABLE node_inventory", "DROP TABLE allocations", "DROP TABLE portgroups", "DROP TABLE chassis",
	} {
		if _, err := d.write.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"00002_nodes", "00003_node_records", "00004_allocations", "00005_chassis", "00006_portgroups", "00012_port_name"} {
		text, err := migrations.ReadFile("migrations/" + file + ".sql")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.write.Exec(string(text)); err != nil {
			t.Fatal(err)
		}
	}
	doc := `{"ParentNode":"p","Shard":"s","ConductorGroup":"g","ChassisUUID":"c","InspectionStartedAt":"2026-11-27T12:00:00.5Z"}`
	if _, err := d.write.Exec(`INSERT INTO nodes (uuid, name, provision_state, driver, resource_class, maintenance, owner, lessee, fault, reservation, version, doc)
		VALUES ('old', 'o', 'active', 'ipmi', '', 0, '', '', '', '', 1, ?), ('older', NULL, 'active', 'ipmi', '', 0, '', '', '', '', 1, '{}')`, doc); err != nil {
		t.Fatal(err)
	}
	if _, err := d.write.Exec("DELETE FROM goose_db_version WHERE version_id IN (13, 14)"); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	parent := "p"
	d = open1(t, path)
	for _, f := range []ironic.NodeFilter{{Parent: &parent}, {Shards: []string{"s"}}, {Groups: []string{"g"}}, {Chassis: "c"}, {Introspected: true}} {
		if list, err := d.Nodes(t.Context(), f); err != nil || len(list) != 1 || list[0].UUID != "old" {
			t.Errorf("%+v: %v %v", f, list, err)
		}
	}
	if list, err := d.Nodes(t.Context(), ironic.NodeFilter{Page: ironic.Page{SortKey: "name"}}); err != nil || len(list) != 2 || list[0].UUID != "older" {
		t.Errorf("%v %v", list, err)
	}
}
