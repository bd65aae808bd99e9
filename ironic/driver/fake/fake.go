// Package fake is the driver "fake-hardware": machines that exist only in
// memory. It serves API tests, demonstrations without hardware and the
// conductor's own tests, which set what a power-on starts. Users make machines slow or
// broken by driver_info, and slow by the service's configuration: see Properties.
package fake

import (
	"context"
	"fmt"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"
)

// Name is the driver's name in the API.
const Name = "fake-hardware"

// Driver keeps machines in memory. The zero value is ready.
type Driver struct {
	// Delay of each action and query.
	Delay time.Duration
	// Delays of actions by the interface that they belong to (see Interfaces), beside Delay; a node's
	// driver_info has others.
	Delays map[string]Span
	// Fail, when set, may refuse an action ("power on", "power off", "power state",
	// "boot device", "nmi", "boot mode", "secure boot", "virtual media", "console",
	// "indicators", "inspect", "deploy", "rescue") on a machine.
	Fail func(nodeUUID, action string) error
	// Switched, when set, is told after a machine was started or stopped.
	Switched func(nodeUUID, state, bootDevice string)

	mu       sync.Mutex
	machines map[string]*machine
}

type machine struct {
	power  string
	device string
	chosen bool   // device was asked for
	once   string // boot device of the next start only
	controls
}

var _ driver.Driver = (*Driver)(nil)

// machine finds or makes the machine of a node; the caller holds mu. After a
// restart the machine is in the state that the node remembers.
func (d *Driver) machine(n *ironic.Node) *machine {
	if d.machines == nil {
		d.machines = map[string]*machine{}
	}
	m := d.machines[n.UUID]
	if m == nil {
		m = &machine{power: ironic.PowerOff, device: ironic.BootDisk}
		if n.PowerState == ironic.PowerOn {
			m.power = ironic.PowerOn
		}
		d.machines[n.UUID] = m
	}
	return m
}

func (d *Driver) begin(ctx context.Context, n *ironic.Node, action string) error {
	if delay := d.Delay + d.delay(n, action); delay > 0 {
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", action, ctx.Err())
		case <-t.C:
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	if d.Fail != nil {
		if err := d.Fail(n.UUID, action); err != nil {
			return err
		}
	}
	return refusal(n, action)
}

// PowerState returns whether the machine is on.
func (d *Driver) PowerState(ctx context.Context, n *ironic.Node) (string, error) {
	if err := d.begin(ctx, n, "power state"); err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.machine(n).power, nil
}

// SetPower starts, stops or restarts the machine.
func (d *Driver) SetPower(ctx context.Context, n *ironic.Node, target string) error {
	switch target {
	case ironic.PowerOn, ironic.PowerOff:
		return d.turn(ctx, n, target)
	case ironic.SoftPowerOff:
		return d.turn(ctx, n, ironic.PowerOff)
	case ironic.Rebooting, ironic.SoftRebooting:
		if n.DisablePowerOff {
			return d.reset(ctx, n)
		}
		if err := d.turn(ctx, n, ironic.PowerOff); err != nil {
			return err
		}
		return d.turn(ctx, n, ironic.PowerOn)
	}
	return errs.New(errs.Invalid, "power target %q is not known", target)
}

func (d *Driver) turn(ctx context.Context, n *ironic.Node, state string) error {
	if err := d.begin(ctx, n, state); err != nil {
		return err
	}
	d.mu.Lock()
	m := d.machine(n)
	was, device := m.power, m.device
	m.power = state
	if state == ironic.PowerOn && m.once != "" {
		device, m.once = m.once, ""
	}
	d.mu.Unlock()
	if was != state && d.Switched != nil {
		d.Switched(n.UUID, state, device)
	}
	return nil
}

// reset starts the machine anew without switching it off.
func (d *Driver) reset(ctx context.Context, n *ironic.Node) error {
	if err := d.begin(ctx, n, ironic.Rebooting); err != nil {
		return err
	}
	d.mu.Lock()
	m := d.machine(n)
	device := m.device
	if m.once != "" {
		device, m.once = m.once, ""
	}
	m.power = ironic.PowerOn
	d.mu.Unlock()
	if d.Switched != nil {
		d.Switched(n.UUID, ironic.PowerOn, device)
	}
	return nil
}

// Force sets a machine's power state behind the conductor's back.
func (d *Driver) Force(n *ironic.Node, state string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.machine(n).power = state
}

// SupportedBootDevices names what SetBootDevice takes.
func (d *Driver) SupportedBootDevices(*ironic.Node) []string {
	return []string{ironic.BootPXE, ironic.BootDisk, ironic.BootCDROM, ironic.BootBIOS, ironic.BootSafe}
}

// SetBootDevice chooses what the machine starts from.
func (d *Driver) SetBootDevice(ctx context.Context, n *ironic.Node, device string, persistent bool) error {
	if err := driver.CheckBootDevice(d, n, device); err != nil {
		return err
	}
	if err := d.begin(ctx, n, "boot device"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.machine(n)
	if persistent {
		m.device, m.chosen, m.once = device, true, ""
	} else {
		m.once = device
	}
	return nil
}

// BootDevice returns what the next start will use; of a machine that was never told,
// what Ironic's fake-hardware says of all.
func (d *Driver) BootDevice(ctx context.Context, n *ironic.Node) (string, bool, error) {
	if err := d.begin(ctx, n, "boot device"); err != nil {
		return "", false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.machine(n)
	if m.once != "" {
		return m.once, false, nil
	}
	if !m.chosen {
		return ironic.BootPXE, false, nil
	}
	return m.device, true, nil
}

// Close keeps the machine: it has no connection to give back.
func (d *Driver) Close(context.Context, string) error { return nil }
