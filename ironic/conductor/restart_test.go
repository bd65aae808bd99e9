package conductor_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/conductor"
	"trefoil/ironic/conductor/agentclient"
)

// Wherever the conductor dies, a new one over the same files brings the node to
// the end, and the agent is not told to do a long thing twice.
func TestKilledAtAnyStepItGoesOn(t *testing.T) {
	boot := []string{"power off", "publish ramdisk", "boot from network", "power on"}
	for _, c := range []struct {
		from, verb, to string
		steps          []string
		ran            string
	}{
		{"enroll", "manage", "manageable", []string{"verify"}, ""},
		{"manageable", "inspect", "manageable", append(boot, "inventory", "process", "power off after inspection", "done"), ""},
		{"available", "active", "active", append(append([]string{"image", "plan"}, boot...), "call-back", "steps", "deploy 0 write_image",
			"deploy 1 prepare_instance_boot", "deploy 2 tear_down_agent", "deploy 3 boot_instance", "done"), "execute_deploy_step install_bootloader"},
		{"active", "deleted", "available", append(append([]string{"tear down", "forget instance", "plan"}, boot...), "call-back", "steps",
			"clean 0 erase_devices_metadata", "power off after cleaning", "done"), "execute_clean_step"},
	} {
		for _, step := range c.steps {
			for _, how := range []struct{ after, staysOn bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
				after := how.after
				t.Run(fmt.Sprintf("%s/%s/after=%v/on=%v", c.verb, step, after, how.staysOn), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, nil)
					w.node(c.from)
					w.set(func(n *ironic.Node) { n.DisablePowerOff = how.staysOn })
					actions := w.actions()
					w.crashAt(step, after, func() { w.provision(c.verb) })
					n := w.await(c.to)
					if how.staysOn && slices.Contains(actions(), ironic.PowerOff) {
						t.Errorf("it was switched off: %v", actions())
					}
					if n.LastError != "" {
						t.Errorf("error %q", n.LastError)
					}
					if got := strings.Join(w.ran, " "); got != c.ran {
						t.Errorf("agents ran %q, want %q", got, c.ran)
					}
				})
			}
		}
	}
}

func TestAKilledConductorsLockIsGivenBack(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	if _, err := w.db.Reserve(t.Context(), n.UUID, "undercloud", "power action"); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.start()
	if got, err := w.db.Node(t.Context(), n.UUID); err != nil || got.Reservation != "" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := w.db.Reserve(t.Context(), n.UUID, "name-of-before", "its own work"); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.start()
	if got, err := w.db.Node(t.Context(), n.UUID); err != nil || got.Reservation != "" {
		t.Errorf("the host's name has changed: %+v %v", got, err)
	}
}

// A job of before begins ahead of Start, and has its place in the row of this process already.
func TestALockOfTheNameOfBeforeIsGivenBackThoughAJobWaitsForIt(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	if _, err := w.db.Reserve(t.Context(), n.UUID, "name-of-before", "power action"); err != nil {
		t.Fatal(err)
	}
	release, err := w.c.Wait(t.Context(), n.UUID)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := w.c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := w.db.Node(t.Context(), n.UUID); err != nil || got.Reservation != "" {
		t.Errorf("%+v %v", got, err)
	}
}

// A token may be lost with the conductor that gave it out: it is shown once more,
// and an agent that has it can still use it.
func TestATokenThatWasNeverUsedIsShownOnceMoreAfterAKill(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	w.script[n.UUID] = "dead"
	w.provision("active")
	w.await("wait call-back")
	look := func() string {
		l, err := w.c.Lookup(t.Context(), []string{mac}, "")
		if err != nil {
			t.Fatal(err)
		}
		return l.Config.AgentToken
	}
	token := look()
	w.stop()
	w.start()
	if again, third := look(), look(); again != token || third != "******" {
		t.Errorf("the token was shown again: %v, and a third time: %v", again == token, third != "******")
	}
	w.stop()
	w.start()
	// It takes the conductor's connection and says nothing: an agent that refuses would end
	// the deployment, and with it the token, at an instant that the test does not choose.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	hb := agentapi.Heartbeat{CallbackURL: "http://" + silent.Addr().String(), AgentToken: token}
	if err := w.c.Heartbeat(t.Context(), n.UUID, hb); err != nil {
		t.Error(err)
	}
	if last := look(); last != "******" {
		t.Error("a token in use was shown")
	}
}

// lossy agents lose the answer to the first long command of each kind.
type lossy struct {
	agentclient.Client
	mu   sync.Mutex
	lost map[string]bool
}

func (l *lossy) Run(ctx context.Context, t agentclient.Target, cmd agentapi.Command, wait bool) (*agentapi.CommandStatus, error) {
	st, err := l.Client.Run(ctx, t, cmd, wait)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !wait && !l.lost[cmd.Name] && err == nil {
		l.lost[cmd.Name] = true
		return nil, errs.New(errs.Unavailable, "the answer was lost")
	}
	return st, err
}

func TestALostAnswerDoesNotRunACommandTwice(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.Agents = &lossy{lost: map[string]bool{}} })
	w.node("available")
	w.provision("active")
	w.await("active")
	if got := strings.Join(w.ran, " "); got != "execute_deploy_step install_bootloader" {
		t.Errorf("agents ran %q", got)
	}
}

// The state and the job's id are written before the job is stored: a kill in
// between leaves a node whose job is yet to come.
func TestAJobThatWasDecidedButNotStoredStarts(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("enroll")
	if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
		w.c.Decide(n, "id-of-ann")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.start()
	w.await("manageable")
	if got := w.askedBy(`the BMC answers; the machine is in "power off"`); got != "id-of-ann" {
		t.Errorf("by %q", got)
	}
}

// An agent refuses every command while one runs: a conductor that was killed
// meanwhile must only follow that one, and ask the agent for nothing else.
func TestKilledDuringALongCommandItOnlyFollows(t *testing.T) {
	for verb, c := range map[string]struct{ from, wait, to, ran string }{
		"active":  {"available", "wait call-back", "active", "execute_deploy_step install_bootloader"},
		"provide": {"manageable", "clean wait", "available", "execute_clean_step"},
	} {
		t.Run(verb, func(t *testing.T) {
			w := newWorld(t, func(c *conductor.Config) { c.AgentPatience, c.CleanOnProvide = 50*time.Millisecond, true })
			n := w.node(c.from)
			w.script[n.UUID] = "hang"
			w.provision(verb)
			w.awaitCommand()
			w.await(c.wait)
			w.stop()
			w.mu.Lock()
			w.script[n.UUID] = ""
			a := w.agents[n.UUID]
			w.mu.Unlock()
			w.start()
			time.AfterFunc(200*time.Millisecond, func() { a.finish(a.last(), false) })
			if n := w.await(c.to); n.LastError != "" {
				t.Errorf("error %q", n.LastError)
			}
			if got := strings.Join(w.ran, " "); got != c.ran {
				t.Errorf("agents ran %q, want %q", got, c.ran)
			}
		})
	}
}

// awaitCommand waits until an agent has begun a long command.
func (w *world) awaitCommand() {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		n := len(w.ran)
		w.mu.Unlock()
		if n > 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("no agent began a command")
		}
	}
}

// last is the id of the agent's newest command.
func (a *agent) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.commands[len(a.commands)-1].ID
}
