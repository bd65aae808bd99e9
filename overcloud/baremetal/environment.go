package baremetal

import "strings"

// Address is what a port has on a network.
type Address struct {
	IP   string
	CIDR string // of its subnet
}

// Ports are the addresses of deployed machines: hostname → network → address.
type Ports map[string]map[string]Address

// Parameters are the parameters that follow from the file alone: HostnameMap
// and, for each role, HostnameFormat, Count and RemovalPolicies.
func (d *Deployment) Parameters() map[string]any {
	names := map[string]any{}
	out := map[string]any{"HostnameMap": names}
	for _, in := range append(append([]Instance(nil), d.Instances...), d.Absent...) {
		names[in.GeneratedName] = in.Hostname
	}
	for _, r := range d.Roles {
		out[r.Name+"HostnameFormat"] = r.HostnameFormat
		out[r.Name+"Count"] = r.Count
		if len(r.Removed) > 0 {
			list := make([]any, len(r.Removed))
			for i, n := range r.Removed {
				list[i] = n
			}
			out[r.Name+"RemovalPolicies"] = []any{map[string]any{"resource_list": list}}
		}
	}
	return out
}

// Environment is the environment file that node provision writes. templates is
// the path of the template tree; capitals gives the name of each network but
// ctlplane as templates spell it.
func (d *Deployment) Environment(ports Ports, capitals map[string]string, templates string) map[string]any {
	templates = strings.TrimSuffix(templates, "/")
	params := d.Parameters()
	deployed, nodes := map[string]any{}, map[string]any{}
	for _, in := range d.Instances {
		nets := ports[in.Hostname]
		entry := map[string]any{}
		for _, net := range sortedKeys(nets) {
			a := nets[net]
			_, bits, _ := strings.Cut(a.CIDR, "/")
			uri := a.IP
			if strings.Contains(a.IP, ":") {
				uri = "[" + a.IP + "]"
			}
			entry[net] = map[string]any{"ip_address": a.IP, "ip_subnet": a.IP + "/" + bits, "ip_address_uri": uri}
		}
		nodes[strings.ToLower(in.Hostname)] = entry
		if a, has := nets[ControlPlane]; has {
			deployed[strings.ToLower(in.Hostname)+"-"+ControlPlane] = map[string]any{"fixed_ips": []any{map[string]any{"ip_address": a.IP}}}
		}
	}
	params["DeployedServerPortMap"], params["NodePortMap"] = deployed, nodes
	registry := map[string]any{"OS::TripleO::DeployedServer::ControlPlanePort": templates + "/deployed-server/deployed-neutron-port.yaml"}
	for _, r := range d.Roles {
		for _, net := range r.Networks {
			if net != ControlPlane {
				registry["OS::TripleO::"+r.Name+"::Ports::"+capitals[net]+"Port"] = templates + "/network/ports/deployed_" + net + ".yaml"
			}
		}
	}
	return map[string]any{"parameter_defaults": params, "resource_registry": registry}
}
