package fsm

import (
	"slices"

	"trefoil/internal/errs"
)

// Event moves a node from one state to the next.
type Event string

// Events that a person may cause through a verb of the API.
const (
	EvManage   Event = "manage"
	EvProvide  Event = "provide"
	EvInspect  Event = "inspect"
	EvClean    Event = "clean"
	EvDeploy   Event = "deploy"
	EvRebuild  Event = "rebuild"
	EvDelete   Event = "delete"
	EvAbort    Event = "abort"
	EvAdopt    Event = "adopt"
	EvRescue   Event = "rescue"
	EvUnrescue Event = "unrescue"
	EvUnhold   Event = "unhold"
	EvService  Event = "service"
)

// Events that only the conductor causes.
const (
	EvDone   Event = "done"
	EvFail   Event = "fail"
	EvWait   Event = "wait"
	EvResume Event = "resume"
	EvHold   Event = "hold"
)

// Transition is one row of the table.
type Transition struct {
	From  State
	Event Event
	To    State
}

// Transitions returns the whole table.
func Transitions() []Transition {
	return slices.Concat(enrolled(), prepared(), deployed(), rescued(), serviced())
}

// enrolled has the rows of a node that is taken in and waits for work.
func enrolled() []Transition {
	return []Transition{
		{Enroll, EvManage, Verifying},
		{Verifying, EvDone, Manageable},
		{Verifying, EvFail, Enroll},

		{Manageable, EvProvide, Cleaning},
		{Manageable, EvClean, Cleaning},
		{Manageable, EvInspect, Inspecting},
		{Manageable, EvAdopt, Adopting},
		{Available, EvDeploy, Deploying},
		{Available, EvManage, Manageable},
	}
}

// prepared has the rows of cleaning and inspection.
func prepared() []Transition {
	return []Transition{
		{Cleaning, EvDone, Available},
		{Cleaning, EvManage, Manageable},
		{Cleaning, EvFail, CleanFailed},
		{Cleaning, EvWait, CleanWait},
		{Cleaning, EvHold, CleanHold},
		{CleanWait, EvResume, Cleaning},
		{CleanWait, EvFail, CleanFailed},
		{CleanWait, EvAbort, CleanFailed},
		{CleanWait, EvHold, CleanHold},
		{CleanHold, EvUnhold, CleanWait},
		{CleanHold, EvAbort, CleanFailed},
		{CleanFailed, EvManage, Manageable},

		{Inspecting, EvDone, Manageable},
		{Inspecting, EvFail, InspectFailed},
		{Inspecting, EvWait, InspectWait},
		{InspectWait, EvDone, Manageable},
		{InspectWait, EvResume, Inspecting},
		{InspectWait, EvFail, InspectFailed},
		{InspectWait, EvAbort, InspectFailed},
		{InspectFailed, EvManage, Manageable},
		{InspectFailed, EvInspect, Inspecting},
	}
}

// deployed has the rows of an instance from its deployment to its end, and of adoption.
func deployed() []Transition {
	return []Transition{
		{Deploying, EvDone, Active},
		{Deploying, EvFail, DeployFailed},
		{Deploying, EvWait, DeployWait},
		{Deploying, EvHold, DeployHold},
		{DeployWait, EvResume, Deploying},
		{DeployWait, EvFail, DeployFailed},
		{DeployWait, EvAbort, DeployFailed},
		{DeployWait, EvDelete, Deleting},
		{DeployWait, EvHold, DeployHold},
		{DeployHold, EvUnhold, DeployWait},
		{DeployHold, EvAbort, DeployFailed},
		{DeployFailed, EvDeploy, Deploying},
		{DeployFailed, EvRebuild, Deploying},
		{DeployFailed, EvDelete, Deleting},

		{Active, EvRebuild, Deploying},
		{Active, EvDelete, Deleting},
		{Active, EvRescue, Rescuing},
		{Active, EvService, Servicing},
		{Error, EvRebuild, Deploying},
		{Error, EvDelete, Deleting},
		{Deleting, EvClean, Cleaning},
		{Deleting, EvFail, Error},

		{Adopting, EvDone, Active},
		{Adopting, EvFail, AdoptFailed},
		{AdoptFailed, EvAdopt, Adopting},
		{AdoptFailed, EvManage, Manageable},
	}
}

// rescued has the rows of rescue.
func rescued() []Transition {
	return []Transition{
		{Rescuing, EvDone, Rescue},
		{Rescuing, EvWait, RescueWait},
		{Rescuing, EvFail, RescueFailed},
		{RescueWait, EvResume, Rescuing},
		{RescueWait, EvFail, RescueFailed},
		{RescueWait, EvAbort, RescueFailed},
		{RescueWait, EvDelete, Deleting},
		{Rescue, EvRescue, Rescuing},
		{Rescue, EvUnrescue, Unrescuing},
		{Rescue, EvDelete, Deleting},
		{RescueFailed, EvRescue, Rescuing},
		{RescueFailed, EvUnrescue, Unrescuing},
		{RescueFailed, EvDelete, Deleting},
		{Unrescuing, EvDone, Active},
		{Unrescuing, EvFail, UnrescueFailed},
		{UnrescueFailed, EvRescue, Rescuing},
		{UnrescueFailed, EvUnrescue, Unrescuing},
		{UnrescueFailed, EvDelete, Deleting},
	}
}

// serviced has the rows of service.
func serviced() []Transition {
	return []Transition{
		{Servicing, EvDone, Active},
		{Servicing, EvWait, ServiceWait},
		{Servicing, EvHold, ServiceHold},
		{Servicing, EvFail, ServiceFailed},
		{ServiceWait, EvResume, Servicing},
		{ServiceWait, EvFail, ServiceFailed},
		{ServiceWait, EvAbort, ServiceFailed},
		{ServiceWait, EvHold, ServiceHold},
		{ServiceWait, EvDelete, Deleting},
		{ServiceHold, EvService, Servicing},
		{ServiceHold, EvUnhold, ServiceWait},
		{ServiceHold, EvFail, ServiceFailed},
		{ServiceHold, EvAbort, ServiceFailed},
		{ServiceFailed, EvService, Servicing},
		{ServiceFailed, EvRescue, Rescuing},
		{ServiceFailed, EvWait, ServiceWait},
		{ServiceFailed, EvHold, ServiceHold},
		{ServiceFailed, EvAbort, Active},
		{ServiceFailed, EvDelete, Deleting},
	}
}

// Next returns the state that event leads to from s. The error is Invalid, in
// Ironic's words.
func Next(s State, e Event) (State, error) {
	for _, t := range Transitions() {
		if t.From == s && t.Event == e {
			return t.To, nil
		}
	}
	return "", errs.New(errs.Invalid, "Can not transition from state '%s' on event '%s'", s, e)
}

// Events returns what may happen in s, in the order of the table.
func Events(s State) []Event {
	var out []Event
	for _, t := range Transitions() {
		if t.From == s {
			out = append(out, t.Event)
		}
	}
	return out
}

// Verb is a target of PUT /v1/nodes/{node}/states/provision.
type Verb struct {
	Name  string
	Event Event
	Since int // the API minor version that knows it
}

// Verbs returns every verb of the API.
func Verbs() []Verb {
	return []Verb{
		{"active", EvDeploy, 1}, {"deploy", EvDeploy, 73},
		{"rebuild", EvRebuild, 1},
		{"deleted", EvDelete, 1}, {"undeploy", EvDelete, 73},
		{"manage", EvManage, 4}, {"provide", EvProvide, 4},
		{"inspect", EvInspect, 6}, {"abort", EvAbort, 13},
		{"clean", EvClean, 15}, {"adopt", EvAdopt, 17},
		{"rescue", EvRescue, 38}, {"unrescue", EvUnrescue, 38},
		{"unhold", EvUnhold, 85}, {"service", EvService, 87},
	}
}

// VerbOf finds a verb by its name.
func VerbOf(name string) (Verb, bool) {
	for _, v := range Verbs() {
		if v.Name == name {
			return v, true
		}
	}
	return Verb{}, false
}

// MinVersion returns the API minor version from which a verb may be used in a
// state. It is the verb's own, except for aborting an inspection (1.41) or a
// deployment (1.110).
func MinVersion(v Verb, s State) int {
	if v.Event == EvAbort && s == DeployWait {
		return 110
	}
	if v.Event == EvAbort && s == InspectWait {
		return 41
	}
	return v.Since
}
