package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trefoil/ironic/driver/fake"
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
