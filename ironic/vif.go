package ironic

import "maps"

// vifKey is where InternalInfo names the virtual interface (of Neutron, say) that
// is attached to a port or a portgroup, as Ironic's network interfaces have it.
const vifKey = "tenant_vif_port_id"

// VIF is the virtual interface attached to the port; empty: none.
func (p *Port) VIF() string { return vif(p.InternalInfo) }

// SetVIF attaches another one; empty: none.
func (p *Port) SetVIF(id string) { p.InternalInfo = withVIF(p.InternalInfo, id) }

// VIF is the virtual interface attached to the portgroup; empty: none.
func (p *Portgroup) VIF() string { return vif(p.InternalInfo) }

// SetVIF attaches another one; empty: none.
func (p *Portgroup) SetVIF(id string) { p.InternalInfo = withVIF(p.InternalInfo, id) }

func vif(info map[string]any) string {
	id, _ := info[vifKey].(string)
	return id
}

// withVIF leaves info as it is, which others may read.
func withVIF(info map[string]any, id string) map[string]any {
	out := maps.Clone(info)
	switch {
	case id == "":
		delete(out, vifKey)
	case out == nil:
		return map[string]any{vifKey: id}
	default:
		out[vifKey] = id
	}
	return out
}
