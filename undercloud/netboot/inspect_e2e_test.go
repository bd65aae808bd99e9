//go:build e2e

package netboot

import (
	"strings"
	"testing"
	"time"

	"trefoil/ironic/driver"
)

func TestInspectionOverTheNetwork(t *testing.T) {
	for _, name := range []string{"bios", "uefi", "uefi by TFTP"} {
		mode, _, _ := strings.Cut(name, " ")
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.publish(mode, "ipa-inspection-callback-url=http://192.0.2.1:8088/v1/continue_inspection")
			begin := time.Now()
			l.start(name, newDisk(t, "10G"))
			d := receive(t, "inventory", l.api.inventory, 4*time.Minute)
			t.Logf("MEASURED %s: power on to inventory %.1f s", name, time.Since(begin).Seconds())
			inv := d.Inventory
			if inv.CPU.Count != 2 || inv.CPU.Architecture != "x86_64" || inv.Memory.PhysicalMB != 1024 {
				t.Errorf("cpu %+v memory %+v", inv.CPU, inv.Memory)
			}
			if len(inv.Disks) != 1 || inv.Disks[0].Size != 10<<30 || inv.Disks[0].Serial != "disk-1" || d.RootDisk == nil {
				t.Errorf("disks %+v root %+v", inv.Disks, d.RootDisk)
			}
			if len(inv.Interfaces) != 1 || inv.Interfaces[0].MACAddress != nodeMAC || inv.Interfaces[0].IPv4Address != "192.0.2.100" || !inv.Interfaces[0].HasCarrier {
				t.Errorf("interfaces %+v", inv.Interfaces)
			}
			if inv.Boot.CurrentBootMode != mode || inv.Boot.PXEInterface != nodeMAC || d.BootInterface != "01-52-54-00-aa-bb-01" {
				t.Errorf("boot %+v %q", inv.Boot, d.BootInterface)
			}
			if p := l.svc.Phase(nodeUUID); p != driver.PhaseRamdisk {
				t.Errorf("phase %q", p)
			}
		})
	}
}
