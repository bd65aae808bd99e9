package galera

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/errs"
)

// tornData has recovery fail on a machine, with files that a server would begin with.
func tornData(t *testing.T, n *node, s *Starter, grastate string) {
	t.Helper()
	n.put(t, n.grastate(), grastate)
	for _, name := range []string{"ibdata1", "ib_logfile0", "undo001", "aria_log_control", "ib_buffer_pool"} {
		n.put(t, filepath.Join(n.Data, name), "half")
	}
	s.Recover = func(context.Context) (string, error) { return "", errors.New("InnoDB: corrupt") }
}

// TestTornDataGiveWay: the machine that gave its data died on the way. The server would
// not start with them, and so never be given the rest.
func TestTornDataGiveWay(t *testing.T) {
	nodes, starters := world(t)
	n, s := nodes[0], starters[0]
	tornData(t, n, s, strings.Replace(saved, cluster, nobody, 1))
	ended := make(chan error, 1)
	go func() { ended <- s.Start(t.Context()) }()
	until(t, "it waits", func() bool { return there(n.waiting()) })
	if told, err := Ask(t.Context(), s.Config.Address, s.Config.Port); err != nil || !told.Lost || told.UUID != "" {
		t.Errorf("the others are told %+v, %v", told, err)
	}
	if err := Force(t.Context(), s.Config, n.Folders); !errs.Is(err, errs.Conflict) {
		t.Errorf("it may be forced to begin with them: %v", err)
	}
	if !there(filepath.Join(n.Data, "ibdata1")) {
		t.Error("the data are given up before there are others")
	}
	nodes[2].serves("Primary", "ON", "Synced", "7")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(n.Data, "*"))
	if got := strings.ReplaceAll(strings.Join(left, " "), n.Data+"/", ""); got != "grastate.dat ib_buffer_pool" {
		t.Errorf("there are %s", got)
	}
	if env, _ := os.ReadFile(n.env()); string(env) != "_WSREP_NEW_CLUSTER=\n" {
		t.Errorf("it goes on with %q", env)
	}
	if said := s.Log.(*bytes.Buffer).String(); !strings.Contains(said, "InnoDB: corrupt") {
		t.Errorf("why is not said:\n%s", said)
	}
}

// TestDataOfAClusterAreNotGivenUp: with an identity they may be the only whole ones.
func TestDataOfAClusterAreNotGivenUp(t *testing.T) {
	nodes, starters := world(t)
	tornData(t, nodes[0], starters[0], saved)
	nodes[2].serves("Primary", "ON", "Synced", "7")
	if err := starters[0].Start(t.Context()); !errs.Is(err, errs.Internal) || errs.HintOf(err) == "" || !there(filepath.Join(nodes[0].Data, "ibdata1")) {
		t.Errorf("%v", err)
	}
}

// TestNumbersOfBeforeAPowerCutAreForgotten: another program may have them by now.
func TestNumbersOfBeforeAPowerCutAreForgotten(t *testing.T) {
	nodes, starters := world(t)
	for _, name := range nodes[0].transferPIDs() {
		nodes[0].put(t, name, "1")
	}
	if err := starters[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range nodes[0].transferPIDs() {
		if there(name) {
			t.Errorf("%s is there", name)
		}
	}
}

// TestBeginningThatFailedIsTakenBack: it is no reason to begin without others.
func TestBeginningThatFailedIsTakenBack(t *testing.T) {
	nodes, starters := world(t)
	n, s := nodes[2], starters[2]
	for _, x := range nodes {
		x.put(t, x.grastate(), strings.Replace(saved, "seqno:   -1", "seqno:   9", 1))
	}
	n.put(t, n.grastate(), strings.Replace(saved, "seqno:   -1", "seqno:   10", 1))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if own, err := n.OnDisk(); err != nil || !own.Safe || !own.Begun {
		t.Fatalf("it does not begin: %+v, %v", own, err)
	}
	if err := forget(n.begun()); err != nil { // its unit has ended
		t.Fatal(err)
	}
	s.Config.Machines[1].Address = "127.0.0.99" // nobody is there
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	until(t, "it waits for all", func() bool { return there(n.waiting()) || len(ended) > 0 })
	if own, err := n.OnDisk(); err != nil || own.Safe || there(n.allowed()) {
		t.Errorf("it counts as the last one in the cluster: %+v, %v", own, err)
	}
}

// TestServersThatWereStoppedTogetherAreNotJoined: what their checks say is of a second ago.
// All would join one another, and none begin.
func TestServersThatWereStoppedTogetherAreNotJoined(t *testing.T) {
	nodes, starters := world(t)
	for i, n := range nodes {
		n.put(t, n.grastate(), strings.Replace(saved, "seqno:   -1", "seqno:   "+strconv.Itoa(i+7), 1))
		n.serves("Primary", "ON", "Synced", "9")
		n.stays = n.checker()
		n.stays.ask(t.Context())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, len(starters))
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, s := range starters {
		wg.Go(func() {
			if s.Start(ctx) == nil {
				ended <- i
			}
		})
	}
	for _, n := range nodes {
		until(t, "it waits", func() bool { return there(n.waiting()) || len(ended) > 0 })
	}
	for _, n := range nodes { // the next look of its check
		n.mu.Lock()
		n.down = errors.New("connection refused")
		n.mu.Unlock()
		n.stays.ask(t.Context())
	}
	first := <-ended
	if env, _ := os.ReadFile(nodes[first].env()); first != 2 || string(env) != "_WSREP_NEW_CLUSTER=--wsrep-new-cluster\n" {
		t.Errorf("machine %d goes on with %q", first, env)
	}
	cancel()
}

// TestLastOneStaysAllowed: Galera itself has said so.
func TestLastOneStaysAllowed(t *testing.T) {
	nodes, starters := world(t)
	n := nodes[2]
	n.put(t, n.grastate(), strings.NewReplacer("seqno:   -1", "seqno:   9", "bootstrap: 0", "bootstrap: 1").Replace(saved))
	for range 2 {
		if err := starters[2].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if own, err := n.OnDisk(); err != nil || !own.Safe || there(n.allowed()) {
			t.Errorf("%+v, %v", own, err)
		}
	}
}
