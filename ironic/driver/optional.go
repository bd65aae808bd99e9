package driver

import (
	"context"

	"trefoil/ironic"
	"trefoil/ironic/steps"
)

// Stepper is a hardware type that has steps of its own for cleaning, deploying
// and servicing, which it runs without a ramdisk. A Driver may implement it.
type Stepper interface {
	// Steps lists what RunStep can do on the node, without any I/O. RequiresRamdisk is false.
	Steps(n *ironic.Node, kind steps.Kind) []steps.Step
	// RunStep runs one step and returns when it is done or ctx ends. It may be
	// called again for a step that a crash broke off, and must bear that.
	RunStep(ctx context.Context, n *ironic.Node, kind steps.Kind, s steps.Step) error
}
