//go:build e2e

package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"testing"

	"trefoil/internal/openstackclient"
)

// The commands of Ironic's documents on consoles and vendor methods, by the real client.
func TestRealClientUsesConsoleAndVendorMethods(t *testing.T) {
	b := aBMC(t)
	s := begin(t, conf(t, filepath.Join(t.TempDir(), "state"), "[console]\nport_range = 20000:40000\n"))
	client := openstackclient.Start(t)
	for _, c := range []struct {
		command string
		exit    int
		want    string // a pattern
	}{
		{fmt.Sprintf("baremetal node create --driver ipmi --name n1 --driver-info ipmi_address=127.0.0.1 --driver-info ipmi_port=%d "+
			"--driver-info ipmi_username=admin --driver-info ipmi_password=secret -f value -c console_interface -c vendor_interface", b.Port), 0, `^no-console\nno-vendor\n$`},
		{"baremetal node passthru list n1", 0, `^\s*$`},
		{"baremetal node console enable n1", 1, `Driver ipmi does not support console \(disabled or not implemented\)\.`},
		{"baremetal node set n1 --console-interface ipmitool-socat --vendor-interface ipmitool", 0, `^$`},
		{"baremetal node passthru list n1 -f value", 0, `bmc_reset POST True .*Boolean.* False\nsend_raw POST True .*'0x00 0x01'.* False\n`},
		{"baremetal node passthru call n1 send_raw --arg raw_bytes=0x00", 1, `raw_bytes has 1 bytes; expected network function and command`},
		{"baremetal node passthru call n1 boil", 1, `No handler for method boil`},
		{"baremetal node passthru call n1 send_raw --http-method GET", 1, `The method send_raw does not support HTTP GET`},
		{"baremetal node passthru call n1 bmc_reset --arg warm=true", 0, `^$`},
		{"baremetal node history list n1 -f value", 0, `told to start anew \(warm reset\)`},
		{"baremetal node validate n1 -f value", 0, `console True`},
		{"baremetal node console enable n1", 0, `^$`},
		{"baremetal node console show n1 -f value", 0, `^True\n\{'type': 'socat', 'url': 'tcp://127\.0\.0\.1:[23]\d{4}'\}\n$`},
		{"baremetal node set n1 --console-interface no-console", 1, `can not have console_interface updated while its console is enabled`},
		{"baremetal node console disable n1", 0, `^$`},
		{"baremetal node console show n1 -f value", 0, `^False\nNone\n$`},
		{"baremetal node delete n1", 0, `Deleted node n1`},
	} {
		out, exit := s.openstack(client, c.command, "--os-auth-type", "none")
		if exit != c.exit || !regexp.MustCompile(c.want).MatchString(out) {
			t.Errorf("openstack %s: exit code %d, expected %d and %s:\n%s", c.command, exit, c.exit, c.want, out)
		}
	}
}
