//go:build e2e

package ipmi

import (
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// serveSuites serves a fake machine with the given suites on a free port.
func serveSuites(t *testing.T, address string, suites ...wire.Suite) int {
	t.Helper()
	b, err := New(Config{Machine: fake.New([16]byte{7}), Username: "admin", Password: "secret", Suites: suites})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Listen(address, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Serve(t.Context(), conn) }()
	t.Cleanup(func() { <-done })
	return conn.LocalAddr().(*net.UDPAddr).Port
}

func ipmitoolArgs(host string, port int, suite byte, command string) []string {
	return append([]string{"-I", "lanplus", "-C", strconv.Itoa(int(suite)), "-H", host, "-p", strconv.Itoa(port),
		"-U", "admin", "-P", "secret"}, strings.Fields(command)...)
}

// TestSuitesWithClients: ipmitool and FreeIPMI log in and work with each suite, over
// IPv4 and IPv6, where only that one is configured; suite 0 is refused.
func TestSuitesWithClients(t *testing.T) {
	for _, s := range allSuites() {
		t.Run("suite "+strconv.Itoa(int(s.ID)), func(t *testing.T) {
			port := serveSuites(t, "::", s)
			for _, host := range []string{"127.0.0.1", "::1"} {
				run(t, "ipmitool", ipmitoolArgs(host, port, s.ID, "power on")...)
				if out := run(t, "ipmitool", ipmitoolArgs(host, port, s.ID, "power status")...); !strings.Contains(out, "Chassis Power is on") {
					t.Errorf("%s: %q", host, out)
				}
			}
			info := run(t, "bmc-info", "-D", "LAN_2_0", "-I", strconv.Itoa(int(s.ID)), "-h", "127.0.0.1:"+strconv.Itoa(port), "-u", "admin", "-p", "secret")
			if !strings.Contains(info, "IPMI Version          : 2.0") {
				t.Errorf("bmc-info: %s", info)
			}
			if out, err := exec.Command("ipmitool", ipmitoolArgs("127.0.0.1", port, 0, "power status")...).CombinedOutput(); err == nil {
				t.Errorf("was let in with suite 0: %s", out)
			}
		})
	}
}

// TestChannelsWithClients: what ipmitool reads and writes of channels, and a request
// bridged to the BMC's own address.
func TestChannelsWithClients(t *testing.T) {
	port := serveSuites(t, "::")
	for _, s := range []step{
		{"channel info 1", "Channel Medium Type   : 802.3 LAN"},
		{"channel info 15", "Channel Medium Type   : System Interface"},
		{"channel info 0", "Channel Medium Type   : IPMB (I2C)"},
		{"channel info 1", "Access Mode         : always available"},
		{"lan set 1 access on", "Set Channel Access for channel 1 was successful."},
		{"mc getenables", "System Event Logging                     : enabled"},
		{"mc setenables system_event_log=on", ""},
		{"-m 0x24 -t 0x20 -b 0 mc selftest", "Selftest: passed"},
		{"-m 0x24 -t 0x20 -b 0 power status", "Chassis Power is off"},
	} {
		if out := run(t, "ipmitool", ipmitoolArgs("127.0.0.1", port, 17, s.args)...); !strings.Contains(out, s.want) {
			t.Errorf("%s prints %q, want %q", s.args, out, s.want)
		}
	}
}
