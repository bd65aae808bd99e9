package conductor

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/fsm"
)

// command runs a long command of the agent in the wait state and comes back to
// the working one. It may run twice: what was sent for a step is remembered with
// the node, and a command whose sending a crash kept from being remembered is the
// one in the agent's own list that belongs to no step.
func (t *task) command(ctx context.Context, step string, wait, back fsm.State, cmd agentapi.Command) (map[string]any, error) {
	id, err := t.send(ctx, step, cmd)
	if err != nil {
		return nil, err
	}
	if err := t.enter(ctx, wait, func(n *ironic.Node) { remember(n, step, id) }); err != nil {
		return nil, err
	}
	st, err := t.follow(ctx, cmd.Name, id, t.callbackTimeout(wait))
	if err != nil {
		return nil, err
	}
	if err := t.hold(); err != nil {
		return nil, err
	}
	if err := t.enter(ctx, back, nil); err != nil {
		return nil, err
	}
	return commandResult(cmd.Name, st)
}

// remember notes the agent's id of a step's command.
func remember(n *ironic.Node, step, id string) {
	sent := map[string]any{step: id}
	for k, v := range commandsSent(n) {
		if k != step {
			sent[k] = v
		}
	}
	put(n, agentCommands, sent)
}

func commandsSent(n *ironic.Node) map[string]any {
	m, _ := n.DriverInternalInfo[agentCommands].(map[string]any)
	return m
}

// begun reports whether a step's command was sent before, in an earlier life of the
// conductor, and makes sure that the node remembers it.
func (t *task) begun(ctx context.Context, step, name string) (bool, error) {
	if text(commandsSent(t.node), step) != "" {
		return true, nil
	}
	id, err := t.stray(ctx, name)
	if err != nil || id == "" {
		return false, err
	}
	return true, t.update(ctx, func(n *ironic.Node) { remember(n, step, id) })
}

// send starts a step's command, or finds it if it was started before.
func (t *task) send(ctx context.Context, step string, cmd agentapi.Command) (string, error) {
	if id := text(commandsSent(t.node), step); id != "" {
		return id, nil
	}
	id, err := t.stray(ctx, cmd.Name)
	if err != nil || id != "" {
		return id, err
	}
	st, err := t.Agents.Run(ctx, target(t.node), cmd, false)
	if err == nil {
		return st.ID, nil
	}
	if !errs.Is(err, errs.Unavailable) && !errs.Is(err, errs.Conflict) {
		return "", err
	}
	// The answer may have been lost, not the command.
	if id, lerr := t.stray(ctx, cmd.Name); lerr == nil && id != "" {
		return id, nil
	}
	return "", err
}

// stray finds a command of the name that belongs to no step.
func (t *task) stray(ctx context.Context, name string) (string, error) {
	list, err := t.Agents.Commands(ctx, target(t.node))
	if err != nil {
		return "", err
	}
	sent := slices.Collect(maps.Values(commandsSent(t.node)))
	for _, c := range list {
		if shortName(c.Name) == shortName(name) && !slices.Contains(sent, any(c.ID)) {
			return c.ID, nil
		}
	}
	return "", nil
}

// shortName drops the extension: agents list "clean.execute_clean_step" without "clean.".
func shortName(s string) string { return s[strings.LastIndex(s, ".")+1:] }

// follow looks at a command until it ends: at each heartbeat, and every AgentPoll. It may
// take days, as erasing a large disk does: only an agent that gives no answer for so long
// as silence ends the wait. A heartbeat is no answer: of an agent that cannot be asked
// nobody would ever learn that it is done.
func (t *task) follow(ctx context.Context, name, id string, silence time.Duration) (*agentapi.CommandStatus, error) {
	t.yield()
	answered := t.Now()
	for {
		bell := t.bells.listen(t.uuid)
		if err := t.refresh(ctx); err != nil {
			return nil, err
		}
		list, err := t.Agents.Commands(ctx, target(t.node))
		now := t.Now()
		switch {
		case err == nil:
			answered = now
			i := slices.IndexFunc(list, func(c agentapi.CommandStatus) bool { return c.ID == id })
			if i < 0 {
				return nil, errs.New(errs.Internal, "the agent of node %s no longer knows of %s: the machine or its agent was restarted", title(t.node), name)
			}
			if list[i].Status != agentapi.Running {
				return &list[i], nil
			}
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case now.Sub(answered) > silence:
			return nil, errs.Wrap(errs.CodeOf(err), err, "Timeout reached while waiting for the agent of node %s during %s: no answer for %s, last heartbeat %s",
				title(t.node), name, now.Sub(answered).Round(time.Second), text(t.node.DriverInternalInfo, agentSeen)).
				WithHint("look at the node's console")
		}
		timer := time.NewTimer(t.AgentPoll)
		select {
		case <-bell:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// powerOffByAgent lets the ramdisk shut its machine down, and does it by hand
// when that takes too long. It may run twice.
func (t *task) powerOffByAgent(ctx context.Context) error {
	if t.node.DisablePowerOff {
		return t.lockAgent(ctx)
	}
	if state, err := t.drv.PowerState(ctx, t.node); err == nil && state == ironic.PowerOff {
		return t.powerOff(ctx)
	}
	_, err := t.Agents.Run(ctx, target(t.node), agentapi.Command{Name: "standby.power_off", Params: map[string]any{}}, false)
	if err != nil {
		t.note("power", "the agent did not take the power-off (%v): the machine is switched off by its BMC", err)
		return t.powerOff(ctx)
	}
	deadline := t.Now().Add(t.ShutdownWait)
	for t.Now().Before(deadline) {
		state, err := t.drv.PowerState(ctx, t.node)
		if err == nil && state == ironic.PowerOff {
			break
		}
		if err := t.pause(ctx, min(time.Second, t.ShutdownWait/10)); err != nil {
			return err
		}
	}
	return t.powerOff(ctx)
}

// wireNode is the node as agents get it with a command: without secrets.
func (t *task) wireNode() map[string]any {
	n := t.node
	return map[string]any{
		"uuid": n.UUID, "name": n.Name, "driver": n.Driver, "properties": n.Properties,
		"driver_info": masked(n.DriverInfo), "instance_info": masked(n.InstanceInfo),
		"driver_internal_info": masked(n.DriverInternalInfo), "extra": n.Extra,
		"provision_state": n.ProvisionState, "target_provision_state": n.TargetProvisionState,
		"instance_uuid": n.InstanceUUID, "traits": n.Traits, "deploy_interface": n.Interfaces["deploy"],
		"raid_config": n.RaidConfig, "target_raid_config": n.TargetRaidConfig,
	}
}

func (t *task) wirePorts(ctx context.Context) ([]map[string]any, error) {
	ports, err := t.Store.Ports(ctx, ironic.PortFilter{NodeUUID: t.uuid})
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, p := range ports {
		out = append(out, map[string]any{"uuid": p.UUID, "address": p.Address, "pxe_enabled": p.PXEEnabled,
			"node_uuid": p.NodeUUID, "extra": p.Extra, "physical_network": p.PhysicalNetwork})
	}
	return out, nil
}
