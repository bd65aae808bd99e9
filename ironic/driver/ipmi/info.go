package ipmi

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/bougou/go-ipmi/pkg/types"
)

// info is what driver_info says of a BMC. It is comparable: a changed one asks
// for a new session.
type info struct {
	host     string // IPv6 addresses without brackets
	port     int
	user     string
	password string
	suite    int // 0: 17, then 3
	priv     types.PrivilegeLevel
	noBoot60 bool // switch off the BMC's 60 s limit on boot flags
}

// addr is the BMC as messages name it.
func (i info) addr() string { return net.JoinHostPort(i.host, strconv.Itoa(i.port)) }

// Lengths that IPMI 2.0 allows (section 22.30 and 13.28).
const (
	maxUser     = 16
	maxPassword = 20
)

// Properties names the driver_info keys, each with a sentence.
func (d *Driver) Properties() map[string]string {
	return map[string]string{
		"ipmi_address":              "IP address or hostname of the BMC. Required.",
		"ipmi_port":                 "Remote IPMI RMCP port. Default 623.",
		"ipmi_username":             "User of the BMC; default is the NULL user.",
		"ipmi_password":             "Password of that user.",
		"ipmi_cipher_suite":         "Cipher suite: 17 or 3. Default: 17, then 3 if the BMC does not know it.",
		"ipmi_priv_level":           "Privilege level: ADMINISTRATOR, OPERATOR or USER. Default ADMINISTRATOR.",
		"ipmi_disable_boot_timeout": "Whether the BMC is told to keep boot flags longer than 60 seconds. Default true.",
		"ipmi_force_boot_device":    "Accepted; the boot device is always sent to the BMC.",
		"ipmi_protocol_version":     "Only 2.0 is spoken.",
		"ipmi_bridging":             "Only \"no\", which is the default: a BMC behind another one is not reached.",
		"ipmi_transit_channel":      "Transit channel of a bridged request, which is not made here.",
		"ipmi_transit_address":      "Transit address of a bridged request, which is not made here.",
		"ipmi_target_channel":       "Destination channel of a bridged request, which is not made here.",
		"ipmi_target_address":       "Destination address of a bridged request, which is not made here.",
		"ipmi_local_address":        "Local IPMB address of a bridged request, which is not made here.",
		"ipmi_terminal_port":        "TCP port of the node's serial console on this service. Default: one of [console] port_range.",
	}
}

// parse reads driver_info without any I/O; the errors name the key.
func parse(n *ironic.Node) (info, error) {
	i := info{priv: types.PrivilegeLevelAdministrator, noBoot60: true, port: 623}
	bad := func(key, format string, args ...any) error {
		return errs.New(errs.Invalid, "driver_info of node %s: %s %s", name(n), key, fmt.Sprintf(format, args...)).
			WithHint("openstack baremetal node set %s --driver-info %s=…", n.UUID, key)
	}
	if v := n.DriverInfo["ipmi_address"]; v != nil {
		if _, text := v.(string); !text {
			return i, bad("ipmi_address", "is %s, no text; expected an address or a host name", ironic.PyRepr(v))
		}
	}
	if i.host = strings.Trim(str(n, "ipmi_address"), "[] "); i.host == "" {
		return i, errs.New(errs.Invalid, "Missing the following IPMI credentials in node's driver_info: ['ipmi_address'].").
			WithHint("openstack baremetal node set %s --driver-info ipmi_address=…", n.UUID)
	}
	if strings.ContainsAny(i.host, " /\t\n") {
		return i, bad("ipmi_address", "is %q, neither an address nor a host name", i.host)
	}
	var err error
	if s := str(n, "ipmi_port"); s != "" {
		if i.port, err = strconv.Atoi(s); err != nil || i.port < 1 || i.port > math.MaxUint16 {
			return i, bad("ipmi_port", "is %q, not a port between 1 and 65535", s)
		}
	}
	i.user, i.password = str(n, "ipmi_username"), str(n, "ipmi_password")
	if len(i.user) > maxUser {
		return i, bad("ipmi_username", "has %d characters, IPMI allows %d", len(i.user), maxUser)
	}
	if len(i.password) > maxPassword {
		return i, bad("ipmi_password", "has %d characters, IPMI allows %d", len(i.password), maxPassword)
	}
	if s := str(n, "ipmi_cipher_suite"); s != "" {
		if i.suite, err = strconv.Atoi(s); err != nil || (i.suite != 17 && i.suite != 3) {
			return i, bad("ipmi_cipher_suite", "is %q; this driver speaks 17 and 3", s)
		}
	}
	return i, i.rest(n, bad)
}

// rest reads the keys that are seldom used.
func (i *info) rest(n *ironic.Node, bad func(string, string, ...any) error) error {
	switch s := strings.ToUpper(str(n, "ipmi_priv_level")); s {
	case "", "ADMINISTRATOR":
	case "OPERATOR":
		i.priv = types.PrivilegeLevelOperator
	case "USER":
		i.priv = types.PrivilegeLevelUser
	default:
		return bad("ipmi_priv_level", "is %q, not ADMINISTRATOR, OPERATOR or USER", s)
	}
	switch s := str(n, "ipmi_protocol_version"); s {
	case "", "2.0":
	default:
		return bad("ipmi_protocol_version", "is %q; only 2.0 is spoken", s)
	}
	if err := unbridged(n, bad); err != nil {
		return err
	}
	if str(n, "ipmi_hex_kg_key") != "" {
		return errs.New(errs.Invalid, "driver_info of node %s: ipmi_hex_kg_key is set, but this driver cannot log in with a BMC key: clear it, here and on the BMC", name(n)).
			WithHint("openstack baremetal node set %s --driver-info ipmi_hex_kg_key=  (or node unset %s --driver-info ipmi_hex_kg_key); %s", n.UUID, n.UUID, clearKey)
	}
	for _, key := range []string{"ipmi_disable_boot_timeout", "ipmi_force_boot_device"} {
		s := strings.ToLower(str(n, key))
		if s == "" {
			continue
		}
		v, err := strconv.ParseBool(s)
		if err != nil {
			return bad(key, "is %q, not true or false", s)
		}
		if key == "ipmi_disable_boot_timeout" {
			i.noBoot60 = v
		}
	}
	return nil
}

// unbridged refuses a node whose BMC is behind another one: what is asked of it would be done to
// that one, which is the BMC of a carrier with other machines. The addresses of the way mean
// nothing without ipmi_bridging, in Ironic neither.
func unbridged(n *ironic.Node, bad func(string, string, ...any) error) error {
	switch s := str(n, "ipmi_bridging"); s {
	case "", "no":
		return nil
	case "single", "dual":
		return errs.New(errs.Invalid, "driver_info of node %s: ipmi_bridging is %q, but this driver reaches no BMC behind another one", name(n), s).
			WithHint("give ipmi_address the address of the machine's own BMC, if it has one, and openstack baremetal node unset %s --driver-info ipmi_bridging", n.UUID)
	default:
		return bad("ipmi_bridging", "is %q; expected no", s)
	}
}

// clearKey is how a BMC loses its key.
const clearKey = "on the BMC clear the key K_g of its LAN channel; on a virtual one: vbmc edit NAME --kg ''"

// str reads a key as text; numbers, which JSON makes of ports, are taken too.
func str(n *ironic.Node, key string) string {
	switch v := n.DriverInfo[key].(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

func name(n *ironic.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return n.UUID
}
