//go:build e2e

package interop

import (
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/wire"
)

// TestMachineInMemory plays the tables where each reading is known to the digit.
func TestMachineInMemory(t *testing.T) {
	on := domain.None // by the machine's own order
	for name, c := range map[string]struct {
		address string
		play    func(t *testing.T, b bed)
		starts  []domain.Device
	}{
		"ipmitool on IPv4": {"127.0.0.1", func(t *testing.T, b bed) {
			ipmitoolTable(t, b, "17")
			b.play(t, lanRows(), "ipmitool", b.ipmitool("17")...)
		}, []domain.Device{on, on, on, domain.PXE, domain.Disk}},
		"ipmitool on IPv6":      {"::1", func(t *testing.T, b bed) { ipmitoolTable(t, b, "3") }, []domain.Device{on, on, on, domain.PXE, domain.Disk}},
		"FreeIPMI with suite 3": {"127.0.0.1", func(t *testing.T, b bed) { freeipmiTable(t, b, "3") }, []domain.Device{on, domain.PXE}},
		"bmc-config":            {"127.0.0.1", configTable, nil},
		"pyghmi":                {"127.0.0.1", pyghmiTable, []domain.Device{on, domain.PXE}},
		"go-ipmi":               {"127.0.0.1", goipmiTable, []domain.Device{on, domain.PXE}},
		"users":                 {"127.0.0.1", usersTable, []domain.Device{on}},
		"windows":               {"127.0.0.1", windowsTable, nil},
		"repeated power":        {"127.0.0.1", repeatedPower, []domain.Device{on, on}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, b := inMemory(t, c.address)
			c.play(t, b)
			expectOff(t, m, c.starts...)
		})
	}
}

// TestMachineInMemorySuites has go-ipmi log in with every suite that it can speak, to a BMC
// that has all.
func TestMachineInMemorySuites(t *testing.T) {
	var all []wire.Suite
	for id := range byte(20) {
		if s, ok := wire.SuiteByID(id); ok {
			all = append(all, s)
		}
	}
	m, b := inMemory(t, "127.0.0.1", all...)
	for _, suite := range goipmiSuites() {
		goipmiSuite(t, b, suite, false)
	}
	expectOff(t, m)
}

// TestLibvirtDomains plays the same tables to real machines: a domain and a BMC for each
// client, all of one libvirtd and one daemon.
func TestLibvirtDomains(t *testing.T) {
	l := startLab(t)
	for name, play := range map[string]func(t *testing.T, b bed){
		"ipmitool": func(t *testing.T, b bed) {
			ipmitoolTable(t, b, "17")
			b.play(t, lanRows(), "ipmitool", b.ipmitool("17")...)
		},
		"freeipmi":   func(t *testing.T, b bed) { freeipmiTable(t, b, "17") },
		"bmc-config": configTable,
		"pyghmi":     pyghmiTable,
		"go-ipmi":    goipmiTable,
		"users":      usersTable,
		"windows":    windowsTable,
	} {
		t.Run(name, func(t *testing.T) {
			play(t, l.bmc(t, name, machine{}))
			l.isOff(t, name)
		})
	}
	t.Run("sessions", func(t *testing.T) { sessionsTable(t, l) })
	t.Run("trouble", func(t *testing.T) { // the last, as libvirtd is killed
		b := l.bmc(t, "troubled", machine{})
		undefinedDomain(t, l, b, "troubled")
		killedLibvirtd(t, l, b, "troubled")
	})
}
