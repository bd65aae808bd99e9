package fsm

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"trefoil/internal/errs"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write docs/provision-states.md anew")

func TestTableHasEveryTransitionOnce(t *testing.T) {
	if got := len(Transitions()); got != 93 {
		t.Errorf("%d transitions, Ironic has 93", got)
	}
	seen := map[Transition]bool{}
	for _, tr := range Transitions() {
		key := Transition{From: tr.From, Event: tr.Event}
		if seen[key] {
			t.Errorf("%s on %s appears twice", tr.From, tr.Event)
		}
		seen[key] = true
		if !Known(tr.From) || !Known(tr.To) {
			t.Errorf("%v names an unknown state", tr)
		}
	}
}

func TestEveryStateIsReachableFromEnroll(t *testing.T) {
	seen := map[State]bool{Enroll: true}
	for grew := true; grew; {
		grew = false
		for _, tr := range Transitions() {
			if seen[tr.From] && !seen[tr.To] {
				seen[tr.To], grew = true, true
			}
		}
	}
	for _, s := range States() {
		if !seen[s] {
			t.Errorf("%s cannot be reached", s)
		}
	}
}

// A machine never gets stuck: from wherever a random walk leads, available can be reached
// again, and a state with work in hand can always fail or be waited out.
func TestNoWalkGetsStuck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Enroll
		for range rapid.IntRange(0, 40).Draw(t, "length") {
			events := Events(s)
			if len(events) == 0 {
				t.Fatalf("nothing can happen in %s", s)
			}
			next, err := Next(s, rapid.SampledFrom(events).Draw(t, "event"))
			if err != nil {
				t.Fatal(err)
			}
			s = next
		}
		if !reaches(s, Available) {
			t.Fatalf("available cannot be reached from %s", s)
		}
	})
}

func TestWorkInHandCanFail(t *testing.T) {
	for _, s := range States() {
		if !Busy(s) {
			continue
		}
		next, err := Next(s, EvFail)
		if err != nil {
			t.Errorf("%s cannot fail: %v", s, err)
			continue
		}
		if Busy(next) {
			t.Errorf("the failure of %s leads to %s, which is no place to rest", s, next)
		}
		if Target(s) == "" {
			t.Errorf("%s aims at nothing", s)
		}
	}
}

func reaches(from, to State) bool {
	seen, queue := map[State]bool{from: true}, []State{from}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		if s == to {
			return true
		}
		for _, tr := range Transitions() {
			if tr.From == s && !seen[tr.To] {
				seen[tr.To] = true
				queue = append(queue, tr.To)
			}
		}
	}
	return false
}

func TestIllegalEventIsRefused(t *testing.T) {
	if _, err := Next(Available, EvAbort); !errs.Is(err, errs.Invalid) {
		t.Errorf("abort in available: %v", err)
	}
}

func TestVerbsKnowTheirVersion(t *testing.T) {
	for _, c := range []struct {
		verb  string
		state State
		since int
	}{
		{"manage", Enroll, 4}, {"deploy", Available, 73}, {"active", Available, 1},
		{"abort", CleanWait, 13}, {"abort", InspectWait, 41}, {"abort", DeployWait, 110}, {"service", Active, 87},
	} {
		v, ok := VerbOf(c.verb)
		if !ok {
			t.Fatalf("no verb %s", c.verb)
		}
		if got := MinVersion(v, c.state); got != c.since {
			t.Errorf("%s in %s: 1.%d, want 1.%d", c.verb, c.state, got, c.since)
		}
	}
	if _, ok := VerbOf("done"); ok {
		t.Error("done is the conductor's own, not a verb")
	}
}

func TestDocsMatchTheTable(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "provision-states.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != Markdown() {
		t.Error("docs/provision-states.md is not what the table says; run go test ./ironic/fsm -update")
	}
}
