//go:build e2e

package interop

import (
	"regexp"
	"slices"
	"testing"
)

// freeipmiTable is all that FreeIPMI's programs are asked on one BMC, in this order.
func freeipmiTable(t *testing.T, b bed, suite string) {
	t.Helper()
	b.play(t, slices.Concat(freeipmiFlush(), freeipmiPowerRows(), freeipmiRecordRows(), freeipmiOffRows()), "", b.freeipmi(suite)...)
}

// freeipmiFlush forgets the sensors of a BMC that had this address before: FreeIPMI keeps
// them in root's home, whatever HOME says, and refuses ones that have changed.
func freeipmiFlush() []row { return []row{{"ipmi-sensors --flush-cache", `Flushing cache: `}} }

func freeipmiPowerRows() []row {
	return []row{
		{"bmc-info", `IPMI Version +: 2.0\n.*Sensor Device +: supported\n.*SEL Device +: supported\n.*FRU Inventory Device +: supported\n.*System GUID : {DIUU}`},
		{"bmc-info --get-device-guid", `{DIUU}`},
		{"bmc-info --get-channel-info", `Channel Number +: 1\nMedium Type +: 802.3 LAN\n.*Session Support +: multi-session`},
		{"bmc-device --get-sel-time", `SEL Time : \d\d/\d\d/20\d\d`},
		{"ipmi-chassis --get-chassis-capabilities", `Intrusion sensor +: not provided`},
		{"ipmi-chassis --set-power-restore-policy=RESTORE", ``},
		{"ipmi-chassis --chassis-control=POWER-UP", ``},
		{"ipmipower --on --wait-until-on", `^\S+: ok\s*$`},
		{"ipmipower --stat", `^\S+: on\s*$`},
		{"ipmi-chassis --chassis-identify=FORCE", ``},
		{"ipmi-chassis --get-chassis-status", `System Power +: on\nPower overload +: false\n.*Power restore policy +: Restore.*Last Power Event +: power on via ipmi command\n.*Chassis Identify state +: Indefinite`},
		{"ipmi-chassis --get-system-restart-cause", `(?i)chassis control`},
		{"ipmi-chassis --get-power-on-hours-counter", `(?i)Power on hours`},
		{"ipmi-chassis-config --commit -e Chassis_Boot_Flags:Boot_Device=PXE", ``},
		{"ipmipower --cycle", `^\S+: ok\s*$`},
	}
}

func freeipmiRecordRows() []row {
	return []row{
		{"until ipmi-sensors", `CPU Temp +\| Temperature +\| {C}.00 +\| C +\| 'OK'.*Fan +\| Fan +\| {RPM}.00 +\| RPM.*{W}.00 +\| W .*{MEM}.00 +\| %.*'S0/G0'`},
		{"ipmi-sel", `Power Unit +\| Power Unit +\| Power Off/Power Down.*System Boot Initiated +\| Initiated by power up`},
		{"ipmi-sel --info", `Events dropped due to lack of space +: No`},
		{"ipmi-sel --delete=2", `^$`},
		{"ipmi-sel --clear", `^$`},
		{"ipmi-sel", `Event\n1 .*Log Area Reset/Cleared\s*$`},
		{"ipmi-fru", `FRU Product Serial Number: {UUID}\n.*Memory: {MIB} MiB`},
		{"ipmi-dcmi --get-dcmi-capability-info", `Number of SEL entries +: 512\nRecord Level SEL Flush upon Rollover +: Available`},
		{"ipmi-dcmi --get-system-power-statistics", `Current Power +: {W} Watts.*Power Measurement +: Active`},
		{"ipmi-dcmi --set-power-limit --power-limit-requested=500 --exception-actions=NO_ACTION --correction-time-limit=1000 --statistics-sampling-period=1", ``},
		{"ipmi-dcmi --activate-deactivate-power-limit=ACTIVATE", ``},
		{"ipmi-dcmi --get-power-limit", `Exception Actions +: No Action \(0h\)\nPower Limit Requested +: 500 watts\nCorrection time limit +: 1000 milliseconds`},
		{"ipmi-dcmi --set-asset-tag=A1", ``},
		{"ipmi-dcmi --get-asset-tag", `A1`},
		{"ipmi-dcmi --set-management-controller-identifier-string=bmc-7", ``},
		{"ipmi-dcmi --get-management-controller-identifier-string", `bmc-7`},
		{"ipmi-dcmi --get-dcmi-sensor-info", `CPU Temperature SDR Record IDs\n3\n`},
		{"ipmi-config --category=sensors --checkout", `Section 3_CPU_Temp.*Upper_Non_Critical_Threshold +80.0`},
	}
}

func freeipmiOffRows() []row {
	return []row{
		{"ipmipower --off --wait-until-off", `^\S+: ok\s*$`},
		{"ipmipower --stat", `^\S+: off\s*$`},
	}
}

// configTable reads all that bmc-config knows and makes a user, as MAAS does. The whole
// checkout ends with 1, as always where one field of all (here: a serial channel) is
// missing.
func configTable(t *testing.T, b bed) {
	t.Helper()
	home := t.TempDir()
	out, _ := output(t, home, "", "bmc-config", append(b.freeipmi("17"), "--checkout")...)
	for _, re := range []string{
		`Section User2\n.*Username +admin\n.*Enable_User +Yes\n.*Lan_Privilege_Limit +Administrator\n.*SOL_Payload_Access +Yes\n`,
		`Section User15\n`,
		`Section Lan_Conf\n.*IP_Address_Source +Static\n.*IP_Address +127.0.0.1\n.*MAC_Address +52:54:.*Subnet_Mask +255.0.0.0`,
		`IPv6_IPv4_Addressing_Enables +IPv6_and_IPv4\n`,
		`Section Lan_Channel\n.*Volatile_Access_Mode +Always_Available\n.*Volatile_Channel_Privilege_Limit +Administrator\n`,
		`Section SOL_Conf\n.*Enable_SOL +Yes\n.*SOL_Privilege_Level +Operator\n.*Force_SOL_Payload_Encryption +Yes\n.*SOL_Retry_Count +7\n`,
		`Bad_Password_Threshold +0\n.*Enable_ARP_Response +Yes\n.*Cipher_Suite_Id_3 +Administrator\n`,
	} {
		if !regexp.MustCompile("(?s)" + re).Match(out) {
			t.Errorf("checkout prints\n%s\nwant %q", out, re)
		}
	}
	b.play(t, []row{
		{"bmc-config --commit -e User4:Username=maas -e User4:Password=pw -e User4:Enable_User=Yes " +
			"-e User4:Lan_Enable_IPMI_Msgs=Yes -e User4:Lan_Privilege_Limit=Administrator", ``},
		{"bmc-config --checkout -e User4:Lan_Privilege_Limit", `Lan_Privilege_Limit +Administrator`},
		{"bmc-config --diff -e User4:Username=maas", ``},
		{"bmc-config --commit -e SOL_Conf:Character_Send_Threshold=40", ``},
		{"bmc-config --checkout -e SOL_Conf:Character_Send_Threshold", `Character_Send_Threshold +40\n`},
	}, "", b.freeipmi("17")...)
	b.play(t, []row{{"power status", `Power is off`}}, "ipmitool", b.ipmitool("17", "maas", "pw")...)
}
