package conductor

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/configdrive"
	"trefoil/ironic/driver"
	"trefoil/ironic/fsm"
	"trefoil/ironic/steps"
	"trefoil/undercloud/jobs"
)

const gib = 1 << 30

// checkDeploy looks whether the node says what to write, and whether that exists.
func (c *Conductor) checkDeploy(ctx context.Context, n *ironic.Node) error {
	if !writesImage(n) {
		return nil
	}
	src := text(n.InstanceInfo, "image_source")
	if src == "" {
		return errs.New(errs.Invalid, "Node %s can not be deployed: instance_info has no image_source.", title(n)).
			WithHint("openstack baremetal node set %s --instance-info image_source=overcloud-full", n.UUID)
	}
	if err := wholeDisk(n, src); err != nil {
		return err
	}
	if isRemote(src) {
		return c.checkSource(n, src)
	}
	if scheme, _, found := strings.Cut(src, "://"); found {
		return errs.New(errs.Invalid, "Node %s can not be deployed: image_source %q is fetched by %s://, which is not spoken here.", title(n), shownURL(src), scheme).
			WithHint("expected http://, https:// or file:///")
	}
	if c.Images == nil || c.ImageCache == nil {
		return errs.New(errs.Invalid, "Node %s can not be deployed: image_source %q is the name of an image, and there is no image service here.", title(n), src).
			WithHint("expected http://, https:// or file:///")
	}
	_, err := c.Images.Image(ctx, src)
	return err
}

// wholeDisk refuses an image of one partition: it has no partition table and no boot loader,
// and nothing here makes them. As in Ironic it is one when image_type says so, or when a
// kernel or a ramdisk stands beside a URL; what stands beside the name of an image says nothing.
func wholeDisk(n *ironic.Node, src string) error {
	for _, key := range []string{"image_type", "kernel", "ramdisk"} {
		if err := isText(n, key); err != nil {
			return err
		}
	}
	kind := text(n.InstanceInfo, "image_type")
	why := fmt.Sprintf("instance_info/image_type is %q", kind)
	for _, key := range []string{"kernel", "ramdisk"} {
		if kind == "" && isRemote(src) && text(n.InstanceInfo, key) != "" {
			kind, why = "partition", fmt.Sprintf("instance_info/%s makes image_source an image of one partition", key)
		}
	}
	if kind == "" || kind == "whole-disk" {
		return nil
	}
	return errs.New(errs.Invalid, "Node %s can not be deployed: %s, and only images of whole disks are written here.", title(n), why).
		WithHint("give an image with its own partition table and boot loader, and remove kernel, ramdisk and image_type from instance_info")
}

// isText refuses a member of instance_info that is there and no text: what is looked for in it would not be found.
func isText(n *ironic.Node, key string) error {
	switch n.InstanceInfo[key].(type) {
	case nil, string:
		return nil
	}
	return errs.New(errs.Invalid, "Node %s can not be deployed: instance_info/%s is no text.", title(n), key).
		WithHint("openstack baremetal node unset %s --instance-info %s", n.UUID, key)
}

// Steps that a deployment consists of, and where in it the ramdisk is up.
const (
	bootStep     = "deploy.deploy"
	tearDownStep = "deploy.tear_down_agent"

	ramdiskFirst, ramdiskLast = 100, 40
)

// coreSteps is what each of them does, but for the first, which boots the ramdisk:
// the flow does that before anything else.
func (t *task) coreSteps() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"deploy.write_image":           t.writeImage,
		"deploy.prepare_instance_boot": t.prepareInstanceBoot,
		tearDownStep:                   t.powerOffByAgent,
		"deploy.boot_instance":         t.bootInstance,
	}
}

// core lists the steps of deploying the node, as Ironic's direct deploy interface
// has them. custom-agent leaves the writing to steps that are asked for.
func core(n *ironic.Node) []steps.Step {
	step := func(name string, priority int, ramdisk bool) steps.Step {
		return steps.Step{Interface: "deploy", Name: name, Priority: priority, RequiresRamdisk: ramdisk}
	}
	if !usesAgent(n) {
		return []steps.Step{step("boot_instance", 20, false)}
	}
	out := []steps.Step{step("deploy", ramdiskFirst, false)}
	if writesImage(n) {
		out = append(out, step("write_image", 80, true))
	}
	return append(out, step("prepare_instance_boot", 60, true), step("tear_down_agent", ramdiskLast, true), step("boot_instance", 20, false))
}

func writesImage(n *ironic.Node) bool {
	return usesAgent(n) && n.Interfaces["deploy"] != "custom-agent"
}

// deployment is the job behind active and rebuild: its steps write an image to the
// node's disk and boot it from there.
func (t *task) deployment() error {
	f := deployFlow()
	if writesImage(t.node) {
		info, err := jobs.Do(t.run, "image", t.prepareImage)
		if err != nil {
			return err
		}
		t.image = info
	}
	_, err := t.flow(f, func(offered []steps.Step, _ bool) ([]steps.Step, error) {
		asked, err := askedOfDeployment(t.node)
		if err != nil {
			return nil, err
		}
		return deploymentOf(t.node, offered, asked)
	})
	if err != nil {
		return err
	}
	return t.step("done", t.endDeploy)
}

// bootInstance starts the machine with its instance.
func (t *task) bootInstance(ctx context.Context) error {
	if usesAgent(t.node) {
		if err := t.bootFromDisk(ctx); err != nil {
			return err
		}
	} else if err := t.pretend(ctx, "deploy"); err != nil {
		return err
	}
	if t.node.DisablePowerOff { // where no ramdisk was booted nothing has put the reset down
		if err := t.powerOff(ctx); err != nil {
			return err
		}
	}
	return t.powerOn(ctx)
}

// pretend takes the time that a machine needs which does not exist, or fails as it was told
// to, where an interface of the kind is "fake".
func (t *task) pretend(ctx context.Context, kind string) error {
	p, ok := t.drv.(driver.Pretender)
	if !ok || t.node.Interfaces[kind] != "fake" {
		return nil
	}
	return p.Pretend(ctx, t.node, kind)
}

func (t *task) endDeploy(ctx context.Context) error {
	t.note("transition", "deployed; the instance boots from its disk")
	why := t.resumeConsole(ctx, t.node, "at the end of the deployment")
	return t.enter(ctx, fsm.Active, func(n *ironic.Node) {
		forgetSteps(n)
		delete(n.DriverInternalInfo, keyConsole)
		if why != "" {
			n.ConsoleEnabled, n.LastError = false, ironic.Shortened(why)
		}
		if n.InstanceUUID == "" {
			n.InstanceUUID = strings.ToLower(text(n.InstanceInfo, "instance_uuid")) // as a PATCH has it
		}
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

// writeStep names the writing among the commands that were sent to the agent.
const writeStep = "write_image"

// writeImage has the agent write image and config drive. What was sent before is
// only followed.
func (t *task) writeImage(ctx context.Context) error {
	return t.versioned(ctx, deployFlow(), writeStep, nil, func(name string, versions map[string]any) error { return t.writeOnce(ctx, name, versions) })
}

func (t *task) writeOnce(ctx context.Context, name string, versions map[string]any) error {
	cmd := agentapi.Command{Name: "deploy.execute_deploy_step"}
	begun, err := t.begun(ctx, name, cmd.Name)
	if err != nil {
		return err
	}
	if !begun {
		if cmd.Params, err = t.writeParams(ctx, versions); err != nil {
			return err
		}
	}
	res, err := t.command(ctx, name, fsm.DeployWait, fsm.Deploying, cmd)
	if err != nil {
		return err
	}
	if r, _ := res["deploy_result"].(map[string]any); text(r, "result") != "" {
		t.note("transition", "%s", text(r, "result"))
	}
	return nil
}

// writeParams makes the parameters of the command that writes the image; without versions for those that the node keeps.
func (t *task) writeParams(ctx context.Context, versions map[string]any) (map[string]any, error) {
	drive, err := t.configDrive()
	if err != nil {
		return nil, err
	}
	ports, err := t.wirePorts(ctx)
	if err != nil {
		return nil, err
	}
	if versions == nil {
		if versions, err = t.versions(ctx); err != nil {
			return nil, err
		}
	}
	info := *t.image
	info.ConfigDrive = drive
	t.note("transition", "the agent writes image %s", info.ID)
	args := map[string]any{"image_info": info}
	if drive != "" {
		args["configdrive"] = drive
	}
	return map[string]any{"step": map[string]any{"interface": "deploy", "step": writeStep, "args": args},
		"node": t.deployNode(), "ports": ports, "deploy_version": versions}, nil
}

// versions are those of the agent's hardware managers: as the list of steps has
// them, or asked of the agent by a job that was begun before there were lists.
func (t *task) versions(ctx context.Context) (map[string]any, error) {
	if p, err := planOf(t.node); err != nil || p != nil {
		if p == nil {
			return nil, err
		}
		return p.Versions, err
	}
	_, versions, err := t.agentSteps(ctx, steps.Deploy)
	return versions, err
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

// prepareInstanceBoot readies the disk for booting from it. As Ironic does after it
// wrote an image, it first asks for the UUIDs of partitions; they would place the boot
// loader of an image of one partition. Ours are of whole disks, so the answer has no use
// here: an agent that acts on the question must be asked all the same.
func (t *task) prepareInstanceBoot(ctx context.Context) error {
	if writesImage(t.node) {
		if _, err := t.call(ctx, "standby.get_partition_uuids", map[string]any{}); err != nil {
			return err
		}
	}
	return t.installBootloader(ctx)
}

// installBootloader makes a UEFI machine find what was written. A BIOS machine
// boots the disk as it is.
func (t *task) installBootloader(ctx context.Context) error {
	if driver.BootMode(t.node) != ironic.UEFI {
		return nil
	}
	_, err := t.command(ctx, "install_bootloader", fsm.DeployWait, fsm.Deploying, agentapi.Command{Name: "image.install_bootloader", Params: map[string]any{
		"root_uuid": nil, "efi_system_part_uuid": nil, "prep_boot_part_uuid": nil, "target_boot_mode": ironic.UEFI}})
	return err
}

// bootFromDisk ends the network boot and chooses the disk for all starts to come.
func (t *task) bootFromDisk(ctx context.Context) error {
	if t.NetBoot != nil {
		if err := t.NetBoot.Remove(ctx, t.uuid); err != nil {
			return fmt.Errorf("remove node %s from network boot: %w", title(t.node), err)
		}
	}
	if err := t.setBoot(ctx, ironic.BootDisk, true); err != nil {
		return err
	}
	return t.update(ctx, forgetBoot)
}
