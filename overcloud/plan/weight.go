package plan

import (
	"fmt"
	"math"
	"reflect"

	"trefoil/internal/errs"
)

// maxValue bounds one value of a plan as it is written out, bytes. The whole output
// of TripleO's overcloud.yaml is about 5 MB.
const maxValue = 256 << 20

// weights counts what values come to when they are written out. Templates may use one
// list twice in another, and that one twice again: sixty such lines fit in memory,
// for lists are shared there, but not on any disk.
type weights struct {
	seen map[shared]int
}

// shared is a map or list that may stand in several places.
type shared struct {
	at  uintptr
	len int // lists of different lengths may begin at one address
}

func newWeights() *weights { return &weights{seen: map[shared]int{}} }

// check refuses a value that comes to more than maxValue.
func (w *weights) check(what string, v any) error {
	if n := w.of(v); n > maxValue {
		return errs.New(errs.Invalid, "%s would be larger than %d MiB: its lists hold each other many times over", what, maxValue>>20).
			WithHint("look in the templates for lists or maps that are built from several uses of one another")
	}
	return nil
}

// of is the size of a value in bytes, about; it never wraps.
func (w *weights) of(v any) int {
	switch v := v.(type) {
	case string:
		return len(v) + 2
	case map[string]any:
		return w.once(shared{reflect.ValueOf(v).Pointer(), -1}, func() int {
			n := 2
			for k, x := range v {
				n = plus(n, plus(len(k)+4, w.of(x)))
			}
			return n
		})
	case []any:
		if len(v) == 0 {
			return 2
		}
		return w.once(shared{reflect.ValueOf(v).Pointer(), len(v)}, func() int {
			n := 2
			for _, x := range v {
				n = plus(n, plus(2, w.of(x)))
			}
			return n
		})
	default:
		return len(fmt.Sprint(v))
	}
}

func (w *weights) once(s shared, count func() int) int {
	n, ok := w.seen[s]
	if !ok {
		n = count()
		w.seen[s] = n
	}
	return n
}

func plus(a, b int) int {
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}

// weigh checks every value of the plan that is later written out.
func (p *Plan) weigh() error {
	w := newWeights()
	for _, name := range sortedKeys(p.Outputs) {
		if err := w.check("overcloud.yaml: output "+name, p.Outputs[name]); err != nil {
			return err
		}
	}
	for _, r := range p.Roles {
		if err := w.check("role "+r.Name+": role_data", r.RoleData); err != nil {
			return err
		}
		for _, d := range r.Data {
			if err := w.check(d.Template+": role_data of "+d.Name, d.Raw); err != nil {
				return err
			}
		}
	}
	for _, s := range p.Servers {
		if err := w.check("machine "+s.Name+": outputs", s.Outputs); err != nil {
			return err
		}
	}
	for _, d := range p.Deployments {
		for _, part := range []any{d.Config, d.Inputs, d.Options} {
			if err := w.check("deployment "+d.Path, part); err != nil {
				return err
			}
		}
	}
	return nil
}
