package conductor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"
	"trefoil/ironic/steps"
)

// A step of cleaning or service may run on a node's parts (execute_on_child_nodes of Ironic 2023.2): power, and
// what their hardware types do by themselves. A part boots no ramdisk for it and keeps its provision state.

// childrenOf are the nodes that a step runs on: the parts of n, or those of them that it names.
func (c *Conductor) childrenOf(ctx context.Context, n *ironic.Node, s steps.Step) ([]*ironic.Node, error) {
	all, err := c.Store.Nodes(ctx, ironic.NodeFilter{Parent: &n.UUID})
	if err != nil {
		return nil, fmt.Errorf("list the child nodes of node %s: %w", title(n), err)
	}
	if len(s.Children) == 0 {
		return all, nil
	}
	for _, uuid := range s.Children {
		if !slices.ContainsFunc(all, func(o *ironic.Node) bool { return o.UUID == uuid }) {
			return nil, errs.New(errs.Invalid, "limit_child_node_execution of step %s names %s, which is no child node of node %s", s.ID(), uuid, title(n)).
				WithHint("GET /v1/nodes/%s/children lists them", n.UUID)
		}
	}
	return slices.DeleteFunc(all, func(o *ironic.Node) bool { return !slices.Contains(s.Children, o.UUID) }), nil
}

// checkChildren looks whether all child nodes can do what steps ask of them.
func (c *Conductor) checkChildren(ctx context.Context, n *ironic.Node, kind steps.Kind, asked []steps.Step) error {
	for _, s := range asked {
		if !s.OnChildren {
			continue
		}
		children, err := c.childrenOf(ctx, n, s)
		if err != nil {
			return err
		}
		for _, child := range children {
			if _, err := c.onPart(child, kind, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// onPart looks whether one child node can do what a step asks of it.
func (c *Conductor) onPart(child *ironic.Node, kind steps.Kind, s steps.Step) (driver.Driver, error) {
	drv, err := c.driver(child)
	if err == nil {
		err = drv.Validate(child)
	}
	if err == nil {
		own := []steps.Step{s.Own()}
		_, err = steps.Resolve(kind, own, ownSteps(drv, child, kind), true)
		err = cmp.Or(err, mayRun(drv, child, kind, own))
	}
	if err != nil {
		return nil, errs.Wrap(errs.CodeOf(err), err, "child node %s", title(child))
	}
	return drv, nil
}

// onChildren runs a step on the parts of the task's node, one after the other. After a crash all are asked again.
func (t *task) onChildren(ctx context.Context, f flow, s steps.Step) error {
	children, err := t.childrenOf(ctx, t.node, s)
	if err != nil {
		return err
	}
	var names []string
	for _, child := range children {
		if err := t.onChild(ctx, f, s, child.UUID); err != nil {
			return err
		}
		names = append(names, title(child))
	}
	t.note("transition", "step %s ran on %d child nodes: %s", s.Name, len(names), cmp.Or(strings.Join(names, ", "), "there are none"))
	return nil
}

// onChild runs a step on one part, which it holds meanwhile; a part that is at work itself is left alone.
func (t *task) onChild(ctx context.Context, f flow, s steps.Step, uuid string) error {
	child, release, err := t.Conductor.hold(ctx, uuid, fmt.Sprintf("%s step %s of node %s", f.kind, s.Name, title(t.node)))
	if err != nil {
		return err
	}
	defer release()
	if j, busy := jobOf(child); busy {
		return t.busyWith(child, j)
	}
	if child.ParentNode != t.uuid {
		return errs.New(errs.Conflict, "node %s is no child node of node %s any more", title(child), title(t.node))
	}
	part := &task{Conductor: t.Conductor, run: t.run, uuid: child.UUID, node: child, user: t.user}
	what := fmt.Sprintf("%s step %s of node %s", f.kind, s.Name, title(t.node))
	if part.drv, err = t.onPart(child, f.kind, s); err == nil {
		err = part.asPart(ctx, f, s, what)
	}
	if err != nil && ctx.Err() == nil { // else it is asked again
		part.noteBy(part.run, part.user, part.uuid, "transition", "ERROR", fmt.Sprintf("%s failed: %v", what, err))
	}
	return err
}

// asPart runs another node's step on the task's, and tells of it in its history as of what.
func (t *task) asPart(ctx context.Context, f flow, s steps.Step, what string) error {
	if !steps.Reserved(s.Name) {
		err := t.outOfBand(ctx, f, s.Own())
		if err == nil {
			t.note("transition", "%s: done", what)
		}
		return err
	}
	target := map[string]string{steps.PowerOn: ironic.PowerOn, steps.PowerOff: ironic.PowerOff, steps.Reboot: ironic.Rebooting}[s.Name]
	if err := t.patiently(ctx, func() error { return t.switchTo(ctx, target) }); err != nil {
		return err
	}
	t.note("power", "%s: done, by %s", target, what)
	_, err := t.Store.UpdateNode(ctx, t.uuid, func(n *ironic.Node) error {
		reached(finalPower(target))(n)
		return nil
	})
	return err
}
