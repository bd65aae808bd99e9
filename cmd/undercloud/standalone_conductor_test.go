package main

import (
	"testing"
	"time"

	"trefoil/ironic/conductor"
	"trefoil/ironic/driver/fake"
	"trefoil/ironic/driver/ipmi"
	"trefoil/ironic/fsm"
	"trefoil/ironic/inspect"
	"trefoil/undercloud/config"
)

func TestTheConductorIsTunedByItsFile(t *testing.T) {
	s := &standalone{cfg: &config.Standalone{Conductor: config.Conductor{SyncRetries: 5, ForcePower: true, PowerTimeout: 90, SoftTimeout: 30,
		CleanTimeout: 7200, RescueTimeout: 11, ServeTimeout: 12, InspectWait: 13, ErasePriorities: map[string]int{"deploy.erase_devices": 0},
		AddPorts: "all", CommandInterval: 500 * time.Millisecond, BMCPatience: 60, FakeDelays: map[string]fake.Span{"power": {Least: 1}}}}}
	var cfg conductor.Config
	s.tune(&cfg)
	if _, off := cfg.CleanPriorities["deploy.erase_devices"]; !off || cfg.SyncInterval >= 0 || cfg.SyncTries != 5 || !cfg.ForcePower || cfg.PowerTimeout != 90*time.Second ||
		cfg.SoftTimeout != 30*time.Second || cfg.InspectTimeout != 13*time.Second || cfg.AddPorts != inspect.AddAll || cfg.BMCPatience != time.Minute {
		t.Errorf("%+v", cfg)
	}
	for state, want := range map[fsm.State]time.Duration{fsm.DeployWait: noLimit, fsm.CleanWait: 2 * time.Hour, fsm.RescueWait: 11 * time.Second, fsm.ServiceWait: 12 * time.Second} {
		if got := cfg.CallbackTimeouts[state]; got != want {
			t.Errorf("%s: %s, want %s", state, got, want)
		}
	}
	for interval, rate := range map[time.Duration]float64{500 * time.Millisecond: 2, 5 * time.Second: 0.2, 0: noPace, -1: 0} {
		s.cfg.CommandInterval = interval
		all := s.hardware()
		if d := all[ipmi.Name].(*ipmi.Driver); d.Rate != rate {
			t.Errorf("%s between commands: %v a second, want %v", interval, d.Rate, rate)
		}
		if d := all[fake.Name].(*fake.Driver); d.Delays["power"].Least != 1 {
			t.Errorf("%+v", d.Delays)
		}
	}
}
