package conductor

import (
	"context"
	"fmt"
	"maps"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/fsm"
)

// metadataStep is what automated cleaning runs: it erases partition tables and
// signatures, in seconds. Erasing all data is asked for by hand.
const metadataStep = "erase_devices_metadata"

func checkCleanSteps(steps []map[string]any) error {
	for i, s := range steps {
		if text(s, "step") == "" || text(s, "interface") == "" {
			return errs.New(errs.Invalid, "clean step %d needs \"interface\" and \"step\"", i).
				WithHint(`for example [{"interface": "deploy", "step": "erase_devices_metadata"}]`)
		}
	}
	return nil
}

// clean is the job behind provide with cleaning, and behind clean.
func (t *task) clean() error {
	steps, manual := manualSteps(t.node)
	if usesAgent(t.node) {
		if err := t.runCleaning(steps); err != nil {
			return err
		}
	}
	return t.endCleaning(manual)
}

// endCleaning lets the node rest: manageable after a manual clean, or when it is retired; else available.
func (t *task) endCleaning(manual bool) error {
	return t.step("done", func(ctx context.Context) error {
		to := fsm.Available
		if manual || t.node.Retired {
			to = fsm.Manageable
		}
		t.note("transition", "cleaned; now %s", to)
		return t.enter(ctx, to, func(n *ironic.Node) {
			n.CleanStep = nil
			delete(n.DriverInternalInfo, keyManual)
		})
	})
}

// manualSteps returns what is to be run and whether a person asked for it.
func manualSteps(n *ironic.Node) ([]map[string]any, bool) {
	list, ok := n.DriverInternalInfo[keyManual].([]any)
	if !ok {
		return []map[string]any{{"interface": "deploy", "step": metadataStep}}, false
	}
	var out []map[string]any
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out, true
}

// runCleaning boots the ramdisk, runs the steps in it and switches the machine off.
func (t *task) runCleaning(steps []map[string]any) error {
	if err := t.bootRamdisk(jobClean); err != nil {
		return err
	}
	if err := t.awaitAgent(fsm.CleanWait, fsm.Cleaning); err != nil {
		return err
	}
	for i, s := range steps {
		name := fmt.Sprintf("clean %d %s", i, text(s, "step"))
		if err := t.step(name, func(ctx context.Context) error { return t.cleanStep(ctx, name, s) }); err != nil {
			return err
		}
	}
	return t.step("power off after cleaning", t.dropRamdisk)
}

// cleanStep runs one step in the agent.
func (t *task) cleanStep(ctx context.Context, name string, want map[string]any) error {
	cmd, err := t.cleanCommand(ctx, name, want)
	if err != nil {
		return err
	}
	_, err = t.command(ctx, name, fsm.CleanWait, fsm.Cleaning, cmd)
	return err
}

// cleanCommand makes the command of a clean step. The list of the agent's own
// steps gives the versions that execute_clean_step must be told. One that was sent
// before is only followed: the agent refuses to list its steps while one runs.
func (t *task) cleanCommand(ctx context.Context, name string, want map[string]any) (agentapi.Command, error) {
	cmd := agentapi.Command{Name: "clean.execute_clean_step"}
	if begun, err := t.begun(ctx, name, cmd.Name); begun || err != nil {
		return cmd, err
	}
	ports, err := t.wirePorts(ctx)
	if err != nil {
		return cmd, err
	}
	known, err := t.call(ctx, "clean.get_clean_steps", map[string]any{"node": t.wireNode(), "ports": ports})
	if err != nil {
		return cmd, err
	}
	step, err := findStep(known, "clean_steps", want)
	if err != nil {
		return cmd, err
	}
	if err := t.update(ctx, func(n *ironic.Node) { n.CleanStep = step }); err != nil {
		return cmd, err
	}
	t.note("transition", "runs clean step %s", text(step, "step"))
	cmd.Params = map[string]any{"step": step, "node": t.wireNode(), "ports": ports, "clean_version": known["hardware_manager_version"]}
	return cmd, nil
}

// findStep looks a step up among those the agent announced, by manager.
func findStep(answer map[string]any, key string, want map[string]any) (map[string]any, error) {
	managers, _ := answer[key].(map[string]any)
	var names []string
	for _, list := range managers {
		steps, _ := list.([]any)
		for _, s := range steps {
			m, _ := s.(map[string]any)
			if text(m, "step") == text(want, "step") && (text(want, "interface") == "" || text(m, "interface") == text(want, "interface")) {
				out := map[string]any{}
				for k, v := range m {
					out[k] = v
				}
				if args, ok := want["args"]; ok {
					out["args"] = args
				}
				return out, nil
			}
			names = append(names, text(m, "interface")+"."+text(m, "step"))
		}
	}
	return nil, errs.New(errs.Invalid, "the ramdisk's agent has no step %s.%s; it has %v", text(want, "interface"), text(want, "step"), names)
}

// tearDown is the job behind undeploy: the instance goes, its disks are cleaned,
// the node becomes available again.
func (t *task) tearDown() error {
	err := t.step("tear down", func(ctx context.Context) error {
		if bootsRamdisk(t.node) && t.NetBoot != nil {
			if err := t.NetBoot.Remove(ctx, t.uuid); err != nil {
				return fmt.Errorf("remove node %s from network boot: %w", title(t.node), err)
			}
		}
		return t.powerOff(ctx)
	})
	if err != nil {
		return err
	}
	err = t.step("forget instance", func(ctx context.Context) error {
		if err := t.detachVIFs(ctx, t.uuid); err != nil {
			return err
		}
		t.note("transition", "the instance is torn down")
		return t.enter(ctx, fsm.Cleaning, func(n *ironic.Node) {
			forgetInstance(n)
			delete(n.DriverInternalInfo, keyManual)
		})
	})
	if err != nil {
		return err
	}
	if usesAgent(t.node) && !t.SkipTearDown && (t.node.AutomatedClean == nil || *t.node.AutomatedClean) {
		steps, _ := manualSteps(t.node)
		if err := t.runCleaning(steps); err != nil {
			return err
		}
	}
	return t.endCleaning(false)
}

// keyVIF is where a port's internal_info names the virtual interface attached to it.
const keyVIF = "tenant_vif_port_id"

// detachVIFs takes the instance's virtual interfaces off the node's ports.
func (c *Conductor) detachVIFs(ctx context.Context, uuid string) error {
	ports, err := c.Store.Ports(ctx, ironic.PortFilter{NodeUUID: uuid})
	if err != nil {
		return err
	}
	for _, p := range ports {
		if _, ok := p.InternalInfo[keyVIF]; !ok {
			continue
		}
		if _, err := c.Store.UpdatePort(ctx, p.UUID, func(p *ironic.Port) error {
			p.InternalInfo = maps.Clone(p.InternalInfo)
			delete(p.InternalInfo, keyVIF)
			return nil
		}); err != nil {
			return fmt.Errorf("detach the virtual interface of port %s: %w", p.Address, err)
		}
	}
	return c.detachGroupVIFs(ctx, uuid)
}

// forgetInstance drops all that belongs to the instance and not to the machine.
func forgetInstance(n *ironic.Node) {
	n.InstanceInfo, n.InstanceUUID, n.InstanceName, n.DeployStep, n.AllocationUUID = map[string]any{}, "", "", nil, ""
	forgetAgent(n)
	if auto, _ := n.DriverInternalInfo["automatic_lessee"].(bool); auto {
		n.Lessee = ""
		delete(n.DriverInternalInfo, "automatic_lessee")
	}
}
