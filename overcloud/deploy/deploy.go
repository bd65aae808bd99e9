// Package deploy makes a stack real: it places roles on machines, has the
// bare-metal service write the image, waits for SSH, runs steps 1–5, each of
// which waits for what its services need, and records events as it goes.
//
// Every phase looks at what is there before it acts, so that Run may be killed
// at any instant and simply be called again.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/baremetal"
	"trefoil/overcloud/catalog"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// Cloud is what the engine needs of the undercloud, reached over its APIs only.
// All methods are idempotent and safe for concurrent use.
type Cloud interface {
	Nodes(ctx context.Context) ([]placement.Node, error)
	// Flavor tells what a flavor asks of a node; NotFound if there is none.
	Flavor(ctx context.Context, name string) (profile, resourceClass string, err error)
	// Image finds the one image of that name; NotFound or Conflict if there is not exactly one.
	Image(ctx context.Context, name string) (Image, error)
	// DataDisks are the disks that introspection saw on a node, besides the one that its
	// image goes to: bytes by name; nil if nobody has looked.
	DataDisks(ctx context.Context, nodeUUID string) (map[string]int64, error)
	// EnsurePort gives the node's NIC its ctlplane address: the one asked for, "" for any.
	EnsurePort(ctx context.Context, nodeUUID, server, instanceUUID, ip string) (Address, error)
	// EnsureVIP keeps an address of ctlplane free for a stack: that of the port which vip
	// provision made for it, or one of its own; ip is the one asked for, "" any. DeletePorts
	// with the stack's id gives its own back.
	EnsureVIP(ctx context.Context, stack, stackID, ip string) (string, error)
	DeletePorts(ctx context.Context, instanceUUID string) error
	// Deploy asks for the image on the machine and returns at once; a machine that
	// already runs or receives that instance is left alone.
	Deploy(ctx context.Context, nodeUUID string, d Instance) error
	State(ctx context.Context, nodeUUID string) (NodeState, error)
	// Undeploy gives the machine back if instanceUUID is what it runs, as soon as the
	// machine's state allows it, and does not wait for the end. NotFound: it has
	// nothing of the instance.
	Undeploy(ctx context.Context, nodeUUID, instanceUUID string) error
}

// Image is an operating system that machines may get.
type Image struct {
	ID        string
	MinDiskGB int      // what it needs; 0 if unknown
	Packages  []string // Debian packages in it, sorted; nil if unknown
}

// Address is where a node will be found on the ctlplane.
type Address struct {
	PortID      string
	MAC         string
	IP          string
	CIDR        string // 192.168.255.0/24
	Gateway     string
	Nameservers []string
	MTU         int
}

// Instance is what a machine is to become.
type Instance struct {
	UUID       string
	Name       string
	Flavor     string
	Image      string // id
	PublicKeys []string
	HostKey    string // public, authorized_keys form
	HostKeyPEM string // secret
	Domain     string
	Address    Address

	RootGB, SwapMB        int            // sizes on the disk; 0: as the image has it
	CloudConfig, MetaData map[string]any // go into the config drive besides
}

// NodeState is how far a machine is.
type NodeState struct {
	Provision    string
	Target       string
	LastError    string
	InstanceUUID string
}

// Configurator applies documents on nodes and reports what happens as it happens. Safe
// for concurrent use.
type Configurator interface {
	// Reach returns when the node can be configured, or says what it waited for.
	Reach(ctx context.Context, n stack.Node, tell func(string)) error
	// Verify tells which steps are as the node has recorded them: those of the
	// documents, in their order, up to the first that is not. It changes nothing.
	Verify(ctx context.Context, n stack.Node, docs []resource.Document) (map[int]bool, error)
	Apply(ctx context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error
	// Leave ends what the others keep open to the node.
	Leave(n stack.Node)
}

// Catalog makes the deployed cloud's own Keystone hold what is wanted and tells what
// it changed, without secrets. It may be called again after any interruption.
type Catalog interface {
	Ensure(ctx context.Context, w catalog.Want) (changes []string, err error)
}

// Planner makes a stack's plan, for the machines that are there, if they are
// given. It is pure.
type Planner func(ctx context.Context, s *stack.Stack, there ...plan.Node) (*plan.Plan, error)

// Engine runs stacks. Its fields are set once; Run may be called for several
// stacks at a time, but never twice at a time for one.
type Engine struct {
	Store      stack.Store
	Cloud      Cloud
	Nodes      Configurator
	Observer   Observer
	Reporter   Reporter
	Catalog    Catalog
	Overcloud  Login    // nil: machines leave without a word to the deployed cloud
	Database   Database // nil: what no API deletes of them stays there, and is told
	Ceph       Ceph     // nil: machines with OSDs, or with one of several monitors, leave only by force
	Plan       Planner
	PublicKeys []string // that may log in to nodes
	Rand       io.Reader
	Now        func() time.Time
	Poll       time.Duration // between looks at a machine's state
	Log        *slog.Logger
}

// Run carries out the stack's last action to its end and records the outcome.
// If ctx ends because the service stops, nothing is recorded and Run is to be
// called again at the next start. The error is the action's own.
func (e *Engine) Run(ctx context.Context, id string) error {
	s, err := e.Store.Stack(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return nil // deleted, by an earlier run of this very job
	}
	if err != nil {
		return err
	}
	if s.State != stack.InProgress {
		return nil
	}
	r := &run{Engine: e, s: s, log: e.Log.With("stack", s.Name), summary: s.Summary, spent: map[string][]stack.Spent{}}
	if r.summary.Seconds == nil {
		r.summary.Seconds = map[string]int{}
	}
	if r.summary.Begun == nil {
		r.summary.Begun = map[string]time.Time{}
	}
	rctx := ctx
	if s.TimeoutMins > 0 {
		var cancel context.CancelFunc
		rctx, cancel = context.WithDeadlineCause(ctx, s.StartedAt.Add(time.Duration(s.TimeoutMins)*time.Minute), errOverdue)
		defer cancel()
	}
	switch {
	case s.CancelRequested: // before this run began
		err = context.Canceled
	case s.Action == stack.Delete:
		err = r.remove(rctx)
	default:
		err = r.deploy(rctx)
	}
	if ctx.Err() != nil && !r.cancelled() {
		return ctx.Err()
	}
	if err != nil && errors.Is(context.Cause(rctx), errOverdue) {
		err = overdue(s.TimeoutMins, err)
	}
	return r.finish(context.WithoutCancel(ctx), err)
}

// errOverdue ends an action that takes longer than it may.
var errOverdue = errors.New("the time of the deployment is over")

// overdue says that the time was over, in front of what the action was at: that failed
// for no other reason.
func overdue(mins int, at error) error {
	f := stack.Failure{Phase: "deployment", Error: fmt.Sprintf("the deployment did not end within %d minutes", mins),
		Hint: "run the same command again: it goes on where it stopped; --timeout gives it more time"}
	return &Failed{append([]stack.Failure{f}, failuresOf(at)...)}
}

// run is one Run of one stack.
type run struct {
	*Engine
	s       *stack.Stack
	log     *slog.Logger
	mu      sync.Mutex // guards summary, longest and spent
	summary stack.Summary
	spent   map[string][]stack.Spent // by machine
	longest map[stepOf]longest       // by step of a machine
	leftOut []stack.Failure          // of machines that were gone on without

	// Of the steps. gone are the machines that are gone on without, leaveOut makes one of
	// them if that is tolerated, without is a document that does not wait for them. fatal
	// tells of a machine that has failed and is not gone on without.
	blame    *blame
	gone     func() []string
	leaveOut func(n stack.Node, err error) bool
	without  func(doc resource.Document, gone []string) resource.Document
	fatal    func(node string) bool

	away      map[string]error // machines of before that are away, and are gone on without: why
	blacklist []string         // machines that the user leaves out, with this plan

	machines *baremetal.Deployment // nil: the plan's counts alone say what there is
}

// cancelled tells whether the user asked for the end, rather than the service stopping.
func (r *run) cancelled() bool {
	s, err := r.Store.Stack(context.Background(), r.s.ID)
	return err == nil && s.CancelRequested
}

func (r *run) deploy(ctx context.Context) error {
	if err := r.event(ctx, "", r.s.Action, stack.InProgress, fmt.Sprintf("Stack %s started", r.s.Action), ""); err != nil {
		return err
	}
	if err := r.recallSpent(ctx); err != nil {
		return err
	}
	if r.s.Input.Only == stack.OnlyUnprovision || r.s.Input.Only == stack.OnlyDelete {
		return r.timed(ctx, "removal", func() error { return r.unprovision(ctx) })
	}
	p, err := r.Check(ctx, r.s)
	if err == nil {
		r.machines, err = Machines(r.s)
	}
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "plan", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	r.blacklist = p.Blacklist
	if err := r.timed(ctx, "placement", func() error { return r.assign(ctx, p) }); err != nil {
		return err
	}
	nodes, err := r.Store.StackNodes(ctx, r.s.ID)
	if err != nil {
		return err
	}
	nodes = r.concerned(nodes)
	if err := r.askedAddresses(ctx, p, nodes); err != nil {
		return err
	}
	if err := r.virtualAddress(ctx, p); err != nil {
		return err
	}
	if err := r.timed(ctx, "provisioning", func() error { return r.provision(ctx, p, nodes) }); err != nil {
		return err
	}
	if r.s.Input.Only == stack.OnlyProvision {
		return nil
	}
	return r.configure(ctx)
}

// keep writes the summary down, so that a restart does not forget what was done.
func (r *run) keep(ctx context.Context) error {
	_, err := r.Store.UpdateStack(ctx, r.s.ID, func(s *stack.Stack) error {
		r.mu.Lock() // within the transaction: who comes last writes the newest
		defer r.mu.Unlock()
		s.Summary = r.summary
		s.Summary.Seconds, s.Summary.Begun, s.Summary.Spent = maps.Clone(r.summary.Seconds), maps.Clone(r.summary.Begun), r.allSpent()
		return nil
	})
	return err
}

// finish writes the outcome: the row, the failures, the closing event.
func (r *run) finish(ctx context.Context, cause error) error {
	r.summary.Total = int(r.Now().Sub(r.s.StartedAt).Round(time.Second).Seconds())
	r.summary.Spent = r.allSpent()
	r.endAll()
	state, reason := stack.Complete, fmt.Sprintf("Stack %s completed successfully", r.s.Action)
	if r.summary.Limited = r.s.Input.Limits.Said(r.blacklist); r.summary.Limited != "" {
		reason += ", limited: " + r.summary.Limited
	}
	failures := r.leftOut
	if len(failures) > 0 {
		reason += ", without " + strings.Join(r.summary.LeftOut, ", ")
	}
	if cause != nil {
		state = stack.Failed
		failures = failuresOf(cause)
		if r.cancelled() {
			failures = []stack.Failure{{Phase: "cancel", Error: "cancelled by the user", Hint: "run the same command again to go on"}}
		}
		reason = fmt.Sprintf("Resource %s failed: %s", r.s.Action, failures[0].Line())
	}
	if r.s.Action == stack.Delete && cause == nil {
		r.log.Info("stack deleted")
		return r.Store.DeleteStack(ctx, r.s.ID)
	}
	// The event first: killed in between, the action runs again and says it twice
	// rather than never.
	if err := r.event(ctx, "", r.s.Action, state, reason, ""); err != nil {
		return err
	}
	_, err := r.Store.UpdateStack(ctx, r.s.ID, func(s *stack.Stack) error {
		now := r.Now()
		if cause == nil && s.Input.Only == "" && r.summary.Limited == "" {
			s.NewPasswords = nil
		}
		s.State, s.Reason, s.Failures, s.Summary, s.UpdatedAt, s.CancelRequested = state, reason, failures, r.summary, &now, false
		s.Input = s.Input.Whole()
		return nil
	})
	if err != nil {
		return err
	}
	r.log.Info("stack action ended", "status", r.s.Action+"_"+state, "reason", reason, "seconds", r.summary.Seconds)
	return cause
}

// Failed carries the causes of a failed action, the first one first.
type Failed struct{ Failures []stack.Failure }

// Error is the first cause.
func (f *Failed) Error() string { return f.Failures[0].Line() }

// failuresOf are the causes of a failed action.
func failuresOf(err error) []stack.Failure {
	var f *Failed
	if errors.As(err, &f) {
		return f.Failures
	}
	return []stack.Failure{{Phase: "deployment", Error: err.Error(), Hint: errs.HintOf(err)}}
}

// join makes one Failed of the errors of several nodes; nil if there are none.
func join(phase string, errsOf map[string]error) error {
	var out []stack.Failure
	for _, name := range sortedKeys(errsOf) {
		err := errsOf[name]
		var f *Failed
		switch {
		case err == nil:
		case errors.As(err, &f):
			out = append(out, f.Failures...)
		default:
			out = append(out, stack.Failure{Node: name, Phase: phase, Error: err.Error(), Hint: errs.HintOf(err)})
		}
	}
	if len(out) == 0 {
		return nil
	}
	return &Failed{out}
}
