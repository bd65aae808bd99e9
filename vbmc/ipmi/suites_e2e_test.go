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
