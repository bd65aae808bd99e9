//go:build e2e

package ipmi

import (
	"os/exec"
	"strconv"
	"testing"
)

// ipmitoolOn makes ipmitool commands for a BMC on loopback.
func ipmitoolOn(port int, user, password string) func(args []string) *exec.Cmd {
	return func(args []string) *exec.Cmd {
		common := []string{"-I", "lanplus", "-C", "17", "-H", "127.0.0.1", "-p", strconv.Itoa(port), "-U", user, "-P", password}
		return exec.Command("ipmitool", append(common, args...)...)
	}
}

func TestLANByIpmitool(t *testing.T) {
	_, port := startBMC(t)
	runSteps(t, []recordStep{
		{"lan print 1", `Set in Progress +: Set Complete\n` +
			`.*IP Address Source +: Static Address\nIP Address +: 127.0.0.1\nSubnet Mask +: 255.0.0.0\nMAC Address +: 52:54:` +
			`.*SNMP Community String +: public\n.*RMCP\+ Cipher Suites +: 17,3\nCipher Suite Priv Max +: XXXaXXX`},
		{"lan set 1 snmp lab", ""},
		{"lan print", `SNMP Community String +: lab\n`},
	}, ipmitoolOn(port, "admin", "secret"))
}
