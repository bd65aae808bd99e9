//go:build e2e

package ipmi

import (
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// TestChassisByIpmitool shows watchdog and chassis values as ipmitool reads them.
func TestChassisByIpmitool(t *testing.T) {
	m, port := startBMC(t)
	common := []string{"-I", "lanplus", "-H", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "admin", "-P", "secret"}
	steps := []recordStep{
		{"chassis policy list", "always-off.*always-on.*previous"},
		{"chassis policy always-on", ""},
		{"chassis identify force", ""},
		{"power on", ""},
		{"chassis status", `System Power +: on\n.*Power Restore Policy *: always-on\n.*Last Power Event +: command`},
		{"chassis restart_cause", "chassis power control command"},
		{"chassis poh", `POH Counter +: 0 days, 0 hours, 0 minutes`},
		{"mc watchdog get", `Stopped`},
		{"raw 6 0x24 4 1 0 0x10 2 0", ""},
		{"mc watchdog get", `SMS/OS.*Hard Reset.*0.2`},
		{"mc watchdog reset", ""},
	}
	command := func(args []string) *exec.Cmd { return exec.Command("ipmitool", append(common, args...)...) }
	runSteps(t, steps, command)
	for end := time.Now().Add(10 * time.Second); len(m.Log()) < 2; {
		if time.Now().After(end) {
			t.Fatalf("the watchdog did nothing: %v", m.Log())
		}
	}
	if log := m.Log(); log[1] != "reset" {
		t.Errorf("operations %v", log)
	}
	runSteps(t, []recordStep{
		{"chassis restart_cause", "watchdog"},
		{"sel elist", `Watchdog \| Hard reset`},
		{"mc watchdog off", ""},
		{"mc watchdog get", "Stopped"},
	}, command)
}

// TestChassisByFreeIPMI does the same with FreeIPMI.
func TestChassisByFreeIPMI(t *testing.T) {
	_, port := startBMC(t)
	common := []string{"-D", "LAN_2_0", "-h", "127.0.0.1:" + strconv.Itoa(port), "-u", "admin", "-p", "secret"}
	client := func(name string) func([]string) *exec.Cmd {
		return func(args []string) *exec.Cmd { return exec.Command(name, append(common, args...)...) }
	}
	runSteps(t, []recordStep{
		{"--set-power-restore-policy=RESTORE", ""},
		{"--chassis-control=POWER-UP", ""},
		{"--chassis-identify=FORCE", ""},
		{"--get-chassis-status", `Power restore policy +: Restore.*Chassis Identify state +: Indefinite`},
		{"--get-system-restart-cause", "(?i)chassis control"},
		{"--get-power-on-hours-counter", "(?i)Power on hours"},
	}, client("ipmi-chassis"))
}
