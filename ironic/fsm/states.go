// Package fsm is the table of Ironic's provision states: which event leads from
// which state to which, what each state aims at, and which verb of the API
// stands for which event. Everything else asks this table; docs/provision-states.md
// is generated from it.
//
// Source of the facts: openstack/ironic 38.0.0, states and state machine.
package fsm

// State is a provision state as the API shows it.
type State string

// The provision states.
const (
	Enroll         State = "enroll"
	Verifying      State = "verifying"
	Manageable     State = "manageable"
	Available      State = "available"
	Inspecting     State = "inspecting"
	InspectWait    State = "inspect wait"
	InspectFailed  State = "inspect failed"
	Cleaning       State = "cleaning"
	CleanWait      State = "clean wait"
	CleanFailed    State = "clean failed"
	CleanHold      State = "clean hold"
	Deploying      State = "deploying"
	DeployWait     State = "wait call-back"
	DeployFailed   State = "deploy failed"
	DeployHold     State = "deploy hold"
	Active         State = "active"
	Deleting       State = "deleting"
	Error          State = "error"
	Adopting       State = "adopting"
	AdoptFailed    State = "adopt failed"
	Rescuing       State = "rescuing"
	RescueWait     State = "rescue wait"
	RescueFailed   State = "rescue failed"
	Rescue         State = "rescue"
	Unrescuing     State = "unrescuing"
	UnrescueFailed State = "unrescue failed"
	Servicing      State = "servicing"
	ServiceWait    State = "service wait"
	ServiceFailed  State = "service failed"
	ServiceHold    State = "service hold"
)

// Kind says what a node does in a state.
type Kind string

// The kinds.
const (
	Stable    Kind = "stable"    // rests until somebody asks for more
	Transient Kind = "transient" // the conductor works on it and holds its lock
	Wait      Kind = "wait"      // waits for the ramdisk; the lock is free
	Failed    Kind = "failed"    // rests after a failure
	Hold      Kind = "hold"      // rests because a step asked for it
)

type info struct {
	state  State
	kind   Kind
	target State // what target_provision_state shows; empty: null
}

// states lists every state in the order of a machine's life.
func states() []info {
	return []info{
		{Enroll, Stable, ""},
		{Verifying, Transient, Manageable},
		{Manageable, Stable, ""},
		{Inspecting, Transient, Manageable},
		{InspectWait, Wait, Manageable},
		{InspectFailed, Failed, Manageable},
		{Cleaning, Transient, Available},
		{CleanWait, Wait, Available},
		{CleanFailed, Failed, Available},
		{CleanHold, Hold, Available},
		{Available, Stable, ""},
		{Deploying, Transient, Active},
		{DeployWait, Wait, Active},
		{DeployFailed, Failed, Active},
		{DeployHold, Hold, Active},
		{Active, Stable, ""},
		{Deleting, Transient, Available},
		{Error, Stable, ""},
		{Adopting, Transient, Active},
		{AdoptFailed, Failed, Active},
		{Rescuing, Transient, Rescue},
		{RescueWait, Wait, Rescue},
		{RescueFailed, Failed, Rescue},
		{Rescue, Stable, ""},
		{Unrescuing, Transient, Active},
		{UnrescueFailed, Failed, Active},
		{Servicing, Transient, Active},
		{ServiceWait, Wait, Active},
		{ServiceFailed, Failed, Active},
		{ServiceHold, Hold, Active},
	}
}

// States returns every state in the order of a machine's life.
func States() []State {
	var out []State
	for _, i := range states() {
		out = append(out, i.state)
	}
	return out
}

func lookup(s State) (info, bool) {
	for _, i := range states() {
		if i.state == s {
			return i, true
		}
	}
	return info{}, false
}

// KindOf returns the kind of s; an unknown state has none.
func KindOf(s State) Kind {
	i, _ := lookup(s)
	return i.kind
}

// Known reports whether s is a provision state.
func Known(s State) bool {
	_, ok := lookup(s)
	return ok
}

// Target returns what target_provision_state shows while a node is in s; empty is null.
func Target(s State) State {
	i, _ := lookup(s)
	return i.target
}

// Busy reports whether the conductor has work in hand for a node in s: it acts
// on it or waits for its ramdisk.
func Busy(s State) bool {
	k := KindOf(s)
	return k == Transient || k == Wait
}
