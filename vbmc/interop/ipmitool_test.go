//go:build e2e

package interop

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
)

// ipmitoolTable is all that ipmitool is asked on one BMC, in this order.
func ipmitoolTable(t *testing.T, b bed, suite string) {
	t.Helper()
	b.play(t, slices.Concat(managementRows(), messageRows(), powerRows(), sensorRows(), eventRows(), sensorSettingRows(), fruRows(), dcmiRows(), solRows(),
		watchdogRows(), bootRows()), "ipmitool", b.ipmitool(suite)...)
	otherSession(t, b, suite)
	for _, r := range wrongRows() {
		b.refused(t, r.command, r.want, append(b.ipmitool(suite), strings.Fields(r.command)...)...)
	}
	b.play(t, bootRegisterRows(), "ipmitool", b.ipmitool(suite)...)
}

func managementRows() []row {
	return []row{
		{"mc info", `Firmware Revision +: \d+\.\d+\n.*IPMI Version +: 2.0\n.*Device Available +: yes.*Sensor Device\s+SDR Repository Device\s+SEL Device\s+FRU Inventory Device\s+Chassis Device`},
		{"mc guid", `System GUID +: {UUID}\n`},
		{"raw 6 8", `^ {WIRE}\s*$`}, // the device is the machine
		{"mc selftest", `Selftest: passed`},
		{"session info active", `user id +: 2\n.*privilege level +: ADMINISTRATOR\n`},
		{"-L OPERATOR session info active", `privilege level +: OPERATOR\n`},
		{"channel getciphers ipmi 1", `17 .*3 `},
		{"channel info 0", `Channel Medium Type +: IPMB \(I2C\)`},
		{"channel info 1", `Channel Medium Type +: 802.3 LAN.*Access Mode +: always available`},
		{"channel info 15", `Channel Medium Type +: System Interface`},
		{"lan set 1 access on", `Set Channel Access for channel 1 was successful.`},
		{"mc getsysinfo system_name", ``},
		{"mc setsysinfo system_name rack~4", ``},
		{"mc getsysinfo system_name", `rack 4`},
		{"user summary 1", `Maximum IDs\s+: 15\nEnabled User Count\s+: 1\nFixed Name Count\s+: 2`},
		{"user list 1", `2   admin            true    true       true       ADMINISTRATOR\n`},
	}
}

// lanRows want to know the address that the client reached.
func lanRows() []row {
	return []row{
		{"lan print 1", `Set in Progress +: Set Complete\n` +
			`.*IP Address Source +: Static Address\nIP Address +: 127.0.0.1\nSubnet Mask +: 255.0.0.0\nMAC Address +: 52:54:` +
			`.*SNMP Community String +: public\n.*RMCP\+ Cipher Suites +: 17,3\nCipher Suite Priv Max +: XXXaXXX`},
		{"lan set 1 snmp lab", ``},
		{"lan print", `SNMP Community String +: lab\n`},
	}
}

// messageRows are the enables, the empty queues, a request bridged to the BMC's own
// address, and what a BMC without buses says.
func messageRows() []row {
	return []row{
		{"mc getenables", `System Event Logging +: enabled`},
		{"mc setenables system_event_log=on", ``},
		{"raw 6 0x31", `^ 00\s*$`},
		{"raw 6 0x30 1", `^\s*$`},
		{"-m 0x24 -t 0x20 -b 0 mc selftest", `Selftest: passed`},
		{"-m 0x24 -t 0x20 -b 0 power status", `Chassis Power is off`},
		{"raw 4 0 0x20 0", `^\s*$`}, // events shall come here
		{"raw 4 1", `^ 20 00\s*$`},  // they do
	}
}

func powerRows() []row {
	return []row{
		{"chassis status", `System Power +: off\nPower Overload +: false\n.*Main Power Fault +: false\n`},
		{"power status", `^Chassis Power is off\s*$`},
		{"sdr elist", `CPU Temp +\| 10h \| ns  \|  3.1 \| No Reading.*Power +\| 12h \| ok  \| 10.1 \| 0 Watts.*Power Unit +\| 01h \| ok  \| 10.1 \| Power off/down.*S5/G2: soft-off`},
		{"chassis policy list", `always-off.*always-on.*previous`},
		{"chassis policy always-on", ``},
		{"power on", `Chassis Power Control: Up/On`},
		{"until power status", `^Chassis Power is on\s*$`},
		{"chassis status", `System Power +: on\n.*Power Restore Policy *: always-on\n.*Last Power Event +: command`},
		{"chassis policy always-off", ``},
		{"chassis restart_cause", `chassis power control command`},
		{"chassis poh", `POH Counter +: 0 days, 0 hours, 0 minutes`},
		{"chassis identify 5", `Chassis identify interval: 5 seconds`},
		{"chassis identify force", `indefinite`},
		{"chassis identify", `Chassis identify interval: default \(15 seconds\)`},
		{"power diag", `Chassis Power Control: Diag`},
		{"power reset", `Chassis Power Control: Reset`},
	}
}

func sensorRows() []row {
	return []row{
		{"until sensor reading Power", `^Power +\| {W}\s*$`},
		{"sdr elist", `{C} degrees C.*{RPM} RPM.*{W} Watts.*{LOAD} percent.*{MEM} percent.*Hypervisor +\| 05h \| ok.*S0/G0: working`},
		{"sdr type Temperature", `^CPU Temp +\| 10h \| ok  \|  3.1 \| {C} degrees C\s*$`},
		{"sdr get Fan", `Sensor Reading +: {RPM} \(\+/- 0\) RPM\n`},
		{"sdr info", `SDR Version +: 0x51\nRecord Count +: \d+\n`},
		{"sdr dump HOME/sdr", `Dumping`},
		{"sensor", `CPU Temp +\| {C}.000 .*\| ok    \| na        \| na        \| na        \| 80.000    \| 90.000    \| 100.000.*Fan +\| {RPM}.000 .*\| na        \| 600.000   \| 1200.000`},
		{"sensor thresh CPU~Temp unc 30", `threshold to 30.000`},
		{"sensor get CPU~Temp", `Status +: Upper Non-Critical\n.*Upper Non-Critical +: 30.000`},
	}
}

func eventRows() []row {
	return []row{
		{"sel elist last 1", `Temperature CPU Temp \| Upper Non-critical going high \| Asserted \| Reading {C} > Threshold 30 degrees C`},
		{"sel info", `Version +: 1.5 .*Overflow +: false.*'Delete' 'Reserve' 'Get Alloc Info'`},
		{"sel elist", `Power Unit Power Unit \| Power off/down \| Deasserted.*ACPI State \| S0/G0: working \| Asserted.*System Boot \| Initiated by power up`},
		{"event 1", `Temperature - Upper Critical - Going High`},
		{"sel list last 1", `Temperature #0x30 \| Upper Critical going high \| Asserted`},
		{"sel delete 2", `Deleted entry 2`},
		{"sel time get", `\d\d:\d\d:\d\d`},
		{"raw 0x0a 0x49 0 0 0 0x70", `^\s*$`},
		{"raw 0x0a 0x48", `^ [0-9a-f]{2} [0-9a-f]{2} 00 70\s*$`},
		{"sel clear", `Clearing SEL`},
		{"sel list", `^ +1 \|.*Log area reset/cleared \| Asserted\s*$`},
	}
}

// sensorSettingRows are about the temperature, which is beyond the threshold that sensorRows
// set.
func sensorSettingRows() []row {
	return []row{
		{"raw 4 0x24 0x10 0xff 3 4", `^\s*$`}, // hysteresis
		{"raw 4 0x25 0x10 0xff", `^ 03 04\s*$`},
		{"raw 4 0x28 0x10 0xe0 0x80 0 0 0", `^\s*$`}, // no event when it goes beyond the first threshold
		{"raw 4 0x29 0x10", `^ c0 00 0a 80 0a\s*$`},
		{"raw 4 0x28 0x10 0x40", `^\s*$`}, // none at all, and the masks as they were
		{"raw 4 0x29 0x10", `^ 40 00 0a 80 0a\s*$`},
		{"raw 4 0x28 0x10 0xd0 0x80 0", `^\s*$`},
		{"raw 4 0x29 0x10", `^ c0 80 0a 80 0a\s*$`},
		{"raw 4 0x2b 0x10", `^ c0 80 00 00 00\s*$`},
		{"raw 4 0x2a 0x10 0", `^\s*$`}, // what it told is told again
		{"raw 4 0x2b 0x10", `^ c0 00 00 00 00\s*$`},
		{"sensor reading CPU~Temp", `^CPU Temp +\| {C}\s*$`},
		{"sel elist last 1", `Temperature CPU Temp \| Upper Non-critical going high \| Asserted \| Reading {C} > Threshold 30 degrees C`},
		{"raw 4 0x2b 0x10", `^ c0 80 00 00 00\s*$`},
	}
}

func fruRows() []row {
	return []row{
		{"fru print", `Product Manufacturer +: Trefoil\n.*Product Serial +: {UUID}\n.*Processors: {CPUS}\n.*Memory: {MIB} MiB`},
		{"fru edit 0 field p 1 Another~Machine", `Another Machine`},
		{"fru read 0 HOME/fru", `1024 bytes`},
		{"fru write 0 HOME/fru", `Size to Write +: 1024 bytes`},
		{"fru print 0", `Product Name +: Another Machine\n`},
	}
}

func dcmiRows() []row {
	return []row{
		{"dcmi discover", `Power management available.*512 SEL entries.*Asset tag`},
		{"dcmi power reading", `Instantaneous power reading: +{W} Watts.*Minimum during sampling period: +0 Watts.*activated`},
		{"dcmi asset_tag", `Asset tag: \s*$`},
		{"dcmi set_asset_tag rack~12~unit~4,~row~B", `row B`},
		{"dcmi asset_tag", `Asset tag: rack 12 unit 4, row B\s*$`},
		{"dcmi get_mc_id_string", `DCMI`},
		{"dcmi set_mc_id_string bmc-7", `bmc-7`},
		{"dcmi get_mc_id_string", `bmc-7`},
		{"dcmi sensors", `CPU: 1 temperature sensor found:\s+Record ID 0x0003: CPU Temp +\| {C} degrees C`},
		{"dcmi power get_limit", `No Active Power Limit`},
		{"dcmi power set_limit limit 50", `50 Watts`},
		{"dcmi power set_limit action sel_logging", ``},
		{"dcmi power activate", `activated`},
		{"dcmi power get_limit", `Power Limit Active.*Log Event to SEL.*50 Watts`},
		{"until sensor list", `CPU Temp`},
		{"until sel list", `#0x12 \| Limit Exceeded \| Asserted`},
	}
}

func solRows() []row {
	return []row{
		{"sol info 1", `Enabled +: true\n.*Privilege Level +: \w+\n.*Retry Count +: \d+\n.*Payload Channel +: 1 .*Payload Port +: \d+\s*$`},
		{"sol set character-send-threshold 40 1", ``},
		{"sol info 1", `Character Send Threshold +: 40\n`},
		{"sol payload disable 1 2", ``},
		{"sol payload status 1 2", `User 2 on channel 1 is disabled`},
		{"raw 6 0x4d 1 2", `^ 00 00 00 00\s*$`},
		{"sol payload enable 1 2", ``},
		{"sol payload status 1 2", `User 2 on channel 1 is enabled`},
		{"raw 6 0x4a 1", `^ 01 00 00\s*$`},            // nobody has it
		{"raw 6 0x4e 1", `^ 03( [0-9a-f]{2}){7}\s*$`}, // IPMI and SOL
		{"raw 6 0x4f 1 1", `^ 10\s*$`},                // SOL 1.0
	}
}

func watchdogRows() []row {
	return []row{
		{"mc watchdog get", `Stopped`},
		{"raw 6 0x24 4 1 0 0x10 2 0", ``}, // of the operating system: reset after 0.2 s
		{"mc watchdog get", `SMS/OS.*Hard Reset.*0.2`},
		{"mc watchdog reset", ``},
		{"until chassis restart_cause", `watchdog`},
		{"until sel elist", `Watchdog \| Hard reset`},
		{"mc watchdog off", ``},
		{"mc watchdog get", `Stopped`},
	}
}

func bootRows() []row {
	return []row{
		{"power off", `Chassis Power Control: Down/Off`},
		{"chassis bootdev pxe options=efiboot", `Set Boot Device to pxe`},
		{"chassis bootparam get 5", `Boot parameter data: a004000000\n.*Options apply to only next boot\n.*BIOS EFI boot.*Boot Device Selector : Force PXE`},
		{"power on", `Chassis Power Control: Up/On`},
		{"chassis bootdev disk options=persistent,efiboot", `Set Boot Device to disk`},
		{"chassis bootparam get 5", `Options apply to all future boots\n.*Boot Device Selector : Force Boot from default Hard-Drive`},
		{"power cycle", `Chassis Power Control: Cycle`},
		{"power soft", `Chassis Power Control: Soft`},
		{"until power status", `^Chassis Power is {SOFT}\s*$`},
		{"power off", `Chassis Power Control: Down/Off`},
		{"until power status", `^Chassis Power is off\s*$`},
	}
}

// otherSession ends a session of our client, which is told apart by its handle.
func otherSession(t *testing.T, b bed, suite string) {
	t.Helper()
	c, err := ipmiclient.Dial(t.Context(), net.JoinHostPort(b.host, strconv.Itoa(b.port)), ipmiclient.Options{Username: "admin", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cc, info, err := c.Do(wire.App, 0x3d, 0)
	if cc != 0 || err != nil || len(info) == 0 {
		t.Fatalf("our client asks for its session: %02xh, %v", cc, err)
	}
	h := fmt.Sprintf("%02x", info[0])
	b.play(t, []row{
		{"raw 6 0x3d 0xfe 0x" + h, `^ ` + h + ` 3f 02 02 04 11 `}, // one of two, user 2, ADMINISTRATOR, IPMI 2.0 on channel 1
		{"raw 6 0x3c 0 0 0 0 0x" + h, `^\s*$`},
		{"raw 6 0x3d 0xfe 0x" + h, `^ 00 3f 01\s*$`},
	}, "ipmitool", b.ipmitool(suite)...)
}

// wrongRows are requests that a BMC does not do, and the code of each.
func wrongRows() []row {
	return []row{
		{"raw 6 0x3c 9 9 9 9", `rsp=0x87`},        // no such session
		{"raw 4 0 0x24 0", `rsp=0xcc`},            // events for another receiver
		{"raw 4 0x24 0x99 0xff 1 1", `rsp=0xcb`},  // no such sensor
		{"raw 4 0x28 0x10 0xf0 0 0", `rsp=0xcc`},  // select and deselect
		{"raw 6 0x4c 1 0x82 2 0 0 0", `rsp=0xcc`}, // neither enable nor disable
		{"raw 0 2 9", `rsp=0xcc`},
		{"raw 0 2 3", `rsp=0xd5`}, // it is off
		{"raw 0 8 4 1", `rsp=0xc7`},
		{"raw 0 8 5 0x80 0x18 0 0 0", `rsp=0xcc`}, // the setup screen
		{"raw 0 9 8 0 0", `rsp=0x80`},
	}
}

// bootRegisterRows are the bytes that Ironic writes and reads back, and the other
// parameters of the register.
func bootRegisterRows() []row {
	return []row{
		{"raw 0 8 3 8", `^\s*$`},
		{"raw 0 9 3 0 0", `^ 01 03 08\s*$`},
		{"raw 0 8 5 0xe0 4 0 0 0", `^\s*$`},
		{"raw 0 9 5 0 0", `^ 01 05 e0 04 00 00 00\s*$`},
		{"raw 0 8 0 1", `^\s*$`},
		{"raw 0 9 0 0 0", `^ 01 00 00\s*$`}, // it ended with its session
		{"raw 0 8 0 0", `^\s*$`},
		{"raw 0 9 1 0 0", `^ 01 01 00\s*$`},
		{"raw 0 8 1 0x5a", `^\s*$`},
		{"raw 0 9 1 0 0", `^ 01 01 5a\s*$`},
		{"raw 0 8 2 3", `^\s*$`},
		{"raw 0 9 2 0 0", `^ 01 02 03\s*$`},
		{"raw 0 8 0x82", `^\s*$`}, // not valid any more
		{"raw 0 9 2 0 0", `^ 01 82 03\s*$`},
		{"raw 0 8 3 0x1f", `^\s*$`},
		{"raw 0 9 3 0 0", `^ 01 03 1f\s*$`},
		{"raw 0 8 4 0x1f 0x11", `^\s*$`},
		{"raw 0 9 4 0 0", `^ 01 04 00 11\s*$`},
		{"raw 0 8 4 3 2", `^\s*$`}, // bits 0 and 1 only
		{"raw 0 9 4 0 0", `^ 01 04 00 12\s*$`},
		{"raw 0 8 6 1 0x11 0x22 0x33 0x44 0x55 0x66 0x77 0x88", `^\s*$`}, // channel, session, time
		{"raw 0 9 6 0 0", `^ 01 06 01 11 22 33 44 55 66 77 88\s*$`},
		{"raw 0 8 7 0 0x57 1 0 1", `^\s*$`},
		{"raw 0 9 7 0 0", `^ 01 07 00 57 01 00 01`},
		{"chassis bootdev none", `Set Boot Device to none`},
		{"chassis bootparam get 5", `Boot Device Selector : No override`},
		{"mc reset cold", `Sent cold reset command to MC`},
	}
}
