package resource

import "slices"

// Check is what shows that a service of a node is alive: its units run, and what
// its steps waited for still answers, and its probes find nothing missing.
type Check struct {
	Service string   `json:"service"`
	Units   []string `json:"units,omitempty"`
	Waits   []Wait   `json:"waits,omitempty"`
	Probes  []Probe  `json:"probes,omitempty"`

	OSDs bool        `json:"osds,omitempty"` // Ceph's, whose units only the node knows
	Ceph *CephHealth `json:"ceph,omitempty"` // the cluster

	Explain bool `json:"explain,omitempty"` // with the last lines of the units' logs, also where they run
}

// Health is how a service of a node is: one line of what os-apply-config health
// prints (JSON lines).
type Health struct {
	Service string `json:"service"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail,omitempty"` // what is wrong; without secrets

	// Of a check that asks to explain.
	Ended bool     `json:"ended,omitempty"` // a unit has ended, and systemd does not start it any more or does so in vain
	Logs  []string `json:"logs,omitempty"`  // files that they write besides the journal
	Tail  []string `json:"tail,omitempty"`  // last lines of the units' logs
	Hint  string   `json:"hint,omitempty"`  // what to do, where the machine knows it
}

// Checks are those of a node, in the order of its services, out of what its steps
// do: the units that they start, what they wait for, their probes, and Ceph. A service that
// has none of them leaves nothing that could fail, and is left out.
func Checks(docs []Document) []Check {
	var out []Check
	index := map[string]int{}
	of := func(service string) *Check {
		i, ok := index[service]
		if !ok {
			i = len(out)
			index[service] = i
			out = append(out, Check{Service: service})
		}
		return &out[i]
	}
	for _, d := range docs {
		for _, r := range d.Resources {
			switch {
			case r.Unit != nil && r.Unit.State == "stopped":
				c := of(r.Service)
				c.Units = slices.DeleteFunc(c.Units, func(u string) bool { return u == r.Unit.Name })
			case r.Unit != nil && !slices.Contains(of(r.Service).Units, r.Unit.Name):
				of(r.Service).Units = append(of(r.Service).Units, r.Unit.Name)
			case r.CephOSD != nil:
				of(r.Service).OSDs = true
			case r.CephHealth != nil:
				of(r.Service).Ceph = r.CephHealth
			case r.Probe != nil:
				of(r.Service).Probes = append(of(r.Service).Probes, *r.Probe)
			case r.Wait != nil:
				c := of(r.Service)
				c.Waits = slices.DeleteFunc(c.Waits, func(w Wait) bool { return w.Name == r.Wait.Name }) // the last step's is the strictest
				c.Waits = append(c.Waits, *r.Wait)
			}
		}
	}
	return slices.DeleteFunc(out, func(c Check) bool { return len(c.Units)+len(c.Waits)+len(c.Probes) == 0 && !c.OSDs && c.Ceph == nil })
}
