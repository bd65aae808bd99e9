package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// rehearsal is a random cloud, and what was seen of its deployment.
type rehearsal struct {
	t       *testing.T
	rnd     *rand.Rand
	nodes   []stack.Node
	gates   map[string][plan.Steps]plan.Gate
	fail    map[string]bool // "node step" that fails
	catalog bool
	busy    map[string]bool
	serial  map[string]int
	maxFail map[string]int

	mu       sync.Mutex
	done     map[string]int // by node: steps that it has done
	begun    map[string]int // by "node step": how often
	made     int
	failures int
	failed   time.Time       // the first
	open     map[string]bool // groups
	out      map[string]bool // machines that are gone on without
	at       map[string]int  // by "role step": busy machines
}

func newRehearsal(t *testing.T, seed uint64) *rehearsal {
	h := &rehearsal{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), gates: map[string][plan.Steps]plan.Gate{}, fail: map[string]bool{},
		done: map[string]int{}, begun: map[string]int{}, open: map[string]bool{}, at: map[string]int{}, out: map[string]bool{}, busy: map[string]bool{}, serial: map[string]int{}, maxFail: map[string]int{}}
	var roles []string
	for i := range 1 + h.rnd.IntN(4) {
		role := fmt.Sprintf("Role%d", i)
		roles = append(roles, role)
		h.serial[role] = h.rnd.IntN(3)
		for j := range 1 + h.rnd.IntN(4) {
			h.busy[fmt.Sprintf("%s-%d", role, j)] = h.rnd.IntN(2) == 0
			h.nodes = append(h.nodes, stack.Node{Node: plan.Node{Name: fmt.Sprintf("%s-%d", role, j), Role: role, Index: j}})
		}
	}
	h.catalog = h.rnd.IntN(2) == 0
	for _, role := range roles {
		var gates [plan.Steps]plan.Gate
		for step := 1; step < plan.Steps; step++ {
			for _, need := range append(roles, "RoleWithoutMachines") {
				if h.rnd.IntN(3) == 0 {
					gates[step].Roles = append(gates[step].Roles, need)
				}
			}
			gates[step].Catalog = step >= plan.CatalogStep && h.rnd.IntN(2) == 0
		}
		h.gates[role] = gates
	}
	return h
}

func at(node string, step int) string { return fmt.Sprintf("%s %d", node, step) }

// step checks that a step may begin, takes some time over it, and may fail.
func (h *rehearsal) step(ctx context.Context, n stack.Node, step int) error {
	h.mu.Lock()
	gate := h.gates[n.Role][step-1]
	if h.done[n.Name] != step-1 {
		h.t.Errorf("%s: step %d behind %d", n.Name, step, h.done[n.Name])
	}
	for _, other := range h.nodes {
		if slices.Contains(gate.Roles, other.Role) && h.done[other.Name] < step-1 && !h.out[other.Name] {
			h.t.Errorf("%s: step %d began before %s had done step %d", n.Name, step, other.Name, step-1)
		}
	}
	if gate.Catalog && h.catalog && h.made == 0 {
		h.t.Errorf("%s: step %d began before the catalog was made", n.Name, step)
	}
	if h.failures > 0 && len(h.maxFail) == 0 && time.Now().After(h.failed) { // two things of one instant have no order
		h.t.Errorf("%s: step %d began behind a failure", n.Name, step)
	}
	if !h.open[at(n.Role, step)] {
		h.t.Errorf("%s: step %d began before its group", n.Name, step)
	}
	if h.busy[n.Name] {
		if h.at[at(n.Role, step)]++; h.serial[n.Role] > 0 && h.at[at(n.Role, step)] > h.serial[n.Role] {
			h.t.Errorf("%s: more than %d busy machines of its role do step %d", n.Name, h.serial[n.Role], step)
		}
	}
	if h.begun[at(n.Name, step)]++; h.begun[at(n.Name, step)] > 1 {
		h.t.Errorf("%s: step %d is done again", n.Name, step)
	}
	pause := time.Duration(h.rnd.IntN(50)) * time.Second
	h.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy[n.Name] {
		h.at[at(n.Role, step)]--
	}
	if h.fail[at(n.Name, step)] {
		h.out[n.Name] = h.maxFail[n.Role] > 0
		if h.failures++; h.failures == 1 {
			h.failed = time.Now()
		}
		return &Failed{[]stack.Failure{{Node: n.Name, Error: "no"}}}
	}
	h.done[n.Name] = step
	return nil
}

func (h *rehearsal) pipeline() *pipeline {
	p := &pipeline{nodes: h.nodes, gates: h.gates, now: time.Now, step: h.step, busy: h.busy, atATime: h.serial, maxFail: h.maxFail,
		opened: func(_ context.Context, role string, step int) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.open[at(role, step)] = true
			return nil
		},
		closed: func(_ context.Context, role string, step int, failed map[string]error) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			if !h.open[at(role, step)] {
				h.t.Errorf("%s: step %d was closed and not open", role, step)
			}
			if delete(h.open, at(role, step)); len(failed) > 0 && h.failures == 0 {
				h.t.Errorf("%s: step %d was called failed: %v", role, step, failed)
			}
			return nil
		}}
	if h.catalog {
		p.keystone = []string{"Role0"}
		p.catalog = func(context.Context) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, n := range h.nodes {
				if n.Role == "Role0" && h.done[n.Name] < plan.CatalogStep && !h.out[n.Name] {
					h.t.Errorf("the catalog was made before %s had done step %d", n.Name, plan.CatalogStep)
				}
			}
			h.mu.Unlock()
			time.Sleep(7 * time.Second)
			h.mu.Lock()
			h.made++
			return nil
		}
	}
	return p
}

// critical checks that a path leads from the beginning to the end without a gap.
func (h *rehearsal) critical(path []stack.Hop, seconds float64) {
	sum := 0.0
	for i, hop := range path {
		if sum += hop.Seconds; i > 0 && hop.Step > 0 && hop.Step <= path[i-1].Step {
			h.t.Errorf("step %d behind step %d on the critical path", hop.Step, path[i-1].Step)
		}
	}
	if diff := sum - seconds; diff > 0.001 || diff < -0.001 {
		h.t.Errorf("the critical path takes %f s of %f: %v", sum, seconds, path)
	}
}

// Whatever the needs: no step begins before they are met, every machine goes through
// its steps in order, all come to their end, and what was opened is closed.
func TestPipelineOfRandomClouds(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) { // a deadlock ends the test
			h, began := newRehearsal(t, seed), time.Now()
			clear(h.busy) // a machine that waits for its turn is on nobody's path
			p := h.pipeline()
			if err := p.run(t.Context()); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for _, n := range h.nodes {
				if h.done[n.Name] != plan.Steps {
					t.Errorf("seed %d: %s ended with step %d", seed, n.Name, h.done[n.Name])
				}
			}
			h.critical(p.path(), time.Since(began).Seconds())
			if len(h.open) > 0 || h.catalog && h.made != 1 {
				t.Errorf("seed %d: open at the end: %v; catalogs made: %d", seed, h.open, h.made)
			}
		})
	}
}

// Where steps fail, nothing begins any more, each failure is told, and all that was
// opened is closed.
func TestPipelineOfRandomCloudsThatFail(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			h := newRehearsal(t, seed)
			for range 1 + h.rnd.IntN(3) {
				h.fail[at(h.nodes[h.rnd.IntN(len(h.nodes))].Name, 1+h.rnd.IntN(plan.Steps))] = true
			}
			err := h.pipeline().run(t.Context())
			var f *Failed
			if !errors.As(err, &f) || len(f.Failures) != h.failures || h.failures == 0 {
				t.Errorf("seed %d: %d failures, told: %v", seed, h.failures, err)
			}
			if len(h.open) > 0 {
				t.Errorf("seed %d: open at the end: %v", seed, h.open)
			}
		})
	}
}

// As many machines of a role as may fail are gone on without: all others come to their end.
func TestPipelineOfRandomCloudsThatTolerateFailures(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			h := newRehearsal(t, seed)
			size, fails := map[string]int{}, map[string]int{}
			for _, n := range h.nodes {
				if size[n.Role]++; h.rnd.IntN(4) == 0 {
					fails[n.Role]++
					h.fail[at(n.Name, 1+h.rnd.IntN(plan.Steps))] = true
				}
			}
			for role, n := range size {
				h.maxFail[role] = (fails[role]*100 + n - 1) / n
			}
			p := h.pipeline()
			if err := p.run(t.Context()); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if got := p.tolerated(); len(got) != h.failures || len(got) != len(h.fail) {
				t.Errorf("seed %d: %d machines failed of %d, told: %v", seed, h.failures, len(h.fail), got)
			}
			for _, n := range h.nodes {
				if h.done[n.Name] != plan.Steps && !h.out[n.Name] {
					t.Errorf("seed %d: %s ended with step %d", seed, n.Name, h.done[n.Name])
				}
			}
			if len(h.open) > 0 {
				t.Errorf("seed %d: open at the end: %v", seed, h.open)
			}
			// One more is too many.
			for role, n := range fails {
				h = newRehearsal(t, seed)
				h.maxFail[role] = n*100/size[role] - 1
				for _, m := range h.nodes {
					if m.Role == role && n > 0 {
						h.fail[at(m.Name, 1)] = true
						n--
					}
				}
				if err := h.pipeline().run(t.Context()); err == nil {
					t.Errorf("seed %d: more machines of %s failed than may", seed, role)
				}
			}
		})
	}
}

// Stopped at any instant it ends, and leaves open what the next run will close.
func TestPipelineOfRandomCloudsThatAreStopped(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			h := newRehearsal(t, seed)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(h.rnd.IntN(150))*time.Second)
			defer cancel()
			if err := h.pipeline().run(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}

// What stands is what the machine has recorded and waits for nobody who does anything
// anew; a first deployment has nothing, one that is whole has all.
func TestSettledStepsOfRandomClouds(t *testing.T) {
	for seed := range uint64(300) {
		h := newRehearsal(t, seed)
		recorded, all := map[string]int{}, map[string]int{}
		for _, n := range h.nodes {
			recorded[n.Name], all[n.Name] = h.rnd.IntN(plan.Steps+1), plan.Steps
		}
		got := settled(h.nodes, recorded, h.gates)
		for _, n := range h.nodes {
			if got[n.Name] > recorded[n.Name] {
				t.Errorf("seed %d: %s: %d steps stand of %d", seed, n.Name, got[n.Name], recorded[n.Name])
			}
			for step := 1; step <= got[n.Name]; step++ {
				for _, m := range h.nodes {
					if slices.Contains(h.gates[n.Role][step-1].Roles, m.Role) && got[m.Name] < step-1 {
						t.Errorf("seed %d: step %d of %s stands though %s does step %d anew", seed, step, n.Name, m.Name, step-1)
					}
				}
			}
		}
		if whole := settled(h.nodes, all, h.gates); !maps.Equal(whole, all) {
			t.Errorf("seed %d: of a whole deployment stands only %v", seed, whole)
		}
		if none := settled(h.nodes, nil, h.gates); len(none) > 0 {
			t.Errorf("seed %d: of nothing stands %v", seed, none)
		}
	}
}
