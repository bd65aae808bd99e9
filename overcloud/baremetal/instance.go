package baremetal

import "encoding/json"

// NetworkPort is one network of an instance.
type NetworkPort struct {
	Network, Port, FixedIP, Subnet string
	VIF                            bool // the machine is deployed on it
}

// MarshalJSON writes the instance with the keys of the file, as tripleo-ansible's own expansion gives it.
func (in Instance) MarshalJSON() ([]byte, error) { return json.Marshal(in.fields) }

func (in Instance) text(key string) string { s, _ := in.fields[key].(string); return s }

// Node is the name or UUID of the bare-metal node that is asked for; "" for any.
func (in Instance) Node() string { return in.text("name") }

// Managed tells whether the bare-metal service deploys the machine.
func (in Instance) Managed() bool { return flag(in.fields, "managed", true) }

// ManagementIP is the address by which a machine that is not managed is reached.
func (in Instance) ManagementIP() string { return in.text("management_ip") }

// Image is the image's name in the image service, or its URL.
func (in Instance) Image() string { s, _ := asMap(in.fields["image"])["href"].(string); return s }

// ResourceClass is the resource class that the node must have; default baremetal, as metalsmith has it.
func (in Instance) ResourceClass() string {
	if c := in.text("resource_class"); c != "" {
		return c
	}
	return "baremetal"
}

// ConductorGroup is the conductor group that the node must be in; "" for any.
func (in Instance) ConductorGroup() string { return in.text("conductor_group") }

// SSHKeys are public keys, one a line, that may log in beside the deployer's.
func (in Instance) SSHKeys() string { return in.text("ssh_public_keys") }

// RootGB and SwapMB are sizes on the disk; 0: as the image has it.
func (in Instance) RootGB() int { n, _ := in.fields["root_size_gb"].(int); return n }

// SwapMB is the size of the swap partition, in MiB; 0: none.
func (in Instance) SwapMB() int { n, _ := in.fields["swap_size_mb"].(int); return n }

// Traits are those that the node must have.
func (in Instance) Traits() []string { return textsOf(in.fields["traits"]) }

// Capabilities are those that the node must have, the profile among them.
func (in Instance) Capabilities() map[string]string {
	out := map[string]string{}
	for k, v := range asMap(in.fields["capabilities"]) {
		text, ok := v.(string)
		if !ok {
			data, err := json.Marshal(v)
			if err != nil {
				continue // a value of the parser always marshals
			}
			text = string(data)
		}
		out[k] = text
	}
	return out
}

// CloudConfig and MetaData are merged into the config drive.
func (in Instance) CloudConfig() map[string]any {
	return asMap(asMap(in.fields["config_drive"])["cloud_config"])
}

// MetaData is what the config drive's meta data holds besides.
func (in Instance) MetaData() map[string]any {
	return asMap(asMap(in.fields["config_drive"])["meta_data"])
}

// DefaultRoutes are the networks by which the machine reaches the world; default ctlplane.
func (in Instance) DefaultRoutes() []string {
	if l, has := asMap(in.fields["network_config"])["default_route_network"]; has {
		return textsOf(l)
	}
	return []string{ControlPlane}
}

// Networks are those that the instance has ports on.
func (in Instance) Networks() []NetworkPort {
	var out []NetworkPort
	for _, n := range asList(in.fields["networks"]) {
		m := asMap(n)
		s := func(key string) string { t, _ := m[key].(string); return t }
		out = append(out, NetworkPort{s("network"), s("port"), s("fixed_ip"), s("subnet"), m["vif"] == true})
	}
	return out
}

// FixedIP is the address on ctlplane that is asked for; "" for any.
func (in Instance) FixedIP() string {
	for _, n := range in.Networks() {
		if n.Network == ControlPlane && n.FixedIP != "" {
			return n.FixedIP
		}
	}
	return ""
}

func textsOf(v any) []string {
	var out []string
	for _, e := range asList(v) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
