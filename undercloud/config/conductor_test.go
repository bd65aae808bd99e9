package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/ironic/driver/fake"
	"trefoil/ironic/driver/ipmi"
)

func TestTheConductorsDefaults(t *testing.T) {
	s, _, err := loadText(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if c := s.Conductor; c.SyncInterval != 60 || c.SyncRetries != 3 || c.ForcePower || c.PowerTimeout != 60 || c.SoftTimeout != 600 || c.DeployTimeout != 1800 ||
		c.CleanTimeout != 1800 || c.RescueTimeout != 1800 || c.ServeTimeout != 1800 || c.InspectWait != 1800 || c.ErasePriorities != nil ||
		c.AddPorts != "pxe" || c.CommandInterval >= 0 || c.BMCPatience != 30 || c.FakeDelays != nil {
		t.Errorf("%+v", c)
	}
}

func TestWhatIronicsOptionsSayOfTheConductor(t *testing.T) {
	s, _, err := loadText(t, `[conductor]
sync_power_state_interval = 0
power_state_sync_max_retries = 5
force_power_state_during_sync = true
power_state_change_timeout = 90
soft_power_off_timeout = 30
deploy_callback_timeout = 0
clean_callback_timeout = 7200
rescue_callback_timeout = 11
service_callback_timeout = 12
inspect_wait_timeout = 13
[deploy]
erase_devices_priority = 0
erase_devices_metadata_priority = 20
[inspector]
add_ports = all
[ipmi]
min_command_interval = 0.5
command_retry_timeout = 60
[console]
socat_address = 192.0.2.7
port_range = 10000:20000, 30000:30001
terminal_timeout = 0
[fake]
power_delay = 1,5
raid_delay = 0.25
`)
	if err != nil {
		t.Fatal(err)
	}
	c := s.Conductor
	if c.SyncInterval != 0 || c.SyncRetries != 5 || !c.ForcePower || c.PowerTimeout != 90 || c.SoftTimeout != 30 || c.DeployTimeout != 0 || c.CleanTimeout != 7200 ||
		c.RescueTimeout != 11 || c.ServeTimeout != 12 || c.InspectWait != 13 || c.AddPorts != "all" || c.CommandInterval != 500*time.Millisecond || c.BMCPatience != 60 {
		t.Errorf("%+v", c)
	}
	if c.ConsoleAddress.String() != "192.0.2.7" || s.ConsoleAddr() != c.ConsoleAddress || c.ConsoleIdle != 0 ||
		!slices.Equal(c.ConsolePorts, []ipmi.PortRange{{First: 10000, Last: 19999}, {First: 30000, Last: 30000}}) {
		t.Errorf("consoles %+v", c)
	}
	if p := c.ErasePriorities; len(p) != 2 || p["deploy.erase_devices"] != 0 || p["deploy.erase_devices_metadata"] != 20 {
		t.Errorf("%v", p)
	}
	if d := c.FakeDelays; len(d) != 2 || d["power"] != (fake.Span{Least: time.Second, Most: 5 * time.Second}) || d["raid"].Most != 250*time.Millisecond {
		t.Errorf("%v", d)
	}
}

// Seconds become nanoseconds, of which a number of 64 bits holds 292 years: beyond, the power sync would be off
// and a time-out over before it began.
func TestSecondsThatNobodyWaitsAreRefused(t *testing.T) {
	var c Conductor
	for section, options := range map[string][]entry{"conductor": c.conductor(), "ipmi": c.ipmi()} {
		for _, o := range options {
			if !strings.HasSuffix(o.name, "_timeout") && !strings.HasSuffix(o.name, "_interval") || o.name == "min_command_interval" {
				continue // no whole seconds
			}
			for value, refused := range map[string]bool{"315360000": false, "315360001": true, "9999999999": true, "99999999999999999999": true} {
				_, path, err := loadText(t, fmt.Sprintf("[%s]\n%s = %s\n", section, o.name, value))
				if want := fmt.Sprintf("%s:2: %s: expected at most 315360000 seconds, which are ten years", path, o.name); refused != (err != nil && strings.Contains(err.Error(), want)) {
					t.Errorf("%s = %s: %v", o.name, value, err)
				}
			}
		}
	}
}

func TestMistakesInTheConductorsSectionsAreNamed(t *testing.T) {
	_, path, err := loadText(t, `[conductor]
sync_power_state_interval = often
power_state_sync_max_retries = 0
clean_callback_timout = 5
[deploy]
erase_devices_priority = -1
[inspector]
add_ports = some
[ipmi]
min_command_interval = -1
[fake]
power_delay = 5,1
`)
	if err == nil {
		t.Fatal("nothing is refused")
	}
	for _, want := range []string{":2: sync_power_state_interval: ", ":3: power_state_sync_max_retries: ", "did you mean clean_callback_timeout?",
		":6: erase_devices_priority: ", ":8: add_ports: ", ":10: min_command_interval: expected seconds", ":12: power_delay: expected seconds"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q of %s in:\n%v", want, path, err)
		}
	}
}

// A console asks for no password: without a word of the file it is no more open than the API's own address.
func TestConsolesListenWhereTheServiceDoes(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "127.0.0.1",
		"listen = [::1]:6385": "::1",
		"listen = 198.51.100.1:6385\nallow_unauthenticated = true":                                                          "198.51.100.1",
		"listen = 0.0.0.0:6385\nallow_unauthenticated = true":                                                               "127.0.0.1",
		"listen = 0.0.0.0:6385\nallow_unauthenticated = true\n[netboot]\ninterface = eth1\nrange = 192.0.2.100,192.0.2.200": "192.0.2.1",
	} {
		s, _, err := loadText(t, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := s.ConsoleAddr().String(); got != want || s.ConsoleIdle != 600 || s.ConsolePorts != nil {
			t.Errorf("%q: %s, want %s; %+v", text, got, want, s.Conductor)
		}
	}
	for _, wrong := range []string{"10000", "20000:10000", "10000:10000", "0:10", "1:70000", "a:b", "1:5,x"} {
		if _, _, err := loadText(t, "[console]\nport_range = "+wrong); err == nil || !strings.Contains(err.Error(), "expected a range of ports such as 10000:20000") {
			t.Errorf("port_range %s: %v", wrong, err)
		}
	}
}
