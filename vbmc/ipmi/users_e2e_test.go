//go:build e2e

package ipmi

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

func freeIPMIOn(port int) func(args []string) *exec.Cmd {
	return func(args []string) *exec.Cmd {
		common := []string{"-D", "LAN_2_0", "-I", "17", "-h", "127.0.0.1:" + strconv.Itoa(port), "-u", "admin", "-p", "secret"}
		return exec.Command(args[0], append(common, args[1:]...)...)
	}
}

// TestUsersByIpmitool makes users as people do and logs in as them.
func TestUsersByIpmitool(t *testing.T) {
	_, port := startBMC(t)
	runSteps(t, []recordStep{
		{"user summary 1", `Maximum IDs\s+: 15\nEnabled User Count\s+: 1\nFixed Name Count\s+: 2`},
		{"user list 1", `2   admin            true    true       true       ADMINISTRATOR\n`},
		{"user set name 3 maas", ""},
		{"user set password 3 a~password~of~20~byt 20", ""},
		{"user enable 3", ""},
		{"user test 3 20 a~password~of~20~byt", "Success"},
		{"channel setaccess 1 3 callin=on ipmi=on link=on privilege=4", ""},
		{"channel getaccess 1 3", `User Name +: maas\n.*Privilege Level +: ADMINISTRATOR\n.*Enable Status +: enabled`},
		{"user set name 4 watcher", ""},
		{"user set password 4 look", ""},
		{"user enable 4", ""},
		{"user priv 4 2 1", ""},
		{"user list 1", `2   admin .*3   maas             true    true       true       ADMINISTRATOR\n4   watcher .*USER\n`},
		{"sol payload status 1 3", "User 3 on channel 1 is enabled"},
	}, ipmitoolOn(port, "admin", "secret"))
	runSteps(t, []recordStep{
		{"user list 1", `3   maas`},
		{"power on", "Up/On"},
		{"user set password 3 another", ""},
	}, ipmitoolOn(port, "maas", "a password of 20 byt"))
	runSteps(t, []recordStep{{"user disable 4", ""}, {"user list 1", "watcher"}}, ipmitoolOn(port, "maas", "another"))
	for name, c := range map[string]func([]string) *exec.Cmd{
		"old password": ipmitoolOn(port, "maas", "a password of 20 byt"),
		"disabled":     ipmitoolOn(port, "watcher", "look"),
	} {
		if out, err := c([]string{"-L", "USER", "power", "status"}).CombinedOutput(); err == nil {
			t.Errorf("%s is let in: %s", name, out)
		}
	}
}

// TestUserLevelByIpmitool: a USER sees and does not switch.
func TestUserLevelByIpmitool(t *testing.T) {
	_, port := startBMC(t)
	runSteps(t, []recordStep{
		{"user set name 5 watcher", ""}, {"user set password 5 look", ""}, {"user enable 5", ""}, {"user priv 5 2 1", ""},
	}, ipmitoolOn(port, "admin", "secret"))
	watcher := ipmitoolOn(port, "watcher", "look")
	runSteps(t, []recordStep{{"-L USER power status", "Power is off"}}, watcher)
	for _, args := range [][]string{{"-L", "USER", "power", "on"}, {"power", "status"}} {
		if out, err := watcher(args).CombinedOutput(); err == nil {
			t.Errorf("%v as USER: %s", args, out)
		}
	}
}

// TestConfigByFreeIPMI reads all there is and makes a user, as MAAS does. The whole
// checkout ends with 1, as always where one field of all (here: a serial channel) is
// missing.
func TestConfigByFreeIPMI(t *testing.T) {
	_, port := startBMC(t)
	tool := freeIPMIOn(port)
	out, _ := tool([]string{"bmc-config", "--checkout"}).CombinedOutput()
	for _, re := range []string{
		`Section User2\n.*Username +admin\n.*Enable_User +Yes\n.*Lan_Privilege_Limit +Administrator\n.*SOL_Payload_Access +Yes\n`,
		`Section User15\n`,
		`Section Lan_Conf\n.*IP_Address_Source +Static\n.*IP_Address +127.0.0.1\n.*MAC_Address +52:54:.*Subnet_Mask +255.0.0.0`,
		`IPv6_IPv4_Addressing_Enables +IPv6_and_IPv4\n`,
		`Bad_Password_Threshold +0\n.*Enable_ARP_Response +Yes\n.*Cipher_Suite_Id_3 +Administrator\n`,
	} {
		if !regexp.MustCompile("(?s)" + re).Match(out) {
			t.Errorf("checkout prints\n%s\nwant %q", out, re)
		}
	}
	runSteps(t, []recordStep{
		{"bmc-config --commit -e User4:Username=maas -e User4:Password=pw -e User4:Enable_User=Yes " +
			"-e User4:Lan_Enable_IPMI_Msgs=Yes -e User4:Lan_Privilege_Limit=Administrator", ""},
		{"bmc-config --checkout -e User4:Lan_Privilege_Limit", `Lan_Privilege_Limit +Administrator`},
		{"bmc-config --diff -e User4:Username=maas", ""},
	}, tool)
	runSteps(t, []recordStep{{"power status", "Power is off"}}, ipmitoolOn(port, "maas", "pw"))
}
