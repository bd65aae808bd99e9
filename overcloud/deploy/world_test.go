package deploy_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/catalog"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
	"trefoil/templates"
	"trefoil/undercloud/store/sqlite"
)

// fakeCloud is an undercloud in memory: machines become active when asked.
type fakeCloud struct {
	mu       sync.Mutex
	nodes    []placement.Node
	deployed map[string]string          // node → instance
	asked    map[string]deploy.Instance // node → what it was asked to become
	deploys  int
	failNode string              // deploy of this node fails
	through  map[string][]string // node → states that it is seen in, one a look; the last one stays
	next     int
	packages []string                    // in the image
	disks    map[string]map[string]int64 // of data, by node
	released map[string]bool             // ids whose ports were deleted
	vip      string                      // given to who asks for none
	order    []string                    // of addresses that were taken: "NAME ADDRESS", any where none was asked for
}

func (f *fakeCloud) Nodes(context.Context) ([]placement.Node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.Clone(f.nodes)
	for i := range out {
		if id := f.deployed[out[i].UUID]; id != "" {
			out[i].State, out[i].InstanceUUID = "active", id
		}
	}
	return out, nil
}

func (f *fakeCloud) Flavor(_ context.Context, name string) (string, string, error) {
	if name == "baremetal" {
		return "", "baremetal", nil
	}
	return name, "baremetal", nil
}

func (f *fakeCloud) Image(context.Context, string) (deploy.Image, error) {
	return deploy.Image{ID: "image-id", MinDiskGB: 4, Packages: f.packages}, nil
}

func (f *fakeCloud) DataDisks(_ context.Context, node string) (map[string]int64, error) {
	return f.disks[node], nil
}

func (f *fakeCloud) EnsurePort(_ context.Context, node, server, instance, ip string) (deploy.Address, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.order = append(f.order, server+" "+cmp.Or(ip, "any"))
	i := slices.IndexFunc(f.nodes, func(n placement.Node) bool { return n.UUID == node })
	if ip == "" {
		ip = fmt.Sprintf("192.168.255.%d", 11+i)
	}
	return deploy.Address{PortID: "port-" + instance, MAC: "52:54:00:00:00:01", IP: ip, CIDR: "192.168.255.0/24"}, nil
}

// EnsureVIP gives every stack the same address, unless it asks for another.
func (f *fakeCloud) EnsureVIP(_ context.Context, _, _, ip string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.order = append(f.order, "vip "+cmp.Or(ip, "any"))
	return cmp.Or(ip, f.vip, "192.168.255.9"), nil
}

func (f *fakeCloud) DeletePorts(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.released == nil {
		f.released = map[string]bool{}
	}
	f.released[id] = true
	return nil
}

func (f *fakeCloud) Deploy(_ context.Context, node string, d deploy.Instance) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deployed[node] == d.UUID {
		return nil
	}
	f.deploys++
	f.deployed[node], f.asked[node] = d.UUID, d
	return nil
}

func (f *fakeCloud) State(_ context.Context, node string) (deploy.NodeState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if states := f.through[node]; len(states) > 0 {
		f.through[node] = states[min(1, len(states)-1):]
		return deploy.NodeState{Provision: states[0]}, nil
	}
	if node == f.failNode {
		return deploy.NodeState{Provision: "deploy failed", LastError: "the disk is on fire"}, nil
	}
	if f.deployed[node] == "" {
		return deploy.NodeState{Provision: "available"}, nil
	}
	return deploy.NodeState{Provision: "active"}, nil
}

func (f *fakeCloud) Undeploy(_ context.Context, node, instance string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deployed[node] == instance {
		delete(f.deployed, node)
	}
	return nil
}

// fakeNodes remembers what was applied, and reports "changed" only for what is new.
type fakeNodes struct {
	mu      sync.Mutex
	applied map[string]string // node/step → hash
	order   []string          // "step node"
	patient bool              // Reach waits for machines that are off
	reached []string          // by Reach
	looks   int               // round trips of Verify
	forget  bool              // Verify verifies nothing
	fail    string            // "step node" that fails once it is reached
	lose    string            // "step node" at which the connection breaks, after lost
	lost    func(doc resource.Document) []resource.Event
	away    bool
	off     map[string]bool // machines that do not let us in
	back    func() error    // what Reach says of a machine that was lost; nil: it lets us in
	stop    context.CancelFunc
	stopAt  string                                                                                          // "step node" at which the service is stopped
	usage   func(node, event string) *resource.Usage                                                        // what a machine tells with begun and done; nil: nothing
	waits   func(ctx context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error // instead of being done; nil: it is
}

func (f *fakeNodes) Reach(ctx context.Context, n stack.Node, tell func(string)) error {
	f.mu.Lock()
	f.reached = append(f.reached, n.Name)
	if f.off[n.Name] {
		f.mu.Unlock()
		tell("no route to host")
		if f.patient {
			<-ctx.Done()
		}
		return errs.New(errs.Unavailable, "no route to host")
	}
	away := f.away
	f.away = false
	f.mu.Unlock()
	if away && f.back != nil {
		return f.back()
	}
	return nil
}

func (f *fakeNodes) Leave(stack.Node) {}

// Verify implements Configurator as os-apply-config does.
func (f *fakeNodes) Verify(_ context.Context, n stack.Node, docs []resource.Document) (map[int]bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	out := map[int]bool{}
	for _, d := range docs {
		if f.forget || f.applied[fmt.Sprintf("%d %s", d.Step, n.Name)] != d.Hash {
			break
		}
		out[d.Step] = true
	}
	return out, nil
}

func (f *fakeNodes) Apply(ctx context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error {
	if f.waits != nil {
		if err := f.waits(ctx, n, doc, tell); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at := fmt.Sprintf("%d %s", doc.Step, n.Name)
	f.order = append(f.order, at)
	usage := func(string, string) *resource.Usage { return nil }
	if f.usage != nil && f.applied[at] != doc.Hash {
		usage = f.usage
		tell(resource.Event{Event: "begun", Usage: usage(n.Name, "begun")})
	}
	switch at {
	case f.stopAt:
		f.stop()
		return ctx.Err()
	case f.lose:
		f.away = true
		for _, ev := range f.lost(doc) {
			tell(ev)
		}
		return errs.New(errs.Unavailable, "the connection to %s broke: EOF", n.Address)
	case f.fail:
		tell(resource.Event{Event: "failed", Key: doc.Resources[0].Key(), Error: "it would not start", Hint: "look at it", Tail: []string{"last line"}})
		return nil
	}
	if f.applied[at] != doc.Hash {
		f.applied[at] = doc.Hash
		tell(resource.Event{Event: "changed", Key: "file:/x"})
	}
	for _, x := range doc.Resources {
		if x.Unit != nil {
			tell(resource.Event{Event: "unchanged", Key: x.Key()})
		}
	}
	tell(resource.Event{Event: "done", Usage: usage(n.Name, "done")})
	return nil
}

// fakeCatalog is a Keystone that remembers what it was last asked to hold.
type fakeCatalog struct {
	wanted catalog.Want
	fail   error
	waits  func() // before it is made; nil: nothing
}

func (f *fakeCatalog) Ensure(_ context.Context, w catalog.Want) ([]string, error) {
	if f.waits != nil {
		f.waits()
	}
	f.wanted = w
	return nil, f.fail
}

type world struct {
	t      *testing.T
	db     *sqlite.DB
	cloud  *fakeCloud
	nodes  *fakeNodes
	engine *deploy.Engine

	catalog *fakeCatalog
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, db: db, cloud: &fakeCloud{deployed: map[string]string{}, asked: map[string]deploy.Instance{}}, nodes: &fakeNodes{applied: map[string]string{}}, catalog: &fakeCatalog{}}
	for _, n := range [][2]string{{"control-1", "control"}, {"compute-1", "compute"}, {"compute-2", "compute"}, {"storage-1", "ceph-storage"}} {
		w.cloud.nodes = append(w.cloud.nodes, placement.Node{UUID: "uuid-" + n[0], Name: n[0], State: "available", PowerState: "power off",
			ResourceClass: "baremetal", Capabilities: map[string]string{"profile": n[1]}})
	}
	w.engine = &deploy.Engine{Store: db, Cloud: w.cloud, Nodes: w.nodes, Catalog: w.catalog, Plan: deploy.PlanOf, PublicKeys: []string{"ssh-ed25519 AAAA"},
		Rand: rand.Reader, Now: time.Now, Poll: time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	return w
}

// begin writes down an action as the service does.
func (w *world) begin(action string, computes int) *stack.Stack {
	w.t.Helper()
	ctx := context.Background()
	tree, err := deploy.PackTree(templates.FS, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	passwords, err := plan.GeneratePasswords(nil, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	in := stack.Input{Tree: tree, Counts: map[string]int{"Controller": 1, "Compute": computes, "CephStorage": 1},
		Flavors: map[string]string{"Controller": "control", "Compute": "compute", "CephStorage": "ceph-storage"}}
	s := &stack.Stack{ID: "id", Name: "overcloud", Action: action, State: stack.InProgress, Input: in, Passwords: passwords, TimeoutMins: 10, CreatedAt: time.Now(), StartedAt: time.Now()}
	if old, err := w.db.Stack(ctx, "id"); err == nil {
		s, err = w.db.UpdateStack(ctx, "id", func(x *stack.Stack) error {
			x.Action, x.State, x.Input, x.StartedAt, x.Summary = action, stack.InProgress, in, time.Now(), stack.Summary{}
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
		_ = old
	} else if err := w.db.CreateStack(ctx, s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) run(want string) *stack.Stack {
	w.t.Helper()
	err := w.engine.Run(context.Background(), "id")
	s, serr := w.db.Stack(context.Background(), "id")
	if serr != nil {
		w.t.Fatal(serr)
	}
	if s.Status() != want {
		w.t.Fatalf("status %s, want %s: %v\n%+v", s.Status(), want, err, s.Failures)
	}
	return s
}

func (w *world) lines() []string {
	evs, err := w.db.Events(context.Background(), "id", 0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range evs {
		out = append(out, e.Resource+" "+e.Status)
	}
	return out
}
