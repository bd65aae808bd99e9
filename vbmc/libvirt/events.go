package libvirt

// EventKind is what happened to a domain (virDomainEventType).
type EventKind int32

// The lifecycle events, with libvirt's numbers.
const (
	EventDefined     EventKind = 0
	EventUndefined   EventKind = 1
	EventStarted     EventKind = 2
	EventSuspended   EventKind = 3
	EventResumed     EventKind = 4
	EventStopped     EventKind = 5
	EventShutdown    EventKind = 6
	EventPMSuspended EventKind = 7
	EventCrashed     EventKind = 8
	// EventRelisted is ours: the connection was made (again) and the state of the
	// domain was read, not told; events may have been missed.
	EventRelisted EventKind = -1
	// EventRebooted: the machine was reset inside its process, by its guest, by a
	// command or by its firmware (libvirt's event of its own kind, not of a life).
	EventRebooted EventKind = -2
	// EventLost: the connection broke, no state is known. It names no domain.
	EventLost EventKind = -3
	// EventGone: the domain was there before and a list does not have it any more.
	EventGone EventKind = -4
)

// Details of EventStopped (virDomainEventStoppedDetailType).
const (
	StoppedShutdown int32 = 0
	StoppedCrashed  int32 = 2
	StoppedFailed   int32 = 5
)

// Event is one change of a domain. Domain.State is the state after it.
type Event struct {
	Kind   EventKind
	Detail int32
	Domain Domain
}

// after tells the state a domain is in after an event.
func after(k EventKind, before State) State {
	switch k {
	case EventStarted, EventResumed:
		return StateRunning
	case EventSuspended:
		return StatePaused
	case EventStopped:
		return StateShutoff
	case EventShutdown:
		return StateShutdown
	case EventPMSuspended:
		return StatePMSuspended
	case EventCrashed:
		return StateCrashed
	case EventDefined:
		if before == StateUnknown {
			return StateShutoff
		}
	}
	return before
}
