package galera

import (
	"strings"
	"testing"
)

const cluster, other = "6c0c7fd0-0000-0000-0000-000000000001", "6c0c7fd0-0000-0000-0000-000000000002"

var three = []Machine{{"c-0", "10.0.0.1"}, {"c-1", "10.0.0.2"}, {"c-2", "10.0.0.3"}}

// never has no data of a cluster; left left in order, killed did not: it knows who was with it.
func never() *State                      { return &State{Seqno: Unknown} }
func left(seqno int64) *State            { return &State{UUID: cluster, Seqno: seqno} }
func last(seqno int64) *State            { return &State{UUID: cluster, Seqno: seqno, Safe: true} }
func serving() *State                    { return &State{UUID: cluster, Seqno: Unknown, Primary: true, Comment: "Synced"} }
func of(uuid string, seqno int64) *State { return &State{UUID: uuid, Seqno: seqno} }
func killed(seqno int64, nodes string) *State {
	view := strings.Fields(nodes)
	return &State{UUID: cluster, Seqno: seqno, Node: view[0], View: view}
}

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		all  []*State
		acts []Act // of the first, second and third machine
		why  string
	}{
		"nobody has been in a cluster: the first begins it": {all: []*State{never(), never(), never()}, acts: []Act{Begin, Wait, Wait}, why: "c-0 (10.0.0.1), the first machine"},
		"one that cannot be asked may have the data":        {all: []*State{never(), never(), nil}, acts: []Act{Wait, Wait}, why: "c-2 (10.0.0.3) may have the cluster's data"},
		"a new first machine does not begin another one":    {all: []*State{never(), left(7), left(7)}, acts: []Act{Wait, Begin, Wait}, why: "c-1 (10.0.0.2) has the newest data"},
		"a cluster that is there is joined":                 {all: []*State{never(), serving(), left(3)}, acts: []Act{Join, Wait, Join}},
		"the last one to leave begins alone":                {all: []*State{nil, last(9), nil}, acts: []Act{Wait, Begin}},
		"others wait for the last one to leave":             {all: []*State{left(9), last(9), left(8)}, acts: []Act{Wait, Begin, Wait}, why: "c-1 (10.0.0.2) has the newest data and begins"},
		"all were killed: the newest data wins":             {all: []*State{killed(5, "a b c"), killed(7, "b a c"), killed(6, "c a b")}, acts: []Act{Wait, Begin, Wait}, why: "c-1 (10.0.0.2) has the newest data (7, here 6)"},
		"all were killed with the same data":                {all: []*State{killed(7, "a b c"), killed(7, "b a c"), killed(7, "c a b")}, acts: []Act{Begin, Wait, Wait}},
		"one of the last majority is missing":               {all: []*State{killed(7, "a b c"), killed(7, "b a c"), nil}, acts: []Act{Wait, Wait}, why: "c-2 (10.0.0.3) may have newer data"},
		"who was not in it need not be heard":               {all: []*State{nil, killed(7, "b c"), killed(6, "c b")}, acts: []Act{Wait, Begin, Wait}},
		"alone in the last majority":                        {all: []*State{nil, nil, killed(7, "c")}, acts: []Act{Wait, Wait, Begin}},
		"one has not looked at its position":                {all: []*State{killed(7, "a b c"), killed(Unknown, "b a c"), killed(6, "c a b")}, acts: []Act{Wait, Wait, Wait}, why: "c-1 (10.0.0.2) has not looked yet"},
		"data of two clusters":                              {all: []*State{left(7), of(other, 9), left(7)}, acts: []Act{Wait, Wait, Wait}, why: "another cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			var why string
			for i, want := range c.acts {
				if c.all[i] == nil || c.all[i].Primary {
					continue
				}
				d := Decide(three, i, c.all)
				if d.Act != want {
					t.Errorf("machine %d: %v (%s), expected %v", i, d.Act, d.Why, want)
				}
				why += d.Why + "\n"
			}
			if !strings.Contains(why, c.why) {
				t.Errorf("nothing is said of %q:\n%s", c.why, why)
			}
		})
	}
}
