// Package lldp reads what a switch says of a port (IEEE 802.1AB), from the TLVs
// that a ramdisk has heard. It does no I/O, and takes any bytes: what is cut short
// or not known is left out.
//
// Names and values are those of ironic-inspector's hook lldp_basic and Ironic's
// parse-lldp: the basic set, 802.1 (OUI 00-80-c2) and 802.3 (00-12-0f).
package lldp

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Bounds. A frame holds some dozen TLVs of at most 511 bytes.
const (
	maxTLVs  = 512
	maxValue = 511
)

// Types of TLVs.
const (
	chassisID       = 1
	portID          = 2
	portDescription = 4
	systemName      = 5
	systemDesc      = 6
	capabilities    = 7
	mgmtAddress     = 8
	orgSpecific     = 127
)

// Parse reads the TLVs of one interface as the ramdisk sends them, [[type, "hex"], …].
// The result is empty where nothing in them is known.
func Parse(tlvs []any) map[string]any {
	f := facts{}
	for i, item := range tlvs {
		if i == maxTLVs {
			break
		}
		pair, ok := item.([]any)
		if !ok || len(pair) != 2 {
			continue
		}
		kind, ok1 := pair[0].(float64)
		text, ok2 := pair[1].(string)
		if !ok1 || !ok2 || len(text) > 2*maxValue {
			continue
		}
		if value, err := hex.DecodeString(text); err == nil {
			f.tlv(int(kind), value)
		}
	}
	return f
}

// facts are what was said; the first word of each name counts.
type facts map[string]any

func (f facts) set(name string, v any) {
	if _, said := f[name]; !said {
		f[name] = v
	}
}

func (f facts) text(name string, b []byte) {
	if utf8.Valid(b) {
		f.set(name, strings.TrimRight(string(b), "\x00"))
	}
}

func (f facts) add(name string, v any) {
	list, _ := f[name].([]any)
	f[name] = append(list, v)
}

func (f facts) tlv(kind int, b []byte) {
	switch kind {
	case chassisID:
		f.id("switch_chassis_id", b, 4, 5, []byte{1, 2, 3, 6, 7})
	case portID:
		f.id("switch_port_id", b, 3, 4, []byte{1, 2, 5, 7})
	case portDescription:
		f.text("switch_port_description", b)
	case systemName:
		f.text("switch_system_name", b)
	case systemDesc:
		f.text("switch_system_description", b)
	case capabilities:
		if len(b) == 4 {
			f.set("switch_capabilities_support", capabilityNames(binary.BigEndian.Uint16(b)))
			f.set("switch_capabilities_enabled", capabilityNames(binary.BigEndian.Uint16(b[2:])))
		}
	case mgmtAddress:
		if len(b) > 1 && int(b[0]) <= len(b)-1 && b[0] > 0 {
			if a := address(b[1 : 1+int(b[0])]); a != "" {
				f.add("switch_mgmt_addresses", a)
			}
		}
	case orgSpecific:
		if len(b) >= 4 {
			f.organisation(hex.EncodeToString(b[:3]), b[3], b[4:])
		}
	}
}

// id reads a chassis' or port's name: the first byte says what kind it is.
func (f facts) id(name string, b []byte, mac, network byte, texts []byte) {
	if len(b) < 2 {
		return
	}
	kind, value := b[0], b[1:]
	switch {
	case kind == mac && len(value) == 6:
		f.set(name, net.HardwareAddr(value).String())
	case kind == network:
		if a := address(value); a != "" {
			f.set(name, a)
		}
	case strings.IndexByte(string(texts), kind) >= 0:
		f.text(name, value)
	}
}

// address reads an address with IANA's number of its family before it.
func address(b []byte) string {
	switch {
	case len(b) == 5 && b[0] == 1, len(b) == 17 && b[0] == 2:
		a, _ := netip.AddrFromSlice(b[1:])
		return a.String()
	case len(b) == 7 && b[0] == 6:
		return net.HardwareAddr(b[1:]).String()
	}
	return ""
}

func capabilityNames(bits uint16) []any {
	out := []any{}
	for i, name := range []string{"", "Repeater", "Bridge", "WLAN", "Router", "Telephone", "DOCSIS cable device",
		"Station only", "C-Vlan", "S-Vlan", "TPMR"} {
		if bits&(1<<i) != 0 && name != "" {
			out = append(out, name)
		}
	}
	return out
}

func (f facts) organisation(oui string, kind byte, b []byte) {
	switch oui {
	case "0080c2":
		f.dot1(kind, b)
	case "00120f":
		f.dot3(kind, b)
	}
}

// dot1 reads 802.1's: VLANs and protocols.
func (f facts) dot1(kind byte, b []byte) {
	switch {
	case kind == 1 && len(b) >= 2:
		f.set("switch_port_untagged_vlan_id", number16(b))
	case kind == 2 && len(b) == 3:
		f.set("switch_port_protocol_vlan_enabled", b[0]&4 != 0)
		f.set("switch_port_protocol_vlan_support", b[0]&2 != 0)
		f.add("switch_port_protocol_vlan_ids", number16(b[1:]))
	case kind == 3 && len(b) >= 3 && len(b) >= 3+int(b[2]):
		if name := b[3 : 3+int(b[2])]; utf8.Valid(name) {
			f.add("switch_port_vlans", map[string]any{"name": strings.TrimRight(string(name), "\x00"), "id": number16(b)})
		}
	case kind == 4 && len(b) >= 1 && len(b) >= 1+int(b[0]):
		f.add("switch_protocol_identities", hex.EncodeToString(b[1:1+int(b[0])]))
	case kind == 6 && len(b) >= 2:
		f.set("switch_port_management_vlan_id", number16(b))
	case kind == 7:
		f.aggregation(b)
	}
}

// dot3 reads 802.3's: the link itself.
func (f facts) dot3(kind byte, b []byte) {
	switch {
	case kind == 1 && len(b) == 5:
		f.link(b)
	case kind == 3:
		f.aggregation(b)
	case kind == 4 && len(b) >= 2:
		f.set("switch_port_mtu", number16(b))
	}
}

func (f facts) aggregation(b []byte) {
	if len(b) == 5 {
		f.set("switch_port_link_aggregation_enabled", b[0]&2 != 0)
		f.set("switch_port_link_aggregation_support", b[0]&1 != 0)
		f.set("switch_port_link_aggregation_id", float64(binary.BigEndian.Uint32(b[1:])))
	}
}

// link reads what a port negotiates, and the type of its medium.
func (f facts) link(b []byte) {
	mau := int(binary.BigEndian.Uint16(b[3:]))
	names := mauTypes()
	if mau >= len(names) {
		return
	}
	f.set("switch_port_autonegotiation_enabled", b[0]&2 != 0)
	f.set("switch_port_autonegotiation_support", b[0]&1 != 0)
	f.set("switch_port_physical_capabilities", linkModes(binary.BigEndian.Uint16(b[1:])))
	f.set("switch_port_mau_type", names[mau])
}

// linkModes names the bits of RFC 4836's IANAifMauAutoNegCapBits, in the order of the alphabet.
func linkModes(bits uint16) []any {
	out := []any{}
	for _, m := range []struct {
		bit  int
		name string
	}{
		{8, "100BASE-T2 fdx"}, {9, "100BASE-T2 hdx"}, {10, "100BASE-TX fdx"}, {11, "100BASE-TX hdx"},
		{0, "1000BASE-T fdx"}, {1, "1000BASE-T hdx"}, {2, "1000BASE-X fdx"}, {3, "1000BASE-X hdx"},
		{13, "10BASE-T fdx"}, {14, "10BASE-T hdx"}, {12, "10BASE-T4"},
		{4, "Asym and Sym PAUSE fdx"}, {6, "Asym PAUSE fdx"}, {7, "PAUSE fdx"}, {5, "Sym PAUSE fdx"},
	} {
		if bits&(1<<m.bit) != 0 {
			out = append(out, m.name)
		}
	}
	return out
}

// mauTypes are RFC 4836's types of media by number, in ironic-inspector's words.
func mauTypes() []string {
	return []string{"Unknown", "AUI", "10BASE-5", "FOIRL", "10BASE-2", "10BASE-T duplex mode unknown", "10BASE-FP", "10BASE-FB",
		"10BASE-FL duplex mode unknown", "10BROAD36", "10BASE-T half duplex", "10BASE-T full duplex", "10BASE-FL half duplex",
		"10BASE-FL full duplex", "100 BASE-T4", "100BASE-TX half duplex", "100BASE-TX full duplex", "100BASE-FX half duplex",
		"100BASE-FX full duplex", "100BASE-T2 half duplex", "100BASE-T2 full duplex", "1000BASE-X half duplex",
		"1000BASE-X full duplex", "1000BASE-LX half duplex", "1000BASE-LX full duplex", "1000BASE-SX half duplex",
		"1000BASE-SX full duplex", "1000BASE-CX half duplex", "1000BASE-CX full duplex", "1000BASE-T half duplex",
		"1000BASE-T full duplex", "10GBASE-X", "10GBASE-LX4", "10GBASE-R", "10GBASE-ER", "10GBASE-LR", "10GBASE-SR", "10GBASE-W",
		"10GBASE-EW", "10GBASE-LW", "10GBASE-SW", "10GBASE-CX4", "2BASE-TL", "10PASS-TS", "100BASE-BX10D", "100BASE-BX10U",
		"100BASE-LX10", "1000BASE-BX10D", "1000BASE-BX10U", "1000BASE-LX10", "1000BASE-PX10D", "1000BASE-PX10U", "1000BASE-PX20D",
		"1000BASE-PX20U"}
}

// number16 is a number as JSON has it.
func number16(b []byte) any { return float64(binary.BigEndian.Uint16(b)) }
