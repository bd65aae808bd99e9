package ironic

import (
	"fmt"
	"time"

	"trefoil/internal/errs"
)

// Hold is what keeps others from a node: who has it, for what and since when.
type Hold struct {
	Host    string
	Purpose string    // empty: not known
	Since   time.Time // zero: not known
}

// Transition is the hold of the job that carries n through its provision state, host being
// who has it if n does not say so. Its lock may be free meanwhile: the job waits.
func (n *Node) Transition(host string) Hold {
	h := Hold{Host: n.Reservation, Purpose: fmt.Sprintf("it is in state %q", n.ProvisionState)}
	if h.Host == "" {
		h.Host = n.Conductor
	}
	if h.Host == "" {
		h.Host = host
	}
	if n.ProvisionUpdatedAt != nil {
		h.Since = *n.ProvisionUpdatedAt
	}
	return h
}

// String is the holder with purpose and age.
func (h Hold) String() string { return h.at(time.Now()) }

func (h Hold) at(now time.Time) string {
	out := "host " + h.Host
	switch age := max(now.Sub(h.Since), 0).Round(time.Second); {
	case h.Purpose != "" && !h.Since.IsZero():
		return fmt.Sprintf("%s (%s, held for %s)", out, h.Purpose, age)
	case h.Purpose != "":
		return out + " (" + h.Purpose + ")"
	case !h.Since.IsZero():
		return fmt.Sprintf("%s (held for %s)", out, age)
	}
	return out
}

// Refusal is Locked, in Ironic's words: whoever is told it knows whom to wait for.
func (h Hold) Refusal(nodeUUID string) *errs.Error {
	return errs.New(errs.Locked, "Node %s is locked by %s, please retry after the current operation is completed.", nodeUUID, h)
}
