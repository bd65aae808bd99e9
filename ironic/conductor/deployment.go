package conductor

import (
	"context"
	"fmt"
	"strconv"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/configdrive"
	"trefoil/ironic/fsm"
	"trefoil/undercloud/jobs"
)

const gib = 1 << 30

// checkDeploy looks whether the node says what to write, and whether that exists.
func (c *Conductor) checkDeploy(ctx context.Context, n *ironic.Node) error {
	if !usesAgent(n) {
		return nil
	}
	src := text(n.InstanceInfo, "image_source")
	if src == "" {
		return errs.New(errs.Invalid, "Node %s can not be deployed: instance_info has no image_source.", title(n)).
			WithHint("openstack baremetal node set %s --instance-info image_source=overcloud-full", n.UUID)
	}
	if isRemote(src) {
		return c.checkSource(n, src)
	}
	if c.Images == nil || c.ImageCache == nil {
		return errs.New(errs.Invalid, "Node %s can not be deployed: image_source %q is no URL, and there is no image service here.", title(n), src).
			WithHint("expected http://, https:// or file:///")
	}
	_, err := c.Images.Image(ctx, src)
	return err
}

// deploy writes an image to the node's disk and boots it from there.
func (t *task) deploy() error {
	if !usesAgent(t.node) {
		return t.endDeploy(func(ctx context.Context) error { return t.powerOn(ctx) })
	}
	info, err := jobs.Do(t.run, "image", t.prepareImage)
	if err != nil {
		return err
	}
	if err := t.bootRamdisk(jobDeploy); err != nil {
		return err
	}
	if err := t.awaitAgent(fsm.DeployWait, fsm.Deploying); err != nil {
		return err
	}
	if err := t.step("write image", func(ctx context.Context) error { return t.writeImage(ctx, *info) }); err != nil {
		return err
	}
	if err := t.step("install bootloader", t.installBootloader); err != nil {
		return err
	}
	if err := t.step("shut down ramdisk", t.powerOffByAgent); err != nil {
		return err
	}
	if err := t.step("boot from disk", t.bootFromDisk); err != nil {
		return err
	}
	return t.endDeploy(t.powerOn)
}

func (t *task) endDeploy(boot func(context.Context) error) error {
	if err := t.step("boot instance", boot); err != nil {
		return err
	}
	return t.step("done", func(ctx context.Context) error {
		t.note("transition", "deployed; the instance boots from its disk")
		return t.enter(ctx, fsm.Active, func(n *ironic.Node) {
			n.DeployStep = nil
			if n.InstanceUUID == "" {
				n.InstanceUUID = text(n.InstanceInfo, "instance_uuid")
			}
		})
	})
}

// prepareImage makes the image ready for the agent to fetch.
func (t *task) prepareImage(ctx context.Context) (*agentapi.ImageInfo, error) {
	src := text(t.node.InstanceInfo, "image_source")
	if isRemote(src) {
		return t.sourceInfo(ctx, src)
	}
	img, err := t.Images.Image(ctx, src)
	if err != nil {
		return nil, err
	}
	return t.rawInfo(ctx, img)
}

// fitsDisk refuses an image that is larger than the disk introspection found.
// local_gb is one GiB less than the disk.
func fitsDisk(n *ironic.Node, image string, size int64) error {
	gb, err := strconv.ParseInt(fmt.Sprint(n.Properties["local_gb"]), 10, 64)
	if err != nil || gb <= 0 || size <= (gb+1)*gib {
		return nil
	}
	return errs.New(errs.Invalid, "image %s needs %d GiB, the root disk of node %s has %d GiB", image, (size+gib-1)/gib, title(n), gb+1).
		WithHint("choose another disk with --property root_device=…, or another node")
}

// writeImage has the agent write image and config drive.
func (t *task) writeImage(ctx context.Context, info agentapi.ImageInfo) error {
	drive, err := t.configDrive()
	if err != nil {
		return err
	}
	info.ConfigDrive = drive
	ports, err := t.wirePorts(ctx)
	if err != nil {
		return err
	}
	cmd, err := t.writeCommand(ctx, info, ports)
	if err != nil {
		return err
	}
	res, err := t.command(ctx, writeStep, fsm.DeployWait, fsm.Deploying, cmd)
	if err != nil {
		return err
	}
	if r, _ := res["deploy_result"].(map[string]any); text(r, "result") != "" {
		t.note("transition", "%s", text(r, "result"))
	}
	return nil
}

// writeStep names the writing among the commands that were sent to the agent.
const writeStep = "write_image"

// writeCommand makes the command that writes the image. One that was sent before
// is only followed: then the agent is not asked for its versions, because it
// refuses every command while one runs.
func (t *task) writeCommand(ctx context.Context, info agentapi.ImageInfo, ports []map[string]any) (agentapi.Command, error) {
	cmd := agentapi.Command{Name: "deploy.execute_deploy_step"}
	if begun, err := t.begun(ctx, writeStep, cmd.Name); begun || err != nil {
		return cmd, err
	}
	known, err := t.call(ctx, "deploy.get_deploy_steps", map[string]any{"node": t.wireNode(), "ports": ports})
	if err != nil {
		return cmd, err
	}
	if err := t.update(ctx, func(n *ironic.Node) {
		n.DeployStep = map[string]any{"interface": "deploy", "step": writeStep, "priority": 80}
	}); err != nil {
		return cmd, err
	}
	t.note("transition", "the agent writes image %s", info.ID)
	args := map[string]any{"image_info": info}
	if drive := info.ConfigDrive; drive != "" {
		args["configdrive"] = drive
	}
	cmd.Params = map[string]any{"step": map[string]any{"interface": "deploy", "step": writeStep, "args": args},
		"node": t.deployNode(), "ports": ports, "deploy_version": known["hardware_manager_version"]}
	return cmd, nil
}

// deployNode is the node for write_image: the agent needs nothing of what is masked.
func (t *task) deployNode() map[string]any {
	n := t.wireNode()
	delete(n, "driver_info")
	return n
}

// configDrive returns what the agent writes as config drive: gzip and base64 of
// an ISO, or a URL, or nothing.
func (t *task) configDrive() (string, error) {
	switch v := t.node.InstanceInfo["configdrive"].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case map[string]any:
		out, err := configdrive.Build(v, t.node.UUID, title(t.node))
		if err != nil {
			return "", fmt.Errorf("build the config drive of node %s: %w", title(t.node), err)
		}
		return out, nil
	default:
		return "", errs.New(errs.Invalid, "configdrive of node %s is neither text nor an object", title(t.node))
	}
}

// installBootloader makes a UEFI machine find what was written. A BIOS machine
// boots the disk as it is.
func (t *task) installBootloader(ctx context.Context) error {
	if bootMode(t.node) != ironic.UEFI {
		return nil
	}
	if err := t.update(ctx, func(n *ironic.Node) {
		n.DeployStep = map[string]any{"interface": "deploy", "step": "prepare_instance_boot", "priority": 60}
	}); err != nil {
		return err
	}
	_, err := t.command(ctx, "install_bootloader", fsm.DeployWait, fsm.Deploying, agentapi.Command{Name: "image.install_bootloader", Params: map[string]any{
		"root_uuid": nil, "efi_system_part_uuid": nil, "prep_boot_part_uuid": nil, "target_boot_mode": ironic.UEFI}})
	return err
}

// bootFromDisk ends the network boot and chooses the disk for all starts to come.
func (t *task) bootFromDisk(ctx context.Context) error {
	if err := t.NetBoot.Remove(ctx, t.uuid); err != nil {
		return fmt.Errorf("remove node %s from network boot: %w", title(t.node), err)
	}
	if err := t.setBoot(ctx, ironic.BootDisk, true); err != nil {
		return err
	}
	return t.update(ctx, func(n *ironic.Node) {
		forgetBoot(n)
		n.DeployStep = map[string]any{"interface": "deploy", "step": "boot_instance", "priority": 20}
	})
}
