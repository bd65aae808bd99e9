package fake

import (
	"context"

	"trefoil/ironic"
	"trefoil/ironic/driver"
)

var _ driver.Indicators = (*Driver)(nil)

// indicators are those of Ironic's fake machines. Theirs can only be read, ours
// remember what they are set to.
func indicators() []ironic.Indicator {
	return []ironic.Indicator{
		{Component: "chassis", Name: "led-0", ReadOnly: true, States: []string{ironic.IndicatorOff, ironic.IndicatorOn}},
		{Component: "system", Name: "led", States: []string{ironic.IndicatorBlinking, ironic.IndicatorOff, ironic.IndicatorOn}},
	}
}

// Indicators lists a lamp of the chassis and one of the system.
func (d *Driver) Indicators(ctx context.Context, n *ironic.Node) ([]ironic.Indicator, error) {
	return indicators(), d.change(ctx, n, "indicators", func(*controls) {})
}

// Indicator tells what a lamp was set to; on at first.
func (d *Driver) Indicator(ctx context.Context, n *ironic.Node, component, name string) (string, error) {
	i, err := ironic.FindIndicator(indicators(), component, name)
	if err != nil {
		return "", err
	}
	state := ironic.IndicatorOn
	err = d.change(ctx, n, "indicators", func(c *controls) {
		if s, set := c.lamps[i.Component+"/"+i.Name]; set {
			state = s
		}
	})
	return state, err
}

// SetIndicator remembers the state.
func (d *Driver) SetIndicator(ctx context.Context, n *ironic.Node, component, name, state string) error {
	i, err := ironic.FindIndicator(indicators(), component, name)
	if err != nil {
		return err
	}
	if err := i.MayShow(state); err != nil {
		return err
	}
	return d.change(ctx, n, "indicators", func(c *controls) {
		if c.lamps == nil {
			c.lamps = map[string]string{}
		}
		c.lamps[i.Component+"/"+i.Name] = state
	})
}
