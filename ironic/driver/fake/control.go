package fake

import (
	"context"
	"slices"
	"strings"

	"trefoil/ironic"
	"trefoil/ironic/driver"
)

var (
	_ driver.NMI          = (*Driver)(nil)
	_ driver.BootModes    = (*Driver)(nil)
	_ driver.VirtualMedia = (*Driver)(nil)
	_ driver.Console      = (*Driver)(nil)
)

// controls are what a machine has beside power and boot device.
type controls struct {
	nmis       int
	bootMode   string
	secureBoot bool
	media      []driver.Media
	console    bool
	lamps      map[string]string // what indicators were set to, by component/name
}

// change edits a machine's controls, unless Fail refuses the action.
func (d *Driver) change(ctx context.Context, n *ironic.Node, action string, edit func(*controls)) error {
	if err := d.begin(ctx, n, action); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	edit(&d.machine(n).controls)
	return nil
}

// InjectNMI counts the interrupt.
func (d *Driver) InjectNMI(ctx context.Context, n *ironic.Node) error {
	return d.change(ctx, n, "nmi", func(c *controls) { c.nmis++ })
}

// NMIs tells how often a machine was interrupted.
func (d *Driver) NMIs(n *ironic.Node) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.machine(n).nmis
}

// SetBootMode remembers the mode.
func (d *Driver) SetBootMode(ctx context.Context, n *ironic.Node, mode string) error {
	return d.change(ctx, n, "boot mode", func(c *controls) { c.bootMode = mode })
}

// SetSecureBoot remembers the state.
func (d *Driver) SetSecureBoot(ctx context.Context, n *ironic.Node, on bool) error {
	return d.change(ctx, n, "secure boot", func(c *controls) { c.secureBoot = on })
}

// AttachMedia puts a medium into the drive of its kind; nothing reads it.
func (d *Driver) AttachMedia(ctx context.Context, n *ironic.Node, m driver.Media) error {
	return d.change(ctx, n, "virtual media", func(c *controls) {
		c.media = append(without(c.media, m.Device), m)
		slices.SortFunc(c.media, func(a, b driver.Media) int { return strings.Compare(a.Device, b.Device) })
	})
}

// DetachMedia empties drives.
func (d *Driver) DetachMedia(ctx context.Context, n *ironic.Node, devices []string) error {
	return d.change(ctx, n, "virtual media", func(c *controls) { c.media = without(c.media, devices...) })
}

func without(list []driver.Media, devices ...string) []driver.Media {
	return slices.DeleteFunc(slices.Clone(list), func(m driver.Media) bool { return slices.Contains(devices, m.Device) })
}

// Media lists what is in the drives.
func (d *Driver) Media(ctx context.Context, n *ironic.Node) (out []driver.Media, err error) {
	err = d.change(ctx, n, "virtual media", func(c *controls) { out = slices.Clone(c.media) })
	return out, err
}

// CheckConsole finds nothing missing.
func (d *Driver) CheckConsole(*ironic.Node) error { return nil }

// ResumeConsole starts it as SetConsole does.
func (d *Driver) ResumeConsole(ctx context.Context, n *ironic.Node) error {
	return d.SetConsole(ctx, n, true)
}

// SetConsole remembers whether the console is on.
func (d *Driver) SetConsole(ctx context.Context, n *ironic.Node, on bool) error {
	return d.change(ctx, n, "console", func(c *controls) { c.console = on })
}

// ConsoleOn tells whether a machine's console was started.
func (d *Driver) ConsoleOn(n *ironic.Node) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.machine(n).console
}

// Console is empty: there is no machine whose screen could be shown.
func (d *Driver) Console(ctx context.Context, n *ironic.Node) (map[string]any, error) {
	return map[string]any{}, d.change(ctx, n, "console", func(*controls) {})
}
