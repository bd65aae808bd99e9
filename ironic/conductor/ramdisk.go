package conductor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/driver"
)

// bootsRamdisk reports whether the node's interfaces boot real ramdisks; those
// of fake hardware do not.
func bootsRamdisk(n *ironic.Node) bool { return n.Interfaces["boot"] != "fake" }

// usesAgent reports whether deploying and cleaning go through an agent.
func usesAgent(n *ironic.Node) bool {
	return bootsRamdisk(n) && n.Interfaces["deploy"] != "fake"
}

// bootRamdisk starts the machine into the ramdisk. Each of its steps may run
// twice: the machine is switched off before the entry is published, and is only
// switched on if it is off (one that must stay on is reset). Where nothing can be booted
// the machine is left as it is.
func (t *task) bootRamdisk(purpose string) error {
	t.purpose = purpose
	if err := t.bootPart("power off", func(ctx context.Context) error {
		if err := t.checkBoot(ctx, purpose); err != nil {
			return err
		}
		if err := t.update(ctx, func(n *ironic.Node) { delete(n.DriverInternalInfo, keyBare) }); err != nil {
			return err
		}
		return t.powerOff(ctx)
	}); err != nil {
		return err
	}
	if err := t.bootPart("publish ramdisk", func(ctx context.Context) error {
		if err := t.update(ctx, forgetBoot); err != nil {
			return err
		}
		return t.publish(ctx, purpose)
	}); err != nil {
		return err
	}
	if err := t.bootPart("boot from network", func(ctx context.Context) error {
		return t.setBoot(ctx, ironic.BootPXE, false)
	}); err != nil {
		return err
	}
	return t.bootPart("power on", func(ctx context.Context) error {
		if t.node.DisablePowerOff { // a reset that is repeated needs the device that the first has spent
			if err := t.setBoot(ctx, ironic.BootPXE, false); err != nil {
				return err
			}
		}
		return t.powerOn(ctx)
	})
}

// bootPart is a step of booting the ramdisk, with a place among those that do. One that
// was done before a restart asks for none.
func (t *task) bootPart(name string, f func(ctx context.Context) error) error {
	return t.step(name, func(ctx context.Context) error {
		if err := t.enterRamdisk(); err != nil {
			return err
		}
		return f(ctx)
	})
}

// publish makes the ramdisk bootable and forgets the agent of the boot before.
func (t *task) publish(ctx context.Context, purpose string) error {
	if t.NetBoot == nil {
		return noNetBoot(t.node)
	}
	if err := t.update(ctx, forgetAgent); err != nil {
		return err
	}
	entry, err := t.entry(ctx, purpose, false)
	if err != nil {
		return err
	}
	if err := t.NetBoot.Publish(ctx, *entry); err != nil {
		return fmt.Errorf("publish the ramdisk for node %s: %w", title(t.node), err)
	}
	return nil
}

// checkBoot looks whether the node has what it takes to boot the ramdisk, and fetches nothing.
func (t *task) checkBoot(ctx context.Context, purpose string) error {
	if t.NetBoot == nil {
		return noNetBoot(t.node)
	}
	_, err := t.entry(ctx, purpose, true)
	return err
}

// canBoot is checkBoot of a node that has no job yet.
func (c *Conductor) canBoot(ctx context.Context, drv driver.Driver, n *ironic.Node, purpose string) error {
	t := &task{Conductor: c, uuid: n.UUID, node: n, drv: drv}
	return t.checkBoot(ctx, purpose)
}

func noNetBoot(n *ironic.Node) error {
	return errs.New(errs.Invalid, "node %s cannot boot a ramdisk: network boot is not switched on", title(n)).
		WithHint("give the service's configuration a section [netboot] with interface and range")
}

// entry makes what is published; look leaves out what would have to be fetched.
func (t *task) entry(ctx context.Context, purpose string, look bool) (*driver.BootEntry, error) {
	ports, err := t.Store.Ports(ctx, ironic.PortFilter{NodeUUID: t.uuid})
	if err != nil {
		return nil, err
	}
	e := &driver.BootEntry{NodeUUID: t.uuid, BootMode: driver.KnownBootMode(t.node), Purpose: purpose}
	for _, p := range ports {
		if p.PXEEnabled {
			e.MACs = append(e.MACs, p.Address)
		}
	}
	if len(e.MACs) == 0 {
		return nil, errs.New(errs.Invalid, "node %s has no port with PXE enabled (of %d), so that nothing can be booted over its network", title(t.node), len(ports)).
			WithHint("openstack baremetal port create <MAC address> --node %s --pxe-enabled true", t.uuid)
	}
	if e.Kernel, err = t.bootFile(ctx, t.fileKey(purpose, "kernel"), t.DeployKernel, look); err != nil {
		return nil, err
	}
	if e.Ramdisk, err = t.bootFile(ctx, t.fileKey(purpose, "ramdisk"), t.DeployRamdisk, look); err != nil {
		return nil, err
	}
	if purpose == jobInspect {
		e.Params = append(e.Params, "ipa-inspection-callback-url="+t.InspectCallbackURL)
	} else {
		e.Params = append(e.Params, "ipa-api-url="+t.APIURL)
	}
	own := text(t.node.DriverInfo, "kernel_append_params")
	if own == "" {
		own = "%default%"
	}
	more := strings.ReplaceAll(own, "%default%", strings.Join(t.KernelParams, " "))
	e.Params = append(e.Params, strings.Fields(more)...)
	if t.node.DisablePowerOff {
		e.Params = append(e.Params, agentapi.StayOn)
	}
	return e, nil
}

// fileKey is where driver_info names a file of the ramdisk. The one for rescuing takes
// logins, which that of deploying, of which it takes the place otherwise, need not.
func (t *task) fileKey(purpose, file string) string {
	if key := "rescue_" + file; purpose == jobRescue && text(t.node.DriverInfo, key) != "" {
		return key
	}
	return "deploy_" + file
}

// bootFile finds a file of the ramdisk: the node's own (a URL, a path or an image)
// or the service's. What lies elsewhere is fetched, unless look is set: then it is
// only seen whether it may be.
func (t *task) bootFile(ctx context.Context, key, otherwise string, look bool) (string, error) {
	what := key + " of node " + title(t.node)
	ref, own := text(t.node.DriverInfo, key), true
	if ref == "" {
		ref, own = otherwise, false
	}
	switch {
	case ref == "":
		return "", errs.New(errs.Invalid, "node %s has no %s in driver_info and the service has none", title(t.node), key).
			WithHint("openstack baremetal node set %s --driver-info %s=URL; or give all nodes one: %s of a standalone service's configuration, or openstack overcloud image upload and node configure", t.uuid, key, key)
	case isURL(ref):
		return t.bootURL(ctx, what, ref, look)
	case !own: // the operator's: nobody else's files
		if path, ok := filePath(ref); ok {
			return path, nil
		}
		return ref, nil
	case strings.HasPrefix(ref, "/"):
		return t.URLs.File(key, ref)
	}
	if path, ok := filePath(ref); ok {
		return t.URLs.File(key, path)
	}
	if scheme, _, found := strings.Cut(ref, "://"); found {
		return "", errs.New(errs.Invalid, "%s is %q: %s:// is not spoken here", what, shownURL(ref), scheme).WithHint("expected http://, https:// or file:///")
	}
	if t.Images == nil {
		return "", errs.New(errs.Invalid, "%s is %q, the name of an image, and there is no image service here", what, ref).
			WithHint("expected http://, https:// or file:///")
	}
	img, err := t.Images.Image(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	return img.Path, nil
}

// bootURL fetches a file of the ramdisk.
func (t *task) bootURL(ctx context.Context, what, ref string, look bool) (string, error) {
	if t.Fetcher == nil {
		return "", errs.New(errs.Invalid, "%s is a URL, and this service fetches none", what)
	}
	if err := t.URLs.Check(ref); err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if look {
		return "", nil
	}
	f, err := t.Fetcher.Fetch(ctx, Remote{URL: ref, What: what})
	if err != nil {
		return "", err
	}
	return f.Path, nil
}

// forgetAgent drops what was known of the agent of an earlier boot.
func forgetAgent(n *ironic.Node) {
	for _, k := range []string{agentToken, agentURL, agentSeen, agentVersion, agentCA, agentCommands, agentAgain, agentMessage} {
		delete(n.DriverInternalInfo, k)
	}
}

// dropRamdisk switches the machine off and ends its network boot. One that must stay on
// leaves the ramdisk by a reset.
func (t *task) dropRamdisk(ctx context.Context) error {
	if !bootsRamdisk(t.node) {
		return nil
	}
	err := t.removeRamdisk(ctx, func(change func(*ironic.Node)) error { return t.update(ctx, change) })
	if err != nil || !t.node.DisablePowerOff {
		return err
	}
	return t.powerOn(ctx)
}

func (t *task) removeRamdisk(ctx context.Context, update func(func(*ironic.Node)) error) error {
	var first error
	if t.NetBoot != nil {
		if err := t.NetBoot.Remove(ctx, t.uuid); err != nil {
			first = fmt.Errorf("remove node %s from network boot: %w", title(t.node), err)
		}
	}
	stays := t.node.DisablePowerOff
	var off error
	if !stays {
		off = t.switchTo(ctx, ironic.PowerOff)
	}
	return errors.Join(first, off, update(func(n *ironic.Node) {
		forgetBoot(n)
		switch {
		case stays:
			put(n, keyReset, true)
		case off == nil:
			n.PowerState = ironic.PowerOff
		}
	}))
}

func (t *task) powerOff(ctx context.Context) error { return t.powerTo(ctx, ironic.PowerOff) }
func (t *task) powerOn(ctx context.Context) error  { return t.powerTo(ctx, ironic.PowerOn) }

// powerTo switches the machine and records where it is.
func (t *task) powerTo(ctx context.Context, state string) error {
	if t.node.DisablePowerOff || state == ironic.PowerOn && resetDue(t.node) {
		return t.stayOn(ctx, state)
	}
	if err := t.patiently(ctx, func() error { return t.switchTo(ctx, state) }); err != nil {
		return err
	}
	return t.update(ctx, reached(state))
}

// setBoot chooses the boot device.
func (t *task) setBoot(ctx context.Context, device string, persistent bool) error {
	return t.patiently(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, t.PowerTimeout)
		defer cancel()
		if err := t.drv.SetBootDevice(ctx, t.node, device, persistent); err != nil {
			return fmt.Errorf("set the boot device of node %s to %s: %w", title(t.node), device, err)
		}
		return nil
	})
}

// patiently tries again while the BMC does not answer, for BMCPatience: one that
// restarts must not fail a deployment.
func (t *task) patiently(ctx context.Context, f func() error) error {
	until := t.Now().Add(t.BMCPatience)
	for {
		err := f()
		if err == nil || !errs.Is(err, errs.Unavailable) || !t.Now().Before(until) {
			return err
		}
		t.note("power", "%v; trying again", err)
		if err := t.pause(ctx, min(2*time.Second, t.BMCPatience/4)); err != nil {
			return err
		}
	}
}

func (t *task) switchTo(ctx context.Context, state string) error {
	ctx, cancel := context.WithTimeout(ctx, t.PowerTimeout)
	defer cancel()
	if err := t.drv.SetPower(ctx, t.node, state); err != nil {
		return fmt.Errorf("%s node %s: %w", state, title(t.node), err)
	}
	return nil
}

// phase says how far a network boot has come and what to look at when it stays there.
func phase(p driver.BootPhase) (words, hint string) {
	switch p {
	case driver.PhaseNone:
		return "no DHCP request was seen from the node",
			"check that its first NIC is on the provisioning network, that the port's MAC address is right and that it boots from the network"
	case driver.PhaseDHCP:
		return "the node asked for an address but did not fetch the iPXE script",
			"check that TFTP (udp/69) and HTTP reach the undercloud and that no other DHCP server answers"
	case driver.PhaseScript:
		return "iPXE has its script but the kernel was not fetched",
			"check the path to the undercloud's HTTP server and the console of the node"
	case driver.PhaseKernel:
		return "the kernel was fetched, the ramdisk was not",
			"look at the node's console: the transfer may have broken off"
	default:
		return "kernel and ramdisk were fetched but the agent did not call back",
			"look at the node's console: too little memory, no driver for its NIC, or no route to the undercloud"
	}
}

// bootTimeout makes the error of a ramdisk that did not come in time.
func (t *task) bootTimeout(what string, waited time.Duration) error {
	words, hint := phase(t.NetBoot.Phase(t.uuid))
	return errs.New(errs.Unavailable, "Timeout reached while waiting for %s of node %s: after %s %s",
		what, title(t.node), waited.Round(time.Second), words).WithHint("%s", hint)
}
