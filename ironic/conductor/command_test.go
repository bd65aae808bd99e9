package conductor_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/conductor/agentclient"
)

// clock goes as fast as the real one, and can be set forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// asked counts how often agents were asked for their commands.
type asked struct {
	agentclient.Client
	times atomic.Int32
}

func askedOnce() *asked { return &asked{Client: agentclient.Client{Tries: 1}} }

func (a *asked) Commands(ctx context.Context, t agentclient.Target) ([]agentapi.CommandStatus, error) {
	defer a.times.Add(1)
	return a.Client.Commands(ctx, t)
}

// again waits until an agent was asked, from the question to the answer, since now.
func (a *asked) again(t *testing.T) {
	t.Helper()
	from, deadline := a.times.Load(), time.Now().Add(awaitLimit)
	for a.times.Load() < from+2 {
		if time.Now().After(deadline) {
			t.Fatal("the agent was not asked any more")
		}
		time.Sleep(time.Millisecond)
	}
}

// Erasing a large disk takes a day; Ironic waits for as long as the agent is heard of.
func TestACommandMayTakeDaysWhileItsAgentAnswers(t *testing.T) {
	for _, c := range []struct {
		from, verb, wait, to string
		more                 []func(*api.ProvisionRequest)
	}{
		{"manageable", "clean", "clean wait", "manageable", []func(*api.ProvisionRequest){cleanSteps("erase_devices_metadata")}},
		{"available", "active", "wait call-back", "active", nil},
	} {
		t.Run(c.verb, func(t *testing.T) {
			clock, agents := &clock{}, askedOnce()
			w := newWorld(t, func(c *conductor.Config) { c.Now, c.Agents = clock.now, agents })
			n := w.node(c.from)
			w.say("hang")
			w.provision(c.verb, c.more...)
			w.awaitCommand()
			w.await(c.wait)
			for range 3 {
				agents.again(t)
				clock.advance(24 * time.Hour)
			}
			agents.again(t)
			if got := w.await(c.wait); got.LastError != "" {
				t.Errorf("after three days: %q", got.LastError)
			}
			w.say("")
			w.mu.Lock()
			a := w.agents[n.UUID]
			w.mu.Unlock()
			a.finish(a.last(), false)
			if got := w.await(c.to); got.LastError != "" {
				t.Errorf("%q", got.LastError)
			}
		})
	}
}

// What ends the wait for a command is the agent's silence, for as long as it may take a
// ramdisk of the flow to call back.
func TestAnAgentThatFallsSilentDuringACommandEndsIt(t *testing.T) {
	clock, agents := &clock{}, askedOnce()
	w := newWorld(t, func(c *conductor.Config) {
		c.Now, c.Agents, c.CallbackTimeout = clock.now, agents, 30*time.Minute
	})
	n := w.node("manageable")
	w.say("hang")
	w.provision("clean", cleanSteps("erase_devices_metadata"))
	w.awaitCommand()
	w.await("clean wait")
	w.mu.Lock()
	w.agents[n.UUID].stop()
	w.mu.Unlock()
	agents.again(t)
	clock.advance(20 * time.Minute)
	agents.again(t)
	if got := w.await("clean wait"); got.LastError != "" {
		t.Errorf("after twenty minutes: %q", got.LastError)
	}
	clock.advance(20 * time.Minute)
	got := w.await("clean failed")
	for _, words := range []string{"Timeout reached while waiting for the agent of node control-1 during clean.execute_clean_step: no answer for 4",
		"last heartbeat 20", "does not answer", "look at the node's console"} {
		if !strings.Contains(got.LastError, words) {
			t.Errorf("%q does not say %q", got.LastError, words)
		}
	}
}
