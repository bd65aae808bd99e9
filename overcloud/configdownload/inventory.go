package configdownload

import (
	"maps"
	"slices"
	"strings"

	"trefoil/overcloud/hot"
)

// InventoryFile is the inventory's name.
const InventoryFile = "tripleo-ansible-inventory.yaml"

// inventory writes the groups: the undercloud, each role that has machines, all of
// them, and each service.
func (m *maker) inventory() error {
	inv := map[string]any{"Undercloud": m.undercloud()}
	children := m.roleGroups(inv)
	if len(children) > 0 {
		all := map[string]any{"children": empties(children), "vars": m.vips()}
		if m.release == wallaby {
			all["vars"].(map[string]any)["container_cli"] = m.p.Parameters["ContainerCli"]
			inv[m.p.Stack] = all
			inv["allovercloud"] = map[string]any{"children": empties([]string{m.p.Stack})}
		} else {
			inv["overcloud"] = all
		}
	}
	m.serviceGroups(inv)
	if m.release == wallaby {
		m.excluded(inv)
	}
	return m.putYAML(InventoryFile, inv)
}

// empties is how a static inventory lists names.
func empties(names []string) map[string]any {
	out := map[string]any{}
	for _, n := range names {
		out[n] = map[string]any{}
	}
	return out
}

func (m *maker) undercloud() map[string]any {
	vars := map[string]any{"ansible_host": "localhost", "ansible_connection": "local", "ansible_remote_tmp": "/tmp/ansible-${USER}", "plan": m.p.Stack}
	maps.Copy(vars, m.o.Undercloud)
	if url := m.outputs["KeystoneURL"]; url != nil {
		vars["overcloud_keystone_url"] = url
	}
	if p := m.p.Parameters["AdminPassword"]; p != nil {
		vars["overcloud_admin_password"] = p
	}
	if uri := at(m.outputs, "EndpointMap", "HorizonPublic", "uri"); uri != nil {
		vars["overcloud_horizon_url"] = uri
	}
	if m.release == wallaby {
		vars["any_error_fatal"], vars["max_fail_percentage"] = true, 0
	}
	return map[string]any{"hosts": empties([]string{"undercloud"}), "vars": vars}
}

// roleGroups adds a group for each role with machines and returns their names.
func (m *maker) roleGroups(inv map[string]any) []string {
	var names []string
	for _, h := range m.hosts {
		group := asMap(inv[h.role])
		if group == nil {
			group = map[string]any{"hosts": map[string]any{}, "vars": m.roleVars(h.role)}
			inv[h.role] = group
			names = append(names, h.role)
		}
		asMap(group["hosts"])[h.name] = m.hostFacts(h)
	}
	return names
}

func (m *maker) roleVars(role string) map[string]any {
	vars := map[string]any{"ansible_ssh_user": m.o.User, "bootstrap_server_id": m.bootstrap(), "tripleo_role_name": role}
	switch m.release {
	case queens:
		vars["role_name"] = role
	case wallaby:
		vars["tripleo_role_networks"], vars["serial"] = m.networksOf(role), 1
	}
	return vars
}

// bootstrap is the identifier of the machine that does what is done once.
func (m *maker) bootstrap() any {
	if id := at(m.outputs, "ServerIdData", "bootstrap_server_id"); id != nil {
		return id
	}
	for _, r := range m.p.Roles {
		if i := slices.IndexFunc(m.hosts, func(h host) bool { return h.role == r.Name }); i >= 0 && slices.Contains(r.Tags, "primary") {
			return m.hosts[i].id
		}
	}
	return nil
}

// networksOf are the networks that a role's machines have an address on.
func (m *maker) networksOf(role string) []any {
	out := []any{}
	for _, net := range sortedKeys(asMap(at(m.outputs, "RoleNetIpMap", role))) {
		out = append(out, net)
	}
	return out
}

// hostFacts are the variables of one machine.
func (m *maker) hostFacts(h host) map[string]any {
	vars := map[string]any{"ansible_host": h.address}
	if h.server != nil {
		vars["deploy_server_id"] = h.id
	}
	ips := asMap(at(m.outputs, "RoleNetIpMap", h.role))
	for net, list := range ips {
		if l := asList(list); h.at < len(l) {
			vars[net+"_ip"] = l[h.at]
		}
	}
	if m.release == ours && h.address != "" { // where the machine really is
		vars["ctlplane_ip"] = h.address
	}
	if m.release != wallaby {
		vars["enabled_networks"] = m.networksOf(h.role)
		return vars
	}
	for net, list := range asMap(at(m.outputs, "RoleNetHostnameMap", h.role)) {
		if l := asList(list); h.at < len(l) {
			vars[net+"_hostname"] = l[h.at]
		}
	}
	return vars
}

// vips are the virtual addresses on networks that any role has, and Redis's own.
func (m *maker) vips() map[string]any {
	used := map[string]bool{"redis": true}
	for _, h := range m.hosts {
		for _, net := range m.networksOf(h.role) {
			used[hot.String(net)] = true
		}
	}
	out := map[string]any{}
	for net, vip := range asMap(m.outputs["VipMap"]) {
		if used[net] && hot.String(vip) != "" {
			out[net+"_vip"] = vip
		}
	}
	return out
}

// cephGroups are the names that ceph-ansible has for TripleO's services.
func cephGroups() map[string]string {
	return map[string]string{"ceph_mon": "mons", "ceph_osd": "osds", "ceph_mgr": "mgrs", "ceph_rgw": "rgws", "ceph_mds": "mdss", "ceph_nfs": "nfss",
		"ceph_client": "clients", "ceph_rbdmirror": "rbdmirrors", "ceph_grafana": "grafana-server"}
}

// serviceGroups adds a group for each service with the roles that run it.
func (m *maker) serviceGroups(inv map[string]any) {
	roles := map[string][]string{}
	enabled := asMap(m.outputs["EnabledServices"])
	for _, role := range sortedKeys(enabled) {
		if inv[role] == nil {
			continue
		}
		for _, s := range asList(enabled[role]) {
			name := hot.String(s)
			roles[name] = append(roles[name], role)
			if ceph := cephGroups()[name]; ceph != "" && m.release == wallaby {
				roles[ceph] = append(roles[ceph], role)
			}
		}
	}
	for _, name := range sortedKeys(roles) {
		group := asMap(inv[strings.ToLower(name)])
		if group == nil {
			group = map[string]any{}
			inv[strings.ToLower(name)] = group
		}
		vars := asMap(group["vars"])
		if vars == nil {
			vars = map[string]any{}
		}
		vars["ansible_ssh_user"] = m.o.User
		group["vars"] = vars
		if group["children"] == nil {
			group["children"] = empties(roles[name])
		}
	}
}

// excluded adds the machines that nothing is to be done on.
func (m *maker) excluded(inv map[string]any) {
	var names []string
	for _, n := range asList(m.outputs["BlacklistedHostnames"]) {
		if name := hot.String(n); name != "" {
			names = append(names, name)
		}
	}
	inv["excluded_overcloud"] = map[string]any{"hosts": empties(names)}
}
