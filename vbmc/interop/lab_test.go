//go:build e2e

package interop

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trefoil/vbmc/libvirt"
	"trefoil/vbmc/manager"
	"trefoil/vbmc/vbmctest"
)

// lab is a libvirtd of its own, and the daemon's manager with BMCs of its domains. Both
// end with the test, and all machines with them, however it ends.
type lab struct {
	*vbmctest.Libvirtd
	conn    *libvirt.Conn // to see what clients did
	manager *manager.Manager
}

func startLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{Libvirtd: vbmctest.StartLibvirtd(t)}
	// The first definition makes libvirt probe QEMU.
	conn, err := libvirt.Open(l.URI, libvirt.WithTimeouts(time.Minute, 2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ready, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := conn.WaitReady(ready); err != nil {
		t.Fatal(err)
	}
	l.conn = conn
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s := manager.Settings{ConfigDir: t.TempDir(), Rescan: time.Hour}
	l.manager = manager.New(s, &manager.Libvirt{Log: log, Dir: filepath.Join(s.ConfigDir, ".boot-orders")}, log)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.manager.Run(ctx, func() {})
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return l
}

// machine is a domain and how it differs from the plain one, which has BIOS and a network
// where nothing is to be booted.
type machine struct {
	os      string // "": BIOS
	serial  string // "": a terminal
	network string // "": QEMU's own
	disk    []byte // nil: it boots guest('D')
	suites  string
	mib     int    // 0: 64
	uri     string // by which its BMC reaches libvirtd; "": the lab's
}

// bmc defines a domain that is off and has a BMC serve it on both families of addresses.
func (l *lab) bmc(t *testing.T, name string, m machine) bed {
	t.Helper()
	if m.os == "" {
		m.os = "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
	}
	if m.network == "" {
		m.network = "<interface type='user'><mac address='52:54:00:12:34:56'/><model type='virtio'/></interface>"
	}
	if m.disk == nil {
		m.disk = mbr(guest('D'))
	}
	if m.serial == "" {
		m.serial = "<serial type='pty'/>"
	}
	if m.mib == 0 {
		m.mib = 64
	}
	if m.uri == "" {
		m.uri = l.URI
	}
	d, err := l.conn.DefineDomain(t.Context(), fmt.Sprintf(`<domain type='qemu'><name>%s</name><memory unit='MiB'>%d</memory><vcpu>1</vcpu>
%s<features><acpi/></features><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='%s'/><target dev='vda' bus='virtio'/><boot order='1'/></disk>
%s%s</devices></domain>`, name, m.mib, m.os, l.File(t, name+".img", m.disk), m.network, m.serial))
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.manager.Add(t.Context(), manager.Config{
		Domain: name, Username: "admin", Password: "secret", Port: manager.AutoPort, Address: "::", LibvirtURI: m.uri, CipherSuites: m.suites,
	})
	if err == nil {
		_, err = l.manager.Start(name)
		l.manager.AwaitKnown([]string{name})
	}
	if err != nil {
		t.Fatal(err)
	}
	return bed{host: "127.0.0.1", port: c.Port, values: map[string]string{
		"UUID": d.UUID.String(), "DIUU": backwards(d.UUID), "WIRE": onWire(d.UUID), "CPUS": "1", "MIB": fmt.Sprint(m.mib),
		"SOFT": "on", // this guest knows no ACPI
		"C":    `\d+`, "RPM": `\d+`, "W": `\d+`, "LOAD": `\d+`, "MEM": `\d+`,
	}}
}

// isOff asks libvirt, not the BMC, which may have answered that it has accepted a power off.
func (l *lab) isOff(t *testing.T, name string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		d, err := l.conn.LookupDomain(t.Context(), name)
		if err == nil && d.State == libvirt.StateShutoff {
			return
		}
		if err != nil || time.Since(began) > clientLimit {
			t.Fatalf("the domain is in state %v, %v; want it off", d.State, err)
		}
	}
}

// guest is a program that firmware boots from a disk or the network. Its letter goes to the
// serial port 18 times a second. Of what is typed, R reboots it as guests do (by the
// keyboard controller), L has it print 4096 X, all else it echoes in angle brackets; a
// break is "<!>", an NMI is "<NMI>".
func guest(letter byte) []byte {
	loop := []byte{
		0xBA, 0xF8, 0x03, // start: mov dx, 0x3F8: the port
		0xB0, letter, // mov al, letter
		0xEE,       // out dx, al
		0xFB, 0xF4, // sti; hlt: until the next tick of the clock
		0xBA, 0xFD, 0x03, // poll: mov dx, 0x3FD: its status
		0xEC,       // in al, dx
		0x88, 0xC4, // mov ah, al
		0xA8, 0x11, // test al, 0x11: a break or a character
		0x74, 0xEE, // jz start
		0xBA, 0xF8, 0x03, // mov dx, 0x3F8
		0xEC,             // in al, dx
		0xF6, 0xC4, 0x10, // test ah, 0x10: a break
		0x74, 0x02, // jz key
		0xB0, '!', // mov al, '!'
		0x3C, 'R', // key: cmp al, 'R'
		0x74, 0x26, // je reset
		0x3C, 'L', // cmp al, 'L'
		0x74, 0x0D, // je long
		0x88, 0xC3, // mov bl, al
		0xB0, '<', 0xEE, // mov al, '<'; out dx, al
		0x88, 0xD8, 0xEE, // mov al, bl; out dx, al
		0xB0, '>', 0xEE, // mov al, '>'; out dx, al
		0xEB, 0xD6, // jmp poll
		0xB9, 0x00, 0x10, // long: mov cx, 4096
		0xBA, 0xFD, 0x03, // next: mov dx, 0x3FD
		0xEC,       // full: in al, dx
		0xA8, 0x20, // test al, 0x20: there is room
		0x74, 0xFB, // jz full
		0xBA, 0xF8, 0x03, // mov dx, 0x3F8
		0xB0, 'X', 0xEE, // mov al, 'X'; out dx, al
		0xE2, 0xF0, // loop next
		0xEB, 0xC1, // jmp poll
		0xB0, 0xFE, 0xE6, 0x64, // reset: mov al, 0xFE; out 0x64, al
		0xEB, 0xFE, // jmp itself
	}
	const at, setup = 0x7C00, 16 // where firmware loads it; the length of what follows
	nmi := at + setup + len(loop)
	program := []byte{
		0x31, 0xC0, // xor ax, ax
		0x8E, 0xD8, // mov ds, ax
		0xC7, 0x06, 8, 0, byte(nmi), byte(nmi >> 8), // mov word [8], nmi: interrupt 2
		0xC7, 0x06, 10, 0, 0, 0, // mov word [10], 0
	}
	program = append(program, loop...)
	program = append(program, 0x50, 0x52, 0xBA, 0xF8, 0x03) // nmi: push ax; push dx; mov dx, 0x3F8
	for _, c := range []byte("<NMI>") {
		program = append(program, 0xB0, c, 0xEE) // mov al, c; out dx, al
	}
	return append(program, 0x5A, 0x58, 0xCF) // pop dx; pop ax; iret
}

// mbr is a disk that boots a program.
func mbr(program []byte) []byte {
	disk := make([]byte, 1<<20)
	copy(disk, program)
	disk[510], disk[511] = 0x55, 0xAA
	return disk
}
