package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"trefoil/overcloud/resource"
	"trefoil/overcloud/ssh"
	"trefoil/overcloud/stack"
)

// RemoteUser is who logs in to nodes; TripleO's name.
const RemoteUser = "heat-admin"

// applyCommand runs os-apply-config on a node; the document comes on standard input.
const applyCommand = "sudo /usr/local/bin/os-apply-config apply"

// Remote configures nodes over SSH: one round trip a document.
type Remote struct{ Dialer *ssh.Dialer }

var _ Configurator = (*Remote)(nil)

func target(n stack.Node) ssh.Target {
	return ssh.Target{Address: n.Address, User: RemoteUser, HostKey: n.HostKey}
}

// Reach implements Configurator: it waits for a login.
func (r *Remote) Reach(ctx context.Context, n stack.Node, tell func(string)) error {
	c, err := r.Dialer.Wait(ctx, target(n), tell)
	if err != nil {
		return err
	}
	return c.Close()
}

// Apply implements Configurator.
func (r *Remote) Apply(ctx context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error {
	body, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode step %d: %w", doc.Step, err)
	}
	c, err := r.Dialer.Wait(ctx, target(n), nil)
	if err != nil {
		return err
	}
	defer c.Close()
	failed := false
	err = c.Run(ctx, applyCommand, body, func(line []byte) {
		var ev resource.Event
		if json.Unmarshal(line, &ev) == nil && ev.Event != "" {
			failed = failed || ev.Event == "failed"
			tell(ev)
		}
	})
	var exit *ssh.ExitError
	if failed && errors.As(err, &exit) {
		return nil // the failed event says more than the exit status
	}
	return err
}
