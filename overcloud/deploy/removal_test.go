package deploy_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/scaledown"
	"trefoil/overcloud/stack"
)

// fakeOvercloud is a deployed cloud that remembers what it was asked.
type fakeOvercloud struct {
	mu      sync.Mutex
	w       *world
	at      string              // its URL; empty: the first controller's
	down    error               // the API does not answer
	secret  string              // the only password that is taken, if there is one
	servers map[string][]string // host → names
	late    map[string][]string // servers that come once somebody has looked
	closed  []string
	asked   []string // what was asked beside looking, in order
	keeps   error    // why nothing is forgotten, if nothing is
	running []string // machines that were still on when they were forgotten
	stopAt  string   // the service is stopped when this machine is forgotten
	stop    context.CancelFunc
}

func (f *fakeOvercloud) open(_ context.Context, url, password string) (deploy.Overcloud, error) {
	if f.down != nil {
		return nil, f.down
	}
	if f.secret != "" && password != f.secret {
		return nil, errs.New(errs.Unauthorized, "wrong password")
	}
	if url != cmp.Or(f.at, "http://192.168.255.11:5000/") || password == "" {
		f.w.t.Errorf("login at %s, password of %d letters", url, len(password))
	}
	return f, nil
}

func (f *fakeOvercloud) Blocking(_ context.Context, machines []string) ([]scaledown.Blocker, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []scaledown.Blocker
	for _, m := range machines {
		if names := f.servers[m]; len(names) > 0 {
			out = append(out, scaledown.Blocker{Machine: m, What: "servers", Names: names, Cure: "move them"})
		}
	}
	if f.late != nil {
		f.servers, f.late = f.late, nil
	}
	return out, nil
}

func (f *fakeOvercloud) Disable(_ context.Context, machines []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.closed = append(f.asked, "disable "+strings.Join(machines, " ")), machines
	return nil
}

func (f *fakeOvercloud) Enable(_ context.Context, machines []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.closed = append(f.asked, "enable "+strings.Join(machines, " ")), nil
	return nil
}

func (f *fakeOvercloud) Forget(ctx context.Context, machine string, sql scaledown.SQL) ([]string, error) {
	if sql != nil {
		if err := sql(ctx, "forget "+machine); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if machine == f.stopAt {
		f.stopAt = ""
		f.stop()
		return nil, ctx.Err()
	}
	f.asked = append(f.asked, "forget "+machine)
	nodes, err := f.w.db.StackNodes(ctx, "id")
	for _, n := range nodes {
		if n.Name == machine && f.w.cloud.deployed[n.UUID] != "" {
			f.running = append(f.running, machine)
		}
	}
	return []string{"something of " + machine + " stays"}, errors.Join(err, f.keeps)
}

// scaled is a world with a cloud of one controller, two computes and a storage node.
func scaled(t *testing.T) (*world, *fakeOvercloud) {
	w := newWorld(t)
	f := &fakeOvercloud{w: w, servers: map[string][]string{}}
	w.engine.Overcloud = f.open
	w.begin(stack.Create, 2)
	w.run("CREATE_COMPLETE")
	return w, f
}

func deletion(force bool, names ...string) stack.Input {
	return stack.Input{Only: stack.OnlyDelete, Unprovision: names, Force: force}
}

// deletes begins a narrowed action as stack.Service does: what was deployed stays.
func (w *world) deletes(in stack.Input) {
	w.t.Helper()
	s, err := w.db.Stack(w.t.Context(), "id")
	if err != nil {
		w.t.Fatal(err)
	}
	old := s.Input
	old.Only, old.Unprovision, old.Force = in.Only, in.Unprovision, in.Force
	w.asks(stack.Update, old)
}

func TestDeletedNodeLeavesTheCloudAndIsNotMadeAgain(t *testing.T) {
	w, f := scaled(t)
	if err := w.db.CreatePlan(t.Context(), &stack.Plan{Name: "overcloud", Version: 3, Input: stack.Input{Counts: map[string]int{"Compute": 2}}}); err != nil {
		t.Fatal(err)
	}
	w.deletes(deletion(false, "overcloud-novacompute-0"))
	s := w.run("UPDATE_COMPLETE")
	if want := "disable overcloud-novacompute-0, forget overcloud-novacompute-0"; strings.Join(f.asked, ", ") != want || len(f.running) != 0 {
		t.Errorf("asked %v, forgotten while on: %v", f.asked, f.running)
	}
	if got := w.names(); got != "overcloud-cephstorage-0=storage-1/0 overcloud-controller-0=control-1/0 overcloud-novacompute-1=compute-2/1" {
		t.Errorf("left: %s", got)
	}
	if s.Input.Counts["Compute"] != 1 || !slices.Equal(s.Input.Removed["Compute"], []int{0}) || s.Input.Only != "" || s.Input.Force {
		t.Errorf("remembered: %+v %+v", s.Input.Counts, s.Input.Removed)
	}
	if p, err := w.db.Plan(t.Context(), "overcloud"); err != nil || p.Input.Counts["Compute"] != 1 || p.Version != 4 {
		t.Errorf("plan: %+v %v", p, err)
	}
	evs, err := w.db.Events(t.Context(), "id", 0, 0)
	if err != nil || !slices.ContainsFunc(evs, func(e stack.Event) bool { return e.Reason == "something of overcloud-novacompute-0 stays" }) {
		t.Errorf("nobody was told what stays: %v", err)
	}

	// The same count again gets another index: the old one is spent.
	w.begin(stack.Update, 2)
	_, err = w.db.UpdateStack(t.Context(), "id", func(x *stack.Stack) error { x.Input.Removed = s.Input.Removed; return nil })
	if err != nil {
		t.Fatal(err)
	}
	w.run("UPDATE_COMPLETE")
	if got := w.names(); !strings.Contains(got, "overcloud-novacompute-1=compute-2/1 overcloud-novacompute-2=compute-1/2") {
		t.Errorf("scaled up again: %s", got)
	}
}

func TestServersBlockTheRemovalBeforeAnythingIsTouched(t *testing.T) {
	remove := map[string]func(*world){
		"node delete":     func(w *world) { w.deletes(deletion(false, "overcloud-novacompute-1")) },
		"--compute-scale": func(w *world) { w.begin(stack.Update, 1) },
	}
	for name, begin := range remove {
		t.Run(name, func(t *testing.T) {
			w, f := scaled(t)
			f.servers["overcloud-novacompute-1"] = []string{"vm1 (x)", "vm2 (y)"}
			begin(w)
			s := w.run("UPDATE_FAILED")
			if l := s.Failures[0]; l.Node != "overcloud-novacompute-1" || l.Error != "2 servers on it: vm1 (x), vm2 (y)" ||
				l.Hint != "move them; to remove it all the same, and lose what is on it: openstack overcloud node delete --force overcloud-novacompute-1" {
				t.Errorf("%+v", l)
			}
			if len(w.cloud.deployed) != 4 || len(f.asked) != 0 || len(s.Input.Removed) != 0 {
				t.Errorf("something was done: %v %v %v", w.cloud.deployed, f.asked, s.Input.Removed)
			}
			f.servers = nil
			begin(w)
			w.run("UPDATE_COMPLETE")
			if w.cloud.deployed["uuid-compute-2"] != "" || !slices.Contains(f.asked, "forget overcloud-novacompute-1") {
				t.Errorf("%v %v", w.cloud.deployed, f.asked)
			}
		})
	}
}

func TestServerThatComesInBetweenBlocksAndTheComputeIsOpenedAgain(t *testing.T) {
	w, f := scaled(t)
	f.late = map[string][]string{"overcloud-novacompute-1": {"vm"}}
	w.deletes(deletion(false, "overcloud-novacompute-1"))
	w.run("UPDATE_FAILED")
	if want := "disable overcloud-novacompute-1, enable overcloud-novacompute-1"; strings.Join(f.asked, ", ") != want || len(w.cloud.deployed) != 4 {
		t.Errorf("%v %v", f.asked, w.cloud.deployed)
	}
}

func TestForceTellsWhatIsLostAndGoesOn(t *testing.T) {
	w, f := scaled(t)
	f.servers["overcloud-novacompute-1"] = []string{"vm1 (x)"}
	w.deletes(deletion(true, "overcloud-novacompute-1"))
	w.run("UPDATE_COMPLETE")
	evs, _ := w.db.Events(t.Context(), "id", 0, 0)
	if !slices.ContainsFunc(evs, func(e stack.Event) bool {
		return strings.HasPrefix(e.Reason, "forced: ") && strings.Contains(e.Reason, "vm1 (x)")
	}) || w.cloud.deployed["uuid-compute-2"] != "" {
		t.Errorf("%v", w.cloud.deployed)
	}
}

// A catalog that keeps a machine keeps it in the stack. Forced, that is told.
func TestCatalogThatDoesNotForget(t *testing.T) {
	w, f := scaled(t)
	f.keeps = errors.New("nova is away")
	w.deletes(deletion(false, "overcloud-novacompute-0"))
	s := w.run("UPDATE_FAILED")
	if e := s.Failures[0]; e.Error != "take it out of the cloud's catalog: nova is away" || !strings.Contains(e.Hint, "run the same command again") || !strings.Contains(w.names(), "novacompute-0") {
		t.Errorf("%+v; left %s", e, w.names())
	}
	w.deletes(deletion(true, "overcloud-novacompute-0"))
	w.run("UPDATE_COMPLETE")
	w.told("something of overcloud-novacompute-0 stays")
	w.told("the cloud's catalog may still name it. It said: nova is away")
}

func TestCloudThatDoesNotAnswerBlocksUnlessForced(t *testing.T) {
	w, f := scaled(t)
	f.down = errs.New(errs.Unavailable, "no answer from http://192.168.255.11:5000")
	w.deletes(deletion(false, "overcloud-novacompute-1"))
	s := w.run("UPDATE_FAILED")
	if l := s.Failures[0]; !strings.Contains(l.Error, "did not say what lies on overcloud-novacompute-1: no answer from") || len(w.cloud.deployed) != 4 {
		t.Errorf("%+v", l)
	}
	w.deletes(deletion(true, "overcloud-novacompute-1"))
	w.run("UPDATE_COMPLETE")
	if len(w.cloud.deployed) != 3 || len(f.asked) != 0 {
		t.Errorf("%v %v", w.cloud.deployed, f.asked)
	}
}

// A deployment that had given the cloud a rotated password failed later: what was
// deployed last is the old one.
func TestRotatedPasswordOpensTheCloudBeforeItIsDeployedWhole(t *testing.T) {
	w, f := scaled(t)
	f.secret = "rotated"
	_, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error { s.Passwords["AdminPassword"] = f.secret; return nil })
	if err != nil {
		t.Fatal(err)
	}
	w.deletes(deletion(false, "overcloud-novacompute-1"))
	w.run("UPDATE_COMPLETE")
	if !slices.Contains(f.asked, "forget overcloud-novacompute-1") {
		t.Errorf("asked %v", f.asked)
	}
}

func TestTheLastControllerIsNotGivenAway(t *testing.T) {
	w, _ := scaled(t)
	w.deletes(deletion(false, "overcloud-controller-0"))
	if s := w.run("UPDATE_FAILED"); len(s.Failures) != 1 || !strings.Contains(s.Failures[0].Error, "loses its last controller") || len(w.cloud.deployed) != 4 {
		t.Errorf("%+v", s.Failures)
	}
}

// Killed after the machine was given back and before the catalog was cleaned, the
// next run cleans it.
func TestRemovalThatWasStoppedGoesOn(t *testing.T) {
	w, f := scaled(t)
	w.deletes(deletion(false, "overcloud-novacompute-0", "overcloud-novacompute-1"))
	ctx, cancel := context.WithCancel(t.Context())
	f.stop, f.stopAt = cancel, "overcloud-novacompute-1"
	if err := w.engine.Run(ctx, "id"); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped run: %v", err)
	}
	s := w.run("UPDATE_COMPLETE")
	if got := w.names(); strings.Contains(got, "compute") || s.Input.Counts["Compute"] != 0 || !slices.Equal(s.Input.Removed["Compute"], []int{0, 1}) {
		t.Errorf("left %s, %v %v", got, s.Input.Counts, s.Input.Removed)
	}
	for _, n := range []string{"overcloud-novacompute-0", "overcloud-novacompute-1"} {
		if !slices.Contains(f.asked, "forget "+n) {
			t.Errorf("%s was not forgotten: %v", n, f.asked)
		}
	}
}

// Where all machines go, the cloud goes with them: nobody is asked.
func TestWholeStackGoesWithoutAsking(t *testing.T) {
	w, f := scaled(t)
	f.down = errors.New("must not be asked")
	w.begin(stack.Delete, 2)
	if err := w.engine.Run(t.Context(), "id"); err != nil || len(w.cloud.deployed) != 0 {
		t.Errorf("%v %v", err, w.cloud.deployed)
	}
}
