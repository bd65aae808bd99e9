package inventory

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// Options of Machines.
type Options struct {
	BootOption string // added to capabilities where it is missing; "local" by default in TripleO
}

// fields that any entry may have; those of the driver come on top.
var fields = map[string]bool{
	"pm_type": true, "pm_addr": true, "pm_user": true, "pm_password": true, "pm_port": true,
	"mac": true, "ports": true, "cpu": true, "memory": true, "disk": true, "arch": true, "name": true,
	"capabilities": true, "root_device": true, "resource_class": true, "platform": true,
	"kernel_id": true, "ramdisk_id": true, "_comment": true, "conductor_group": true, "uuid": true, "profile": true,
}

// several are the fields that may be a list or a map; they are looked at by themselves.
var several = map[string]bool{"mac": true, "ports": true, "capabilities": true, "root_device": true, "_comment": true, "pm_type": true}

var interfaceField = regexp.MustCompile(`^(boot|console|deploy|inspect|management|network|power|raid|rescue|storage|vendor)_interface$`)

var validName = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,255}$`)

// Machines checks entries and turns them into machines. All errors are collected,
// each "node #<index> <name>: …" in TripleO's words.
func Machines(nodes []map[string]any, o Options) ([]Machine, error) {
	v := validator{macs: map[string]int{}, names: map[string]int{}, bmcs: map[string]int{}, o: o}
	out := make([]Machine, 0, len(nodes))
	for i, n := range nodes {
		v.i, v.entry = i, fmt.Sprintf("node #%d", i)
		if name := text(n["name"]); validName.MatchString(name) {
			v.entry += " " + name
		}
		out = append(out, *v.machine(n))
	}
	if err := v.errs.ErrorOrNil(); err != nil {
		v.errs.ErrorFormat = lines
		return nil, errs.Wrap(errs.Invalid, v.errs, "%d of %d nodes are not valid", v.badNodes(), len(nodes))
	}
	return out, nil
}

func lines(es []error) string {
	s := ""
	for _, e := range es {
		s += "\n  " + e.Error()
	}
	return s
}

type validator struct {
	i                 int
	entry             string // for people: node #0 control-1
	o                 Options
	errs              *multierror.Error
	bad               map[int]bool
	macs, names, bmcs map[string]int
}

func (v *validator) badNodes() int { return len(v.bad) }

func (v *validator) fail(format string, args ...any) {
	if v.bad == nil {
		v.bad = map[int]bool{}
	}
	v.bad[v.i] = true
	v.errs = multierror.Append(v.errs, fmt.Errorf("%s: "+format, append([]any{v.entry}, args...)...))
}

// hardware is the hardware type of an entry and the prefix of its driver_info; both are "" where that is told.
func (v *validator) hardware(n map[string]any) (hw, prefix string) {
	pm, isText := n["pm_type"].(string)
	known := false
	switch hw, prefix, known = hardwareType(pm); {
	case n["pm_type"] != nil && !isText:
		v.fail("pm_type (ironic driver to use): expected a name such as ipmi, found %v", n["pm_type"])
	case pm == "":
		v.fail("pm_type (ironic driver to use) is required")
	case !known:
		v.fail("unknown pm_type (ironic driver to use): %s%s", pm, nearest.Hint(pm, []string{"ipmi", "pxe_ipmitool", "fake-hardware", "manual-management"}))
	case hw == "":
		v.fail("pm_type %s has no driver in this undercloud; enabled: ipmi (pxe_ipmitool), fake-hardware", pm)
	}
	return hw, prefix
}

func (v *validator) machine(n map[string]any) *Machine {
	hw, prefix := v.hardware(n)
	m := &Machine{Index: v.i, Driver: hw, DriverInfo: map[string]any{}, Properties: map[string]any{}, Interfaces: map[string]string{}}
	v.unknown(n, prefix, m)
	v.bmc(n, prefix, m)
	v.ports(n, m)
	v.name(n, m)
	v.properties(n, m)
	m.ResourceClass, _ = n["resource_class"].(string)
	if m.ResourceClass == "" {
		m.ResourceClass = "baremetal"
	}
	m.UUID, _ = n["uuid"].(string)
	return m
}

// slip is how many letters of a key may be wrong for it to be told as one where keys of a
// driver that is not known may stand.
const slip = 2

// unknown refuses keys nobody reads; driver-prefixed ones go verbatim into driver_info.
func (v *validator) unknown(n map[string]any, prefix string, m *Machine) {
	readable := slices.Sorted(maps.Keys(fields))
	for _, k := range slices.Sorted(maps.Keys(n)) {
		switch {
		case fields[k]:
			v.scalar(k, n[k])
		case prefix != "" && strings.HasPrefix(k, prefix+"_"):
			m.DriverInfo[k] = n[k]
		case interfaceField.MatchString(k):
			v.scalar(k, n[k])
			m.Interfaces[k] = fmt.Sprint(n[k])
		default:
			if near := nearest.Name(k, readable); prefix != "" || near != "" && nearest.Distance(k, near) <= slip {
				v.fail("Unknown field %s%s", k, nearest.Hint(k, readable))
			}
		}
	}
}

// scalar refuses a list or a map where a text or a number belongs. It is not shown: it may
// be a password.
func (v *validator) scalar(key string, value any) {
	if several[key] {
		return
	}
	switch value.(type) {
	case []any:
		v.fail("%s: expected a text, found a list", key)
	case map[string]any:
		v.fail("%s: expected a text, found a map", key)
	}
}

// hints of root_device, as Ironic's documentation of root device hints has them; tran is a newer one.
var hints = []string{"size", "model", "wwn", "serial", "vendor", "wwn_with_extension", "wwn_vendor_extension", "name", "rotational", "hctl", "by_path", "tran"}

// rootDevice refuses a hint that no agent knows, long before a machine boots for it.
func (v *validator) rootDevice(hint map[string]any, m *Machine) {
	for _, k := range slices.Sorted(maps.Keys(hint)) {
		if slices.Contains(hints, k) {
			continue
		}
		meant := ""
		if near := nearest.Name(k, hints); near != "" {
			meant = "; did you mean " + near + "?"
		}
		v.fail("Invalid root device: unknown hint %s; expected one of %s%s", k, strings.Join(hints, ", "), meant)
	}
	m.Properties["root_device"] = hint
}

func (v *validator) bmc(n map[string]any, prefix string, m *Machine) {
	if prefix != "ipmi" {
		return
	}
	addr := text(n["pm_addr"])
	if addr == "" {
		v.fail("The following fields are missing: pm_addr")
		return
	}
	port := text(n["pm_port"])
	if port == "" {
		port = "623"
	}
	if p, err := strconv.Atoi(port); err != nil || p < 1 || p > 65535 {
		v.fail("pm_port %q is not a port number from 1 to 65535", port)
	}
	m.DriverInfo["ipmi_address"] = addr
	m.DriverInfo["ipmi_port"] = port
	for _, k := range []string{"user", "password"} {
		if s := text(n["pm_"+k]); s != "" {
			key := map[string]string{"user": "ipmi_username", "password": "ipmi_password"}[k]
			m.DriverInfo[key] = s
		}
	}
	m.BMC = addr + ":" + port
	id := addr
	if text(n["pm_port"]) != "" {
		id = m.BMC
	}
	if first, dup := v.bmcs[m.BMC]; dup {
		v.fail("Node identified by %s is already present (node #%d)", id, first)
	} else {
		v.bmcs[m.BMC] = v.i
	}
}

func (v *validator) ports(n map[string]any, m *Machine) {
	var macs []any
	switch x := n["mac"].(type) {
	case nil:
	case []any:
		macs = append(macs, x...)
	case string:
		macs = append(macs, x)
	default:
		v.fail("MAC address %v is invalid", x)
	}
	if ps, ok := n["ports"].([]any); ok {
		for i, p := range ps {
			macs = append(macs, v.port(i, p)...)
		}
	} else if n["ports"] != nil {
		v.fail("Invalid ports: expected a list of {address: …}")
	}
	for _, raw := range macs {
		s, ok := raw.(string)
		hw, err := net.ParseMAC(s)
		if !ok || err != nil || len(hw) != 6 {
			v.fail("MAC address %v is invalid", raw)
			continue
		}
		mac := hw.String()
		if _, dup := v.macs[mac]; dup {
			v.fail("MAC %s is not unique", s)
			continue
		}
		v.macs[mac] = v.i
		m.MACs = append(m.MACs, mac)
	}
}

// portKeys are those of an entry of ports, as TripleO has them and Ironic's own ports.
var portKeys = []string{"address", "physical_network", "local_link_connection", "pxe_enabled", "is_smartnic", "name", "extra"}

// port is the address of an entry of ports, or nothing where that is told. Other keys are
// passed over, as TripleO does, but for what may be a slip.
func (v *validator) port(i int, p any) []any {
	m, ok := p.(map[string]any)
	if !ok {
		v.fail("Invalid ports: ports[%d]: expected {address: …}, found %v", i, p)
		return nil
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if near := nearest.Name(k, portKeys); !slices.Contains(portKeys, k) && near != "" && nearest.Distance(k, near) <= slip {
			v.fail("ports[%d]: unknown key %s; did you mean %q?", i, k, near)
		}
	}
	if m["address"] == nil {
		v.fail("ports[%d]: address is missing: the MAC of the port", i)
		return nil
	}
	return []any{m["address"]}
}

func (v *validator) name(n map[string]any, m *Machine) {
	m.Name = text(n["name"])
	if m.Name == "" {
		return
	}
	if !validName.MatchString(m.Name) {
		v.fail("Name %q is not valid: letters, digits and -._~ only", m.Name)
	}
	if _, dup := v.names[m.Name]; dup {
		v.fail("Name \"%s\" is not unique", m.Name)
	}
	v.names[m.Name] = v.i
}

func (v *validator) properties(n map[string]any, m *Machine) {
	for _, p := range [][2]string{{"cpu", "cpus"}, {"memory", "memory_mb"}, {"disk", "local_gb"}} {
		s := text(n[p[0]])
		if s == "" {
			continue
		}
		if x, err := strconv.Atoi(s); err != nil || x < 0 {
			v.fail("%s %q is not a number", p[0], s)
			continue
		}
		m.Properties[p[1]] = s
	}
	if s := text(n["arch"]); s != "" {
		m.Properties["cpu_arch"] = s
	} else if text(n["platform"]) != "" {
		v.fail("You have specified a platform without an architecture")
	}
	caps, err := capabilities(withProfile(n), v.o.BootOption)
	if err != nil {
		v.fail("%v", err)
	} else if caps != "" {
		m.Properties["capabilities"] = caps
	}
	switch rd := n["root_device"].(type) {
	case nil:
	case map[string]any:
		v.rootDevice(rd, m)
	default:
		v.fail("Invalid root device: expected dict, got %v", rd)
	}
	for _, k := range []string{"kernel_id", "ramdisk_id"} {
		if s := text(n[k]); s != "" {
			m.DriverInfo["deploy_"+strings.TrimSuffix(k, "_id")] = s
		}
	}
}

// withProfile folds the key profile, which operators expect, into capabilities.
func withProfile(n map[string]any) any {
	profile := text(n["profile"])
	if profile == "" {
		return n["capabilities"]
	}
	if s, ok := n["capabilities"].(string); ok && s != "" {
		if slices.ContainsFunc(strings.Split(s, ","), func(p string) bool { return strings.HasPrefix(p, "profile:") }) {
			return s
		}
		return s + ",profile:" + profile
	}
	caps := map[string]any{"profile": profile}
	if m, ok := n["capabilities"].(map[string]any); ok {
		for k, val := range m {
			caps[k] = val
		}
	}
	return caps
}

func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(x)
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
