package ipmi

import (
	"context"

	"trefoil/ironic"
	"trefoil/ironic/driver"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"
)

var _ driver.NMI = (*Driver)(nil)

// InjectNMI pulses the diagnostic interrupt (IPMI 2.0, 28.3; ipmitool's power diag).
func (d *Driver) InjectNMI(ctx context.Context, n *ironic.Node) error {
	return d.do(ctx, n, "inject an NMI", func(ctx context.Context, c *client.Client) error {
		_, err := c.ChassisControl(ctx, chassis.ChassisControlDiagnosticInterrupt)
		return err
	})
}
