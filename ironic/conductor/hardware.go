package conductor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/driver"
)

var (
	_ api.InterfaceCatalog = (*Conductor)(nil)
	_ api.NMIInjector      = (*Conductor)(nil)
	_ api.BootModes        = (*Conductor)(nil)
	_ api.MediaAttacher    = (*Conductor)(nil)
)

// control is the part P of a node's driver. The error, in Ironic's words, is
// Invalid: the driver has no such part, or the node's interface switches it off.
func control[P any](c *Conductor, n *ironic.Node, kind, extension string) (P, error) {
	p, drv, err := part[P](c, n, kind, extension)
	if err != nil {
		return p, err
	}
	return p, drv.Validate(n)
}

// part is control for what asks nothing of driver_info, which may be wrong.
func part[P any](c *Conductor, n *ironic.Node, kind, extension string) (P, driver.Driver, error) {
	var none P
	drv, err := c.driver(n)
	if err != nil {
		return none, nil, err
	}
	p, ok := drv.(P)
	if !ok || switchedOff(n, kind) {
		return none, nil, errs.New(errs.Invalid, "Driver %s does not support %s (disabled or not implemented).", n.Driver, extension)
	}
	return p, drv, nil
}

// switchedOff reports whether the node's interface of a kind is one that does nothing.
func switchedOff(n *ironic.Node, kind string) bool {
	chosen := n.Interfaces[kind]
	return chosen == "noop" || strings.HasPrefix(chosen, "no-")
}

// InjectNMI interrupts the machine's processors and returns when the BMC did it.
func (c *Conductor) InjectNMI(ctx context.Context, ident string) error {
	n, release, err := c.hold(ctx, ident, "inject nmi")
	if err != nil {
		return err
	}
	defer release()
	p, err := control[driver.NMI](c, n, "management", "inject_nmi")
	if err != nil {
		return err
	}
	if err := p.InjectNMI(ctx, n); err != nil {
		return err
	}
	c.note(ctx, n.UUID, "management", "INFO", "a non-maskable interrupt was injected")
	return nil
}

// order is a change of a machine that ends in the node's row: as a new setting,
// or as last_error.
type order struct {
	purpose string // what the lock is taken for
	failed  string // begins last_error
	done    string // line of the history; empty: work writes it
	event   string // the history's event type; empty: management
	faulty  bool   // it is worth a try where the BMC counts as dead
	anyInfo bool   // it asks nothing of driver_info, which may be wrong
	// work does it; the settings that it returns become the node's.
	work func(ctx context.Context, n *ironic.Node) (func(*ironic.Node), error)
}

// kind begins last_error for all orders like this one, whatever value they were for.
func (o order) kind() string {
	kind, _, _ := strings.Cut(o.failed, " '")
	kind, _, _ = strings.Cut(kind, ": ")
	return kind
}

// carryOut does o under the node's lock. A driver that cannot, or a BMC that
// refuses, is no error of the request: Ironic takes it and writes the reason
// into last_error, and so do we, but it stands there when the answer comes. Success takes back
// only what an order of the kind wrote there: why a deployment failed is still worth reading.
func (c *Conductor) carryOut(ctx context.Context, ident string, o order) error {
	n, release, err := c.hold(ctx, ident, o.purpose)
	if err != nil {
		return err
	}
	defer release()
	drv, err := c.driver(n)
	if err != nil {
		return err
	}
	if err := drv.Validate(n); err != nil && !o.anyInfo {
		return err
	}
	if n.Maintenance && n.Fault == faultPower && !o.faulty {
		return errs.New(errs.Unavailable, "The BMC of node %s does not answer: %s", title(n), n.MaintenanceReason).
			WithHint("repeat it when the fault \"%s\" is gone", faultPower)
	}
	// A client that goes away does not leave the work half done.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.PowerTimeout)
	defer cancel()
	set, err := o.work(work, n)
	words, event := "", o.event
	if event == "" {
		event = "management"
	}
	switch {
	case err != nil:
		set = nil
		words = ironic.Shortened(o.failed + ": " + err.Error())
		c.note(work, n.UUID, event, "ERROR", words)
	case o.done != "":
		c.note(work, n.UUID, event, "INFO", o.done)
	}
	_, err = c.Store.UpdateNode(context.WithoutCancel(ctx), n.UUID, func(n *ironic.Node) error {
		if words != "" || strings.HasPrefix(n.LastError, o.kind()) {
			n.LastError = words
		}
		if set != nil {
			set(n)
		}
		return nil
	})
	return err
}

// SetBootMode chooses how the machine's firmware boots.
func (c *Conductor) SetBootMode(ctx context.Context, ident, mode string) error {
	return c.carryOut(ctx, ident, order{
		purpose: "changing node boot mode",
		failed:  fmt.Sprintf("Failed to change boot mode to '%s'", mode),
		done:    "boot mode is " + mode,
		work: func(ctx context.Context, n *ironic.Node) (func(*ironic.Node), error) {
			p, err := control[driver.BootModes](c, n, "management", "set_boot_mode")
			if err != nil {
				return nil, err
			}
			return func(n *ironic.Node) { n.BootMode = mode }, p.SetBootMode(ctx, n, mode)
		},
	})
}

// SetSecureBoot switches the firmware's check of what it boots.
func (c *Conductor) SetSecureBoot(ctx context.Context, ident string, on bool) error {
	return c.carryOut(ctx, ident, order{
		purpose: "changing node secure boot",
		failed:  fmt.Sprintf("Failed to change secure_boot state to '%t'", on),
		done:    fmt.Sprintf("secure boot is %t", on),
		work: func(ctx context.Context, n *ironic.Node) (func(*ironic.Node), error) {
			p, err := control[driver.BootModes](c, n, "management", "set_secure_boot_state")
			if err != nil {
				return nil, err
			}
			return func(n *ironic.Node) { n.SecureBoot = &on }, p.SetSecureBoot(ctx, n, on)
		},
	})
}

// AttachMedia puts an image into one of the machine's virtual drives.
func (c *Conductor) AttachMedia(ctx context.Context, ident string, m api.Media) error {
	return c.carryOut(ctx, ident, order{
		purpose: "attaching virtual media",
		failed:  fmt.Sprintf("Could not attach device %s", m.Device),
		done:    fmt.Sprintf("device %s was attached", m.Device),
		work: func(ctx context.Context, n *ironic.Node) (func(*ironic.Node), error) {
			p, err := control[driver.VirtualMedia](c, n, "management", "attach_virtual_media")
			if err != nil {
				return nil, err
			}
			if m.Source == "swift" {
				return nil, errors.New("there is no object store here: use image_download_source http")
			}
			return nil, p.AttachMedia(ctx, n, driver.Media{Device: m.Device, URL: m.URL})
		},
	})
}

// DetachMedia empties the named drives, or all.
func (c *Conductor) DetachMedia(ctx context.Context, ident string, devices []string) error {
	if len(devices) == 0 {
		devices = []string{"cdrom", "disk", "floppy"}
	}
	which := strings.Join(devices, ", ")
	return c.carryOut(ctx, ident, order{
		purpose: "detaching virtual media",
		failed:  fmt.Sprintf("Could not detach device(s) %s", which),
		done:    fmt.Sprintf("device(s) %s were detached", which),
		work: func(ctx context.Context, n *ironic.Node) (func(*ironic.Node), error) {
			p, err := control[driver.VirtualMedia](c, n, "management", "detach_virtual_media")
			if err != nil {
				return nil, err
			}
			return nil, p.DetachMedia(ctx, n, devices)
		},
	})
}

// Media asks the BMC what is in the machine's virtual drives.
func (c *Conductor) Media(ctx context.Context, ident string) ([]api.Media, error) {
	n, release, err := c.hold(ctx, ident, "get virtual media devices")
	if err != nil {
		return nil, err
	}
	defer release()
	p, err := control[driver.VirtualMedia](c, n, "management", "get_virtual_media")
	if err != nil {
		return nil, err
	}
	list, err := p.Media(ctx, n)
	out := make([]api.Media, len(list))
	for i, m := range list {
		out[i] = api.Media{Device: m.Device, URL: m.URL}
	}
	return out, err
}
