package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/ssh"
	"trefoil/overcloud/stack"
)

// RemoteUser is who logs in to nodes; TripleO's name.
const RemoteUser = "heat-admin"

// The commands of os-apply-config; documents come on standard input.
const (
	applyCommand  = "sudo /usr/local/bin/os-apply-config apply"
	verifyCommand = "sudo /usr/local/bin/os-apply-config verify"
)

// reconnectWait is how long a node that was reached before may be silent.
const reconnectWait = 5 * time.Minute

// loginPause is the time between a login that broke and the next one.
const loginPause = time.Second

// wrongUse is the exit status of an os-apply-config that does not know a command.
const wrongUse = 2

// Remote configures nodes over SSH: one login a node, one round trip a document.
type Remote struct {
	Dialer *ssh.Dialer
	// Program is the path of our own os-apply-config; nodes with another one get it.
	// "": they keep theirs.
	Program string

	mu   sync.Mutex
	idle map[ssh.Target]*ssh.Client // logged in, and nobody uses it
}

var (
	_ Configurator = (*Remote)(nil)
	_ Observer     = (*Remote)(nil)
	_ Reporter     = (*Remote)(nil)
	_ Database     = (*Remote)(nil)
	_ Ceph         = (*Remote)(nil)
)

func target(n stack.Node) ssh.Target {
	return ssh.Target{Address: n.Address, User: RemoteUser, HostKey: n.HostKey}
}

// Reach implements Configurator: it waits for a login, and sees to it that the node's
// os-apply-config is ours.
func (r *Remote) Reach(ctx context.Context, n stack.Node, tell func(string)) error {
	r.Leave(n) // the machine may have booted since
	ours, err := openProgram(r.Program)
	if err != nil {
		return err
	}
	defer ours.close()
	for {
		c, err := r.Dialer.Wait(ctx, target(n), tell)
		if err != nil {
			return err
		}
		err = ours.renew(ctx, c, n, tell)
		if err == nil {
			r.put(n, c)
			return nil
		}
		c.Close()
		if !lost(err) || ctx.Err() != nil {
			return err
		}
		if tell != nil { // a machine that has just booted may drop its first login
			tell(err.Error())
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(loginPause):
		}
	}
}

// Verify implements Configurator.
func (r *Remote) Verify(ctx context.Context, n stack.Node, docs []resource.Document) (map[int]bool, error) {
	var body bytes.Buffer
	for _, d := range docs {
		if err := json.NewEncoder(&body).Encode(d); err != nil {
			return nil, fmt.Errorf("encode step %d: %w", d.Step, err)
		}
	}
	out := map[int]bool{}
	err := r.command(ctx, n, verifyCommand, body.Bytes(), func(ev resource.Event) {
		if ev.Event == "verified" {
			out[ev.Step] = true
		}
	})
	var exit *ssh.ExitError
	if errors.As(err, &exit) && exit.Status == wrongUse {
		return nil, nil // an older one: all steps are looked at one by one
	}
	return out, err
}

// Apply implements Configurator. A connection that cannot be made or that breaks
// is an errs.Unavailable.
func (r *Remote) Apply(ctx context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error {
	body, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode step %d: %w", doc.Step, err)
	}
	failed := false
	err = r.command(ctx, n, applyCommand, body, func(ev resource.Event) {
		failed = failed || ev.Event == "failed"
		tell(ev)
	})
	var exit *ssh.ExitError
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case !errors.As(err, &exit):
		return errs.Wrap(errs.Unavailable, err, "the connection to %s broke", n.Address)
	case failed:
		return nil // the failed event says more than the exit status
	}
	return err
}

// Leave implements Configurator.
func (r *Remote) Leave(n stack.Node) {
	if c := r.take(n); c != nil {
		c.Close()
	}
}

// command runs a command of os-apply-config and passes its events on. A login that
// was kept and has gone stale is made again.
func (r *Remote) command(ctx context.Context, n stack.Node, command string, body []byte, tell func(resource.Event)) error {
	heard := false
	line := func(text []byte) {
		var ev resource.Event
		if json.Unmarshal(text, &ev) == nil && ev.Event != "" {
			heard = true
			tell(ev)
		}
	}
	if c := r.take(n); c != nil {
		if err := r.use(ctx, n, c, command, body, line); err == nil || heard || !lost(err) || ctx.Err() != nil {
			return err
		}
	}
	wctx, cancel := context.WithTimeout(ctx, reconnectWait)
	defer cancel()
	c, err := r.Dialer.Wait(wctx, target(n), nil)
	if err != nil {
		return err
	}
	c.Detach()
	return r.use(ctx, n, c, command, body, line)
}

// use runs one command and keeps the login for the next, unless it was lost.
func (r *Remote) use(ctx context.Context, n stack.Node, c *ssh.Client, command string, body []byte, line func([]byte)) error {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	err := c.Run(ctx, command, body, line)
	if !stop() || lost(err) {
		c.Close()
		return err
	}
	r.put(n, c)
	return err
}

// lost tells whether the error is of the connection, not of the command.
func lost(err error) bool {
	var exit *ssh.ExitError
	return err != nil && !errors.As(err, &exit)
}

// take hands out the login that is kept to a node, or nil.
func (r *Remote) take(n stack.Node) *ssh.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.idle[target(n)]
	delete(r.idle, target(n))
	return c
}

// put keeps a login, whatever becomes of the context that it was made in.
func (r *Remote) put(n stack.Node, c *ssh.Client) {
	if !c.Detach() {
		c.Close()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle == nil {
		r.idle = map[ssh.Target]*ssh.Client{}
	}
	if old := r.idle[target(n)]; old != nil {
		old.Close()
	}
	r.idle[target(n)] = c
}
