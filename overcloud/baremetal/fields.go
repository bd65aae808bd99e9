package baremetal

import (
	"fmt"
	"net/netip"
	"regexp"

	"trefoil/internal/schema"
)

// Bounds of the schema.
const (
	minRootGB, minSwapMB     = 4, 64
	maxSize                  = 1 << 30
	minHostname, maxHostname = 2, 255
)

var hostnameForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

// kinds says how each key of an instance is read; nil for one that is known and refused.
func kinds() map[string]func(r *reader, m *schema.Map, key string) any {
	text := func(_ *reader, m *schema.Map, key string) any { return m.Text(key) }
	truth := func(_ *reader, m *schema.Map, key string) any { return m.Bool(key, false) }
	anything := func(_ *reader, m *schema.Map, key string) any { return m.Values(key) }
	return map[string]func(r *reader, m *schema.Map, key string) any{
		"conductor_group": text, "hostname": hostname, "name": text, "profile": text, "resource_class": text,
		"ssh_public_keys": text, "user_name": text, "management_ip": address,
		"netboot": truth, "passwordless_sudo": truth, "provisioned": truth, "managed": truth,
		"capabilities": anything, "config_drive": configDrive, "image": image, "network_config": networkConfig,
		"nics": nil, "networks": networks, "traits": texts,
		"root_size_gb": func(_ *reader, m *schema.Map, key string) any { return m.Int(key, minRootGB, maxSize, 0) },
		"swap_size_mb": func(_ *reader, m *schema.Map, key string) any { return m.Int(key, minSwapMB, maxSize, 0) },
	}
}

func instanceKeys() []string { return sortedKeys(kinds()) }

// instance reads the keys that are given.
func (r *reader) instance(m *schema.Map, what string) map[string]any {
	out := map[string]any{}
	read := kinds()
	for _, k := range sortedKeys(read) {
		if m.Has(k) && read[k] != nil {
			out[k] = read[k](r, m, k)
			if own, _ := out[k].(map[string]any); k != "network_config" || len(own) > 1 || own["default_route_network"] == nil {
				r.warn(m, k, k, what)
			}
		}
	}
	if m.Has("nics") { // tripleo-ansible refuses them with its default network beside them, always
		r.p.Add(m.LineOf("nics"), "%s has nics; network ports are always managed: write networks, with vif: true for the one it is deployed on", what)
	}
	return out
}

// unused says why a key has no effect here.
var unused = map[string]string{
	"user_name":         "the image decides who may log in",
	"passwordless_sudo": "the image decides who may become root",
	"netboot":           "machines boot from their disks",
	"network_config":    "networks are set up from the role's NIC template; only default_route_network counts",
	"management_ip":     "machines that run already are not taken over",
	"image.checksum":    "the image service has its own",
	"image.kernel":      "the image service names it",
	"image.ramdisk":     "the image service names it",
}

// warn notes that a key which is given has no effect.
func (r *reader) warn(m *schema.Map, key, full, what string) {
	if why, is := unused[full]; is && m.Has(key) {
		r.unused = append(r.unused, fmt.Sprintf("%s:%d: %s: %s has no effect here: %s", r.name, m.LineOf(key), what, full, why))
	}
}

func texts(_ *reader, m *schema.Map, key string) any {
	out := []any{}
	for _, t := range m.Texts(key) {
		out = append(out, t)
	}
	return out
}

func hostname(r *reader, m *schema.Map, key string) any {
	name := m.Text(key)
	switch {
	case name == "":
	case len(name) < minHostname || len(name) > maxHostname:
		r.p.Add(m.LineOf(key), "hostname %q must have %d to %d letters", name, minHostname, maxHostname)
	case !hostnameForm.MatchString(name):
		r.p.Add(m.LineOf(key), "hostname %q: letters, digits and -, not first or last; parts are joined by dots", name)
	}
	return name
}

func address(r *reader, m *schema.Map, key string) any {
	text := m.Text(key)
	if _, err := netip.ParseAddr(text); text != "" && err != nil {
		r.p.Add(m.LineOf(key), "%s %q is not an IP address", key, text)
	}
	return text
}

// given reads those of the text keys of a map that are there.
func given(r *reader, m *schema.Map, out map[string]any, keys ...string) map[string]any {
	for _, k := range keys {
		if m.Has(k) {
			out[k] = m.Text(k)
			if k == "fixed_ip" {
				out[k] = address(r, m, k)
			}
		}
	}
	return out
}

func image(r *reader, m *schema.Map, key string) any {
	i := m.Map(key, "an image", "href", "checksum", "kernel", "ramdisk")
	if i == nil {
		return nil
	}
	i.Need("href")
	for _, k := range []string{"checksum", "kernel", "ramdisk"} {
		r.warn(i, k, "image."+k, "an image")
	}
	return given(r, i, map[string]any{}, "href", "checksum", "kernel", "ramdisk")
}

func configDrive(_ *reader, m *schema.Map, key string) any {
	d := m.Map(key, "a config_drive", "cloud_config", "meta_data")
	if d == nil {
		return nil
	}
	out := map[string]any{}
	for _, k := range d.Keys() {
		if v := d.Values(k); v != nil {
			out[k] = v
		}
	}
	return out
}

func networks(r *reader, m *schema.Map, key string) any {
	out := []any{}
	for _, n := range m.List(key) {
		e := r.p.Map(n, "an entry in networks", "network", "port", "fixed_ip", "subnet", "vif")
		if e == nil {
			continue
		}
		e.Need("network")
		v := given(r, e, map[string]any{}, "network", "port", "fixed_ip", "subnet")
		if e.Has("vif") {
			v["vif"] = e.Bool("vif", false)
		}
		out = append(out, v)
	}
	return out
}

func networkConfig(r *reader, m *schema.Map, key string) any {
	strings := []string{"template", "physical_bridge_name", "public_interface_name", "dns_search_domains", "bond_interface_ovs_options"}
	lists := []string{"default_route_network", "networks_skip_config", "role_tags"}
	c := m.Map(key, "a network_config", append(append([]string{"network_config_update", "net_config_data_lookup", "num_dpdk_interface_rx_queues"}, strings...), lists...)...)
	if c == nil {
		return nil
	}
	out := given(r, c, map[string]any{}, strings...)
	for _, k := range lists {
		if c.Has(k) {
			out[k] = texts(r, c, k)
		}
	}
	if c.Has("network_config_update") {
		out["network_config_update"] = c.Bool("network_config_update", false)
	}
	if c.Has("net_config_data_lookup") {
		out["net_config_data_lookup"] = c.Values("net_config_data_lookup")
	}
	if c.Has("num_dpdk_interface_rx_queues") {
		out["num_dpdk_interface_rx_queues"] = c.Int("num_dpdk_interface_rx_queues", 0, maxSize, 0)
	}
	return out
}
