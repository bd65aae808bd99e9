//go:build e2e

package virt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/libvirt"
	"trefoil/vbmc/vbmctest"
)

// bootCode prints one letter to the serial port again and again, about 18 times a
// second, until it reads a key from there; then it reboots by the keyboard
// controller, as a guest does.
func bootCode(letter byte) []byte {
	return []byte{
		0xBA, 0xF8, 0x03, // again: mov dx, 0x3F8
		0xB0, letter, // mov al, letter
		0xEE,       // out dx, al
		0xFB, 0xF4, // sti; hlt: until the next tick of the clock
		0xBA, 0xFD, 0x03, // mov dx, 0x3FD
		0xEC,       // in al, dx
		0xA8, 0x01, // test al, 1: a key
		0x74, 0xF0, // jz again
		0xB0, 0xFE, 0xE6, 0x64, // mov al, 0xFE; out 0x64, al: reset
		0xEB, 0xFE, // jmp itself
	}
}

// mbr is a disk that boots code.
func mbr(code []byte) []byte {
	disk := make([]byte, 1<<20)
	copy(disk, code)
	disk[510], disk[511] = 0x55, 0xAA
	return disk
}

// iso is a CD that boots code (El Torito, no emulation).
func iso(code []byte) []byte {
	const sector = 2048
	cd := make([]byte, 300*sector)
	at := func(n int) []byte { return cd[n*sector:] }
	copy(at(16), "\x01CD001\x01")
	copy(at(17), "\x00CD001\x01EL TORITO SPECIFICATION")
	binary.LittleEndian.PutUint32(at(17)[0x47:], 19)
	copy(at(18), "\xffCD001\x01")
	catalog := at(19)
	copy(catalog, []byte{1})
	catalog[0x1E], catalog[0x1F] = 0x55, 0xAA
	binary.LittleEndian.PutUint16(catalog[0x1C:], 0x55AA) // the words add up to 0
	catalog[0x20] = 0x88
	binary.LittleEndian.PutUint16(catalog[0x26:], 4) // sectors of 512 bytes
	binary.LittleEndian.PutUint32(catalog[0x28:], 20)
	copy(at(20), code)
	return cd
}

// TestNextBootOnly boots real firmware: once from the CD, and after the guest's own
// reboot, which is made by a key typed on the console, from the disk again.
func TestNextBootOnly(t *testing.T) {
	l := vbmctest.StartLibvirtd(t)
	disk, cd := l.File(t, "disk.img", mbr(bootCode('D'))), l.File(t, "cd.iso", iso(bootCode('C')))
	conn, err := libvirt.Open(l.URI, libvirt.WithTimeouts(time.Minute, 2*time.Minute)) // the first definition makes libvirt probe QEMU
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ready(t, conn)
	for _, mode := range []LiveOrder{LiveOrderQMP, LiveOrderRestart} {
		t.Run(fmt.Sprintf("mode %d", mode), func(t *testing.T) {
			name := fmt.Sprintf("boots-%d", mode)
			if _, err = conn.DefineDomain(t.Context(), tiny(name, disk, cd)); err != nil {
				t.Fatal(err)
			}
			m := machine(t, conn, name)
			m.Set(Options{LiveOrder: mode})
			bootsOnce(t, m, follow(t, conn, m))
		})
	}
}

func tiny(name, disk, cd string) string {
	return fmt.Sprintf(`<domain type='qemu'><name>%s</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='%s'/><target dev='vda' bus='virtio'/><boot order='1'/></disk>
<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='%s'/><target dev='sda' bus='ide'/></disk>
<serial type='pty'/></devices></domain>`, name, disk, cd)
}

// follow hands the connection's events to the machine, as the daemon does.
func follow(t *testing.T, conn *libvirt.Conn, m *Machine) <-chan domain.Event {
	told := make(chan domain.Event, 64)
	t.Cleanup(m.OnEvent(func(e domain.Event) { told <- e }))
	conn.OnEvent(func(ev libvirt.Event) {
		if m.Observe(ev) {
			go m.Repair(context.Background())
		}
	})
	return told
}

// guestLimit ends the wait for a guest that hangs.
const guestLimit = 90 * time.Second

func bootsOnce(t *testing.T, m *Machine, told <-chan domain.Event) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(m.SetOverride(ctx, domain.Override{Device: domain.CDROM}))
	must(m.On(ctx))
	t.Cleanup(func() { _ = m.Off(context.Background()) })
	prints(t, m, told, "CC", "\r")
	awaitReboot(t, told)
	prints(t, m, told, "DD", "")
	if on, err := m.Power(); err != nil || !on {
		t.Errorf("power %v, %v", on, err)
	}
	t.Logf("usage: %+v", usage(t, m))
	must(m.Off(ctx))
}

func awaitReboot(t *testing.T, told <-chan domain.Event) {
	t.Helper()
	limit := time.After(guestLimit)
	for {
		select {
		case e := <-told:
			t.Logf("event %+v", e)
			if e.Kind != domain.Rebooted {
				continue
			}
			if e.Ours || !e.On {
				t.Errorf("the guest's reboot is told as %+v", e)
			}
			return
		case <-limit:
			t.Fatal("no reboot was told")
		}
	}
}

// prints waits until the guest prints want, then types. A console that ends is
// opened again: a new process has another. While there is none, the next event tells.
func prints(t *testing.T, m *Machine, told <-chan domain.Event, want, typed string) {
	t.Helper()
	var all bytes.Buffer
	limit := time.After(guestLimit)
	for end := time.Now().Add(guestLimit); time.Now().Before(end); {
		c, canWrite, err := m.OpenConsole(t.Context(), domain.TakeOver)
		if err != nil {
			select {
			case e := <-told:
				t.Logf("event %+v, no console: %v", e, err)
			case <-limit:
			}
			continue
		}
		stop := time.AfterFunc(time.Until(end), func() { c.Close() })
		for buf := make([]byte, 64); !strings.HasSuffix(all.String(), want); {
			n, err := c.Read(buf)
			if all.Write(buf[:n]); err != nil {
				break
			}
		}
		found := strings.HasSuffix(all.String(), want)
		if found && typed != "" {
			if _, err := c.Write([]byte(typed)); err != nil || !canWrite {
				t.Errorf("type: %v (can write %v)", err, canWrite)
			}
		}
		stop.Stop()
		if found { // stays open: QEMU drops what was typed when the terminal is closed at once
			t.Cleanup(func() { c.Close() })
			return
		}
		c.Close()
	}
	t.Fatalf("the guest printed %q, want %q at the end (last error of the BMC: %s)", all.String(), want, m.Trouble())
}

// usage asks until libvirt has counted: nobody tells when that is.
func usage(t *testing.T, m *Machine) domain.Usage {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	limit := time.After(30 * time.Second)
	for {
		u, err := m.Usage()
		if err == nil && u.CPU > 0 {
			if u.VCPUs != 1 || u.MemoryMax != 32<<20 || u.Started.IsZero() {
				t.Errorf("usage %+v", u)
			}
			return u
		}
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("usage %+v, %v", u, err)
		}
	}
}
