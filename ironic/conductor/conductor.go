// Package conductor carries nodes through their provision states: each long
// action is a durable job of idempotent steps under the node's lock. A conductor
// that is killed goes on where it was; nothing is marked failed by a restart.
//
// The way of an action: the API's call takes the lock, checks the state table,
// writes the new state together with the job's id, and enqueues the job. The
// job's last step writes the resting state and forgets the id. So a node that
// carries a job id always has a job to come, and Start enqueues what a crash
// left between the two writes.
package conductor

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor/agentclient"
	"trefoil/ironic/driver"
	"trefoil/ironic/fsm"
	"trefoil/ironic/inspect"
	"trefoil/undercloud/jobs"
)

// Agents talks to the agent in a ramdisk; agentclient.Client is the real one.
type Agents interface {
	Run(ctx context.Context, t agentclient.Target, cmd agentapi.Command, wait bool) (*agentapi.CommandStatus, error)
	Commands(ctx context.Context, t agentclient.Target) ([]agentapi.CommandStatus, error)
}

// Config is what a Conductor works with. Store, Jobs and Drivers must be set;
// NetBoot, Images and ImageCache are needed by nodes that boot a ramdisk.
type Config struct {
	Store      ironic.Store
	Jobs       jobs.Runner
	Drivers    map[string]driver.Driver // by their name in the API
	NetBoot    driver.NetBoot
	Images     Images
	ImageCache ImageCache
	Fetcher    Fetcher   // nil: image URLs go to the agent as they are, ramdisks by URL are refused
	URLs       *URLGuard // what URLs that clients give may point at; nil: anything but private files
	Agents     Agents    // nil: agentclient.Client

	// APIURL is the address of the baremetal API as the ramdisk reaches it, without /v1.
	APIURL string
	// InspectCallbackURL is where a ramdisk posts its inventory; empty: APIURL/v1/continue_inspection,
	// where there is an APIURL.
	InspectCallbackURL string
	// AgentNets are the networks that agents call from; a node's own address, as its
	// inventory has it, is one too. Empty: agents may be anywhere.
	AgentNets []netip.Prefix
	// DeployKernel and DeployRamdisk boot a node whose driver_info names none: paths
	// on this machine, or URLs.
	DeployKernel, DeployRamdisk string
	// KernelParams are appended to every ramdisk's command line.
	KernelParams []string

	Host string // the conductor's name and the holder of its locks

	ResourceClass  string // of nodes that name none; empty: they have none
	CleanOnProvide bool   // erase disk metadata before a node becomes available
	// CleanPriorities sets priorities of automated cleaning's steps anew, by
	// interface.step; 0 switches a step off.
	CleanPriorities map[string]int
	SkipTearDown    bool // do not erase disk metadata when an instance is deleted
	AddPorts        inspect.AddPorts
	// DiscoveryDriver is the hardware type of nodes that are made of unknown machines
	// when those send an inventory; empty: they are refused.
	DiscoveryDriver string
	BuiltInRules    []*ironic.InspectionRule // run with those of the store at each inspection
	PCIAliases      []inspect.PCIAlias       // devices that nodes get capabilities for
	Payloads        Payloads                 // nil: inventories of unknown machines and ramdisks' logs are not kept
	ForcePower      bool                     // power sync sets the machine to what the node remembers, not the reverse

	LockWait        time.Duration // how long short operations wait for a node's lock; 0: 5 s
	CallbackTimeout time.Duration // for the ramdisk to call back, and without an answer of its agent while that works; 0: 1800 s
	// CallbackTimeouts are others than CallbackTimeout, by the state that waits (fsm.CleanWait, fsm.DeployWait …).
	CallbackTimeouts map[fsm.State]time.Duration
	InspectTimeout   time.Duration // for the inventory to come; 0: 1800 s
	BootStall        time.Duration // without progress of a network boot until its machine is restarted; 0: 180 s
	AgentPoll        time.Duration // between looks at a running command; 0: 2 s
	AgentPatience    time.Duration // with an agent that is busy with something else; 0: 300 s
	StepTimeout      time.Duration // for one step of the hardware type, and for the agent's sync; 0: 3600 s
	PowerTimeout     time.Duration // for one power action; 0: 60 s
	SoftTimeout      time.Duration // for a soft power action; 0: 600 s
	BMCPatience      time.Duration // with a BMC that does not answer during an action; 0: 30 s
	NamesTimeout     time.Duration // for the names of all BMCs, when an inventory comes; 0: 30 s
	ShutdownWait     time.Duration // for the agent to switch its machine off; 0: 30 s
	SyncInterval     time.Duration // between power syncs; 0: 60 s, negative: never
	SyncTries        int           // power syncs without an answer until a BMC counts as dead; 0: 3
	Concurrency      int           // nodes that boot a ramdisk at the same time; 0: 10

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: silent
	// OnEvent, when set, is told every line of every node's history.
	OnEvent func(ironic.HistoryEntry)
}

// Conductor implements api.Conductor. Safe for concurrent use.
type Conductor struct {
	Config
	locks locks
	bells bells
	slots chan struct{} // one place for each node that boots a ramdisk

	strangers sync.Mutex // one unknown machine at a time is looked at

	stop context.CancelFunc
	wg   sync.WaitGroup
}

var _ api.Conductor = (*Conductor)(nil)

// New makes a conductor and registers its jobs with cfg.Jobs, which must not be
// started yet. Then start the jobs, then the conductor.
func New(cfg Config) *Conductor {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&cfg.LockWait, 5*time.Second)
	def(&cfg.CallbackTimeout, 30*time.Minute)
	def(&cfg.InspectTimeout, 30*time.Minute)
	def(&cfg.BootStall, 3*time.Minute)
	def(&cfg.AgentPoll, 2*time.Second)
	def(&cfg.AgentPatience, 5*time.Minute)
	def(&cfg.StepTimeout, time.Hour)
	def(&cfg.PowerTimeout, time.Minute)
	def(&cfg.SoftTimeout, 10*time.Minute)
	def(&cfg.BMCPatience, 30*time.Second)
	def(&cfg.NamesTimeout, 30*time.Second)
	def(&cfg.ShutdownWait, 30*time.Second)
	def(&cfg.SyncInterval, time.Minute)
	if cfg.SyncTries <= 0 {
		cfg.SyncTries = syncTries
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 10
	}
	if cfg.InspectCallbackURL == "" && cfg.APIURL != "" {
		cfg.InspectCallbackURL = cfg.APIURL + "/v1/continue_inspection"
	}
	if cfg.AddPorts == "" {
		cfg.AddPorts = inspect.AddPXE
	}
	if cfg.Agents == nil {
		cfg.Agents = &agentclient.Client{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	cfg.Store = stateLog{cfg.Store, cfg.Log}
	c := &Conductor{Config: cfg, slots: make(chan struct{}, cfg.Concurrency)}
	for kind, f := range c.works() {
		cfg.Jobs.Register(jobPrefix+kind, c.handler(kind, f))
	}
	cfg.Jobs.Register(jobAllocate, c.allocate)
	return c
}

// Start gives back locks that a killed predecessor left, whatever its name was: the
// store is this process's own. It enqueues jobs that it
// had decided but not stored, starts consoles that were on, and begins the power sync. Jobs
// must be running.
func (c *Conductor) Start(ctx context.Context) error {
	var consoles []string
	err := ironic.Walk(ctx, c.Store, ironic.NodeFilter{}, func(n *ironic.Node) error {
		if err := c.takeUp(ctx, n); err != nil {
			return fmt.Errorf("node %s: %w", title(n), err)
		}
		if n.ConsoleEnabled {
			consoles = append(consoles, n.UUID)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take up nodes: %w", err)
	}
	if err := c.takeUpAllocations(ctx); err != nil {
		return err
	}
	loop, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	c.wg.Go(func() { c.restoreConsoles(loop, consoles) })
	if c.SyncInterval > 0 {
		c.wg.Go(func() { c.syncLoop(loop) })
	}
	return nil
}

// takeUp puts one node in order after a restart.
func (c *Conductor) takeUp(ctx context.Context, n *ironic.Node) error {
	// Under the present name it may be a job's that has begun already; one with another
	// name nobody has, and jobs wait for it.
	_, _, held := c.locks.holder(n.UUID)
	if h := n.Reservation; h != "" && (h != c.Config.Host || !held) {
		if err := c.Store.Release(ctx, n.UUID, h); err != nil {
			return err
		}
	}
	j, ok := jobOf(n)
	if !ok {
		return nil
	}
	// A token that was never used may not have reached its agent: it is shown once more.
	if text(n.DriverInternalInfo, agentToken) != "" && text(n.DriverInternalInfo, agentURL) == "" {
		if _, err := c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
			put(n, agentAgain, true)
			return nil
		}); err != nil {
			return err
		}
	}
	st, err := c.Jobs.Status(ctx, j.ID)
	if err == nil && (st.State == jobs.Pending || st.State == jobs.Running) {
		return nil
	}
	if err == nil {
		// It ended without writing the node's resting state: say so and rest.
		why := st.Error
		if why == "" {
			why = "it was " + string(st.State)
		}
		return c.settleFailure(ironic.WithUser(ctx, j.User), n.UUID, j, errs.New(errs.Internal, "the %s job ended unfinished: %s", j.Kind, why))
	}
	if !errs.Is(err, errs.NotFound) {
		return err
	}
	return c.Jobs.Enqueue(ctx, jobPrefix+j.Kind, j.ID, jobInput{Node: n.UUID, User: j.User})
}

// Stop ends the power sync and closes the drivers' sessions and consoles. Stop the jobs first.
func (c *Conductor) Stop(ctx context.Context) error {
	if c.stop != nil {
		c.stop()
	}
	c.wg.Wait()
	var wg sync.WaitGroup
	err := ironic.Walk(ctx, c.Store, ironic.NodeFilter{}, func(n *ironic.Node) error {
		wg.Go(func() { c.closeSession(ctx, n) })
		return nil
	})
	wg.Wait()
	if err != nil {
		return fmt.Errorf("close sessions: %w", err)
	}
	return nil
}

// closeSession gives back what the driver keeps open. A BMC that is gone is no reason to fail.
func (c *Conductor) closeSession(ctx context.Context, n *ironic.Node) {
	d, ok := c.Config.Drivers[n.Driver]
	if !ok {
		return
	}
	if err := d.Close(ctx, n.UUID); err != nil {
		c.Log.Debug("close the session of a node", "node", n.UUID, "error", err)
	}
}

// Host is the conductor's name; it is also the holder of its locks.
func (c *Conductor) Host() string { return c.Config.Host }

// Drivers lists hardware types in alphabetical order.
func (c *Conductor) Drivers() []string {
	var out []string
	for name := range c.Config.Drivers {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// DriverProperties names the driver_info keys of a hardware type.
func (c *Conductor) DriverProperties(name string) (map[string]string, error) {
	d, ok := c.Config.Drivers[name]
	if !ok {
		return nil, errs.New(errs.NotFound, "Could not find the following driver(s) or hardware type(s): %s.", name)
	}
	out := d.Properties()
	out["deploy_kernel"] = "Kernel of the ramdisk: http://, https:// or file:/// URL, or id or name of an image. Default: the service's own."
	out["deploy_ramdisk"] = "Ramdisk: http://, https:// or file:/// URL, or id or name of an image. Default: the service's own."
	out["rescue_kernel"] = "Kernel of the ramdisk for rescuing. Default: deploy_kernel."
	out["rescue_ramdisk"] = "Ramdisk for rescuing, one that takes logins. Default: deploy_ramdisk."
	out["kernel_append_params"] = "More kernel parameters for the ramdisk; %default% stands for the default ones."
	return out, nil
}

func (c *Conductor) driver(n *ironic.Node) (driver.Driver, error) {
	d, ok := c.Config.Drivers[n.Driver]
	if !ok {
		return nil, errs.New(errs.Invalid, "No valid host was found. Reason: No conductor service registered which supports driver %s for conductor group \"%s\".", n.Driver, n.ConductorGroup).
			WithHint("expected one of %s%s", strings.Join(c.Drivers(), ", "), nearest.Hint(n.Driver, c.Drivers()))
	}
	return d, nil
}

// DeleteNode removes the node if its state allows it.
func (c *Conductor) DeleteNode(ctx context.Context, ident string) error {
	n, release, err := c.hold(ctx, ident, "node deletion")
	if err != nil {
		return err
	}
	defer release()
	rest := []fsm.State{fsm.Enroll, fsm.Manageable, fsm.AdoptFailed, fsm.Available}
	switch {
	case n.Protected:
		return errs.New(errs.Forbidden, "Node %s is protected and can not be undeployed, rebuilt or deleted.", title(n))
	case n.InstanceUUID != "" && !n.Maintenance:
		return errs.New(errs.Conflict, "Node %s is associated with instance %s.", n.UUID, n.InstanceUUID)
	case !n.Maintenance && !slices.Contains(rest, fsm.State(n.ProvisionState)):
		return errs.New(errs.Conflict, "Can not delete node \"%s\" while it is in provision state \"%s\". Valid provision states to perform deletion are: %v", n.UUID, n.ProvisionState, rest).
			WithHint("undeploy it first, or set it into maintenance")
	}
	if j, ok := jobOf(n); ok {
		if err := c.Jobs.Cancel(ctx, j.ID); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	if c.NetBoot != nil {
		if err := c.NetBoot.Remove(ctx, n.UUID); err != nil {
			return fmt.Errorf("remove node %s from network boot: %w", title(n), err)
		}
	}
	c.closeSession(ctx, n)
	return c.Store.DeleteNode(ctx, n.UUID)
}

// title is how messages name a node.
func title(n *ironic.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return n.UUID
}
