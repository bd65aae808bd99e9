package conductor

import (
	"context"

	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// What the tests, which stand outside because they use the real store, look at within.

const (
	FaultPower = faultPower
	SyncTries  = syncTries
	GiB        = gib
)

var FitsDisk = fitsDisk

var PublicFile = (*URLGuard)(nil).File

func HasJob(n *ironic.Node) bool  { _, ok := jobOf(n); return ok }
func Token(n *ironic.Node) string { return text(n.DriverInternalInfo, agentToken) }

func (c *Conductor) Hold(ctx context.Context, ident, purpose string) (*ironic.Node, func(), error) {
	return c.hold(ctx, ident, purpose)
}

// Wait takes a node's place in the row of this process, as a job does before the reservation.
func (c *Conductor) Wait(ctx context.Context, uuid string) (release func(), err error) {
	return c.locks.take(ctx, uuid, "test", c.Now())
}

// Booting is how many nodes have a place among those that boot a ramdisk.
func (c *Conductor) Booting() int { return len(c.slots) }

// Decide writes the state and the job of a verification that a user asked for without storing the job.
func (c *Conductor) Decide(n *ironic.Node, user string) {
	c.place(n, "verifying")
	assign(n, jobVerify, user)
}

// Job writes a state and a job of any kind without storing the job.
func (c *Conductor) Job(n *ironic.Node, state fsm.State, kind string) {
	c.place(n, state)
	assign(n, kind, "")
}

// Fail settles a node as when its job fails.
func (c *Conductor) Fail(ctx context.Context, ident string, cause error) error {
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return err
	}
	j, _ := jobOf(n)
	return c.settleFailure(ctx, n.UUID, j, cause)
}

// Syncer returns one round of the power sync, which remembers silent BMCs.
func (c *Conductor) Syncer() func(context.Context) {
	s := &silences{count: map[string]int{}}
	return func(ctx context.Context) { c.syncAll(ctx, s) }
}

// Synced says whether power sync looks at a node, and SyncFilter which nodes it reads.
func Synced(n *ironic.Node) bool    { return syncs(n) }
func SyncFilter() ironic.NodeFilter { return syncFilter() }

var AllocateID = allocateID
