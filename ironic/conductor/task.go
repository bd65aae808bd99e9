package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/driver"
	"trefoil/ironic/fsm"
	"trefoil/undercloud/jobs"
)

// jobPrefix begins the kind of each job of the conductor.
const jobPrefix = "node."

type jobInput struct {
	Node string `json:"node"`
	User string `json:"user,omitempty"` // who asked for it
}

// Keys of driver_internal_info.
const (
	keyJobID      = "job_id"
	keyJobKind    = "job_kind"
	keyJobUser    = "job_user"
	agentToken    = "agent_secret_token"
	agentURL      = "agent_url"
	agentSeen     = "agent_last_heartbeat"
	agentVersion  = "agent_version"
	agentCA       = "agent_verify_ca"
	agentCommands = "agent_commands"
	agentAgain    = "agent_token_shown_again"
	agentMessage  = "agent_status_message"
	keyReceived   = "inspection_received_at"
	keyProcessed  = "inspection_processed" // the keyReceived of the inventory that was digested last
	keyManual     = "clean_steps"
	keyTimeout    = "power_timeout"
	keyConsole    = "console_closed" // with its instance; the console stays enabled for the next one
)

func put(n *ironic.Node, key string, v any) {
	m := maps.Clone(n.DriverInternalInfo)
	if m == nil {
		m = map[string]any{}
	}
	m[key] = v
	n.DriverInternalInfo = m
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func number(m map[string]any, key string) int64 {
	switch v := m[key].(type) {
	case float64:
		return int64(v)
	case int64:
		return v
	case int:
		return int64(v)
	}
	return 0
}

// task is one job at work on one node.
type task struct {
	*Conductor
	run     jobs.Run
	uuid    string
	node    *ironic.Node // as it was read last
	drv     driver.Driver
	kind    string
	user    string // who asked for it
	purpose string // of the ramdisk that was booted last
	release func()
	slot    bool
	image   *agentapi.ImageInfo // that a deployment writes
}

// errSuperseded ends a job whose node was given another one.
var errSuperseded = errors.New("another action took over the node")

// handler wraps the work of a kind of job: lock, work, failure, release. A panic is a
// failure like others: else the node would stay in its busy state until a restart.
func (c *Conductor) handler(kind string, work func(*task) error) jobs.Handler {
	return func(r jobs.Run, raw json.RawMessage) error {
		var in jobInput
		if err := json.Unmarshal(raw, &in); err != nil {
			return fmt.Errorf("decode the input of job %s: %w", r.ID(), err)
		}
		t := &task{Conductor: c, run: r, uuid: in.Node, kind: kind, user: in.User}
		defer t.leave()
		err := jobs.Guard(c.Log, r.ID(), func() error {
			if err := t.begin(); err != nil {
				return err
			}
			return work(t)
		})
		switch {
		case err == nil, errors.Is(err, errHeld):
			return nil
		case r.Err() != nil, errors.Is(err, errSuperseded), errs.Is(err, errs.NotFound) && t.gone():
			return err // stopped, cancelled or deleted: whoever did it settles the node
		}
		t.letRest(err)
		return err
	}
}

// letRest settles the failure of the job, again and again while that fails, as it does where the disk
// is full: were the job over before its node rests, nobody would come back to the node, and a start
// after the job is forgotten would take it for one that has yet to begin.
func (t *task) letRest(cause error) {
	j := jobRef{ID: t.run.ID(), Kind: t.kind}
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		t.hold()
		err := t.settleFailure(ironic.WithUser(context.WithoutCancel(t.run), t.user), t.uuid, j, cause)
		if err == nil || errs.Is(err, errs.NotFound) {
			return
		}
		t.Log.Error("record a failure; it is tried again", "node", t.uuid, "error", err, "in", wait.String())
		t.yield()
		if t.pause(t.run, wait) != nil {
			return // stopped: the next start comes here again
		}
	}
}

func (t *task) gone() bool {
	_, err := t.Store.Node(context.WithoutCancel(t.run), t.uuid)
	return errs.Is(err, errs.NotFound)
}

func (t *task) begin() error {
	if err := t.hold(); err != nil {
		return err
	}
	drv, err := t.Conductor.driver(t.node)
	t.drv = drv
	return err
}

// hold takes the node's lock if the task does not have it, and looks that the node still is its own.
func (t *task) hold() error {
	if t.release != nil {
		return nil
	}
	n, release, err := t.holdForJob(t.run, t.uuid, t.kind)
	if err != nil {
		return err
	}
	t.release = release
	return t.own(n)
}

func (t *task) own(n *ironic.Node) error {
	t.node = n
	if j, ok := jobOf(n); !ok || j.ID != t.run.ID() {
		return errSuperseded
	}
	return nil
}

// yield gives the lock back while the task waits.
func (t *task) yield() {
	if t.release != nil {
		t.release()
		t.release = nil
	}
}

func (t *task) leave() {
	t.yield()
	t.giveSlot()
}

// giveSlot gives the place back: the ramdisk is up, and what it does costs the others
// nothing, be it a wait step of a day.
func (t *task) giveSlot() {
	if t.slot {
		<-t.slots
		t.slot = false
	}
}

// enterRamdisk waits for a place among the nodes that boot a ramdisk, if the task has
// none. It is called before the machine is started, inside the step that a crash repeats.
func (t *task) enterRamdisk() error {
	if t.slot {
		return nil
	}
	select {
	case t.slots <- struct{}{}:
		t.slot = true
		return nil
	default:
	}
	t.note("transition", "waits: %d other nodes boot a ramdisk already", cap(t.slots))
	t.yield()
	select {
	case t.slots <- struct{}{}:
		t.slot = true
		return t.hold()
	case <-t.run.Done():
		return context.Cause(t.run)
	}
}

// step runs f once; after a crash inside it f runs again, so f must be idempotent.
func (t *task) step(name string, f func(ctx context.Context) error) error {
	_, err := t.run.Step(name, func(ctx context.Context) (any, error) {
		if err := t.refresh(ctx); err != nil {
			return nil, err
		}
		return nil, f(ctx)
	})
	return err
}

func (t *task) refresh(ctx context.Context) error {
	n, err := t.Store.Node(ctx, t.uuid)
	if err != nil {
		return err
	}
	return t.own(n)
}

// update edits the node if it still is the task's.
func (t *task) update(ctx context.Context, change func(*ironic.Node)) error {
	n, err := t.Store.UpdateNode(ctx, t.uuid, func(n *ironic.Node) error {
		if j, ok := jobOf(n); !ok || j.ID != t.run.ID() {
			return errSuperseded
		}
		change(n)
		return nil
	})
	if err == nil {
		t.node = n
	}
	return err
}

// enter moves the node into a state; a node that is there already is left alone,
// so that a step may run twice. A stable state ends the job.
func (t *task) enter(ctx context.Context, to fsm.State, change func(*ironic.Node)) error {
	var bad error
	err := t.update(ctx, func(n *ironic.Node) {
		if change != nil {
			change(n)
		}
		if bad = t.Conductor.move(n, to); bad == nil && !fsm.Busy(to) {
			unassign(n)
		}
	})
	return errors.Join(err, bad)
}

// move sets a provision state if the table leads there from where the node is.
func (c *Conductor) move(n *ironic.Node, to fsm.State) error {
	from := fsm.State(n.ProvisionState)
	if from == to {
		return nil
	}
	ok := false
	for _, tr := range fsm.Transitions() {
		ok = ok || tr.From == from && tr.To == to
	}
	if !ok {
		return errs.New(errs.Internal, "no event leads node %s from %q to %q", title(n), from, to)
	}
	c.place(n, to)
	return nil
}

// place writes a state with what hangs on it. A power action that was asked for in the state before is
// not carried out any more; who calls it tells so (see overtaken).
func (c *Conductor) place(n *ironic.Node, to fsm.State) {
	forgetPowerAction(n)
	now := c.Now().UTC()
	n.ProvisionState, n.TargetProvisionState, n.ProvisionUpdatedAt = string(to), string(fsm.Target(to)), &now
	if manual(n) && (to == fsm.Cleaning || to == fsm.CleanWait || to == fsm.CleanHold) {
		n.TargetProvisionState = string(fsm.Manageable)
	}
}

// note writes a line of the node's history.
func (t *task) note(kind, format string, args ...any) {
	t.noteBy(t.run, t.user, t.uuid, kind, "INFO", fmt.Sprintf(format, args...))
}

func (c *Conductor) note(ctx context.Context, uuid, kind, severity, sentence string) {
	c.noteBy(ctx, ironic.User(ctx), uuid, kind, severity, sentence)
}

// noteBy writes a line about what another user may have asked for than the work in hand.
func (c *Conductor) noteBy(ctx context.Context, user, uuid, kind, severity, sentence string) {
	e := ironic.HistoryEntry{NodeUUID: uuid, EventType: kind, Event: ironic.Shortened(sentence), Severity: severity,
		User: user, Conductor: c.Config.Host, CreatedAt: c.Now().UTC()}
	if err := c.Store.AddHistory(context.WithoutCancel(ctx), e); err != nil {
		c.Log.Warn("write a node's history", "node", uuid, "error", err)
	}
	if c.OnEvent != nil {
		c.OnEvent(e)
	}
}

// wait waits for a booting machine, without the lock, until ready says so or the time is up. late makes the error then.
// After a restart the machine boots already: it has its place if there is one, but does not wait for it.
func (t *task) wait(ctx context.Context, until time.Time, ready func(*ironic.Node) (bool, error), late func(*ironic.Node) error) error {
	others := bootedByOthers(t.node)
	if t.NetBoot == nil && !others { // it was switched off since the job began
		return noNetBoot(t.node)
	}
	if !t.slot && !others {
		select {
		case t.slots <- struct{}{}:
			t.slot = true
		default:
		}
	}
	t.yield()
	boot := bootWatch{since: t.Now()}
	for {
		bell := t.bells.listen(t.uuid)
		n, err := t.Store.Node(ctx, t.uuid)
		if err != nil {
			return err
		}
		if err := t.own(n); err != nil {
			return err
		}
		if powerAsked(n) != "" {
			if err := t.powerMeanwhile(ctx, until); err != nil {
				return err
			}
			boot = bootWatch{since: t.Now()}
			continue
		}
		if ok, err := ready(n); err != nil || ok {
			if err == nil {
				err = t.hold()
			}
			if err == nil && powerAsked(t.node) != "" { // since it was read
				t.yield()
				continue
			}
			t.giveSlot()
			return err
		}
		left := until.Sub(t.Now())
		if left <= 0 {
			return late(n)
		}
		if err := t.watchBoot(ctx, &boot, left); err != nil {
			return err
		}
		timer := time.NewTimer(min(left, phaseInterval, t.BootStall))
		select {
		case <-bell:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}
