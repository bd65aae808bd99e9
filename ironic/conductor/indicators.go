package conductor

import (
	"context"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/driver"
)

var _ api.Indicators = (*Conductor)(nil)

// Indicators lists the lamps of the node's machine.
func (c *Conductor) Indicators(ctx context.Context, ident string) ([]ironic.Indicator, error) {
	n, release, err := c.hold(ctx, ident, "getting supported indicators")
	if err != nil {
		return nil, err
	}
	defer release()
	p, err := control[driver.Indicators](c, n, "management", "get_supported_indicators")
	if err != nil {
		return nil, err
	}
	return p.Indicators(ctx, n)
}

// Indicator tells what a lamp of the node's machine shows.
func (c *Conductor) Indicator(ctx context.Context, ident, component, name string) (string, error) {
	n, release, err := c.hold(ctx, ident, "getting indicators states")
	if err != nil {
		return "", err
	}
	defer release()
	p, err := control[driver.Indicators](c, n, "management", "get_indicator_state")
	if err != nil {
		return "", err
	}
	return p.Indicator(ctx, n, component, name)
}

// SetIndicator has a lamp of the node's machine show a state and returns when it does.
func (c *Conductor) SetIndicator(ctx context.Context, ident, component, name, state string) error {
	n, release, err := c.hold(ctx, ident, "setting indicator state")
	if err != nil {
		return err
	}
	defer release()
	p, err := control[driver.Indicators](c, n, "management", "set_indicator_state")
	if err != nil {
		return err
	}
	if err := p.SetIndicator(ctx, n, component, name, state); err != nil {
		return err
	}
	c.note(ctx, n.UUID, "management", "INFO", "indicator "+name+"@"+component+" is "+state)
	return nil
}
