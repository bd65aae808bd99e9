package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/agent/disk"
	"trefoil/ironic/agent/hints"
	"trefoil/ironic/agentapi"
)

// managerName is the one hardware manager we have, and stepsVersion changes
// whenever its steps do: the conductor, told of that, lists them anew.
const (
	managerName  = "TrefoilHardwareManager"
	stepsVersion = "1"
)

type params = map[string]any

// handlers is the table of all commands.
func (a *Agent) handlers() map[string]handler {
	now := func(f func(params) (params, error)) handler {
		return handler{run: func(_ context.Context, p params, _ func(string)) (params, error) { return f(p) }}
	}
	later := func(f func(context.Context, params, func(string)) (params, error)) handler {
		return handler{async: true, run: f}
	}
	return map[string]handler{
		"clean.get_clean_steps":     now(a.cleanSteps),
		"clean.execute_clean_step":  later(a.executeClean),
		"service.get_service_steps": now(func(params) (params, error) { return steps("service_steps"), nil }),
		"service.execute_service_step": later(func(_ context.Context, p params, _ func(string)) (params, error) {
			_, name := stepOf(p) // erasing is no service to a machine with an instance
			return nil, errs.New(errs.Invalid, "the agent has no service step %q", name)
		}),
		"deploy.get_deploy_steps":     now(a.deploySteps),
		"deploy.execute_deploy_step":  later(a.executeDeploy),
		"standby.prepare_image":       later(a.prepareImage),
		"standby.get_partition_uuids": now(func(params) (params, error) { return params{}, nil }),
		"standby.sync":                now(a.sync),
		"standby.power_off":           later(a.end(a.cfg.PowerOff)),
		"standby.run_image":           later(a.end(a.cfg.Reboot)),
		"system.lockdown":             now(a.lockdown),
		"image.install_bootloader":    later(a.installBootloader),
		"rescue.finalize_rescue":      now(a.finalizeRescue),
		"log.collect_system_logs":     now(a.collectLogs),
		"poll.get_hardware_info":      now(a.hardwareInfo),
	}
}

// steps is how IPA lists clean and deploy steps.
func steps(kind string, list ...params) params {
	return params{kind: params{managerName: list}, "hardware_manager_version": params{managerName: stepsVersion}}
}

func (a *Agent) cleanSteps(params) (params, error) {
	step := func(name string, priority int) params {
		return params{"step": name, "priority": priority, "interface": "deploy", "reboot_requested": false, "abortable": true}
	}
	// Erasing whole disks takes hours on hardware: it is for manual cleaning.
	return steps("clean_steps", step("erase_devices_metadata", 99), step("erase_devices", 0)), nil
}

func (a *Agent) deploySteps(params) (params, error) {
	step := params{"step": "write_image", "priority": 0, "interface": "deploy", "reboot_requested": false, "argsinfo": params{
		"image_info":  params{"description": "The image: urls, os_hash_algo, os_hash_value, bmap_url, bmap_sha256.", "required": true},
		"configdrive": params{"description": "Config drive: gzip in base64, or a URL.", "required": false}}}
	return steps("deploy_steps", step), nil
}

func (a *Agent) executeClean(_ context.Context, p params, report func(string)) (params, error) {
	step, name := stepOf(p)
	if err := sameVersion(p, "clean"); err != nil {
		return nil, err
	}
	var erase func(disk.Device) error
	switch name {
	case "erase_devices_metadata":
		erase = disk.EraseMetadata
	case "erase_devices":
		erase = disk.Erase
	default:
		return nil, errs.New(errs.Invalid, "the agent has no clean step %q", name)
	}
	skip := skipHints(a.nodeProperties(p))
	for _, dev := range a.cfg.Hardware.Disks() {
		if bad, err := hints.Skipped(&dev, skip); err != nil || bad {
			if err != nil {
				return nil, err
			}
			continue
		}
		report(name + " on " + dev.Name)
		if err := a.onDisk(dev.Name, erase); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return params{"clean_result": nil, "clean_step": step}, nil
}

// errOtherVersion: the step was listed by another version of the agent, and is not begun.
var errOtherVersion = errors.New("the steps have changed since they were listed")

// sameVersion holds a step to the version of whoever listed it: the machine may have been started
// anew in between, with another ramdisk.
func sameVersion(p params, kind string) error {
	v, ok := p[kind+"_version"].(params)
	if !ok || v[managerName] == nil || v[managerName] == stepsVersion {
		return nil
	}
	return errs.Wrap(errs.Conflict, errOtherVersion, "%s steps of version %v, the agent has %s", kind, v[managerName], stepsVersion)
}

// onDisk opens a disk, does one thing and makes the kernel read its partitions anew.
func (a *Agent) onDisk(name string, do func(disk.Device) error) error {
	d, err := a.cfg.Disks(name)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := do(d); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := d.Reread(); err != nil {
		a.cfg.Log.Warn("partitions not read anew", "disk", name, "error", err)
	}
	return nil
}

func (a *Agent) executeDeploy(ctx context.Context, p params, report func(string)) (params, error) {
	step, name := stepOf(p)
	if err := sameVersion(p, "deploy"); err != nil {
		return nil, err
	}
	if name != "write_image" {
		return nil, errs.New(errs.Invalid, "the agent has no deploy step %q", name)
	}
	args, _ := step["args"].(params)
	text, err := a.writeImage(ctx, args, a.nodeProperties(p), report)
	if err != nil {
		return nil, err
	}
	return params{"deploy_result": params{"result": text}, "deploy_step": step}, nil
}

func (a *Agent) prepareImage(ctx context.Context, p params, report func(string)) (params, error) {
	text, err := a.writeImage(ctx, p, a.nodeProperties(p), report)
	if err != nil {
		return nil, err
	}
	return params{"result": "prepare_image: " + text}, nil
}

// writeImage chooses the root disk, streams the image, sets the partition table
// right and adds the config drive.
func (a *Agent) writeImage(ctx context.Context, args, properties params, report func(string)) (string, error) {
	var info agentapi.ImageInfo
	if err := recode(args["image_info"], &info); err != nil {
		return "", errs.Wrap(errs.Invalid, err, "image_info")
	}
	drive, _ := args["configdrive"].(string)
	if drive == "" {
		drive = info.ConfigDrive
	}
	hint, _ := properties["root_device"].(params)
	root, err := hints.Choose(a.cfg.Hardware.Disks(), hint, skipHints(properties))
	if err != nil {
		return "", err
	}
	w := &disk.Writer{HTTP: a.cfg.HTTP, Report: report}
	var iso []byte
	if drive != "" { // a bad config drive is said before the disk is touched
		if iso, err = w.DecodeConfigDrive(ctx, drive); err != nil {
			return "", err
		}
	}
	var res disk.Result
	err = a.onDisk(root.Name, func(d disk.Device) (err error) {
		a.cfg.Log.Info("phase: writing image", "disk", root.Name, "image", info.ID)
		if res, err = w.Write(ctx, d, info); err != nil {
			return err
		}
		if err := disk.FixTable(d); err != nil {
			return err
		}
		if iso != nil {
			if _, err := disk.WriteConfigDrive(d, iso); err != nil {
				return err
			}
		}
		return d.Sync()
	})
	if err != nil {
		return "", err
	}
	secs := max(res.Elapsed.Seconds(), 0.001)
	text := fmt.Sprintf("image (%s) written to device %s: %d MiB of data in %d MiB, %.1f s, %.0f MB/s",
		info.ID, root.Name, res.Written>>20, res.ImageSize>>20, secs, float64(res.Written)/1e6/secs)
	a.cfg.Log.Info("phase: image written", "result", text)
	return text, nil
}

// installBootloader has nothing to do: whole-disk images carry their loader, for
// BIOS in their first sectors, for UEFI under the removable path. It checks that
// the disk can boot at all.
func (a *Agent) installBootloader(_ context.Context, p params, _ func(string)) (params, error) {
	properties := a.nodeProperties(p)
	hint, _ := properties["root_device"].(params)
	root, err := hints.Choose(a.cfg.Hardware.Disks(), hint, skipHints(properties))
	if err != nil {
		return nil, err
	}
	mode, _ := p["target_boot_mode"].(string)
	d, err := a.cfg.Disks(root.Name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := disk.CheckBootable(d, mode); err != nil {
		return nil, err
	}
	return params{"result": "install_bootloader: the image on " + root.Name + " carries its own boot loader"}, nil
}

func (a *Agent) sync(params) (params, error) {
	for _, dev := range a.cfg.Hardware.Disks() {
		if err := a.onDisk(dev.Name, disk.Device.Sync); err != nil {
			return nil, err
		}
	}
	return params{"result": "sync: done"}, nil
}

// lockdown makes a machine ready that will be reset, not switched off: what was written is
// on the disks, and a moment later the agent obeys nobody any more.
func (a *Agent) lockdown(p params) (params, error) {
	if _, err := a.sync(p); err != nil {
		return nil, err
	}
	time.AfterFunc(a.cfg.EndAfter, func() { nudge(a.over) })
	return params{"result": "lockdown: done"}, nil
}

// end powers off or reboots a moment after the command's success could be read.
func (a *Agent) end(act func()) func(context.Context, params, func(string)) (params, error) {
	return func(context.Context, params, func(string)) (params, error) {
		time.AfterFunc(a.cfg.EndAfter, func() {
			a.cfg.Log.Info("phase: the conductor ends this ramdisk")
			act()
		})
		return params{}, nil
	}
}

func (a *Agent) collectLogs(params) (params, error) {
	text, err := a.logArchive()
	if err != nil {
		return nil, err
	}
	return params{"system_logs": text}, nil
}

func (a *Agent) hardwareInfo(params) (params, error) {
	var out params
	err := recode(a.cfg.Hardware.Inventory(), &out)
	return out, err
}

// nodeProperties are those of the node in the command, else of the lookup.
func (a *Agent) nodeProperties(p params) params {
	if node, ok := p["node"].(params); ok {
		if props, ok := node["properties"].(params); ok {
			return props
		}
	}
	return a.node.Properties
}

func skipHints(properties params) []params {
	list, _ := properties["skip_block_devices"].([]any)
	var out []params
	for _, x := range list {
		if m, ok := x.(params); ok {
			out = append(out, m)
		}
	}
	return out
}

func stepOf(p params) (step params, name string) {
	step, _ = p["step"].(params)
	name, _ = step["step"].(string)
	return step, name
}

// recode turns loose JSON into a type, or the other way round.
func recode(from, to any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, to)
}
