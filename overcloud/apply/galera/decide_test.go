package galera

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const cluster, other = "6c0c7fd0-0000-0000-0000-000000000001", "6c0c7fd0-0000-0000-0000-000000000002"

var three = []Machine{{"c-0", "10.0.0.1"}, {"c-1", "10.0.0.2"}, {"c-2", "10.0.0.3"}}

// never has no data of a cluster; left left in order, killed did not: it knows who was
// with it; alone runs without a majority.
func never() *State                      { return &State{Seqno: Unknown} }
func left(seqno int64) *State            { return &State{UUID: cluster, Seqno: seqno} }
func last(seqno int64) *State            { return &State{UUID: cluster, Seqno: seqno, Safe: true} }
func serving() *State                    { return &State{UUID: cluster, Seqno: Unknown, Primary: true, Comment: "Synced"} }
func of(uuid string, seqno int64) *State { return &State{UUID: uuid, Seqno: seqno} }
func killed(seqno int64, nodes string) *State {
	view := strings.Fields(nodes)
	return &State{UUID: cluster, Seqno: seqno, Node: view[0], View: view}
}

func alone(seqno int64, nodes string) *State {
	s := killed(seqno, nodes)
	s.Running, s.Comment = true, "Initialized"
	return s
}
func sole(seqno int64) *State  { s := killed(seqno, "c"); s.Safe = true; return s } // killed as the only one of its cluster
func doubt(seqno int64) *State { return &State{UUID: cluster, Seqno: seqno, Doubt: true} }
func unseen() *State           { return &State{Seqno: Unknown, Unread: true} }
func hung() *State             { s := serving(); s.Age = 4; return s }
func just() *State             { s := serving(); s.before = true; return s }
func half() *State             { return &State{Seqno: Unknown, Lost: true} }
func begun() *State            { return &State{UUID: cluster, Seqno: Unknown, Begun: true} }

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		all  []*State
		acts []Act // of the first, second and third machine
		why  string
	}{
		"nobody has been in a cluster: the first begins it":    {all: []*State{never(), never(), never()}, acts: []Act{Begin, Wait, Wait}, why: "c-0 (10.0.0.1), the first machine"},
		"one that cannot be asked may have the data":           {all: []*State{never(), never(), nil}, acts: []Act{Wait, Wait}, why: "c-2 (10.0.0.3) may have the cluster's data"},
		"a new first machine does not begin another one":       {all: []*State{never(), left(7), left(7)}, acts: []Act{Wait, Begin, Wait}, why: "c-1 (10.0.0.2) has the newest data"},
		"a cluster that is there is joined":                    {all: []*State{never(), serving(), left(3)}, acts: []Act{Join, Wait, Join}},
		"one that hangs may be no more, and may come back":     {all: []*State{last(9), hung(), left(9)}, acts: []Act{Wait, Wait, Wait}, why: "c-1 (10.0.0.2) served the cluster 4.0 seconds ago"},
		"one that may have been stopped just now":              {all: []*State{last(9), just(), left(9)}, acts: []Act{Wait, Wait, Wait}, why: "c-1 (10.0.0.2) served the cluster 0.0 seconds ago"},
		"another one of its cluster is joined":                 {all: []*State{left(9), hung(), serving()}, acts: []Act{Join, Wait, Wait}},
		"the last one to leave needs no more than a majority":  {all: []*State{nil, last(9), left(8)}, acts: []Act{Wait, Begin, Wait}},
		"without a majority it may be behind the others' back": {all: []*State{nil, last(9), nil}, acts: []Act{Wait, Wait}, why: "c-0 (10.0.0.1), c-2 (10.0.0.3) may have newer data"},
		"two think that they were the last ones":               {all: []*State{last(9), last(9), left(8)}, acts: []Act{Begin, Wait, Wait}},
		"two think so, and the later has more":                 {all: []*State{last(8), last(9), nil}, acts: []Act{Wait, Begin}, why: "c-1 (10.0.0.2) has the newest data (9, here 8)"},
		"the last one of before has less than those after it":  {all: []*State{killed(500, "a b"), killed(500, "b a"), sole(100)}, acts: []Act{Begin, Wait, Wait}},
		"it does not begin before those have looked":           {all: []*State{killed(Unknown, "a b"), nil, sole(100)}, acts: []Act{Wait, Wait, Wait}, why: "c-0 (10.0.0.1) has not looked yet"},
		"the last one to leave begins for one with the same":   {all: []*State{left(9), last(9), nil}, acts: []Act{Wait, Begin}},
		"others wait for the last one to leave":                {all: []*State{left(9), last(9), left(8)}, acts: []Act{Wait, Begin, Wait}, why: "c-1 (10.0.0.2) has the newest data (9, here 8)"},
		"all were killed: the newest data wins":                {all: []*State{killed(5, "a b c"), killed(7, "b a c"), killed(6, "c a b")}, acts: []Act{Wait, Begin, Wait}, why: "c-1 (10.0.0.2) has the newest data (7, here 6)"},
		"all were killed with the same data":                   {all: []*State{killed(7, "a b c"), killed(7, "b a c"), killed(7, "c a b")}, acts: []Act{Begin, Wait, Wait}},
		"one of the last majority is missing":                  {all: []*State{killed(7, "a b c"), killed(7, "b a c"), nil}, acts: []Act{Wait, Wait}, why: "c-2 (10.0.0.3) may have newer data"},
		"who was not in it need not be heard":                  {all: []*State{nil, killed(7, "b c"), killed(6, "c b")}, acts: []Act{Wait, Begin, Wait}},
		"alone in the last majority":                           {all: []*State{nil, killed(6, "b c"), killed(7, "c")}, acts: []Act{Wait, Wait, Begin}},
		"alone, and with nobody who could know of another":     {all: []*State{nil, nil, killed(7, "c")}, acts: []Act{Wait, Wait, Wait}},
		"a survivor without a majority begins":                 {all: []*State{killed(7, "a b c"), alone(7, "b a c"), killed(7, "c a b")}, acts: []Act{Wait, Begin, Wait}, why: "c-1 (10.0.0.2) has the newest data (7, here 7)"},
		"a survivor that was cut off has less":                 {all: []*State{killed(9, "a c"), alone(7, "b a c"), killed(9, "c a")}, acts: []Act{Begin, Wait, Wait}},
		"a survivor waits for the one it was with":             {all: []*State{killed(7, "a b c"), alone(7, "b a c"), nil}, acts: []Act{Wait, Wait}, why: "c-2 (10.0.0.3) may have newer data"},
		"one begins, and is not there yet":                     {all: []*State{left(7), begun(), last(7)}, acts: []Act{Wait, Wait, Wait}, why: "c-1 (10.0.0.2) begins the cluster"},
		"half of another's data begin nothing":                 {all: []*State{half(), left(7), left(8)}, acts: []Act{Wait, Wait, Begin}, why: "half of another's"},
		"nor does a new machine beside them":                   {all: []*State{never(), half(), never()}, acts: []Act{Wait, Wait, Wait}, why: "c-1 (10.0.0.2) has the cluster's data"},
		"data without an identity have to be looked at":        {all: []*State{never(), never(), unseen()}, acts: []Act{Wait, Wait, Wait}, why: "c-2 (10.0.0.3) has not looked yet"},
		"killed within a change of a definition":               {all: []*State{doubt(7), doubt(7), doubt(8)}, acts: []Act{Wait, Wait, Begin}},
		"whole data go before doubtful ones":                   {all: []*State{doubt(7), left(7), left(7)}, acts: []Act{Wait, Begin, Wait}},
		"one has not looked at its position":                   {all: []*State{killed(7, "a b c"), killed(Unknown, "b a c"), killed(6, "c a b")}, acts: []Act{Wait, Wait, Wait}, why: "c-1 (10.0.0.2) has not looked yet"},
		"data of two clusters":                                 {all: []*State{left(7), of(other, 9), left(7)}, acts: []Act{Wait, Wait, Wait}, why: "another cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			var why string
			for i, want := range c.acts {
				if c.all[i] == nil || c.all[i].Primary || c.all[i].Begun {
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

func TestDecideOfTwo(t *testing.T) {
	two := three[:2]
	for name, c := range map[string]struct {
		all  []*State
		acts []Act
	}{
		"one alone is no majority":         {[]*State{last(9), nil}, []Act{Wait}},
		"both are":                         {[]*State{last(9), left(8)}, []Act{Begin, Wait}},
		"a survivor waits for the other":   {[]*State{alone(9, "a b"), nil}, []Act{Wait}},
		"and begins with what it has more": {[]*State{alone(9, "a b"), killed(8, "b a")}, []Act{Begin, Wait}},
	} {
		for i, want := range c.acts {
			if d := Decide(two, i, c.all); d.Act != want {
				t.Errorf("%s: machine %d: %v (%s), expected %v", name, i, d.Act, d.Why, want)
			}
		}
	}
}

func TestDecideOfOne(t *testing.T) {
	for _, s := range []*State{never(), last(9), sole(9), killed(9, "a"), left(9), doubt(9)} {
		if d := Decide(three[:1], 0, []*State{s}); d.Act != Begin {
			t.Errorf("%+v: %v (%s)", s, d.Act, d.Why)
		}
	}
}

// anyState is a state that a machine could have.
func anyState(r *rand.Rand) *State {
	if r.IntN(6) == 0 {
		return nil
	}
	s := &State{Seqno: Unknown, Lost: r.IntN(12) == 0, Begun: r.IntN(20) == 0}
	if s.Lost || r.IntN(4) == 0 {
		s.Unread = !s.Lost && r.IntN(4) == 0
		return s
	}
	s.UUID, s.Seqno, s.Safe, s.Doubt = cluster, int64(r.IntN(3)), r.IntN(3) == 0, r.IntN(4) == 0
	if r.IntN(12) == 0 {
		s.UUID = other
	}
	if r.IntN(8) == 0 {
		s.Seqno = Unknown
	}
	s.Running = r.IntN(4) == 0
	s.Primary = s.Running && r.IntN(4) == 0
	return s
}

// anyStates are those of as many machines, some of which know a last majority.
func anyStates(r *rand.Rand, n int) []*State {
	all, names := make([]*State, n), strings.Fields("a b c d e")[:n]
	for i := range all {
		if all[i] = anyState(r); all[i] == nil || all[i].UUID == "" || r.IntN(3) == 0 {
			continue
		}
		all[i].Node = names[i]
		for _, other := range names {
			if other == names[i] || r.IntN(2) == 0 {
				all[i].View = append(all[i].View, other)
			}
		}
	}
	return all
}

// settled tells whether nothing is missing: all are up, have looked, and have data of
// one cluster or none, and nobody serves or begins.
func settled(all []*State) bool {
	known := 0
	for _, s := range all {
		if s == nil || s.Unread || s.Lost || s.Begun || s.Primary || s.UUID == other || s.UUID != "" && s.Seqno == Unknown {
			return false
		}
		known++
	}
	return known > 0
}

// TestDecideIsSafeAndLive: whatever the machines have, not two begin, none begins with
// less than another has, and not all wait for ever.
func TestDecideIsSafeAndLive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	machines := []Machine{{"c-0", "0"}, {"c-1", "1"}, {"c-2", "2"}, {"c-3", "3"}, {"c-4", "4"}}
	lively := 0
	for range 50000 {
		n := 1 + r.IntN(5)
		all := anyStates(r, n)
		var began []int
		for i, s := range all {
			if s == nil || s.Primary || s.Begun {
				continue
			}
			if d := Decide(machines[:n], i, all); d.Act == Begin {
				began = append(began, i)
			}
		}
		for _, i := range began {
			up := 0
			for j, s := range all {
				if s != nil {
					up++
				}
				if s != nil && (s.Seqno > all[i].Seqno || s.Primary || j != i && s.Begun) {
					t.Fatalf("machine %d begins with less than machine %d has, or beside it:\n%s", i, j, shown(all))
				}
			}
			if 2*up <= n {
				t.Fatalf("machine %d begins without a majority:\n%s", i, shown(all))
			}
		}
		if len(began) > 1 {
			t.Fatalf("machines %v begin:\n%s", began, shown(all))
		}
		if settled(all) {
			if lively++; len(began) == 0 {
				t.Fatalf("all wait:\n%s", shown(all))
			}
		}
	}
	if lively < 1000 {
		t.Errorf("only %d states in which one must begin", lively)
	}
}

func shown(all []*State) string {
	var b strings.Builder
	for _, s := range all {
		if s == nil {
			b.WriteString("silent\n")
		} else {
			fmt.Fprintf(&b, "%+v\n", *s)
		}
	}
	return b.String()
}
