package resource

import "slices"

// Asks tells whether a resource looks at other machines than its own.
func (x Resource) Asks() bool { return x.Wait != nil && x.Wait.SQL != "" || x.CephHealth != nil }

// AskingAs is a document with the questions of another one: of the same machine's step in a cloud of fewer
// machines. Of Ceph's monitors it knows all: one that is away now is not to leave the map.
func (d Document) AskingAs(fewer Document) Document {
	out := d
	out.Resources = slices.Clone(d.Resources)
	for i, x := range out.Resources {
		for _, other := range fewer.Resources {
			if x.Asks() && other.Key() == x.Key() && other.Service == x.Service {
				out.Resources[i] = other
				if other.CephHealth != nil {
					health := *other.CephHealth
					health.Monitors, out.Resources[i].CephHealth = x.CephHealth.Monitors, &health
				}
			}
		}
	}
	if d.Hash != "" {
		out.Hash = Sum(out.Resources)
	}
	return out
}
