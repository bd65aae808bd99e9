package fake

import (
	"context"
	"slices"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"
	"trefoil/ironic/steps"
)

var _ driver.Stepper = (*Driver)(nil)

// Steps are those of Ironic's fake-hardware, and the agent's two ways to erase
// disks. None has a priority: they are run when they are asked for.
func (d *Driver) Steps(n *ironic.Node, kind steps.Kind) []steps.Step {
	settings := map[string]steps.Arg{"settings": {Description: "List of BIOS settings, each with name and value.", Required: true,
		Example: `[{"name": "…", "value": "…"}]`}}
	list := []steps.Step{
		{Interface: "bios", Name: "apply_configuration", ArgsInfo: settings},
		{Interface: "bios", Name: "factory_reset"},
	}
	if n.Interfaces["raid"] != "agent" { // else they are the agent's
		list = append(list, steps.Step{Interface: "raid", Name: "create_configuration"}, steps.Step{Interface: "raid", Name: "delete_configuration"})
	}
	if kind == steps.Clean && n.Interfaces["deploy"] == "fake" {
		list = append(list, steps.Step{Interface: "deploy", Name: "erase_devices_metadata", Abortable: true},
			steps.Step{Interface: "deploy", Name: "erase_devices", Abortable: true})
	}
	return list
}

// CheckStep takes any arguments.
func (d *Driver) CheckStep(*ironic.Node, steps.Step) error { return nil }

// RunStep takes Delay and may be refused by Fail, whose action is "clean bios.factory_reset".
func (d *Driver) RunStep(ctx context.Context, n *ironic.Node, kind steps.Kind, s steps.Step) (string, error) {
	if !slices.ContainsFunc(d.Steps(n, kind), func(o steps.Step) bool { return o.ID() == s.ID() }) {
		return "", errs.New(errs.Invalid, "fake hardware has no %s step %s", kind, s.ID())
	}
	return "", d.begin(ctx, n, string(kind)+" "+s.ID())
}
