package bootxml

import (
	"strings"

	"trefoil/vbmc/domain"
)

// EFI tells whether the machine has UEFI firmware.
func (d *Doc) EFI() bool { return d.efi }

// UseNIC makes network boots use the card of that MAC address instead of the
// first one. A domain in the <os> style cannot choose: there the override fails
// with ErrNoDevice unless the card is the first.
func (d *Doc) UseNIC(mac string) { d.nic = "interface:" + strings.ToLower(mac) }

// Rank is the place of a running machine's device in a boot order.
type Rank struct {
	Alias string
	Place int // from 1; 0: not in the order
}

// Ranks tells the place of every device that has an alias and could be booted
// from, in the order c. It follows how libvirt hands <os><boot> to QEMU: each
// kind stands for its first device.
func (d *Doc) Ranks(c Config) []Rank {
	places := map[domain.Device]int{}
	for i, dev := range c.OS {
		places[osDevices[dev]] = i + 1
	}
	var out []Rank
	for _, v := range d.devices {
		place := c.Orders[v.key]
		if place == 0 && v.kind != domain.None {
			place = places[v.kind]
			delete(places, v.kind)
		}
		if v.alias != "" && (v.kind != domain.None || v.boot != nil || place > 0) {
			out = append(out, Rank{v.alias, place})
		}
	}
	return out
}
