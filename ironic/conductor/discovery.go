package conductor

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/driver"
	"trefoil/ironic/fsm"
	"trefoil/ironic/inspect"

	"github.com/google/uuid"
)

// keyDiscovered marks a node that discovery made, in driver_internal_info.
const keyDiscovered = "auto_discovered"

// maxDiscovered bounds how many nodes wait for somebody to look at them: whoever is on
// the provisioning network may send inventories.
const (
	maxDiscovered      = 1000
	maxDiscoveredMACs  = 64      // of one machine; those that become ports nobody else can have then
	maxDiscoveredBytes = 2 << 20 // of one inventory, which the database keeps
)

// discovered is a node that nobody has touched since discovery made it.
func discovered(n *ironic.Node) bool {
	yes, _ := n.DriverInternalInfo[keyDiscovered].(bool)
	return yes && n.ProvisionState == string(fsm.Enroll)
}

// discover makes a node of a machine that nobody knows and returns its uuid. A second
// inventory of the same machine changes nothing; one that was cut short goes on.
// reason is why no node fits, and the error where discovery does not help.
func (c *Conductor) discover(ctx context.Context, d *agentapi.InspectionData, payload []byte, reason error) (string, error) {
	macs := inspect.MACs(d)
	if len(macs) == 0 { // one that was found by its BMC, and waits no more
		return "", reason
	}
	if len(macs) > maxDiscoveredMACs || len(payload) > maxDiscoveredBytes {
		return "", errs.New(errs.Invalid, "an unknown machine sent %d addresses and an inventory of %d bytes; discovery takes %d and %d",
			len(macs), len(payload), maxDiscoveredMACs, maxDiscoveredBytes).WithHint("enroll the machine by hand: openstack baremetal node create")
	}
	c.strangers.Lock()
	defer c.strangers.Unlock()
	for range 2 {
		n, how, known, err := c.findByMACs(ctx, macs, "")
		if err != nil {
			return "", err
		}
		if known > 1 {
			return "", reason // a card was moved, or a port is the wrong node's: that is no new machine
		}
		if n != nil && discovered(n) {
			if err := c.sameBMC(ctx, n, how, d); err != nil {
				return "", err
			}
			if _, err := c.agree(ctx, n, how, d); err != nil { // an inventory that had no BMC must not become another node's
				return "", err
			}
		}
		if n == nil {
			if err := c.checkStranger(ctx, d); err != nil {
				return "", err
			}
			n, err = c.enroll(ctx, d, macs)
			if errs.Is(err, errs.Conflict) {
				continue // a port was made beside this
			}
			if err != nil {
				return "", err
			}
		}
		if !discovered(n) {
			return "", reason
		}
		return n.UUID, c.learn(ctx, n, d, payload)
	}
	return "", reason
}

// checkStranger refuses a machine whose BMC a node has: it is that node with other
// network cards, and somebody must say so.
func (c *Conductor) checkStranger(ctx context.Context, d *agentapi.InspectionData) error {
	addrs, waiting := bmcAddresses(d), 0
	names, cancel := context.WithTimeout(ctx, c.NamesTimeout)
	defer cancel()
	err := ironic.Walk(ctx, c.Store, ironic.NodeFilter{}, func(n *ironic.Node) error {
		if discovered(n) {
			waiting++
		}
		if len(addrs) == 0 {
			return nil
		}
		if addr := bmcOf(names, n, addrs); addr != "" {
			return errs.New(errs.NotFound, "the inventory with addresses %s is of no port, but its BMC address %s is that of node %s",
				strings.Join(inspect.MACs(d), ", "), addr, title(n)).
				WithHint("openstack baremetal port create --node %s <address>, if the machine has got new network cards", n.UUID)
		}
		if names.Err() != nil {
			return errs.New(errs.Unavailable, "whose BMC %s is was not known within %s: names of BMCs resolve too slowly", strings.Join(addrs, ", "), c.NamesTimeout)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if waiting >= maxDiscovered {
		return errs.New(errs.Unavailable, "%d discovered machines wait in state enroll; no more are taken", waiting).
			WithHint("openstack baremetal node list --provision-state enroll")
	}
	return nil
}

// sameBMC refuses a machine that has an address of a discovered node, and another BMC than the one
// in that node's inventory: it is a second machine, whose inventory must not pass for the first one's.
func (c *Conductor) sameBMC(ctx context.Context, n *ironic.Node, how string, d *agentapi.InspectionData) error {
	inv, err := c.Store.Inventory(ctx, n.UUID)
	if errs.Is(err, errs.NotFound) {
		return nil // its own inventory has yet to be stored
	}
	if err != nil {
		return err
	}
	first, err := restore(inv)
	if err != nil {
		return err
	}
	had, has := bmcAddresses(first), bmcAddresses(d)
	if len(had) == 0 || len(has) == 0 || slices.ContainsFunc(has, func(a string) bool { return slices.Contains(had, a) }) {
		return nil
	}
	return errs.New(errs.NotFound, "the inventory is of the discovered node %s by its %s, but its BMC is at %s, and that node's at %s: these are two machines",
		title(n), how, strings.Join(has, ", "), strings.Join(had, ", ")).
		WithHint("openstack baremetal port delete the address that both have, and boot the machine again; or enroll it by hand: openstack baremetal node create")
}

// bmcAddresses are the addresses at which the ramdisk saw a BMC.
func bmcAddresses(d *agentapi.InspectionData) []string {
	var out []string
	for _, s := range []string{d.Inventory.BMCAddress, d.Inventory.BMCV6Address} {
		addr, _, _ := strings.Cut(s, "/")
		if ip, err := netip.ParseAddr(addr); err == nil && !ip.IsUnspecified() {
			out = append(out, ip.String())
		}
	}
	return out
}

// enroll makes the node with the ports that inspection would add, all at once.
func (c *Conductor) enroll(ctx context.Context, d *agentapi.InspectionData, macs []string) (*ironic.Node, error) {
	now := c.Now().UTC()
	n := &ironic.Node{UUID: uuid.NewString(), Driver: c.DiscoveryDriver, ProvisionState: string(fsm.Enroll), ProvisionUpdatedAt: &now,
		InspectionStartedAt: &now, DriverInternalInfo: map[string]any{keyDiscovered: true}, DriverInfo: map[string]any{}}
	if bmc := bmcAddresses(d); len(bmc) > 0 {
		key := "ipmi_address"
		if n.Driver == "redfish" {
			key = "redfish_address"
		}
		n.DriverInfo[key] = bmc[0]
	}
	if err := c.CheckCreate(ctx, n); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "enroll a discovered machine with driver %s", n.Driver)
	}
	boot := inspect.BootMAC(d)
	var ports []*ironic.Port
	for _, p := range inspect.StrangerPorts(d, c.AddPorts) {
		ports = append(ports, &ironic.Port{UUID: uuid.NewString(), Address: p.MAC, PXEEnabled: boot == "" || p.PXE})
	}
	if err := c.Store.CreateNode(ctx, n, ports...); err != nil {
		return nil, err
	}
	c.Log.Info("machine discovered", "node", n.UUID, "macs", macs, "bmc", bmcAddresses(d), "driver", n.Driver)
	c.note(ctx, n.UUID, "inspection", "INFO", "discovered: no node had any of the addresses "+strings.Join(macs, ", "))
	return n, nil
}

// learn keeps a discovered machine's inventory and writes what it says into the node,
// rules included. What rules object to is the node's last_error; whoever sends
// inventories is not told.
func (c *Conductor) learn(ctx context.Context, n *ironic.Node, d *agentapi.InspectionData, payload []byte) error {
	if processed(n) {
		return nil
	}
	inv, err := keep(n.UUID, payload)
	if err != nil {
		return err
	}
	inv.PluginData[inspect.KeyDiscovered] = true
	if err := c.Store.SaveInventory(ctx, *inv); err != nil {
		return err
	}
	// Somebody may take the node in hand at any time: then nothing is written into it.
	ours := func(n *ironic.Node) error {
		if !discovered(n) {
			return errs.New(errs.Conflict, "node %s has left state enroll meanwhile", title(n))
		}
		return nil
	}
	if n, err = c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		if err := ours(n); err != nil {
			return err
		}
		put(n, keyReceived, c.Now().UTC().Format(time.RFC3339))
		return nil
	}); err != nil {
		return err
	}
	c.keepLogs(ctx, n.UUID, d)
	res, err := c.read(n, inv)
	if err == nil {
		_, err = c.digest(ctx, n.UUID, res, func(n *ironic.Node) error {
			if err := ours(n); err != nil {
				return err
			}
			now := c.Now().UTC()
			n.InspectionFinishedAt, n.LastError = &now, ""
			return nil
		})
	}
	if err == nil {
		return nil
	}
	words := ironic.Shortened(err.Error())
	c.Log.Error("a discovered machine's inventory could not be processed", "node", n.UUID, "error", words)
	if _, err := c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		err := ours(n)
		if err == nil {
			n.LastError = words
		}
		return err
	}); err != nil {
		return err
	}
	c.note(ctx, n.UUID, "inspection", "ERROR", words)
	return errs.New(errs.Invalid, "the inventory was taken, but could not be processed; node and log of the service say why")
}

// The agent's images that unknown machines boot where the service has no files of its own.
const (
	agentKernel  = "bm-deploy-kernel"
	agentRamdisk = "bm-deploy-ramdisk"
)

// UnknownMachine is what a machine boots that is no node's: the ramdisk, to send its
// inventory. False where discovery is off, a port has the address, or there is no
// ramdisk here. An empty address asks for the files alone.
func (c *Conductor) UnknownMachine(ctx context.Context, mac string) (driver.BootEntry, bool) {
	e := driver.BootEntry{Purpose: "discover", Params: append([]string{"ipa-inspection-callback-url=" + c.InspectCallbackURL}, c.KernelParams...)}
	if c.DiscoveryDriver == "" {
		return e, false
	}
	if mac != "" {
		if _, err := c.Store.Port(ctx, mac); !errs.Is(err, errs.NotFound) {
			return e, false // a node's, or nobody knows
		}
	}
	var err error
	if e.Kernel, err = c.agentFile(ctx, c.DeployKernel, agentKernel); err == nil {
		e.Ramdisk, err = c.agentFile(ctx, c.DeployRamdisk, agentRamdisk)
	}
	if err != nil {
		c.Log.Warn("an unknown machine cannot boot to be discovered", "mac", mac, "error", err)
	}
	return e, err == nil
}

// agentFile is a file of the ramdisk on this machine: the service's own, or an image.
func (c *Conductor) agentFile(ctx context.Context, own, image string) (string, error) {
	if path, ok := filePath(own); ok {
		return path, nil
	}
	switch {
	case isURL(own):
		return "", errs.New(errs.Invalid, "%s is not on this machine", shownURL(own)).WithHint("give the service a path for discovery")
	case own != "":
		return own, nil
	case c.Images == nil:
		return "", errs.New(errs.NotFound, "the service has no deploy kernel and ramdisk")
	}
	img, err := c.Images.Image(ctx, image)
	if err != nil {
		return "", err
	}
	return img.Path, nil
}
