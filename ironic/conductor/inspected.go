package conductor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/fsm"
	"trefoil/ironic/inspect"
	"trefoil/ironic/inspect/rules"
)

// process writes what the stored inventory says into the node, and takes it through
// the inspection rules. Ports are made before, one by one; all else is one
// transaction, so that a rule that fails leaves nothing of what others did.
func (t *task) process(ctx context.Context) error {
	if processed(t.node) {
		return nil // a crash came before the step was recorded
	}
	inv, err := t.Store.Inventory(ctx, t.uuid)
	if err != nil {
		return err
	}
	res, err := t.read(t.node, inv)
	if err != nil {
		return err
	}
	if err := t.addPorts(ctx, res.Ports); err != nil {
		return err
	}
	if len(res.Missing) > 0 {
		t.note("inspection", "the inventory does not tell %s", strings.Join(res.Missing, ", "))
	}
	p := res.Properties
	t.note("inspection", "found %v CPUs (%v), %v MiB of memory, %v GiB of disk", p["cpus"], p["cpu_arch"], p["memory_mb"], p["local_gb"])
	n, err := t.digest(ctx, t.uuid, res, func(n *ironic.Node) error {
		if j, ok := jobOf(n); !ok || j.ID != t.run.ID() {
			return errSuperseded
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.node = n
	t.drv, err = t.Conductor.driver(n) // a rule may have chosen another one
	return err
}

// read makes of a stored inventory what it says of the node.
func (c *Conductor) read(n *ironic.Node, inv *ironic.Inventory) (*inspect.Result, error) {
	data, err := restore(inv)
	if err != nil {
		return nil, err
	}
	hints, _ := n.Properties["root_device"].(map[string]any)
	res, err := inspect.Process(data, hints, c.AddPorts)
	if err != nil {
		return nil, errs.Wrap(errs.CodeOf(err), err, "Failed to process the inventory of node %s", title(n))
	}
	return res, nil
}

// processed tells whether the inventory that came last was digested.
func processed(n *ironic.Node) bool {
	at := text(n.DriverInternalInfo, keyReceived)
	return at != "" && at == text(n.DriverInternalInfo, keyProcessed)
}

// Bounds of one inspection's rules: how long they may take, and how often they begin again because the
// node changed while they ran.
const (
	rulesTime  = 2 * time.Minute
	rulesTries = 20
)

// digest writes a result into a node and runs the rules. mine refuses a node that is somebody else's by
// then, and may edit it. The rules run on copies, for they take as long as they take, and nobody else
// could write meanwhile; what they made is one transaction, in which all is as they saw it.
func (c *Conductor) digest(ctx context.Context, uuid string, res *inspect.Result, mine func(*ironic.Node) error) (*ironic.Node, error) {
	stored, err := c.Store.InspectionRules(ctx, "")
	if err != nil {
		return nil, err
	}
	all, err := rules.CompileAll(append(stored, c.BuiltInRules...))
	if err != nil {
		return nil, err
	}
	for range rulesTries {
		d, err := c.digested(ctx, uuid)
		if err != nil {
			return nil, err
		}
		notes, failure, err := c.fillAndApply(ctx, d, res, all, mine)
		if err != nil {
			return nil, err
		}
		var n *ironic.Node
		if failure == nil {
			n, err = c.Store.UpdateInspected(ctx, uuid, d.write)
		}
		if errors.Is(err, errMoved) {
			continue
		}
		c.tell(ctx, uuid, notes) // also what a rule said that failed
		if failure != nil {
			return nil, errs.Wrap(errs.CodeOf(failure), failure, "Failed to inspect hardware. Reason")
		}
		return n, err
	}
	return nil, errs.New(errs.Unavailable, "node %s changed each of the %d times that inspection rules ran: they take long, or it is written to without a pause", uuid, rulesTries)
}

// fillAndApply edits copies of the rows: what the hooks found, then the rules. failure is that of a rule.
func (c *Conductor) fillAndApply(ctx context.Context, d *digested, res *inspect.Result, all []*rules.Rule,
	mine func(*ironic.Node) error) (notes []rules.Note, failure, err error) {
	n := d.node
	if err := mine(n); err != nil {
		return nil, nil, err
	}
	fill(n, res)
	inspect.Neighbours(d.inv)
	if pci := inspect.PCICapabilities(d.inv.PluginData, c.PCIAliases); len(pci) > 0 {
		n.Properties["capabilities"] = inspect.MergeCapabilities(text(n.Properties, "capabilities"), pci)
	}
	limited, cancel := context.WithTimeoutCause(ctx, rulesTime, errs.New(errs.Unavailable, "they took longer than %s", rulesTime))
	defer cancel()
	if notes, failure = c.applyRules(limited, all, n, d.ports, d.inv); failure != nil {
		if ctx.Err() != nil { // the service ends, and no rule is at fault
			return nil, nil, context.Cause(ctx)
		}
		return notes, failure, nil
	}
	if at := text(n.DriverInternalInfo, keyReceived); at != "" {
		put(n, keyProcessed, at)
	}
	return notes, nil, nil
}

// Reprocess takes a resting node through hooks and rules anew, with the inventory that
// is stored; ports are not made. What a rule objects to is the error, and changes nothing.
// Errors: NotFound without an inventory, Invalid for a state in which a node is in use or at work.
func (c *Conductor) Reprocess(ctx context.Context, ident string) error {
	n, release, err := c.hold(ctx, ident, "reapplying introspection data")
	if err != nil {
		return err
	}
	defer release()
	rest := func(n *ironic.Node) error {
		switch fsm.State(n.ProvisionState) {
		case fsm.Enroll, fsm.Manageable, fsm.Available, fsm.InspectFailed:
			return nil
		}
		return errs.New(errs.Invalid, "Invalid provision state for introspection: \"%s\" of node %s; introspection data is applied anew in "+
			"enroll, manageable, available and inspect failed", n.ProvisionState, n.UUID)
	}
	if err := rest(n); err != nil {
		return err
	}
	inv, err := c.Store.Inventory(ctx, n.UUID)
	if err != nil {
		return err
	}
	res, err := c.read(n, inv)
	if err != nil {
		return err
	}
	if _, err := c.digest(ctx, n.UUID, res, rest); err != nil {
		return err
	}
	c.note(ctx, n.UUID, "inspection", "INFO", "introspection data was applied anew")
	return nil
}

// fill writes what the hooks found.
func fill(n *ironic.Node, res *inspect.Result) {
	if n.Properties == nil {
		n.Properties = map[string]any{}
	}
	maps.Copy(n.Properties, res.Properties)
	n.Properties["capabilities"] = inspect.MergeCapabilities(text(n.Properties, "capabilities"), res.Capabilities)
	if res.BootMode != "" {
		n.BootMode = res.BootMode
	}
}

// applyRules runs the rules on the rows. A driver that a rule chose brings its own
// interfaces, but for those that rules chose too.
func (c *Conductor) applyRules(ctx context.Context, all []*rules.Rule, n *ironic.Node, ports []*ironic.Port, inv *ironic.Inventory) ([]rules.Note, error) {
	if len(all) == 0 {
		return nil, nil
	}
	data, err := inspect.Data(n, inv)
	if err != nil {
		return nil, err
	}
	driver, chosen, protected, fault := n.Driver, maps.Clone(n.Interfaces), n.Protected, ironic.FlagsFault(n)
	m := &rules.Machine{Node: n, Ports: ports, Inventory: inv.Inventory, PluginData: inv.PluginData, Data: data}
	notes, err := rules.Run(ctx, all, m)
	if err != nil {
		return notes, err
	}
	inv.PluginData = m.PluginData
	if now := ironic.FlagsFault(n); now != fault && now != "" {
		return notes, errs.New(errs.Invalid, "inspection rules: %s", now)
	}
	if n.Protected && !protected {
		return notes, errs.New(errs.Invalid, "inspection rules cannot protect a node: only active and rescue nodes can be")
	}
	if n.Driver == driver && maps.Equal(n.Interfaces, chosen) {
		return notes, nil
	}
	if n.Driver != driver {
		maps.DeleteFunc(n.Interfaces, func(kind, v string) bool { return v == chosen[kind] })
	}
	if err := c.CheckCreate(ctx, n); err != nil {
		return notes, errs.Wrap(errs.Invalid, err, "inspection rules chose a driver or interface that cannot be")
	}
	return notes, nil
}

// maxTold bounds how many lines of rules one inspection adds to a node's history.
const maxTold = 50

// tell writes what rules had to say to the log, and to the history what is no debug.
func (c *Conductor) tell(ctx context.Context, uuid string, notes []rules.Note) {
	told := 0
	for _, n := range notes {
		level, severity := slog.LevelInfo, "INFO"
		switch n.Level {
		case "debug":
			level = slog.LevelDebug
		case "warning":
			level = slog.LevelWarn
		case "error", "critical":
			level, severity = slog.LevelError, "ERROR"
		}
		c.Log.Log(ctx, level, "inspection rule: "+n.Text, "node", uuid)
		if level == slog.LevelDebug {
			continue
		}
		if told++; told <= maxTold {
			c.note(ctx, uuid, "inspection", severity, n.Text)
		}
	}
	if told > maxTold {
		c.note(ctx, uuid, "inspection", "INFO", fmt.Sprintf("%d more lines of inspection rules are in the service's log", told-maxTold))
	}
}
