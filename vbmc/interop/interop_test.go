//go:build e2e

// Package interop shows what clients that others wrote read from a BMC: for each
// command the value that they print. The machine is in memory; what a hypervisor
// does is tested in vbmc/domain/virt.
package interop

import (
	"slices"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
)

// row is a client's command and the value that it must print.
type row struct {
	command string // fields; ~ is a space inside one, HOME a directory
	want    string // regular expression, over several lines
}

// TestClients: client × command × value.
func TestClients(t *testing.T) {
	for _, c := range []struct {
		name    string
		address string
		run     func(t *testing.T, port int)
		starts  []domain.Device // what the machine booted from at the end
	}{
		{"ipmitool on IPv4", "127.0.0.1", func(t *testing.T, port int) {
			play(t, ipmitoolRows(), "ipmitool", lanplus("17", "127.0.0.1", port)...)
		}, []domain.Device{domain.None, domain.PXE, domain.Disk}},
		{"ipmitool on IPv6", "::1", func(t *testing.T, port int) {
			play(t, ipmitoolRows(), "ipmitool", lanplus("3", "::1", port)...)
		}, []domain.Device{domain.None, domain.PXE, domain.Disk}},
		{"FreeIPMI with suite 17", "127.0.0.1", func(t *testing.T, port int) {
			play(t, freeipmiRows(), "", freeipmi("17", port)...)
		}, []domain.Device{domain.None, domain.PXE}},
		{"FreeIPMI with suite 3", "127.0.0.1", func(t *testing.T, port int) {
			rows := freeipmiRows()
			play(t, slices.Concat(rows[:6], rows[len(rows)-2:]), "", freeipmi("3", port)...)
		}, []domain.Device{domain.None, domain.PXE}},
		{"pyghmi", "127.0.0.1", func(t *testing.T, port int) {
			evaluate(t, pyghmiRows(), "127.0.0.1", port)
		}, []domain.Device{domain.None, domain.PXE}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, port := start(t, c.address)
			c.run(t, port)
			expectOff(t, m, c.starts)
		})
	}
}

// expectOff looks at the machine when a client is through with it.
func expectOff(t *testing.T, m *fake.Machine, starts []domain.Device) {
	t.Helper()
	if on, err := m.Power(); on || err != nil {
		t.Errorf("machine is on: %v, %v; want it off", on, err)
	}
	if got := m.Starts(); !slices.Equal(got, starts) {
		t.Errorf("machine booted from %v, want %v", got, starts)
	}
}

func ipmitoolRows() []row {
	return []row{
		{"mc info", `Firmware Revision +: \d+\.\d+\n.*IPMI Version +: 2.0\n.*Device Available +: yes.*Sensor Device\s+SDR Repository Device\s+SEL Device\s+FRU Inventory Device\s+Chassis Device`},
		{"mc guid", `System GUID +: 12345678-9abc-4def-8001-020304050607\n`},
		{"mc selftest", `Selftest: passed`},
		{"session info active", `user id +: 2\n.*privilege level +: ADMINISTRATOR\n`},
		{"channel getciphers ipmi 1", `17 .*3 `},

		{"chassis status", `System Power +: off\nPower Overload +: false\n.*Main Power Fault +: false\n`},
		{"power status", `^Chassis Power is off\s*$`},
		{"sdr elist", `CPU Temp +\| 10h \| ns  \|  3.1 \| No Reading.*Power +\| 12h \| ok  \| 10.1 \| 0 Watts.*Power Unit +\| 01h \| ok  \| 10.1 \| Power off/down.*S5/G2: soft-off`},
		{"power on", `Chassis Power Control: Up/On`},
		{"power status", `^Chassis Power is on\s*$`},
		{"chassis status", `System Power +: on\n.*Last Power Event +: command`},
		{"chassis identify 5", `Chassis identify interval: 5 seconds`},
		{"power diag", `Chassis Power Control: Diag`},

		{"sdr elist", `35 degrees C.*2400 RPM.*60 Watts.*0 percent.*25 percent.*Hypervisor +\| 05h \| ok.*S0/G0: working`},
		{"sdr type Temperature", `^CPU Temp +\| 10h \| ok  \|  3.1 \| 35 degrees C\s*$`},
		{"sdr get Fan", `Sensor Reading +: 2400 \(\+/- 0\) RPM\n`},
		{"sensor", `CPU Temp +\| 35.000 .*\| ok    \| na        \| na        \| na        \| 80.000    \| 90.000    \| 100.000.*Fan +\| 2400.000 .*\| na        \| 600.000   \| 1200.000`},
		{"sensor reading Power", `^Power +\| 60\s*$`},
		{"sensor thresh CPU~Temp unc 30", `threshold to 30.000`},
		{"sensor get CPU~Temp", `Status +: Upper Non-Critical\n.*Upper Non-Critical +: 30.000`},

		{"sel elist last 1", `Temperature CPU Temp \| Upper Non-critical going high \| Asserted \| Reading 35 > Threshold 30 degrees C`},
		{"sel info", `Version +: 1.5 .*Overflow +: false.*'Delete' 'Reserve' 'Get Alloc Info'`},
		{"sel elist", `Power Unit Power Unit \| Power off/down \| Deasserted.*ACPI State \| S0/G0: working \| Asserted.*System Boot \| Initiated by power up`},
		{"event 1", `Temperature - Upper Critical - Going High`},
		{"sel list last 1", `Temperature #0x30 \| Upper Critical going high \| Asserted`},
		{"sel delete 2", `Deleted entry 2`},
		{"sel clear", `Clearing SEL`},
		{"sel list", `^ +1 \|.*Log area reset/cleared \| Asserted\s*$`},

		{"fru print", `Product Manufacturer +: Trefoil\n.*Product Serial +: 12345678-9abc-4def-8001-020304050607\n.*Processors: 4\n.*Memory: 4096 MiB`},
		{"fru edit 0 field p 1 Another~Machine", `Another Machine`},
		{"fru read 0 HOME/fru", `1024 bytes`},
		{"fru write 0 HOME/fru", `Size to Write +: 1024 bytes`},
		{"fru print 0", `Product Name +: Another Machine\n`},

		{"dcmi discover", `Power management available.*512 SEL entries.*Asset tag`},
		{"dcmi power reading", `Instantaneous power reading: +60 Watts.*Minimum during sampling period: +0 Watts.*activated`},
		{"dcmi set_asset_tag rack~12~unit~4,~row~B", `row B`},
		{"dcmi asset_tag", `Asset tag: rack 12 unit 4, row B\s*$`},
		{"dcmi set_mc_id_string bmc-7", `bmc-7`},
		{"dcmi get_mc_id_string", `bmc-7`},
		{"dcmi sensors", `CPU: 1 temperature sensor found:\s+Record ID 0x0003: CPU Temp +\| 35 degrees C`},
		{"dcmi power set_limit limit 50", `50 Watts`},
		{"dcmi power activate", `activated`},
		{"dcmi power get_limit", `Power Limit Active.*50 Watts`},

		{"sol info 1", `Enabled +: true\n.*Privilege Level +: \w+\n.*Retry Count +: \d+\n.*Payload Channel +: 1 .*Payload Port +: \d+\s*$`},
		{"sol set character-send-threshold 40 1", ``},
		{"sol info 1", `Character Send Threshold +: 40\n`},

		{"power off", `Chassis Power Control: Down/Off`},
		{"chassis bootdev pxe options=efiboot", `Set Boot Device to pxe`},
		{"chassis bootparam get 5", `Boot parameter data: a004000000\n.*Options apply to only next boot\n.*BIOS EFI boot.*Boot Device Selector : Force PXE`},
		{"power on", `Chassis Power Control: Up/On`},
		{"chassis bootdev disk options=persistent,efiboot", `Set Boot Device to disk`},
		{"chassis bootparam get 5", `Options apply to all future boots\n.*Boot Device Selector : Force Boot from default Hard-Drive`},
		{"power cycle", `Chassis Power Control: Cycle`},
		{"power soft", `Chassis Power Control: Soft`},
		{"power status", `^Chassis Power is off\s*$`},
		{"mc reset cold", `Sent cold reset command to MC`},
	}
}

// freeipmiRows begin with what the second suite is shown by.
func freeipmiRows() []row {
	return []row{
		{"bmc-info", `IPMI Version +: 2.0\n.*Sensor Device +: supported\n.*SEL Device +: supported\n.*FRU Inventory Device +: supported\n.*System GUID : 07060504-0302-0180-4def-9abc12345678`}, // FreeIPMI knows the specification's byte order only, BMCs have SMBIOS's
		{"ipmipower --on --wait-until-on", `^\S+: ok\s*$`},
		{"ipmipower --stat", `^\S+: on\s*$`},
		{"ipmi-chassis --get-chassis-status", `System Power +: on\nPower overload +: false\n.*Last Power Event +: power on via ipmi command\n`},
		{"ipmi-chassis-config --commit -e Chassis_Boot_Flags:Boot_Device=PXE", ``},
		{"ipmipower --cycle", `^\S+: ok\s*$`},

		{"ipmi-sensors", `CPU Temp +\| Temperature +\| 35.00 +\| C +\| 'OK'.*Fan +\| Fan +\| 2400.00 +\| RPM.*60.00 +\| W .*25.00 +\| %.*'S0/G0'`},
		{"ipmi-sel", `Power Unit +\| Power Unit +\| Power Off/Power Down.*System Boot Initiated +\| Initiated by power up`},
		{"ipmi-sel --info", `Events dropped due to lack of space +: No`},
		{"ipmi-sel --delete=2", `^$`},
		{"ipmi-sel --clear", `^$`},
		{"ipmi-sel", `Event\n1 .*Log Area Reset/Cleared\s*$`},
		{"ipmi-fru", `FRU Product Serial Number: 12345678-9abc-4def-8001-020304050607\n.*Memory: 4096 MiB`},
		{"ipmi-dcmi --get-dcmi-capability-info", `Number of SEL entries +: 512\nRecord Level SEL Flush upon Rollover +: Available`},
		{"ipmi-dcmi --get-system-power-statistics", `Current Power +: 60 Watts.*Power Measurement +: Active`},
		{"ipmi-dcmi --set-asset-tag=A1", ``},
		{"ipmi-dcmi --get-asset-tag", `A1`},
		{"ipmi-dcmi --set-management-controller-identifier-string=bmc-7", ``},
		{"ipmi-dcmi --get-management-controller-identifier-string", `bmc-7`},
		{"ipmi-dcmi --get-dcmi-sensor-info", `CPU Temperature SDR Record IDs\n3\n`},
		{"ipmi-config --category=sensors --checkout", `Section 3_CPU_Temp.*Upper_Non_Critical_Threshold +80.0`},
		{"ipmipower --off --wait-until-off", `^\S+: ok\s*$`},
		{"ipmipower --stat", `^\S+: off\s*$`},
	}
}

func pyghmiRows() []row {
	return []row{
		{"c.raw_command(netfn=6, command=1)['code']", `^0$`},
		{"c.get_power()", `^{'powerstate': 'off'}$`},
		{"c.set_power('on', wait=20)", `^{'powerstate': 'on'}$`},
		{"[(s.name, s.value, s.units) for s in c.get_sensor_data() if s.value is not None]", `\('CPU Temp', 35.0, '°C'\).*\('Fan', 2400.0, 'RPM'\).*\('Power', 60.0, 'W'\)`},
		{"c.get_sensor_reading('CPU Temp').value", `^35.0$`},
		{"c.get_health()", `'badreadings': \[\], 'health': 0}`},
		{"[(e['component'], e['event']) for e in c.get_event_log()]", `^\[\('Session Audit', 'Activated'\), \('Power Unit', 'Power on'\), \('ACPI State', 'Online'\), \('System Boot', 'Power up'\)\]$`},
		{"list(c.get_inventory_descriptions())", `'System'`},
		{"c.get_inventory_of_component('System')", `'Serial Number': '12345678-9abc-4def-8001-020304050607'`},
		{"c.set_asset_tag(b'rack 12 unit 4, row B')", `^None$`},
		{"c.get_asset_tag()", `^'rack 12 unit 4, row B'$`},
		{"c.get_mci()", `DCMI`},
		{"c.set_identify(on=True, duration=5)", `^None$`},
		{"c.set_bootdev('network', uefiboot=True)", `'bootdev': 'network'`},
		{"c.get_bootdev()", `'bootdev': 'network'.*`},
		{"c.set_power('reset')", `^{'pendingpowerstate': 'reset'}$`},
		{"c.set_power('off', wait=20)", `^{'powerstate': 'off'}$`},
		{"[e['event'] for e in c.get_event_log(clear=True)][-1:]", `^\['Off'\]$`},
		{"[e['event'] for e in c.get_event_log()]", `^\['Log clear'\]$`},
	}
}
