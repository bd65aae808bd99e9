package conductor_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"
	"trefoil/undercloud/jobs/durable"
	"trefoil/undercloud/store/sqlite"
)

// world is what outlives a conductor: machines, the network, files.
type world struct {
	t     *testing.T
	dir   string
	tweak func(*conductor.Config)

	drv    *fake.Driver
	net    *netBoot
	db     *sqlite.DB
	runner *durable.Runner
	crash  *crasher

	mu     sync.Mutex
	c      *conductor.Conductor
	agents map[string]*agent
	// script says what the agent of a machine does; nil: all goes well.
	script  map[string]string
	ran     []string // long commands that agents began
	sent    []agentapi.Command
	offers  map[string][]any          // steps that agents announce, by "clean_steps"; absent: metadata only
	results map[string]map[string]any // what a step comes to, by its name
	stale   int                       // so many lists of steps are of a version that is gone when the steps come
	noJobs  bool                      // jobs can not be stored
	boots   int                       // starts from the network
	misses  int                       // how many of them go wrong before one succeeds
}

func newWorld(t *testing.T, tweak func(*conductor.Config)) *world {
	w := &world{t: t, dir: t.TempDir(), tweak: tweak, agents: map[string]*agent{}, script: map[string]string{}}
	w.net = &netBoot{entries: map[string]driver.BootEntry{}}
	w.drv = &fake.Driver{Switched: w.switched}
	w.start()
	t.Cleanup(func() {
		w.stop()
		for _, a := range w.agents {
			a.stop()
		}
	})
	return w
}

// start brings a conductor up over what an earlier one left.
func (w *world) start() {
	w.t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(w.dir, "state.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = db
	w.runner = durable.New(durable.Config{Path: filepath.Join(w.dir, "jobs.db")})
	cfg := conductor.Config{Store: db, Jobs: &crashRunner{w.runner, w}, NetBoot: w.net, Images: images{}, ImageCache: images{},
		Drivers: map[string]driver.Driver{fake.Name: w.drv}, Host: "undercloud", APIURL: "http://192.0.2.1:6385",
		DeployKernel: "/k", DeployRamdisk: "/r", AgentPoll: 5 * time.Millisecond, SyncInterval: -1,
		ShutdownWait: 2 * time.Second, BMCPatience: 100 * time.Millisecond, LockWait: 3 * time.Second, CallbackTimeout: awaitLimit * 4 / 5, InspectTimeout: awaitLimit * 4 / 5}
	if w.tweak != nil {
		w.tweak(&cfg)
	}
	c := conductor.New(cfg)
	if err := w.runner.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	if err := c.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.c = c
	w.mu.Unlock()
}

func (w *world) stop() {
	w.t.Helper()
	w.mu.Lock()
	c := w.c
	w.c = nil
	w.mu.Unlock()
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(w.runner.Stop(ctx), c.Stop(ctx), w.db.Close()); err != nil {
		w.t.Error(err)
	}
}

func (w *world) conductor() *conductor.Conductor {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.c
}

const mac = "52:54:00:00:00:01"

// node makes a node with one port that boots ramdisks.
func (w *world) node(state string) *ironic.Node {
	w.t.Helper()
	n := &ironic.Node{UUID: "00000000-0000-4000-8000-000000000001", Name: "control-1", Driver: fake.Name, ProvisionState: state,
		Interfaces:   map[string]string{"boot": "ipxe", "deploy": "direct", "inspect": "agent"},
		Properties:   map[string]any{"capabilities": "profile:control,boot_mode:uefi"},
		InstanceInfo: map[string]any{"image_source": "overcloud-full"}}
	if err := w.c.CheckCreate(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
	if err := w.db.CreateNode(w.t.Context(), n, &ironic.Port{UUID: "p1", Address: mac, PXEEnabled: true}); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) provision(target string, more ...func(*api.ProvisionRequest)) {
	w.t.Helper()
	req := api.ProvisionRequest{Target: target}
	for _, f := range more {
		f(&req)
	}
	if err := w.c.Provision(w.t.Context(), "control-1", req); err != nil {
		w.t.Fatalf("%s: %v", target, err)
	}
}

// awaitLimit ends a wait for what never comes. On a machine that emulates others beside the tests,
// a deployment takes most of a minute.
const awaitLimit = 4 * time.Minute

// await waits until the node is in the state and, if that is one to rest in, has no job.
func (w *world) await(state string) *ironic.Node {
	w.t.Helper()
	deadline := time.Now().Add(awaitLimit)
	for {
		n, err := w.db.Node(context.Background(), "control-1")
		if err != nil {
			w.t.Fatal(err)
		}
		busy := conductor.HasJob(n)
		if n.ProvisionState == state && n.Reservation == "" && (!busy || strings.Contains(state, "wait")) {
			return n
		}
		if time.Now().After(deadline) {
			h, _ := w.db.History(context.Background(), n.UUID)
			for _, e := range h {
				w.t.Log(e.Event)
			}
			w.t.Fatalf("node is %q (job %v, reservation %q, error %q), want %q", n.ProvisionState, busy, n.Reservation, n.LastError, state)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (w *world) history() string {
	h, err := w.db.History(context.Background(), "00000000-0000-4000-8000-000000000001")
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range h {
		out = append(out, e.Event)
	}
	return strings.Join(out, "\n")
}

// took remembers a command that an agent was sent.
func (w *world) took(cmd agentapi.Command) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, cmd)
}

// offer is what agents announce under a key.
func (w *world) offer(key string) []any {
	w.mu.Lock()
	defer w.mu.Unlock()
	if list, ok := w.offers[key]; ok || key != "clean_steps" {
		return append([]any{}, list...)
	}
	return []any{map[string]any{"step": "erase_devices_metadata", "priority": 99, "interface": "deploy", "abortable": true}}
}

// steps are the steps that agents were told to run, in order.
func (w *world) steps() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, c := range w.sent {
		if name := stepOf(c); name != "" {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

// say tells the agents of the machine what to do from now on.
func (w *world) say(word string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.script["00000000-0000-4000-8000-000000000001"] = word
}

// told is what the agents of a machine were told to do.
func (w *world) told(uuid string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.script[uuid]
}

// set edits the node.
func (w *world) set(change func(*ironic.Node)) {
	w.t.Helper()
	if _, err := w.db.UpdateNode(w.t.Context(), "00000000-0000-4000-8000-000000000001", func(n *ironic.Node) error { change(n); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// switched is the machine's side of a power switch: a start from the network runs the ramdisk.
func (w *world) switched(uuid, state, device string) {
	w.mu.Lock()
	old := w.agents[uuid]
	delete(w.agents, uuid)
	w.mu.Unlock()
	if old != nil {
		old.stop()
	}
	e, ok := w.net.entry(uuid)
	if state != ironic.PowerOn || device != ironic.BootPXE || !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.boots++
	if w.script[uuid] == "dead" || w.boots <= w.misses {
		return
	}
	w.agents[uuid] = startAgent(w, uuid, e)
}

type images struct{}

func (images) Image(_ context.Context, ref string) (*conductor.Image, error) {
	if ref != "overcloud-full" {
		return nil, errs.New(errs.NotFound, "no image %s", ref).WithHint("openstack overcloud image upload")
	}
	return &conductor.Image{ID: "i1", Name: ref, Path: "/images/i1"}, nil
}

func (images) Raw(context.Context, *conductor.Image) (*conductor.RawImage, error) {
	return &conductor.RawImage{URL: "http://192.0.2.1:8088/i1.raw", Size: 2 << 30, SHA256: "abc", BmapURL: "http://192.0.2.1:8088/i1.bmap", BmapSHA256: "def"}, nil
}

type netBoot struct {
	mu      sync.Mutex
	entries map[string]driver.BootEntry
	phase   driver.BootPhase
	looks   int // at the phase
}

func (n *netBoot) Publish(_ context.Context, e driver.BootEntry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.entries[e.NodeUUID] = e
	return nil
}

func (n *netBoot) Remove(_ context.Context, uuid string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.entries, uuid)
	return nil
}

func (n *netBoot) Phase(string) driver.BootPhase {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looks++
	return n.phase
}

func (n *netBoot) entry(uuid string) (driver.BootEntry, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, ok := n.entries[uuid]
	return e, ok
}
