package conductor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/driver"
	"trefoil/ironic/fsm"
	"trefoil/ironic/steps"
)

// keyTemplates has the deploy templates of a deployment as they were when it was asked
// for: whoever changes one does not change what is under way.
const keyTemplates = "deploy_templates"

// instanceTraits are those that the node's instance asks for. Invalid: the node lacks one.
func instanceTraits(n *ironic.Node) ([]string, error) {
	v := n.InstanceInfo["traits"]
	if v == nil || v == "" {
		return nil, nil
	}
	var traits []string
	if err := recode(v, &traits); err != nil {
		return nil, errs.New(errs.Invalid, "Error parsing traits from Node %s instance_info field. A list of strings is expected.", n.UUID)
	}
	missing := slices.DeleteFunc(slices.Clone(traits), func(t string) bool { return slices.Contains(n.Traits, t) })
	if len(missing) > 0 {
		return nil, errs.New(errs.Invalid, "Cannot specify instance traits that are not also set on the node. Node %s is missing traits %s",
			n.UUID, strings.Join(missing, ", "))
	}
	return traits, nil
}

// templates finds the deploy templates whose names are traits of the node's instance, in
// the order in which they were made.
func (c *Conductor) templates(ctx context.Context, n *ironic.Node) ([]steps.Template, error) {
	traits, err := instanceTraits(n)
	if err != nil || len(traits) == 0 {
		return nil, err
	}
	rows, err := c.Store.DeployTemplatesNamed(ctx, traits)
	if err != nil {
		return nil, fmt.Errorf("find the deploy templates of node %s: %w", title(n), err)
	}
	var out []steps.Template
	for _, row := range rows {
		t := steps.Template{Name: row.Name}
		for _, s := range row.Steps {
			t.Steps = append(t.Steps, steps.Step{Interface: s.Interface, Name: s.Name, Args: s.Args, Priority: s.Rank})
		}
		out = append(out, t)
	}
	return out, nil
}

// chosen is templates for a verb that deploys, in the form in which the node keeps them.
// They and the steps of the request are held against what is known of the node before its
// ramdisk is up; the agent's steps are looked at when it has told of them.
func (c *Conductor) chosen(ctx context.Context, n *ironic.Node, e fsm.Event, req api.ProvisionRequest) ([]any, error) {
	if e != fsm.EvDeploy && e != fsm.EvRebuild {
		return nil, nil
	}
	drv, err := c.driver(n)
	if err != nil {
		return nil, err
	}
	asked := steps.Asked{}
	if asked.Steps, err = steps.Parse(steps.Deploy, req.DeploySteps); err != nil {
		return nil, err
	}
	if asked.Templates, err = c.templates(ctx, n); err != nil {
		return nil, err
	}
	if err := checkAsked(drv, n, asked); err != nil {
		return nil, err
	}
	var kept []any
	if err := recode(asked.Templates, &kept); err != nil {
		return nil, fmt.Errorf("keep the deploy templates of node %s: %w", title(n), err)
	}
	return kept, nil
}

// checkAsked refuses what can be told of to be wrong without the agent.
func checkAsked(drv driver.Driver, n *ironic.Node, asked steps.Asked) error {
	own := ownSteps(drv, n, steps.Deploy)
	noRamdisk := withoutRamdisk(n, asked)
	if !noRamdisk {
		asked = asked.Among(slices.Concat(core(n), own))
	}
	list, err := deploymentOf(n, own, asked)
	if err == nil && noRamdisk {
		err = refuseRamdisk(steps.Deploy, list)
	}
	return cmp.Or(err, mayRun(drv, n, steps.Deploy, list))
}

// withoutRamdisk reports whether a deployment is asked to go without a ramdisk, or knows none.
func withoutRamdisk(n *ironic.Node, asked steps.Asked) bool {
	return !usesAgent(n) || asked.Off(bootStep)
}

// deploymentOf makes the list of a deployment. Booting the ramdisk, which is part of it
// for whoever counts its steps, is done before the list is run.
func deploymentOf(n *ironic.Node, offered []steps.Step, asked steps.Asked) ([]steps.Step, error) {
	list, err := steps.Deployment(core(n), offered, asked, ramdiskFirst, ramdiskLast)
	return slices.DeleteFunc(list, func(s steps.Step) bool { return s.ID() == bootStep }), err
}

// refuseRamdisk names the first step that the agent would have to run.
func refuseRamdisk(kind steps.Kind, list []steps.Step) error {
	if i := slices.IndexFunc(list, needsRamdisk); i >= 0 {
		return errs.New(errs.Invalid, "%s step %s requires booting a ramdisk", kind, list[i])
	}
	return nil
}

// askedOfDeployment reads what the node keeps of what its deployment was asked for.
func askedOfDeployment(n *ironic.Node) (steps.Asked, error) {
	list, _, err := askedSteps(n, deployFlow())
	asked := steps.Asked{Steps: list}
	if err != nil {
		return asked, err
	}
	if v, ok := n.DriverInternalInfo[keyTemplates]; ok {
		if err := recode(v, &asked.Templates); err != nil {
			return asked, errs.Wrap(errs.Invalid, err, "the deploy templates of node %s cannot be read", title(n))
		}
	}
	return asked, nil
}
