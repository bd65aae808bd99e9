package manager

import (
	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi"
)

// Live is what a running BMC and its machine tell.
type Live struct {
	Power     string // on, off, or unknown while the hypervisor does not answer
	Boot      domain.Override
	Identify  bool   // the identify light is on
	Lockout   string // what keeps the configuration's user out; "": nothing
	Trouble   string // the latest failure in the hypervisor's words
	Sessions  int
	HalfOpen  int
	Logins    uint64
	Refused   uint64
	Commands  uint64
	SOLActive bool
}

// live asks the BMC; nothing here waits for the hypervisor.
func (in *instance) live() *Live {
	s := in.bmc.Stats()
	l := &Live{
		Power: "unknown", Boot: in.machine.Override(), Identify: in.bmc.Identify(), Sessions: s.Sessions, HalfOpen: s.HalfOpen,
		Logins: s.Logins, Refused: s.Refused, Commands: s.Commands, SOLActive: s.SOL,
		Lockout: in.bmc.Lockout().Why,
	}
	switch on, err := in.machine.Power(); {
	case err != nil:
		l.Trouble = err.Error()
	case on:
		l.Power = "on"
	default:
		l.Power = "off"
	}
	if t, ok := in.machine.(domain.Troubled); ok && l.Trouble == "" {
		l.Trouble = t.Trouble()
	}
	return l
}

// Notice has a BMC that runs see which of its sessions and logins have ended by time, which
// nobody watches, and log them.
func (m *Manager) Notice(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if in := m.running[name]; in != nil {
		in.bmc.Stats()
	}
}

// BMCStats are the counts of one BMC. Those of a BMC that does not run are zero.
type BMCStats struct {
	Domain  string
	Running bool
	ipmi.Stats
}

// Stats returns the counts of all BMCs that are active, in no order.
func (m *Manager) Stats() []BMCStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]BMCStats, 0, len(m.running)+len(m.faults))
	for name, in := range m.running {
		out = append(out, BMCStats{Domain: name, Running: true, Stats: in.bmc.Stats()})
	}
	for name := range m.faults {
		if m.running[name] == nil {
			out = append(out, BMCStats{Domain: name})
		}
	}
	return out
}
