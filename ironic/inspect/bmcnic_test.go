package inspect

import (
	"strings"
	"testing"
)

// What a BMC shows its host over USB has one address in many machines: it makes no port and finds no node.
func TestTheBMCsCardIsNoneOfTheMachines(t *testing.T) {
	const own = `{"name": "ens3", "mac_address": "52:54:00:aa:00:01", "has_carrier": true}`
	for card, want := range map[string]bool{ // whether it counts
		`{"name": "usb0", "mac_address": "be:3a:f2:b6:05:9f", "has_carrier": true}`:                             false,
		`{"name": "enx0a94ef5c21ab", "mac_address": "0a:94:ef:5c:21:ab", "has_carrier": true}`:                  false,
		`{"name": "enp0s20f0u8u3c2", "mac_address": "0a:94:ef:5c:21:ab", "has_carrier": true}`:                  false,
		`{"name": "eth7", "mac_address": "0a:94:ef:5c:21:ab", "has_carrier": true, "driver": "cdc_ether"}`:      false,
		`{"name": "eth7", "mac_address": "0a:94:ef:5c:21:ab", "has_carrier": true, "biosdevname": "idrac"}`:     false,
		`{"name": "enp0s20f0u8", "mac_address": "00:e0:4c:00:00:01", "has_carrier": true, "driver": "r8152"}`:   true,
		`{"name": "enp2s0f1", "mac_address": "52:54:00:aa:00:02", "has_carrier": true}`:                         true,
		`{"name": "eno1", "mac_address": "52:54:00:aa:00:02", "has_carrier": true, "pci_address": "0000:02:0"}`: true,
	} {
		d := data(t, `{"inventory": {"interfaces": [`+card+`,`+own+`]}}`)
		n := 1
		if want {
			n = 2
		}
		if got := MACs(d); len(got) != n || !strings.Contains(strings.Join(got, " "), "52:54:00:aa:00:01") {
			t.Errorf("%s: addresses %v", card, got)
		}
		if r, err := Process(d, nil, AddActive); err != nil || len(r.Ports) != n {
			t.Errorf("%s: ports %v %v", card, r.Ports, err)
		}
		alone := data(t, `{"inventory": {"interfaces": [`+card+`]}}`)
		if got := MACs(alone); len(got) != 1 {
			t.Errorf("%s, which is all there is: %v", card, got)
		}
		booted := data(t, `{"inventory": {"interfaces": [`+card+`,`+own+`]}}`)
		booted.BootInterface = booted.Inventory.Interfaces[0].MACAddress
		if got := MACs(booted); len(got) != 2 || got[0] != booted.BootInterface {
			t.Errorf("%s, which the ramdisk came over: %v", card, got)
		}
	}
}

func TestAStrangerHasAPort(t *testing.T) {
	for add, want := range map[AddPorts]int{AddPXE: 1, AddNone: 1, AddActive: 2, AddAll: 3} {
		if got := StrangerPorts(data(t, lab), add); len(got) != want || !got[0].PXE {
			t.Errorf("%s: %v", add, got)
		}
	}
	dark := data(t, `{"inventory": {"interfaces": [{"name": "ens3", "mac_address": "52:54:00:aa:00:01"}]}}`)
	if got := StrangerPorts(dark, AddPXE); len(got) != 1 {
		t.Errorf("no cable and no boot interface: %v", got)
	}
}
