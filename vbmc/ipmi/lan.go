package ipmi

import "net/netip"

// lanParams are the LAN configuration parameters that can be written.
type lanParams struct{}

// lanCommands are the LAN configuration commands of Transport (section 23).
func lanCommands() map[uint16]command { return nil }

func (b *BMC) loadLAN() error { return nil }

// lanAddress is the address clients reach this BMC by, and its MAC address. b.mu
// is held.
func (b *BMC) lanAddress() (ip netip.Addr, mac [6]byte) { return ip, mac }
