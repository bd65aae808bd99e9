//go:build e2e

package ipmi

import (
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
)

// startBMC serves a fake machine on a free port of loopback.
func startBMC(t *testing.T) (*fake.Machine, int) {
	t.Helper()
	m := fake.New([16]byte{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x4d, 0xef, 0x80, 1, 2, 3, 4, 5, 6, 7})
	b, err := New(Config{Machine: m, Username: "admin", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Listen("::", 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Serve(t.Context(), conn) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return m, conn.LocalAddr().(*net.UDPAddr).Port
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

type step struct {
	args string
	want string // a line of the output
}

func TestIpmitool(t *testing.T) {
	steps := []step{
		{"power status", "Chassis Power is off"},
		{"power on", "Chassis Power Control: Up/On"},
		{"power status", "Chassis Power is on"},
		{"power cycle", "Chassis Power Control: Cycle"},
		{"power reset", "Chassis Power Control: Reset"},
		{"power diag", "Chassis Power Control: Diag"},
		{"power soft", "Chassis Power Control: Soft"},
		{"power status", "Chassis Power is off"},
		{"chassis status", "System Power         : off"},
		{"chassis identify", "Chassis identify interval: default (15 seconds)"},
		{"chassis policy list", "Supported chassis power policy:  always-off"},
		{"mc info", "IPMI Version              : 2.0"},
		{"mc guid", "System GUID   : 12345678-9abc-4def-8001-020304050607"},
		{"mc selftest", "Selftest: passed"},
		{"raw 0 8 3 8", ""},
		{"chassis bootdev pxe options=efiboot", "Set Boot Device to pxe"},
		{"chassis bootparam get 5", "   - BIOS EFI boot "},
		{"chassis bootparam get 5", "   - Boot Device Selector : Force PXE"},
		{"chassis bootdev disk options=persistent,efiboot", "Set Boot Device to disk"},
		{"chassis bootparam get 5", "   - Options apply to all future boots"},
		{"chassis bootparam get 5", "   - Boot Device Selector : Force Boot from default Hard-Drive"},
		{"raw 0 8 5 0xe0 4 0 0 0", ""},
		{"raw 0 9 5 0 0", " 01 05 e0 04 00 00 00"},
		{"session info active", "session handle                : "},
		{"mc reset cold", "Sent cold reset command to MC"},
	}
	for _, suite := range []string{"3", "17"} {
		t.Run("suite "+suite, func(t *testing.T) {
			_, port := startBMC(t)
			for _, s := range steps {
				args := append([]string{"-I", "lanplus", "-C", suite, "-H", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "admin", "-P", "secret"}, strings.Fields(s.args)...)
				out := run(t, "ipmitool", args...)
				if !strings.Contains(out, s.want) {
					t.Errorf("%s prints %q, want %q", s.args, out, s.want)
				}
			}
		})
	}
}

// TestRefusals shows that wrong passwords, users, suites and IPMI 1.5 are
// refused and not met with silence.
func TestRefusals(t *testing.T) {
	_, port := startBMC(t)
	for name, args := range map[string]string{
		"wrong password": "-I lanplus -U admin -P wrong",
		"unknown user":   "-I lanplus -U nobody -P secret",
		"suite 0":        "-I lanplus -C 0 -U admin -P secret",
		"suite 8":        "-I lanplus -C 8 -U admin -P secret",
		"IPMI 1.5":       "-I lan -U admin -P secret",
	} {
		t.Run(name, func(t *testing.T) {
			all := append(strings.Fields(args), "-H", "127.0.0.1", "-p", strconv.Itoa(port), "power", "status")
			if out, err := exec.Command("ipmitool", all...).CombinedOutput(); err == nil {
				t.Fatalf("was let in: %s", out)
			}
		})
	}
}

func TestFreeIPMI(t *testing.T) {
	m, port := startBMC(t)
	host := "127.0.0.1:" + strconv.Itoa(port)
	common := []string{"-D", "LAN_2_0", "-h", host, "-u", "admin", "-p", "secret"}
	for _, suite := range []string{"3", "17"} {
		c := append([]string{"-I", suite}, common...)
		if out := run(t, "bmc-info", c...); !strings.Contains(out, "IPMI Version          : 2.0") {
			t.Errorf("bmc-info: %s", out)
		}
		if out := run(t, "ipmipower", append(c, "--on", "--wait-until-on")...); !strings.Contains(out, "ok") {
			t.Errorf("ipmipower --on: %s", out)
		}
		if out := run(t, "ipmipower", append(c, "--stat")...); !strings.Contains(out, ": on") {
			t.Errorf("ipmipower --stat: %s", out)
		}
		run(t, "ipmi-chassis", append(c, "--get-chassis-status")...)
		run(t, "ipmipower", append(c, "--off", "--wait-until-off")...)
	}
	if on, _ := m.Power(); on {
		t.Error("machine is on after ipmipower --off")
	}
	if got := m.Starts(); len(got) != 2 || got[0] != domain.None {
		t.Errorf("starts %v", got)
	}
}
