package api

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"trefoil/ironic"
)

// looks is one test of a value in network_data: what is wrong with it, in the words of JSON
// schema and with the place before them where it lies deeper; "": nothing.
type looks func(v any) string

// networkData is the parse of the field: null and {} are none. All else has the shape of
// Ironic's network-data-schema.json, which is Nova's network_data.json.
func networkData(_ string, v any) (any, error) {
	if v == nil {
		return map[string]any{}, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, schemaError("node", "network_data", v, "'object', 'null'")
	}
	if len(m) == 0 {
		return m, nil
	}
	for _, part := range []struct {
		name  string
		shape looks
	}{{"links", linkShape}, {"networks", networkShape}, {"services", serviceShape(anyAddress)}} {
		list, given := m[part.name]
		if !given {
			return nil, badRequest("Invalid network_data: '%s' is a required property", part.name)
		}
		items, ok := list.([]any)
		if !ok {
			return nil, badRequest("Invalid network_data: %s is not of type 'array'", short(list)).hinting("%s is a list of objects", part.name)
		}
		for i, item := range items {
			if why := part.shape(item); why != "" {
				return nil, badRequest("Invalid network_data: %s is not valid under any of the given schemas", short(item)).
					hinting("%s[%d]%s", part.name, i, why)
			}
		}
	}
	return m, nil
}

// short is a value as Python writes it, cut where it is long.
func short(v any) string {
	if text := []rune(ironic.PyRepr(v)); len(text) > 100 {
		return string(text[:100]) + "…"
	}
	return ironic.PyRepr(v)
}

// shapeOf wants an object that has the required members; those that it has and others
// that are known are looked at, and what else there is may be anything.
func shapeOf(required []string, members map[string]looks) looks {
	return func(v any) string {
		m, ok := v.(map[string]any)
		if !ok {
			return ": " + short(v) + " is not of type 'object'"
		}
		for _, name := range required {
			if _, given := m[name]; !given {
				return ": '" + name + "' is a required property"
			}
		}
		// The type goes first: what the others must be follows from it.
		for _, name := range append([]string{"type"}, slices.Sorted(maps.Keys(members))...) {
			v, given := m[name]
			if look := members[name]; given && look != nil {
				if why := look(v); why != "" {
					return "." + name + why
				}
			}
		}
		return ""
	}
}

func listOf(look looks) looks {
	return func(v any) string {
		list, ok := v.([]any)
		if !ok {
			return ": " + short(v) + " is not of type 'array'"
		}
		for i, item := range list {
			if why := look(item); why != "" {
				return fmt.Sprintf("[%d]%s", i, why)
			}
		}
		return ""
	}
}

// textThat wants a text; expected says which.
func textThat(expected string, good func(string) bool) looks {
	return func(v any) string {
		s, ok := v.(string)
		switch {
		case !ok:
			return ": " + short(v) + " is not of type 'string'"
		case !good(s):
			return ": " + short(v) + " is not " + expected
		}
		return ""
	}
}

func someText(v any) string {
	return textThat("a text", func(string) bool { return true })(v)
}

func oneOfTexts(words ...string) looks {
	return textThat("one of "+strings.Join(words, ", "), func(s string) bool { return slices.Contains(words, s) })
}

// wholeNumber wants an integer between two bounds, or null where none is one, too.
func wholeNumber(least, most float64, none bool) looks {
	return func(v any) string {
		n, ok := v.(float64)
		if ok && n == math.Trunc(n) && n >= least && n <= most || v == nil && none {
			return ""
		}
		return fmt.Sprintf(": %s is not a whole number from %.0f to %.0f", short(v), least, most)
	}
}

var (
	linkAddress  = regexp.MustCompile(`^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$`)
	prefixLength = regexp.MustCompile(`^[0-9]{1,2}$`)
)

// macLike is looser than macPattern: dashes are taken, as Ironic's schema takes them.
func macLike(v any) string {
	return textThat("a MAC address such as 52:54:00:12:34:56", linkAddress.MatchString)(v)
}

func addressThat(expected string, good func(netip.Addr) bool) looks {
	return textThat(expected, func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && good(a)
	})
}

func ipv4(v any) string { return addressThat("an IPv4 address", netip.Addr.Is4)(v) }

// ipv6 takes a prefix length behind the address, as the schema does.
func ipv6(v any) string {
	if s, ok := v.(string); ok {
		if addr, length, found := strings.Cut(s, "/"); found && prefixLength.MatchString(length) {
			v = addr
		}
	}
	return addressThat("an IPv6 address", netip.Addr.Is6)(v)
}

func anyAddress(v any) string {
	if s, ok := v.(string); ok && strings.Contains(s, ":") {
		return ipv6(v)
	}
	return ipv4(v)
}

// linkShape is a card, a bond or a VLAN, as its type says.
func linkShape(v any) string {
	m, _ := v.(map[string]any)
	members := map[string]looks{"id": someText, "vif_id": someText, "mtu": wholeNumber(1, 65535, true), "ethernet_mac_address": macLike}
	required := []string{"id", "type", "ethernet_mac_address"}
	switch m["type"] {
	case "bond":
		required = append(required, "bond_mode", "bond_links")
		members["bond_mode"] = oneOfTexts("802.1ad", "balance-rr", "active-backup", "balance-xor", "broadcast", "balance-tlb", "balance-alb")
		members["bond_links"] = listOf(someText)
	case "vlan":
		required = []string{"id", "type", "vlan_mac_address", "vlan_link", "vlan_id"}
		delete(members, "ethernet_mac_address") // a VLAN may have one of any kind
		members["vlan_mac_address"], members["vlan_link"], members["vlan_id"] = macLike, someText, wholeNumber(math.MinInt32, math.MaxInt32, false)
	default:
		members["type"] = oneOfTexts("bond", "vlan", "bridge", "dvs", "hw_veb", "hyperv", "ovs", "tap", "vhostuser", "vif", "phy")
	}
	return shapeOf(required, members)(v)
}

// networkShape is a network of IPv4 or IPv6, as its type says.
func networkShape(v any) string {
	m, _ := v.(map[string]any)
	address := ipv4
	if kind, _ := m["type"].(string); strings.HasPrefix(kind, "ipv6") {
		address = ipv6
	}
	route := shapeOf([]string{"gateway", "netmask", "network"},
		map[string]looks{"gateway": address, "netmask": address, "network": address, "services": listOf(serviceShape(address))})
	return shapeOf([]string{"id", "link", "network_id", "type"}, map[string]looks{"id": someText, "link": someText, "network_id": someText,
		"type":       oneOfTexts("ipv4", "ipv4_dhcp", "ipv6", "ipv6_dhcp", "ipv6_slaac"),
		"ip_address": address, "netmask": address, "routes": listOf(route)})(v)
}

func serviceShape(address looks) looks {
	return shapeOf([]string{"address", "type"}, map[string]looks{"address": address, "type": oneOfTexts("dns")})
}
