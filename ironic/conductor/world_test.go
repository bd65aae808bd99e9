package conductor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
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
	"trefoil/undercloud/jobs"
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
	script map[string]string
	ran    []string // long commands that agents began
	noJobs bool     // jobs can not be stored
	boots  int      // starts from the network
	misses int      // how many of them go wrong before one succeeds
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
		ShutdownWait: 2 * time.Second, BMCPatience: 100 * time.Millisecond, LockWait: 3 * time.Second, CallbackTimeout: time.Minute, InspectTimeout: time.Minute}
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
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
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

// await waits until the node is in the state and, if that is one to rest in, has no job.
func (w *world) await(state string) *ironic.Node {
	w.t.Helper()
	deadline := time.Now().Add(time.Minute)
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

// agent plays ironic-python-agent as the recorded traces show it.
type agent struct {
	w     *world
	uuid  string
	srv   *httptest.Server
	quit  chan struct{}
	done  sync.WaitGroup
	once  sync.Once
	token string

	mu       sync.Mutex
	commands []agentapi.CommandStatus
}

func startAgent(w *world, uuid string, e driver.BootEntry) *agent {
	a := &agent{w: w, uuid: uuid, quit: make(chan struct{})}
	a.srv = httptest.NewServer(http.HandlerFunc(a.serve))
	life := a.live
	for _, p := range e.Params {
		if strings.HasPrefix(p, "ipa-inspection-callback-url=") {
			life = a.report
		}
	}
	a.done.Go(life)
	return a
}

func (a *agent) stop() {
	a.once.Do(func() { close(a.quit); a.srv.Close() })
}

func (a *agent) sleep() bool {
	select {
	case <-a.quit:
		return false
	case <-time.After(3 * time.Millisecond):
		return true
	}
}

// live looks the node up, then sends heartbeats.
func (a *agent) live() {
	for a.sleep() {
		c := a.w.conductor()
		if c == nil {
			continue
		}
		if a.token == "" {
			if l, err := c.Lookup(context.Background(), []string{mac}, ""); err == nil && l.Config.AgentToken != "******" {
				a.token = l.Config.AgentToken
			}
			continue
		}
		_ = c.Heartbeat(context.Background(), a.uuid, agentapi.Heartbeat{CallbackURL: a.srv.URL, AgentToken: a.token, AgentVersion: "9"})
	}
}

// report sends an inventory until it is taken.
func (a *agent) report() {
	for a.sleep() {
		if c := a.w.conductor(); c != nil {
			if _, err := c.ContinueInspection(context.Background(), []byte(inventory)); err == nil {
				return
			}
		}
	}
}

func (a *agent) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("agent_token") != a.token {
		http.Error(w, `{"faultcode":"Client","faultstring":"Invalid agent token."}`, http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodGet {
		a.mu.Lock()
		defer a.mu.Unlock()
		json.NewEncoder(w).Encode(agentapi.Commands{Commands: a.commands})
		return
	}
	var cmd agentapi.Command
	if err := json.NewDecoder(r.Body).Decode(&cmd); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.commands); n > 0 && a.commands[n-1].Status == agentapi.Running {
		http.Error(w, `{"faultcode":"Client","faultstring":"Agent is busy."}`, http.StatusConflict)
		return
	}
	json.NewEncoder(w).Encode(a.run(cmd))
}

// run begins a command; the caller holds mu.
func (a *agent) run(cmd agentapi.Command) agentapi.CommandStatus {
	_, short, _ := strings.Cut(cmd.Name, ".")
	st := agentapi.CommandStatus{ID: fmt.Sprintf("c%d", len(a.commands)), Name: short, Status: agentapi.Succeeded}
	switch cmd.Name {
	case "clean.get_clean_steps":
		st.Result = map[string]any{"clean_steps": map[string]any{"GenericHardwareManager": []any{
			map[string]any{"step": "erase_devices_metadata", "priority": 99, "interface": "deploy"}}},
			"hardware_manager_version": map[string]any{"generic_hardware_manager": "1.2"}}
	case "deploy.get_deploy_steps":
		st.Result = map[string]any{"deploy_steps": map[string]any{}, "hardware_manager_version": map[string]any{"generic_hardware_manager": "1.2"}}
	case "standby.power_off":
		go func() {
			_ = a.w.drv.SetPower(context.Background(), &ironic.Node{UUID: a.uuid}, ironic.PowerOff)
		}()
	default:
		st.Status = agentapi.Running
		a.w.mu.Lock()
		a.w.ran = append(a.w.ran, short)
		fail := a.w.script[a.uuid] == "fail"
		hang := a.w.script[a.uuid] == "hang"
		a.w.mu.Unlock()
		if !hang {
			go a.finish(st.ID, fail)
		}
	}
	a.commands = append(a.commands, st)
	return st
}

func (a *agent) finish(id string, fail bool) {
	a.sleep()
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.commands, func(c agentapi.CommandStatus) bool { return c.ID == id })
	a.commands[i].Status = agentapi.Succeeded
	if fail {
		a.commands[i].Status = agentapi.Failed
		a.commands[i].Error = &agentapi.CommandError{Type: "ImageChecksumError", Message: "Error verifying image checksum:", Details: "want abc"}
	}
}

const inventory = `{"inventory": {"cpu": {"count": 4, "architecture": "x86_64", "flags": ["vmx", "aes"]},
 "memory": {"total": 8000000000, "physical_mb": 8192},
 "disks": [{"name": "/dev/vdb", "size": 107374182400}, {"name": "/dev/vda", "size": 64424509440}],
 "interfaces": [{"name": "lo", "mac_address": "00:00:00:00:00:00"}, {"name": "eth0", "mac_address": "52:54:00:00:00:01", "has_carrier": true},
  {"name": "eth1", "mac_address": "52:54:00:00:00:02", "has_carrier": true}],
 "boot": {"current_boot_mode": "uefi"}}, "boot_interface": "01-52-54-00-00-00-01", "logs": "AAAA", "error": null}`

// crasher stops the conductor at a step, before it runs or after it ran but was not recorded.
type crasher struct {
	step  string
	after bool
	hit   chan struct{}
	once  sync.Once
}

// crashRunner lets a crasher into the steps of each job.
type crashRunner struct {
	jobs.Runner
	w *world
}

func (r *crashRunner) Register(kind string, h jobs.Handler) {
	r.Runner.Register(kind, func(run jobs.Run, in json.RawMessage) error { return h(&crashRun{run, r.w}, in) })
}

func (r *crashRunner) Enqueue(ctx context.Context, kind, id string, input any) error {
	r.w.mu.Lock()
	refuse := r.w.noJobs
	r.w.mu.Unlock()
	if refuse {
		return errors.New("disk full")
	}
	return r.Runner.Enqueue(ctx, kind, id, input)
}

type crashRun struct {
	jobs.Run
	w *world
}

func (r *crashRun) Step(name string, f func(context.Context) (any, error)) (json.RawMessage, error) {
	return r.Run.Step(name, func(ctx context.Context) (any, error) {
		r.w.mu.Lock()
		cr := r.w.crash
		r.w.mu.Unlock()
		if cr == nil || cr.step != name {
			return f(ctx)
		}
		var out any
		var err error
		if cr.after {
			out, err = f(ctx)
		}
		hit := false
		cr.once.Do(func() { hit = true; close(cr.hit) })
		if !hit {
			return out, err
		}
		<-ctx.Done() // the process is going down
		return nil, ctx.Err()
	})
}

// crashAt lets the action run into a crash at a step and brings a new conductor up.
func (w *world) crashAt(step string, after bool, action func()) {
	w.t.Helper()
	cr := &crasher{step: step, after: after, hit: make(chan struct{})}
	w.mu.Lock()
	w.crash = cr
	w.mu.Unlock()
	action()
	select {
	case <-cr.hit:
	case <-time.After(time.Minute):
		w.t.Fatalf("step %q was never reached", step)
	}
	// A killed process leaves its lock behind.
	before, err := w.db.Node(context.Background(), "control-1")
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.crash = nil
	w.mu.Unlock()
	w.stop()
	w.start()
	if before.Reservation != "" {
		w.t.Logf("killed while %s held the node", before.Reservation)
	}
}

// refuseJobs makes storing a job fail, or work again.
func (w *world) refuseJobs(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noJobs = on
}
