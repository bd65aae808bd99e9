// Package fencing turns the list of machines that an operator writes
// (instackenv.json) into the parameters by which Pacemaker fences controllers.
// It is pure. Source of behaviour: tripleo-common's generate_fencing_parameters,
// Queens (host names of deployed machines) and Wallaby (Redfish).
package fencing

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Options of Parameters. The zero value of each leaves its parameter out.
type Options struct {
	NoLanplus bool
	Delay     int // seconds before fencing begins
	Cipher    int // IPMI cipher suite
	Level     string
	// Hosts are the names of deployed machines by MAC in lower case. Machines
	// that are not among them are left out. Nil: it is not known what is deployed.
	Hosts map[string]string
}

// Levels are IPMI's privilege levels, as ipmitool names them.
func Levels() []string { return []string{"callback", "user", "operator", "administrator"} }

// Parameters makes an environment with EnableFencing and FencingConfig of the
// entries of file. It holds the passwords of all BMCs. All mistakes are told at
// once, without any value of the entries; warnings tell which entries cannot be
// tied to a machine.
func Parameters(file string, entries []map[string]any, o Options) (environment map[string]any, warnings []string, err error) {
	devices := []any{}
	var wrong []string
	for i, e := range entries {
		n := node{entry: e}
		dev := n.device(o)
		label := fmt.Sprintf("%s: node #%d", file, i)
		if name := n.text("name"); name != "" {
			label += " (" + name + ")"
		}
		for _, w := range n.wrong {
			wrong = append(wrong, label+": "+w)
		}
		if len(n.macs) == 0 {
			warnings = append(warnings, label+": no mac; Pacemaker cannot tell which machine this fences")
		}
		if dev != nil {
			devices = append(devices, dev)
		}
	}
	if len(wrong) > 0 {
		return nil, nil, errs.New(errs.Invalid, "%s", strings.Join(wrong, "\n"))
	}
	return map[string]any{"parameter_defaults": map[string]any{
		"EnableFencing": true, "FencingConfig": map[string]any{"devices": devices}}}, warnings, nil
}

// node is one entry and what is wrong with it.
type node struct {
	entry map[string]any
	macs  []string // lower case
	wrong []string
}

func (n *node) fail(format string, args ...any) {
	n.wrong = append(n.wrong, fmt.Sprintf(format, args...))
}

// device is what fences one machine, or nil for one that is not deployed.
func (n *node) device(o Options) map[string]any {
	n.addresses()
	host, deployed := n.host(o.Hosts)
	if !deployed {
		return nil
	}
	params := map[string]any{}
	dev := map[string]any{"params": params}
	if len(n.macs) > 0 {
		dev["host_mac"] = n.macs[0]
	}
	dev["agent"] = n.agent(params, o)
	params["ipaddr"] = n.required("pm_addr")
	params["passwd"] = n.required("pm_password")
	params["login"] = n.required("pm_user")
	if host != "" {
		params["pcmk_host_list"] = host
	}
	if o.Delay != 0 {
		params["delay"] = o.Delay
	}
	return dev
}

// agent names the fence agent by the node's driver and sets what only it has.
func (n *node) agent(params map[string]any, o Options) string {
	typ := n.text("pm_type")
	proto := typ
	if parts := strings.Split(typ, "_"); len(parts) > 1 {
		proto = parts[1] // pxe_ipmitool and the like, drivers of old
	}
	switch proto {
	case "staging-ovirt":
		params["port"], params["ssl"], params["ssl_insecure"] = n.required("pm_vm_name"), 1, 1
		return "fence_rhevm"
	case "redfish":
		params["systems_uri"] = n.required("pm_system_id")
		n.bmc(params, o)
		return "fence_redfish"
	case "ipmi", "ipmitool", "drac", "idrac", "ilo":
		if !o.NoLanplus {
			params["lanplus"] = true
		}
		n.bmc(params, o)
		return "fence_ipmilan"
	case "":
		n.fail("pm_type is missing")
	default:
		n.fail("Unable to generate fencing parameters for %s; expected ipmi, redfish, idrac, ilo, staging-ovirt or a driver of old like pxe_ipmitool", typ)
	}
	return ""
}

// bmc sets what IPMI and Redfish have in common.
func (n *node) bmc(params map[string]any, o Options) {
	if port, ok := n.entry["pm_port"]; ok {
		params["ipport"] = port
	}
	if verify, ok := n.entry["redfish_verify_ca"]; ok {
		params["ssl_insecure"] = fmt.Sprint(strings.EqualFold(fmt.Sprint(verify), "false"))
	}
	if o.Cipher != 0 {
		params["cipher"] = o.Cipher
	}
	if o.Level != "" {
		params["privlvl"] = o.Level
	}
}

// addresses reads the MACs: mac, or the address of ports.
func (n *node) addresses() {
	var all []any
	switch m := n.entry["mac"].(type) {
	case nil:
	case []any:
		all = append(all, m...)
	default:
		all = append(all, m)
	}
	ports, _ := n.entry["ports"].([]any)
	for _, p := range ports {
		m, _ := p.(map[string]any)
		all = append(all, m["address"])
	}
	for _, v := range all {
		s, _ := v.(string)
		hw, err := net.ParseMAC(s)
		if err != nil {
			n.fail("MAC address %v is invalid", v)
			continue
		}
		n.macs = append(n.macs, hw.String())
	}
}

// host is the name of the machine, if it is known, and whether it is to be fenced.
func (n *node) host(hosts map[string]string) (string, bool) {
	if hosts == nil || len(n.macs) == 0 {
		return "", true
	}
	at := slices.IndexFunc(n.macs, func(mac string) bool { return hosts[mac] != "" })
	if at < 0 {
		return "", false
	}
	return hosts[n.macs[at]], true
}

func (n *node) text(key string) string {
	s, _ := n.entry[key].(string)
	return s
}

// required is a value that must be there.
func (n *node) required(key string) any {
	v := n.entry[key]
	if v == nil || v == "" {
		n.fail("%s is missing", key)
	}
	return v
}
