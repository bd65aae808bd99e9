package galera

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Act is what a machine is to do with its server.
type Act int

// The acts.
const (
	Wait  Act = iota // and look again
	Join             // start it: there is a cluster
	Begin            // start it as the first of the cluster
)

// Decision is an act with its reason, a line for people.
type Decision struct {
	Act    Act
	Why    string
	Absent bool // with Wait: for machines that may never come
}

func wait(format string, args ...any) Decision {
	return Decision{Act: Wait, Why: fmt.Sprintf(format, args...)}
}

// absent is to wait for machines that do not answer, or not with what is asked.
func absent(machines []string, why string) Decision {
	return Decision{Act: Wait, Why: strings.Join(machines, ", ") + why, Absent: true}
}

func begin(format string, args ...any) Decision {
	return Decision{Act: Begin, Why: fmt.Sprintf(format, args...)}
}

// freshFor is how many seconds an answer of a server that serves is one to join by: who
// joins a cluster that is no more loses what it knew of the last majority.
const freshFor = 3

// Decide says what the machine at self (an index of machines) is to do. states are
// those of all machines, its own among them; nil is one that does not answer.
//
// A cluster is begun by whoever has the newest data, and only when all have answered
// who were in the last majority with this machine: others cannot have newer data. A
// majority of all machines must have answered in any case, or another one may have
// been begun by hand behind this one's back. All machines decide alike from the same
// states; see also Member.claim.
func Decide(machines []Machine, self int, states []*State) Decision {
	for i, s := range states {
		if i != self && s != nil && s.Primary && s.Age <= freshFor && !s.before {
			return Decision{Act: Join, Why: "join the cluster of " + machines[i].Name}
		}
	}
	for i, s := range states {
		if i != self && s != nil && s.Primary {
			return wait("%s served the cluster %.1f seconds ago, and is asked again", machines[i].label(), s.Age)
		}
	}
	for i, s := range states {
		if i != self && s != nil && s.Begun {
			return wait("%s begins the cluster", machines[i].label())
		}
	}
	switch own := states[self]; {
	case own.Lost:
		return wait("the data of this machine is half of another's, since copying it was broken off: another one is to begin the cluster")
	case own.UUID == "":
		return fresh(machines, self, states)
	}
	return again(machines, self, states)
}

// fresh decides for a machine that has never been in the cluster.
func fresh(machines []Machine, self int, states []*State) Decision {
	var silent []string
	for i, s := range states {
		switch {
		case s == nil:
			silent = append(silent, machines[i].label())
		case s.Unread:
			return unread(machines[i])
		case s.UUID != "" || s.Lost:
			return wait("%s has the cluster's data and is to begin it", machines[i].label())
		}
	}
	switch {
	case len(silent) > 0:
		return absent(silent, " may have the cluster's data and cannot be asked")
	case self == 0:
		return begin("no machine has been in a cluster yet, and this is the first one")
	}
	return wait("%s, the first machine, is to begin the cluster", machines[0].label())
}

// again decides for a machine that has been in a cluster which is no more: all were
// stopped or killed, or run without a majority.
func again(machines []Machine, self int, states []*State) Decision {
	own := states[self]
	if silent := missing(machines, own, states); len(silent) > 0 {
		return absent(silent, " may have newer data and cannot be asked")
	}
	best := -1
	for i, s := range states {
		switch {
		case s == nil || s.Lost:
			continue
		case s.Unread:
			return unread(machines[i])
		case s.UUID == "":
			continue
		case s.UUID != own.UUID:
			return wait("%s has data of another cluster (%s; here %s): one of the two must go", machines[i].label(), s.UUID, own.UUID)
		case s.Seqno == Unknown:
			return unread(machines[i])
		case best < 0 || newer(s, states[best]):
			best = i
		}
	}
	if best != self {
		return wait("%s has the newest data (%d, here %d) and is to begin the cluster", machines[best].label(), states[best].Seqno, own.Seqno)
	}
	return begin("all who may have newer data have answered, and this machine has the newest (%d)", own.Seqno)
}

// unread is to wait for a machine whose start looks first how new its data is: it may
// not have been started.
func unread(m Machine) Decision {
	return absent([]string{m.label()}, " has not looked yet how new its data is")
}

// newer orders machines with data of the same cluster; at the end the earlier one of
// the list wins. Whoever runs need not be started again; whoever was the last to leave
// may be waited for by nobody else.
func newer(a, b *State) bool {
	return cmp.Or(cmp.Compare(a.Seqno, b.Seqno), -yes(a.Doubt, b.Doubt), yes(a.Running, b.Running), yes(a.Safe, b.Safe)) > 0
}

// yes is 1 if only a is so, and -1 if only b is.
func yes(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// missing are the machines that must be heard before a cluster is begun again: so
// many that there is a majority, and of those all of the last majority that this one
// was in, or simply all where it left that in order before others did.
func missing(machines []Machine, own *State, states []*State) []string {
	heard := map[string]bool{}
	var silent []string
	for i, s := range states {
		if s == nil {
			silent = append(silent, machines[i].label())
		} else if s.Node != "" {
			heard[s.Node] = true
		}
	}
	if 2*(len(machines)-len(silent)) <= len(machines) {
		return silent
	}
	if own.Safe || len(own.View) > 0 && !slices.ContainsFunc(own.View, func(n string) bool { return !heard[n] }) {
		return nil
	}
	return silent
}

func (m Machine) label() string { return fmt.Sprintf("%s (%s)", m.Name, m.Address) }
