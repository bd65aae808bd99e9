package ipmi

import (
	"bytes"
	"crypto/sha256"
	"net"
	"net/netip"

	"trefoil/vbmc/ipmi/wire"
)

// Completion codes of the LAN configuration commands (23.1, 23.2).
const (
	ccLANParamUnknown = 0x80
	ccLANReadOnly     = 0x82
	ccLANOutOfRange   = 0xc9
)

const (
	lanParamRevision = 0x11
	communityLen     = 18
	maxListedSuites  = 16 // that parameters 23 and 24 have room for
)

// Parameters that can be written (table 23-4). All others follow from the network of
// the host, which is not for a BMC to change.
const (
	lanSetInProgress = 0
	lanCommunity     = 16
)

// lanParams are the LAN configuration parameters that can be written.
type lanParams struct {
	Community []byte // nil: the default

	setting progress // parameter 0
}

func (l *lanParams) community() []byte {
	out := make([]byte, communityLen)
	if l.Community == nil {
		copy(out, "public")
	}
	copy(out, l.Community)
	return out
}

// lanCommands are the LAN configuration commands of Transport (section 23).
func lanCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.Transport, 0x01): {name: "Set LAN Configuration Parameters", priv: privAdmin, min: 2, max: 64, waits: true, run: setLANParam},
		key(wire.Transport, 0x02): {name: "Get LAN Configuration Parameters", priv: privOperator, min: 4, max: 4, run: getLANParam},
	}
}

func (b *BMC) loadLAN() error {
	l := &b.parts.lan
	_, err := b.recall("lan", l)
	l.Community = l.Community[:min(len(l.Community), communityLen)]
	return err
}

// getLANParam reads a parameter (23.2).
func getLANParam(b *BMC, r request) (byte, []byte) {
	if !solChannel(r.data[0]) {
		return ccDataInvalid, nil
	}
	if r.data[0]&0x80 != 0 {
		return ccOK, []byte{lanParamRevision}
	}
	n, set := r.data[1], r.data[2]
	out := b.addressParam(n, r.src.Addr())
	if out == nil {
		out = destinationParam(n, set)
	}
	if out == nil {
		b.locked(func() { out = b.lanParam(n) })
	}
	switch {
	case out == nil:
		return ccLANParamUnknown, nil
	case (n == 18 || n == 25) && set != 0: // there is only the volatile destination
		return ccLANOutOfRange, nil
	}
	return ccOK, append([]byte{lanParamRevision}, out...)
}

// addressParam returns a parameter that tells of addresses; nil: it is none of these.
func (b *BMC) addressParam(n byte, client netip.Addr) []byte {
	var zero [4]byte
	switch n {
	case 3:
		return v4(routeTo(client))
	case 4:
		return []byte{1} // static: at least, nobody changes it from here
	case 5:
		mac := b.mac()
		return mac[:]
	case 6:
		return maskOf(routeTo(client))
	case 7:
		return []byte{64, 0x40, 0} // time to live, don't fragment, type of service
	case 10:
		return []byte{0x02} // ARP requests are answered, there are no gratuitous ones
	case 11:
		return []byte{0}
	case 12, 14:
		return zero[:] // gateways are the host's matter
	case 13, 15:
		return make([]byte, 6)
	case 20:
		return []byte{0, 0} // no VLAN
	case 21:
		return []byte{0}
	case 50:
		return []byte{0x02} // IPv4 and IPv6 at the same time
	case 51:
		return []byte{0x02}
	}
	return nil
}

// destinationParam returns a parameter of alerts, which are not sent: destination 0,
// the volatile one, is all there is.
func destinationParam(n, set byte) []byte {
	switch n {
	case 17:
		return []byte{0}
	case 18, 25:
		return []byte{set, 0, 0, 0}
	case 26:
		return make([]byte, 6) // wrong passwords slow their source down, no user is locked
	}
	return nil
}

// lanParam returns what is left: progress, authentication and cipher suites. b.mu is
// held.
func (b *BMC) lanParam(n byte) []byte {
	suites := b.suites[:min(len(b.suites), maxListedSuites)]
	switch n {
	case lanSetInProgress:
		return []byte{b.parts.lan.setting.get(b.now())}
	case 1:
		return []byte{0} // no authentication type: there are no IPMI 1.5 sessions
	case 2:
		return make([]byte, 5)
	case lanCommunity:
		return b.parts.lan.community()
	case 22:
		return []byte{byte(len(suites))}
	case 23:
		out := make([]byte, 1+maxListedSuites)
		for i, s := range suites {
			out[1+i] = s.ID
		}
		return out
	case 24:
		return suiteLevels(suites)
	}
	return nil
}

// suiteLevels is parameter 24: levels, two in a byte, the first in the low half. The
// place of a suite is its number, as clients and the boards they were made for have
// it; there is none for 16 and above.
func suiteLevels(suites []wire.Suite) []byte {
	out := make([]byte, 1+maxListedSuites/2)
	for _, s := range suites {
		if s.ID < maxListedSuites {
			out[1+s.ID/2] |= privAdmin << (4 * (s.ID % 2))
		}
	}
	return out
}

// setLANParam writes a parameter (23.1).
func setLANParam(b *BMC, r request) (byte, []byte) {
	if !solChannel(r.data[0]) {
		return ccDataInvalid, nil
	}
	switch n, v := r.data[1], r.data[2:]; n {
	case lanSetInProgress:
		if len(v) != 1 {
			return ccLength, nil
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.parts.lan.setting.set(v[0]&3, r.session, b.now()), nil
	case lanCommunity:
		if len(v) != communityLen {
			return ccLength, nil
		}
		b.locked(func() { b.parts.lan.Community = bytes.Clone(v) })
		b.keep("lan", func() any { return b.parts.lan })
		return ccOK, nil
	default:
		r.data = []byte{lanChannel, n, 0, 0}
		if cc, _ := getLANParam(b, r); cc != ccOK {
			return cc, nil
		}
		return ccLANReadOnly, nil
	}
}

// mac is a MAC address that stays the machine's: locally administered, made from its
// UUID. The host's own is shared by all BMCs, and tools tell machines apart by it. It is
// zero until the machine is known: ipmitool's `lan print` ends at the first refusal.
func (b *BMC) mac() (mac [6]byte) {
	id, err := b.guid()
	if err != nil {
		return mac
	}
	sum := sha256.Sum256(id[:])
	mac = [6]byte{0x52, 0x54}
	copy(mac[2:], sum[:])
	return mac
}

// routeTo asks the kernel from which of its addresses it answers a client; no packet
// is sent for it. Without a route it is the zero address.
func routeTo(client netip.Addr) netip.Addr {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(client, 9)))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap()
}

// v4 are the four bytes of an IPv4 address, zero for all others.
func v4(ip netip.Addr) []byte {
	var out [4]byte
	if ip.Is4() {
		out = ip.As4()
	}
	return out[:]
}

// maskOf is the mask of the host's network in which an IPv4 address is.
func maskOf(ip netip.Addr) []byte {
	out := make([]byte, 4)
	all, err := net.InterfaceAddrs()
	if err != nil || !ip.Is4() {
		return out
	}
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if ok && n.IP.Equal(ip.AsSlice()) && len(n.Mask) >= 4 {
			copy(out, n.Mask[len(n.Mask)-4:])
		}
	}
	return out
}
