package inspect

import (
	"regexp"
	"slices"

	"trefoil/ironic/agentapi"
)

// usbName is how the kernel and udev name cards that hang on USB: usb0, enp0s20f0u8u3c2, enx0a94ef5c21ab.
var usbName = regexp.MustCompile(`^(usb[0-9]+|en[a-z]*[0-9a-z]*s[0-9]+(f[0-9]+)?(d[0-9]+)?u[0-9]+.*|enx[0-9a-f]{12})$`)

// gadgets are the kernel's drivers for network cards that another computer plays over USB.
func gadgets() []string {
	return []string{"cdc_eem", "cdc_ether", "cdc_ncm", "cdc_subset", "rndis_host"}
}

// bmcCard tells whether an interface is the one that a BMC shows its host over USB. Whole
// series of machines have the same address there, and nothing boots from it, so it
// says nothing of which machine this is. By the driver where the ramdisk tells it;
// a card in a USB socket has one of its maker's.
func bmcCard(i *agentapi.Interface) bool {
	if i.Name == "idrac" || i.BIOSDevName != nil && *i.BIOSDevName == "idrac" {
		return true
	}
	if i.Driver != "" {
		return slices.Contains(gadgets(), i.Driver)
	}
	return i.PCIAddress == "" && usbName.MatchString(i.Name)
}

// cards are the interfaces with a usable address. Those of BMCs are not among them, unless the
// machine was booted from one, or has no other.
func cards(d *agentapi.InspectionData, boot string) []*agentapi.Interface {
	var own, all []*agentapi.Interface
	for n := range d.Inventory.Interfaces {
		i := &d.Inventory.Interfaces[n]
		mac, ok := NormalMAC(i.MACAddress)
		if !ok || i.Name == "lo" {
			continue
		}
		all = append(all, i)
		if mac == boot || !bmcCard(i) {
			own = append(own, i)
		}
	}
	if len(own) == 0 {
		return all
	}
	return own
}

// StrangerPorts are the ports of a machine that nobody knows: as Process chooses them, but at least
// one, by which the machine is known again. Empty where the inventory has no usable address.
func StrangerPorts(d *agentapi.InspectionData, add AddPorts) []Port {
	if add == AddNone {
		add = AddPXE
	}
	if ports := choosePorts(d, add); len(ports) > 0 {
		return ports
	}
	return choosePorts(d, AddAll)
}
