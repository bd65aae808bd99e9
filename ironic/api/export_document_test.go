package api

import (
	"maps"
	"slices"
)

// What the tests in package api_test hold the OpenAPI document to.

// MaxMinor is the highest minor version.
const MaxMinor = maxMinor

// RouteInfo tells of a route.
type RouteInfo struct {
	Path            string // as the document writes it
	Since           int
	Lenient, Public bool
	Methods         []string
}

// Routes are all that a service with this store and conductor has.
func Routes(cfg Config) []RouteInfo {
	s := newServer(cfg)
	var out []RouteInfo
	add := func(routes []route, public bool) {
		for _, r := range routes {
			path := r.path
			if path == "/{$}" {
				path = "/"
			}
			out = append(out, RouteInfo{path, r.since, r.lenient, public, slices.Sorted(maps.Keys(r.methods))})
		}
	}
	add(s.publicRoutes(), true)
	add(s.guardedRoutes(), false)
	return out
}

// FieldInfo tells of a row of a field table. Input is the schema of what requests may say,
// empty where it has a shape of its own.
type FieldInfo struct {
	Name           string
	Since          int
	Initial, Patch bool
	Input          string
}

func fieldInfos[R any](t table[R]) []FieldInfo {
	input := map[kind]string{anyText: "Text", shortText: "ShortText", uuidText: "OptionalUUID", flag: "Flag",
		nullFlag: "OptionalFlag", dict: "OptionalObject"}
	var out []FieldInfo
	for _, f := range t {
		info := FieldInfo{f.name, f.since, f.initial, f.patch, input[f.kind]}
		if f.parse != nil {
			info.Input = ""
		}
		out = append(out, info)
	}
	return out
}

// FieldTables has the field table of each resource, by the name of its schema.
func FieldTables() map[string][]FieldInfo {
	return map[string][]FieldInfo{"Node": fieldInfos(nodeTable()), "Port": fieldInfos(portTable()),
		"Portgroup": fieldInfos(portgroupTable()), "Chassis": fieldInfos(chassisTable()),
		"Allocation": fieldInfos(allocationTable()), "HistoryEntry": fieldInfos(historyTable()),
		"VolumeConnector": fieldInfos(connectorKind().table), "VolumeTarget": fieldInfos(targetKind().table),
		"DeployTemplate": fieldInfos(deployTemplateTable()), "Runbook": fieldInfos(runbookTable()),
		"InspectionRule": fieldInfos(inspectionRuleTable())}
}

func filterInfos[F any](t []F, row func(F) (name string, since int)) map[string]int {
	out := map[string]int{}
	for _, f := range t {
		name, since := row(f)
		out[name] = since
	}
	return out
}

// FilterTables has the filters of each list with the version of each, by path.
func FilterTables() map[string]map[string]int {
	nodes := filterInfos(nodeFilterTable(), func(f nodeFilter) (string, int) { return f.name, f.since })
	ports := filterInfos(portFilterTable(), func(f portFilter) (string, int) { return f.name, f.since })
	groups := filterInfos(portgroupFilterTable(), func(f portgroupFilter) (string, int) { return f.name, f.since })
	return map[string]map[string]int{"/v1/nodes": nodes, "/v1/nodes/detail": nodes, "/v1/chassis/{chassis}/nodes": nodes,
		"/v1/chassis/{chassis}/nodes/detail": nodes, "/v1/ports": ports, "/v1/ports/detail": ports,
		"/v1/portgroups": groups, "/v1/portgroups/detail": groups}
}

// BodyMembers has the members of the bodies that are read by a table of their
// own, with the version of each, by the name of the schema.
func BodyMembers() map[string]map[string]int {
	return map[string]map[string]int{"ProvisionRequest": provisionMembers(), "Heartbeat": heartbeatFields()}
}

// PowerVerbs are the targets of power with the version of each.
func PowerVerbs() map[string]int { return powerVerbs() }
