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
	// CheckStep looks at what the arguments of a step say that somebody asks for, without any I/O, before
	// anything is begun; their names are looked at already. The error is Invalid.
	CheckStep(n *ironic.Node, s steps.Step) error
	// RunStep runs one step and returns when it is done or ctx ends. It may be
	// called again for a step that a crash broke off, and must bear that. What there is to
	// tell of it, if anything, goes into the node's history.
	RunStep(ctx context.Context, n *ironic.Node, kind steps.Kind, s steps.Step) (done string, err error)
}

// Indicators are a machine's lamps.
type Indicators interface {
	// Indicators lists those of a machine, always in the same order.
	Indicators(ctx context.Context, n *ironic.Node) ([]ironic.Indicator, error)
	// Indicator tells what one shows. Invalid: there is none of that name.
	Indicator(ctx context.Context, n *ironic.Node, component, name string) (state string, err error)
	// SetIndicator has one show a state; idempotent. Invalid: it is not there, or cannot show it.
	SetIndicator(ctx context.Context, n *ironic.Node, component, name, state string) error
}
