package main

import (
	"time"

	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"
	"trefoil/ironic/driver/ipmi"
	"trefoil/ironic/fsm"
	"trefoil/ironic/inspect"
)

// noLimit stands for a time-out of 0, which is Ironic's word for none.
const noLimit = 100 * 365 * 24 * time.Hour

// noPace is commands a second to a BMC where the configuration wants no interval between them.
const noPace = 1e6

func limit(seconds int) time.Duration {
	if seconds == 0 {
		return noLimit
	}
	return time.Duration(seconds) * time.Second
}

// tune writes what the file says of the work on machines into the conductor's configuration.
func (s *standalone) tune(cfg *conductor.Config) {
	c := &s.cfg.Conductor
	cfg.SyncInterval = time.Duration(c.SyncInterval) * time.Second
	if c.SyncInterval == 0 {
		cfg.SyncInterval = -1 // never
	}
	cfg.SyncTries, cfg.ForcePower = c.SyncRetries, c.ForcePower
	cfg.PowerTimeout, cfg.SoftTimeout = limit(c.PowerTimeout), limit(c.SoftTimeout)
	cfg.CallbackTimeouts = map[fsm.State]time.Duration{fsm.DeployWait: limit(c.DeployTimeout), fsm.CleanWait: limit(c.CleanTimeout),
		fsm.RescueWait: limit(c.RescueTimeout), fsm.ServiceWait: limit(c.ServeTimeout)}
	cfg.InspectTimeout = limit(c.InspectWait)
	cfg.CleanPriorities = c.ErasePriorities
	cfg.AddPorts = inspect.AddPorts(c.AddPorts)
	cfg.BMCPatience = time.Duration(c.BMCPatience) * time.Second
}

// hardware are the hardware types by name, at the pace that the file sets.
func (s *standalone) hardware() map[string]driver.Driver {
	terminals := consoles(s.cfg.ConsoleAddr())
	terminals.Ports, terminals.Idle = s.cfg.ConsolePorts, time.Duration(s.cfg.ConsoleIdle)*time.Second
	all := hardware(terminals)
	bmcs := &ipmi.Driver{Consoles: terminals}
	switch every := s.cfg.CommandInterval; {
	case every == 0:
		bmcs.Rate, bmcs.Burst = noPace, noPace
	case every > 0:
		bmcs.Rate, bmcs.Burst = 1/every.Seconds(), 1
	}
	all[ipmi.Name] = bmcs
	all[fake.Name] = &fake.Driver{Delays: s.cfg.FakeDelays}
	return all
}
