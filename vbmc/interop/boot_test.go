//go:build e2e

package interop

import (
	"context"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/ipmi/ipmiclient"
)

// bootLimit ends the wait for a machine that does not boot what it should.
const bootLimit = 60 * time.Second

// screen is what a machine prints on its serial port, read over LAN from before its start.
type screen struct {
	console *ipmiclient.Console
	text    strings.Builder // since the latest find
}

func (b bed) watch(t *testing.T) *screen {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	c, err := ipmiclient.Dial(ctx, net.JoinHostPort(b.host, strconv.Itoa(b.port)), ipmiclient.Options{Username: "admin", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	console, err := c.SOL(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { console.Close() })
	return &screen{console: console}
}

// find waits for the first text that matches, and returns its first group.
func (s *screen) find(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	s.text.Reset()
	stop := time.AfterFunc(bootLimit, func() { s.console.Close() })
	defer stop.Stop()
	for buf := make([]byte, 512); ; {
		n, err := s.console.Read(buf)
		s.text.Write(buf[:n])
		if m := re.FindStringSubmatch(s.text.String()); m != nil {
			t.Logf("seen: %q", m[0])
			return m[len(m)-1]
		}
		if err != nil {
			t.Fatalf("%v; the machine printed %q, want %s", err, s.text.String(), pattern)
		}
	}
}

// TestBIOSBoots: once from the network, and after the guest's own reboot from the disk
// again; always from the network; and as its own order says. What boots tells who it is, and
// that it got an NMI.
func TestBIOSBoots(t *testing.T) {
	l := startLab(t)
	n := startSegment(t, guest('N'))
	b := l.bmc(t, "boots", machine{network: n.card})
	tool := func(command, want string) {
		t.Helper()
		b.play(t, []row{{command, want}}, "ipmitool", b.ipmitool("17")...)
	}
	tool("chassis bootdev pxe", `Set Boot Device to pxe`)
	s := b.watch(t)
	n.asked(t, func() { tool("power on", `Up/On`) })
	s.find(t, "(N)")
	tool("chassis bootparam get 5", `Boot Device Selector : No override`) // it was spent
	tool("power diag", `Diag`)
	s.find(t, "(<NMI>)")
	s.reboot(t)
	s.find(t, "(D)")
	tool("chassis bootdev pxe options=persistent", `Set Boot Device to pxe`)
	n.asked(t, func() { tool("power cycle", `Cycle`) })
	s.find(t, "(N)")
	n.asked(t, func() { s.reboot(t) })
	tool("chassis bootdev none", `Set Boot Device to none`)
	tool("power cycle", `Cycle`)
	s.find(t, "(D)")
	tool("power off", `Down/Off`)
	l.isOff(t, "boots")
}

// reboot has the guest reboot by itself.
func (s *screen) reboot(t *testing.T) {
	t.Helper()
	if _, err := s.console.Write([]byte("R")); err != nil {
		t.Fatal(err)
	}
}

// TestUEFIBoots: the firmware's own list of what it tries begins with the network once, where
// nobody answers, and then with the disk.
func TestUEFIBoots(t *testing.T) {
	if _, err := os.Stat("/usr/share/OVMF/OVMF_CODE_4M.fd"); err != nil {
		t.Fatalf("%v: it is of Debian's package ovmf, which scripts/deps installs", err)
	}
	l := startLab(t)
	b := l.bmc(t, "uefi", machine{mib: 256, network: startSegment(t, nil).card, os: "<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type>" +
		"<firmware><feature enabled='no' name='secure-boot'/></firmware></os>"})
	s := b.watch(t)
	const first = `(net0: [0-9a-f:]+ |BdsDxe: \w+(?: to load)? Boot\w+ "[^"]*")` // the card's own iPXE, or what the firmware says
	for _, c := range []struct{ command, want string }{
		{"chassis bootdev pxe options=efiboot", `^net0|PXE`},
		{"chassis bootparam get 5", `(?i)misc device|disk|virtio`},
	} {
		b.play(t, []row{{c.command, ``}, {"power on", `Up/On`}}, "ipmitool", b.ipmitool("17")...)
		if got := s.find(t, first); !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("after %s the firmware begins with %q, want %s", c.command, got, c.want)
		}
		b.play(t, []row{{"power off", `Down/Off`}}, "ipmitool", b.ipmitool("17")...)
	}
	l.isOff(t, "uefi")
}
