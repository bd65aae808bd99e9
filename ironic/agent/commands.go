package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"

	"trefoil/internal/errs"
	"trefoil/ironic/agentapi"
)

// handler runs one command. report tells how far it is, in words.
type handler struct {
	async bool
	run   func(ctx context.Context, params map[string]any, report func(string)) (map[string]any, error)
}

// errBusy is returned while another asynchronous command runs.
var errBusy = errors.New("agent is busy with another command")

// entry is one command that was accepted. Its status is guarded by commands.mu.
type entry struct {
	status agentapi.CommandStatus
	done   chan struct{}
}

// commands runs commands, one asynchronous one at a time, and remembers them all.
type commands struct {
	handlers map[string]handler
	started  func() // called for each asynchronous command
	finished func()
	log      *slog.Logger

	mu      sync.Mutex
	list    []*entry
	running *entry
	message string
}

func newCommands(h map[string]handler, started, finished func(), log *slog.Logger) *commands {
	return &commands{handlers: h, started: started, finished: finished, log: log}
}

// start accepts a command. An asynchronous one goes on after start returned;
// wait for entry.done. The context of the request does not reach it: a
// conductor that hangs up does not stop a disk from being written.
func (c *commands) start(cmd agentapi.Command) (*entry, error) {
	h, ok := c.handlers[cmd.Name]
	if !ok {
		return nil, errs.New(errs.NotFound, "the agent does not know the command %q", cmd.Name)
	}
	_, short, _ := strings.Cut(cmd.Name, ".") // as IPA lists them: Ironic looks for its last command by that name
	e := &entry{done: make(chan struct{}), status: agentapi.CommandStatus{ID: newID(), Name: short, Status: agentapi.Running}}
	c.mu.Lock()
	if h.async && c.running != nil {
		name := c.running.status.Name
		c.mu.Unlock()
		return nil, fmt.Errorf("%w: %s", errBusy, name)
	}
	if h.async {
		c.running, c.message = e, ""
	}
	c.list = append(c.list, e)
	c.mu.Unlock()
	c.log.Info("command", "name", cmd.Name, "id", e.status.ID)
	if h.async {
		c.started()
		go c.execute(h, e, cmd.Params)
	} else {
		c.execute(h, e, cmd.Params)
	}
	return e, nil
}

func (c *commands) execute(h handler, e *entry, params map[string]any) {
	result, err := c.guarded(h, params)
	c.mu.Lock()
	e.status.Status, e.status.Result = agentapi.Succeeded, result
	if err != nil {
		e.status.Status, e.status.Result = agentapi.Failed, nil
		if errors.Is(err, errOtherVersion) {
			e.status.Status = agentapi.CleanVersionMismatch
		}
		e.status.Error = &agentapi.CommandError{Type: errorType(err), Code: errs.HTTPStatus(errs.CodeOf(err)), Message: err.Error(), Details: errs.HintOf(err)}
	}
	if c.running == e {
		c.running, c.message = nil, ""
	}
	status := e.status
	c.mu.Unlock()
	close(e.done)
	if err != nil {
		c.log.Error("command failed", "name", status.Name, "id", status.ID, "error", err)
	} else {
		c.log.Info("command done", "name", status.Name, "id", status.ID)
	}
	if h.async {
		c.finished()
	}
}

// guarded turns a panic into a failed command: the conductor must hear of it.
func (c *commands) guarded(h handler, params map[string]any) (result map[string]any, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("command panicked", "panic", r, "stack", string(debug.Stack()))
			result, err = nil, fmt.Errorf("the agent broke: %v", r)
		}
	}()
	return h.run(context.Background(), params, c.report)
}

func (c *commands) report(msg string) {
	c.mu.Lock()
	c.message = msg
	c.mu.Unlock()
}

func (c *commands) progress() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.message
}

func (c *commands) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running != nil
}

// wait returns when the command has ended or ctx has.
func (c *commands) wait(ctx context.Context, id string) {
	var done chan struct{}
	c.mu.Lock()
	for _, e := range c.list {
		if e.status.ID == id {
			done = e.done
		}
	}
	c.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// status returns a copy of one command, or of all when id is empty.
func (c *commands) status(id string) []agentapi.CommandStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []agentapi.CommandStatus{}
	for _, e := range c.list {
		if id == "" || e.status.ID == id {
			out = append(out, e.status)
		}
	}
	return out
}

func errorType(err error) string {
	if errors.Is(err, errOtherVersion) {
		return "VersionMismatch"
	}
	switch errs.CodeOf(err) {
	case errs.Invalid:
		return "InvalidCommandParamsError"
	case errs.NotFound:
		return "DeviceNotFound"
	case errs.Conflict:
		return "ImageChecksumError"
	}
	return "CommandExecutionError"
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
