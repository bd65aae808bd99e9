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
		v, _ := b.countOf(r)
		n, err := strconv.Atoi(hot.String(v))
		if err != nil || n < 1 {
			continue
		}
		if all += n; n > 1 {
			asked[r.Name] = n
		}
	}
	b.machines = all
	if b.o.Sketch > 0 && all > b.o.Sketch {
		b.asked = asked
	}
}

// countOf is how many machines of a role are asked for, as it was written, and its parameter.
func (b *builder) countOf(r roleDef) (v any, parameter string) {
	parameter = r.Name + "Count"
	if v = b.env.Parameters[parameter]; v == nil {
		v = b.env.Defaults[parameter]
	}
	if v == nil {
		v, _ = r.value.Get(countDefault)
	}
	return v, parameter
}
