package conductor

import (
	"context"
	"fmt"
	"sync"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/driver"
)

var _ api.Consoles = (*Conductor)(nil)

// console is the console of the node's hardware. The error is Invalid: it has none, or the
// node does not say what one needs.
func (c *Conductor) console(n *ironic.Node) (driver.Console, error) {
	p, err := control[driver.Console](c, n, "console", "console")
	if err != nil {
		return nil, err
	}
	return p, p.CheckConsole(n)
}

// anyConsole is console for stopping it: what runs can be stopped, whatever the node lacks by now.
func (c *Conductor) anyConsole(n *ironic.Node) (driver.Console, error) {
	p, _, err := part[driver.Console](c, n, "console", "console")
	return p, err
}

// SetConsole starts or stops the node's console.
func (c *Conductor) SetConsole(ctx context.Context, ident string, on bool) error {
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return err
	}
	find := c.console
	if !on {
		find = c.anyConsole
	}
	if _, err := find(n); err != nil {
		return err
	}
	return c.carryOut(ctx, ident, order{
		purpose: "setting console mode", event: "console", faulty: !on, anyInfo: !on,
		failed: fmt.Sprintf("Error enabling or disabling the console (enabled: %t)", on),
		done:   fmt.Sprintf("console is on: %t", on),
		work: func(ctx context.Context, n *ironic.Node) (func(*ironic.Node), error) {
			p, err := find(n)
			if err != nil {
				return nil, err
			}
			if err := p.SetConsole(ctx, n, on); err != nil {
				return nil, err
			}
			return func(n *ironic.Node) {
				n.ConsoleEnabled = on
				delete(n.DriverInternalInfo, keyConsole)
			}, nil
		},
	})
}

// Console tells how to reach the node's console; nil where it is off.
func (c *Conductor) Console(ctx context.Context, ident string) (map[string]any, error) {
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return nil, err
	}
	if !n.ConsoleEnabled { // of no interest then, as with Ironic: what the hardware can
		return nil, nil
	}
	p, err := c.console(n)
	if err != nil {
		return nil, err
	}
	if closedConsole(n) {
		return nil, errs.New(errs.Conflict, "the console of node %s is enabled but was closed with its instance, until the next deployment", title(n)).
			WithHint("openstack baremetal node console enable %s", n.UUID)
	}
	return p.Console(ctx, n)
}

// closedConsole reports whether an enabled console was closed with its instance.
func closedConsole(n *ironic.Node) bool {
	closed, _ := n.DriverInternalInfo[keyConsole].(bool)
	return closed
}

// resumeConsole starts the console of a node that has it enabled; the caller has the node's
// lock. It returns why that failed, in a sentence for last_error: as in Ironic the console is
// to be disabled then. One that is still open from before is closed.
func (c *Conductor) resumeConsole(ctx context.Context, n *ironic.Node, when string) string {
	if !n.ConsoleEnabled {
		return ""
	}
	p, err := c.console(n)
	if err == nil {
		err = p.ResumeConsole(ctx, n)
	}
	if err == nil {
		return ""
	}
	if p, none := c.anyConsole(n); none == nil {
		if left := p.SetConsole(ctx, n, false); left != nil {
			c.Log.Error("close a console that could not be started again", "node", n.UUID, "error", left)
		}
	}
	why := fmt.Sprintf("The console could not be started again %s and is disabled: %v", when, err)
	c.note(ctx, n.UUID, "console", "ERROR", why)
	return why
}

// restoreConsoles starts the consoles that were on when the service ended, each beside the
// others: a node that is held long for something else delays its own only.
func (c *Conductor) restoreConsoles(ctx context.Context, uuids []string) {
	var all sync.WaitGroup
	for _, uuid := range uuids {
		all.Go(func() {
			if err := c.restoreConsole(ctx, uuid); err != nil && ctx.Err() == nil && !errs.Is(err, errs.NotFound) {
				c.Log.Error("start a console again", "node", uuid, "error", err)
			}
		})
	}
	all.Wait()
}

func (c *Conductor) restoreConsole(ctx context.Context, uuid string) error {
	n, release, err := c.holdForJob(ctx, uuid, "start console")
	if err != nil {
		return err
	}
	defer release()
	if closedConsole(n) {
		return nil
	}
	why := c.resumeConsole(ctx, n, "with the service")
	if why == "" {
		return nil
	}
	_, err = c.Store.UpdateNode(ctx, uuid, func(n *ironic.Node) error {
		n.ConsoleEnabled, n.LastError = false, ironic.Shortened(why)
		return nil
	})
	return err
}

// stopConsole closes the console of an instance that goes: what its disks are erased by, and
// whoever is next, is not for those who watched. It stays enabled for the next deployment; that
// it is closed until then is written down first, so that no restart opens it.
func (t *task) stopConsole(ctx context.Context) error {
	p, ok := t.drv.(driver.Console)
	if !ok || !t.node.ConsoleEnabled || switchedOff(t.node, "console") {
		return nil
	}
	if err := t.update(ctx, func(n *ironic.Node) { put(n, keyConsole, true) }); err != nil {
		return err
	}
	if err := p.SetConsole(ctx, t.node, false); err != nil {
		return fmt.Errorf("stop the console of node %s: %w", title(t.node), err)
	}
	return nil
}
