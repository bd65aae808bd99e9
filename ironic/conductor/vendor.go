package conductor

import (
	"context"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/driver"
)

var _ api.Vendor = (*Conductor)(nil)

// vendor is the node's vendor interface; nil where the driver has none, or the node's is switched off.
func (c *Conductor) vendor(n *ironic.Node) (driver.Vendor, error) {
	drv, err := c.driver(n)
	if err != nil {
		return nil, err
	}
	v, ok := drv.(driver.Vendor)
	if !ok || switchedOff(n, "vendor") {
		return nil, nil
	}
	return v, nil
}

// VendorMethods lists the methods of the node's vendor interface, by name.
func (c *Conductor) VendorMethods(ctx context.Context, ident string) (map[string]ironic.VendorMethod, error) {
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return nil, err
	}
	v, err := c.vendor(n)
	if v == nil {
		return nil, err
	}
	return v.VendorMethods(), nil
}

// vendorMethod finds one that may be called by an HTTP method. The errors are in Ironic's words.
func (c *Conductor) vendorMethod(n *ironic.Node, method, verb string) (driver.Vendor, error) {
	v, err := c.vendor(n)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, errs.New(errs.Invalid, "No handler for method %s", method).
			WithHint("the node's vendor_interface is %s, which has none; see openstack baremetal driver show %s", n.Interfaces["vendor"], n.Driver)
	}
	all := v.VendorMethods()
	m, known := all[method]
	if !known {
		names := slices.Sorted(maps.Keys(all))
		return nil, errs.New(errs.Invalid, "No handler for method %s", method).
			WithHint("expected one of %s%s", strings.Join(names, ", "), nearest.Hint(method, names))
	}
	if !slices.Contains(m.Verbs, verb) {
		return nil, errs.New(errs.Invalid, "The method %s does not support HTTP %s", method, verb).WithHint("expected %s", strings.Join(m.Verbs, " or "))
	}
	return v, nil
}

// CallVendor carries out a method of the node's vendor interface. What the BMC makes of it
// stands in the history, and in last_error where it refused, when the call returns.
func (c *Conductor) CallVendor(ctx context.Context, ident, method, verb string, args map[string]any) error {
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return err
	}
	v, err := c.vendorMethod(n, method, verb)
	if err != nil {
		return err
	}
	if err := v.CheckVendor(n, method, args); err != nil {
		return err
	}
	return c.carryOut(ctx, ident, order{
		purpose: "calling vendor passthru", event: "vendor", faulty: true,
		failed: "Vendor method " + method + " failed",
		work: func(ctx context.Context, n *ironic.Node) (func(*ironic.Node), error) {
			v, err := c.vendorMethod(n, method, verb) // it may have changed before the lock was had
			if err != nil {
				return nil, err
			}
			done, err := v.CallVendor(ctx, n, method, args)
			if err == nil {
				c.note(ctx, n.UUID, "vendor", "INFO", method+": "+done)
			}
			return nil, err
		},
	})
}
