package conductor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// finalPower is the state that a power action ends in; empty for an unknown one.
func finalPower(target string) string {
	switch target {
	case ironic.PowerOn, ironic.Rebooting, ironic.SoftRebooting:
		return ironic.PowerOn
	case ironic.PowerOff, ironic.SoftPowerOff:
		return ironic.PowerOff
	}
	return ""
}

// soft reports whether a power action asks the machine's operating system, which takes its time.
func soft(target string) bool { return target == ironic.SoftPowerOff || target == ironic.SoftRebooting }

// SetPower starts a power action. In a wait for the ramdisk that is a hard one, which takes no longer than PowerTimeout.
func (c *Conductor) SetPower(ctx context.Context, ident, target string, timeout int) error {
	final := finalPower(target)
	if final == "" {
		return errs.New(errs.Invalid, "The requested power state \"%s\" is not known.", target).
			WithHint("use power on, power off, rebooting, soft power off or soft rebooting")
	}
	if timeout < 0 {
		return errs.New(errs.Invalid, "timeout has to be greater than 0")
	}
	n, release, err := c.hold(ctx, ident, "power action "+target)
	if err != nil {
		return err
	}
	defer release()
	drv, err := c.driver(n)
	if err != nil {
		return err
	}
	if err := drv.Validate(n); err != nil {
		return err
	}
	if err := maySwitch(n, target); err != nil {
		return err
	}
	var j jobRef
	_, err = c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		busy, ok := jobOf(n)
		if ok && !takesPower(n) {
			return c.busyWith(n, busy)
		}
		if ok && soft(target) { // the ramdisk need not have what heeds it, and all would wait for it
			return c.busyWith(n, busy).WithHint("use power off or rebooting: a machine that is waited for is not asked to shut down by itself")
		}
		n.TargetPowerState, n.LastError = final, ""
		if j = (jobRef{}); !ok {
			j = assign(n, jobPower, ironic.User(ctx))
			put(n, keyPower, target)
		} else {
			put(n, keyPowerAsked, target)
			put(n, keyPowerUser, ironic.User(ctx))
		}
		put(n, keyTimeout, timeout)
		return nil
	})
	if err != nil {
		return err
	}
	if j.ID == "" {
		c.bells.ring(n.UUID)
		return nil
	}
	if err := c.enqueue(ctx, n, j); err != nil {
		return errors.Join(err, c.takeBack(context.WithoutCancel(ctx), n.UUID, j, err, forgetPowerAction))
	}
	return nil
}

func forgetPowerAction(n *ironic.Node) {
	n.TargetPowerState = ""
	for _, k := range []string{keyPower, keyPowerAsked, keyPowerUser, keyTimeout} {
		delete(n.DriverInternalInfo, k)
	}
}

// keyPower holds the power action that jobPower carries out.
const keyPower = "power_action"

// power is the job behind SetPower.
func (t *task) power() error {
	return t.step("power", func(ctx context.Context) error {
		target := text(t.node.DriverInternalInfo, keyPower)
		if err := t.switchAsAsked(ctx, target); err != nil {
			return err
		}
		return t.update(context.WithoutCancel(ctx), func(n *ironic.Node) {
			n.PowerState = finalPower(target)
			if target == ironic.Rebooting {
				delete(n.DriverInternalInfo, keyReset)
			}
			forgetPowerAction(n)
			unassign(n)
		})
	})
}

// switchAsAsked does the power action that somebody asked for.
func (t *task) switchAsAsked(ctx context.Context, target string) error {
	if err := maySwitch(t.node, target); err != nil { // the flag may have come since it was asked for
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.powerLimit(target))
	defer cancel()
	if err := t.setPower(ctx, target, target); err != nil {
		return err
	}
	t.note("power", "%s: done", target)
	return nil
}

// powerLimit is how long the power action that somebody asked for may take.
func (t *task) powerLimit(target string) time.Duration {
	if s := number(t.node.DriverInternalInfo, keyTimeout); s > 0 {
		return time.Duration(s) * time.Second
	}
	if soft(target) {
		return t.SoftTimeout
	}
	return t.PowerTimeout
}

// setPower has the BMC do one part of the power action asked.
func (t *task) setPower(ctx context.Context, part, asked string) error {
	if err := t.drv.SetPower(ctx, t.node, part); err != nil {
		return errs.Wrap(errs.CodeOf(err), err, "Failed to change power state of node %s to '%s'", title(t.node), asked)
	}
	return nil
}

// SetBootDevice chooses what the node boots from.
func (c *Conductor) SetBootDevice(ctx context.Context, ident, device string, persistent bool) error {
	n, release, err := c.hold(ctx, ident, "setting the boot device")
	if err != nil {
		return err
	}
	defer release()
	drv, err := c.driver(n)
	if err != nil {
		return err
	}
	if err := drv.Validate(n); err != nil {
		return err
	}
	return drv.SetBootDevice(ctx, n, device, persistent)
}

// BootDevice asks the node's BMC what it boots from.
func (c *Conductor) BootDevice(ctx context.Context, ident string) (string, bool, error) {
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return "", false, err
	}
	drv, err := c.driver(n)
	if err != nil {
		return "", false, err
	}
	if err := drv.Validate(n); err != nil {
		return "", false, err
	}
	return drv.BootDevice(ctx, n)
}

// SupportedBootDevices names what SetBootDevice takes.
func (c *Conductor) SupportedBootDevices(ctx context.Context, ident string) ([]string, error) {
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return nil, err
	}
	drv, err := c.driver(n)
	if err != nil {
		return nil, err
	}
	return drv.SupportedBootDevices(n), nil
}

// syncWorkers bounds how many BMCs are asked at the same time.
const syncWorkers = 8

// syncTries is how often a BMC may stay silent before its node is set into maintenance, unless Config says it.
const syncTries = 3

// syncLoop holds what nodes remember of their power against what their BMCs say.
func (c *Conductor) syncLoop(ctx context.Context) {
	silent := silences{count: map[string]int{}}
	for {
		if err := c.pause(ctx, c.SyncInterval); err != nil {
			return
		}
		c.syncAll(ctx, &silent)
	}
}

// silences counts, by node, the syncs in a row that got no answer.
type silences struct {
	mu    sync.Mutex
	count map[string]int
}

func (s *silences) add(uuid string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[uuid]++
	return s.count[uuid]
}

func (s *silences) clear(uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.count, uuid)
}

func (c *Conductor) syncAll(ctx context.Context, silent *silences) {
	sem := make(chan struct{}, syncWorkers)
	var wg sync.WaitGroup
	err := ironic.Walk(ctx, c.Store, syncFilter(), func(n *ironic.Node) error {
		if !syncs(n) {
			return nil
		}
		select {
		case sem <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		wg.Go(func() {
			defer func() { <-sem }()
			c.syncNode(ctx, n, silent)
		})
		return nil
	})
	wg.Wait()
	if err != nil && ctx.Err() == nil {
		c.Log.Error("power sync", "error", err)
	}
}

// syncFilter lets through what syncs may; the rest of its rules is in documents.
func syncFilter() ironic.NodeFilter {
	f := ironic.NodeFilter{Unreserved: true, UprightOr: faultPower}
	for _, s := range fsm.States() {
		if unsynced(s) {
			f.ExceptStates = append(f.ExceptStates, string(s))
		}
	}
	return f
}

// unsynced are states of machines that the service does not look after, or is at work on.
func unsynced(s fsm.State) bool { return s == fsm.Enroll || s == fsm.AdoptFailed || fsm.Busy(s) }

// syncs reports whether power sync looks at a node: not while something is done with it.
func syncs(n *ironic.Node) bool {
	if _, ok := jobOf(n); ok || n.Reservation != "" || n.TargetPowerState != "" {
		return false
	}
	if n.Maintenance && n.Fault != faultPower {
		return false
	}
	return !unsynced(fsm.State(n.ProvisionState))
}

func (c *Conductor) syncNode(ctx context.Context, n *ironic.Node, silent *silences) {
	drv, err := c.driver(n)
	if err != nil {
		return
	}
	qctx, cancel := context.WithTimeout(ctx, c.PowerTimeout)
	defer cancel()
	state, err := drv.PowerState(qctx, n)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		if silent.add(n.UUID) >= c.SyncTries { // more, where the node was at work at that very sync, or was taken out of maintenance
			c.powerFault(ctx, n, err)
		}
	default:
		silent.clear(n.UUID)
		c.recordPower(ctx, n, drv.SetPower, state)
	}
}

// errElsewhere leaves a node unwritten that something else happens with.
var errElsewhere = errors.New("the node is at work")

// powerFault sets a node into maintenance because its BMC stays silent. The fault
// goes by itself when the BMC answers again.
func (c *Conductor) powerFault(ctx context.Context, n *ironic.Node, cause error) {
	if n.Fault == faultPower {
		return
	}
	words := ironic.Shortened(fmt.Sprintf("During sync_power_state, max retries exceeded for node %s: %v", title(n), cause))
	_, err := c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		if !syncs(n) || n.Maintenance {
			return errElsewhere // the next sync looks again
		}
		n.Maintenance, n.MaintenanceReason, n.Fault, n.LastError = true, words, faultPower, words
		return nil
	})
	switch {
	case errors.Is(err, errElsewhere):
	case err != nil:
		c.Log.Error("record a power fault", "node", n.UUID, "error", err)
	default:
		c.note(ctx, n.UUID, "power", "ERROR", words)
	}
}

// recordPower takes over what the BMC says, or with ForcePower sets the machine
// back to what the node remembers.
func (c *Conductor) recordPower(ctx context.Context, n *ironic.Node, set func(context.Context, *ironic.Node, string) error, state string) {
	if n.PowerState == state && n.Fault != faultPower {
		return
	}
	if c.ForcePower && !n.DisablePowerOff && n.PowerState != "" && n.PowerState != state && n.Fault != faultPower {
		c.forcePower(ctx, n, set)
		return
	}
	was := n.PowerState
	_, err := c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		if !syncs(n) || n.PowerState != was {
			return nil // something happened meanwhile
		}
		n.PowerState = state
		if n.Fault == faultPower {
			n.Maintenance, n.MaintenanceReason, n.Fault = false, "", ""
		}
		return nil
	})
	if err != nil {
		c.Log.Error("record a power state", "node", n.UUID, "error", err)
		return
	}
	if was != "" && was != state {
		c.note(ctx, n.UUID, "power", "INFO", fmt.Sprintf("the machine is in %q, the node said %q: taken over", state, was))
	}
}

func (c *Conductor) forcePower(ctx context.Context, n *ironic.Node, set func(context.Context, *ironic.Node, string) error) {
	held, release, err := c.hold(ctx, n.UUID, "power sync")
	if err != nil {
		return
	}
	defer release()
	if _, busy := jobOf(held); busy || held.PowerState != n.PowerState || held.DisablePowerOff {
		return
	}
	if err := set(ctx, held, held.PowerState); err != nil {
		c.Log.Warn("power sync could not set a node back", "node", n.UUID, "error", err)
		return
	}
	c.note(ctx, n.UUID, "power", "INFO", fmt.Sprintf("the machine was set back to %q", held.PowerState))
}
