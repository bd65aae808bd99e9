package plan

import (
	"strconv"

	"trefoil/overcloud/hot"
)

// sketch has one machine of each role evaluated where more than Options.Sketch are asked
// for in all: what machines of a role must be is known from that, and whether there are
// enough can be looked at before thousands are evaluated. The roles keep their counts.
func (b *builder) sketch() {
	asked, all := map[string]int{}, 0
	for _, r := range b.roles.roles {
		var v any
		if v = b.env.Parameters[r.Name+"Count"]; v == nil {
			v = b.env.Defaults[r.Name+"Count"]
		}
		if v == nil {
			v, _ = r.value.Get("CountDefault")
		}
		if n, err := strconv.Atoi(hot.String(v)); err == nil && n > 1 {
			asked[r.Name], all = n, all+n
		}
	}
	if b.o.Sketch == 0 || all <= b.o.Sketch {
		return
	}
	for role := range asked {
		delete(b.env.Parameters, role+"Count")
		b.env.SetDefault(role+"Count", 1, "a sketch")
	}
	b.asked = asked
}
