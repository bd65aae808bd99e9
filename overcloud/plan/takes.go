package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// Takes is what a service takes of a machine, about, with one process of each program and
// nothing to do; zero is not worth mentioning.
type Takes struct {
	MemoryMB int `json:"memory_mb,omitempty"` // MiB
	DiskGB   int `json:"disk_gb,omitempty"`   // GiB of the disk that the image goes to
}

// parseTakes reads role_data's takes. problem is "" or tells what is wrong.
func parseTakes(v any) (t Takes, problem string) {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		return t, "takes must be a map of memory_mb and disk_gb"
	}
	keys := []string{"memory_mb", "disk_gb"}
	for _, k := range sortedKeys(m) {
		into := &t.MemoryMB
		switch k {
		case "memory_mb":
		case "disk_gb":
			into = &t.DiskGB
		default:
			return t, fmt.Sprintf("takes has an unknown key %q%s; expected %s", k, nearest.Hint(k, keys), strings.Join(keys, " and "))
		}
		if *into = number(m[k]); *into < 1 {
			return t, fmt.Sprintf("takes: %s is %s; expected a whole number, 1 or more", k, hot.String(m[k]))
		}
	}
	return t, ""
}

// Takes is what all services of the role take together.
func (r *Role) Takes() Takes {
	var sum Takes
	for _, d := range r.Data {
		sum.MemoryMB += d.Takes.MemoryMB
		sum.DiskGB += d.Takes.DiskGB
	}
	return sum
}

// most is how many services Largest names.
const most = 3

// Largest names the services of the role that take most by what of says, with figures:
// "nova_compute 280, neutron_ovs_agent 250".
func (r *Role) Largest(of func(Takes) int) string {
	data := slices.DeleteFunc(slices.Clone(r.Data), func(d ServiceData) bool { return of(d.Takes) == 0 })
	slices.SortStableFunc(data, func(a, b ServiceData) int { return cmp.Compare(of(b.Takes), of(a.Takes)) })
	var out []string
	for _, d := range data[:min(most, len(data))] {
		out = append(out, fmt.Sprintf("%s %d", d.Name, of(d.Takes)))
	}
	if len(data) > most {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}
