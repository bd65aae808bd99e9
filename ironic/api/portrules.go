package api

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// checkPortTexts has the rules of a port's own words.
func checkPortTexts(p *ironic.Port) error {
	for _, t := range []struct {
		name, value string
		most        int
	}{{"physical_network", p.PhysicalNetwork, 64}, {"vendor", p.Vendor, 32}, {"category", p.Category, 80}} {
		if len([]rune(t.value)) > t.most {
			return badRequest("Schema error for port: %s is longer than %d characters", t.name, t.most)
		}
	}
	if p.Name != "" && (!ironic.ValidName(p.Name) || p.Name == "detail") {
		return badRequest("Invalid name '%s' of a port: use letters, digits, - . _ and ~, and no UUID.", p.Name)
	}
	return nil
}

// Members of local_link_connection. A switch of Open Virtual Network's VTEP
// kind could be named from 1.90 to 1.104 only.
func linkMembers() []string {
	return []string{"port_id", "switch_id", "hostname", "switch_info", "network_type", vtepLogical, vtepPhysical}
}

const (
	vtepLogical  = "vtep-logical-switch"
	vtepPhysical = "vtep-physical-switch"
	vtepFrom     = 90
	vtepUntil    = 105
)

var datapath = regexp.MustCompile(`^([0-9a-f]{2}:){7}[0-9a-f]{2}$`)

// checkLink wants a description of a switch's port that Ironic's schema takes.
func checkLink(c *call, p *ironic.Port) error {
	link := p.LocalLinkConnection
	vtep := link[vtepLogical] != nil || link[vtepPhysical] != nil
	if link["network_type"] != nil && c.version < 64 {
		return tooNew("network_type of local_link_connection", 64, c.version)
	}
	if vtep && c.version < vtepFrom {
		return tooNew("a VTEP in local_link_connection", vtepFrom, c.version)
	}
	known := linkMembers()
	if c.version >= vtepUntil {
		known = known[:len(known)-2]
	}
	if err := only("local_link_connection", link, known...); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(link)) {
		if _, ok := link[name].(string); !ok {
			return schemaError("local_link_connection", name, link[name], "'string'")
		}
	}
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return link[n] == nil })
	}
	if kind := link["network_type"]; kind != nil && kind != "managed" && kind != "unmanaged" {
		return badRequest("Schema error for local_link_connection: network_type '%s' is not one of managed, unmanaged", kind)
	}
	if p.IsSmartNIC && !has("port_id", "hostname") {
		return badRequest("Smart NIC port must have port_id and hostname in local_link_connection")
	}
	whole := len(link) == 0 || has("port_id", "switch_id") || has("port_id", "hostname") ||
		link["network_type"] == "unmanaged" || has("port_id", vtepLogical, vtepPhysical)
	if !whole || has(vtepLogical) != has(vtepPhysical) {
		return badRequest("Schema error for local_link_connection: it needs port_id and switch_id, or port_id and hostname " +
			"(a smart NIC), or network_type unmanaged")
	}
	if id, given := link["switch_id"].(string); given && !macPattern.MatchString(id) && !datapath.MatchString(id) {
		return badRequest("Invalid switch_id: '%s' is neither a MAC address nor an OpenFlow datapath ID.", id)
	}
	return nil
}

// plainLink writes the switch's id in one form.
func plainLink(link map[string]any) map[string]any {
	if id, ok := link["switch_id"].(string); ok {
		link = maps.Clone(link)
		link["switch_id"] = macText(id)
	}
	return link
}

// shownLink hides a kind of switch from versions that do not know it.
func shownLink(c *call, p *ironic.Port) any {
	if _, vtep := p.LocalLinkConnection[vtepLogical]; vtep && (c.version < vtepFrom || c.version >= vtepUntil) {
		return map[string]any{}
	}
	return mapOrEmpty(p.LocalLinkConnection)
}

// checkPortChange refuses to change how a machine in use is connected.
func checkPortChange(c *call, n *ironic.Node, p *ironic.Port, changed map[string]bool) error {
	state := fsm.State(n.ProvisionState)
	if (changed["address"] || changed["node_uuid"]) && p.VIF() != "" {
		return clientError(http.StatusConflict, "Port %s can not be moved or renamed while VIF %s is attached to it.", p.UUID, p.VIF())
	}
	if state == fsm.Inspecting && c.version >= 39 {
		return clientError(http.StatusConflict, "Cannot update port \"%s\" on \"%s\" while it is in state \"%s\".", p.UUID, n.UUID, state)
	}
	if n.Maintenance {
		return nil
	}
	if changed["address"] && (state == fsm.Active || n.InstanceUUID != "") {
		return clientError(http.StatusConflict, "Cannot update hardware address for port %s as node %s is active or has "+
			"instance UUID assigned", p.UUID, n.UUID)
	}
	open := []fsm.State{fsm.Enroll, fsm.Inspecting, fsm.InspectWait, fsm.Manageable}
	wiring := []string{"portgroup_uuid", "pxe_enabled", "local_link_connection", "physical_network"}
	wiring = slices.DeleteFunc(wiring, func(name string) bool { return !changed[name] })
	if len(wiring) > 0 && !slices.Contains(open, state) {
		return clientError(http.StatusConflict, "Port %s can not have any connectivity attributes (%s) updated unless node %s is in "+
			"a %s state or in maintenance mode. The current state is %s.", p.UUID, strings.Join(wiring, ", "), n.UUID, stateNames(open), state)
	}
	return nil
}
