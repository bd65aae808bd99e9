package stack

import (
	"fmt"
	"strings"

	"trefoil/overcloud/plan"
)

// Spent is what a machine used while it did a step, as it told. One that booted meanwhile
// has one of each boot, and one that told nothing has one without a boot.
type Spent struct {
	Node      string `json:"node"`
	Step      int    `json:"step"`
	Boot      string `json:"boot,omitempty"`
	FromMS    int64  `json:"from_ms,omitempty"` // the machine's processor time since its boot as the step began
	ToMS      int64  `json:"to_ms,omitempty"`   // and as it was last told of
	MemoryMiB int64  `json:"memory_mib,omitempty"`
	Open      bool   `json:"open,omitempty"` // the end was not told: it was more
}

// Seconds are those of the machine's processors.
func (s Spent) Seconds() float64 { return float64(max(0, s.ToMS-s.FromMS)) / 1000 }

// spent has a line for each step of which a machine told what it used.
func (s Summary) spent() []string {
	var out []string
	for step := 1; step <= plan.Steps; step++ {
		if line := spentIn(step, s.Spent); line != "" {
			out = append(out, line)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return append([]string{"Processor seconds of all machines, and the most memory in use:"}, out...)
}

// spentIn adds a step up over its machines; "": none told of it.
func spentIn(step int, all []Spent) string {
	sum, told, least := 0.0, false, ""
	of := map[string]float64{}
	var busiest string
	var fullest Spent
	for _, x := range all {
		if x.Step != step {
			continue
		}
		told = told || x.Boot != ""
		if x.Open {
			least = "at least "
		}
		sum += x.Seconds()
		if of[x.Node] += x.Seconds(); busiest == "" || of[x.Node] > of[busiest] {
			busiest = x.Node
		}
		if x.MemoryMiB > fullest.MemoryMiB {
			fullest = x
		}
	}
	if !told {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  step %d: %s%.1f s, of it %.1f s on %s", step, least, sum, of[busiest], busiest)
	if fullest.MemoryMiB > 0 {
		fmt.Fprintf(&b, "; %d MiB on %s", fullest.MemoryMiB, fullest.Node)
	}
	return b.String()
}
