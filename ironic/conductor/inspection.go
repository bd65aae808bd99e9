package conductor

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/fsm"
	"trefoil/ironic/inspect"

	"github.com/google/uuid"
)

// Keys of the plugin data that the processing still needs.
const (
	keyRootDisk      = "root_disk"
	keyBootInterface = "boot_interface"
	keyError         = "error"
)

// inspect boots the ramdisk, waits for its inventory and writes what it says into the node.
func (t *task) inspect() error {
	if bootsRamdisk(t.node) && t.node.Interfaces["inspect"] != "fake" {
		if err := t.bootRamdisk(jobInspect); err != nil {
			return err
		}
		if err := t.step("inventory", t.awaitInventory); err != nil {
			return err
		}
		if err := t.step("process", t.process); err != nil {
			return err
		}
		if err := t.step("power off after inspection", t.dropRamdisk); err != nil {
			return err
		}
	}
	return t.step("done", func(ctx context.Context) error {
		t.note("inspection", "introspection finished")
		return t.enter(ctx, fsm.Manageable, func(n *ironic.Node) {
			now := t.Now().UTC()
			n.InspectionFinishedAt = &now
			delete(n.DriverInternalInfo, keyReceived)
			delete(n.DriverInternalInfo, keyProcessed)
		})
	})
}

// awaitInventory waits until ContinueInspection has stored the node's inventory.
func (t *task) awaitInventory(ctx context.Context) error {
	if text(t.node.DriverInternalInfo, keyReceived) == "" {
		if err := t.enter(ctx, fsm.InspectWait, nil); err != nil {
			return err
		}
	}
	t.note("inspection", "waits for the ramdisk's inventory")
	start := *t.node.ProvisionUpdatedAt
	until := laterOf(start.Add(t.InspectTimeout), t.Now().Add(min(graceAfterRestart, t.InspectTimeout)))
	err := t.wait(ctx, until, func(n *ironic.Node) (bool, error) {
		return text(n.DriverInternalInfo, keyReceived) != "", nil
	}, func(*ironic.Node) error { return t.bootTimeout("the inventory", t.Now().Sub(start)) })
	if err != nil {
		return err
	}
	return t.enter(ctx, fsm.Inspecting, nil)
}

// addPorts makes ports of interfaces that have none yet; others are left as they are.
func (t *task) addPorts(ctx context.Context, ports []inspect.Port) error {
	for _, p := range ports {
		have, err := t.Store.Port(ctx, p.MAC)
		switch {
		case err == nil && have.NodeUUID != t.uuid:
			return errs.New(errs.Conflict, "the address %s of node %s is a port of node %s already", p.MAC, title(t.node), have.NodeUUID).
				WithHint("openstack baremetal port delete %s, if that is out of date", have.UUID)
		case err == nil:
			continue
		case !errs.Is(err, errs.NotFound):
			return err
		}
		if err := t.Store.CreatePort(ctx, &ironic.Port{UUID: uuid.NewString(), NodeUUID: t.uuid, Address: p.MAC, PXEEnabled: p.PXE}); err != nil {
			return err
		}
		t.note("inspection", "added port %s", p.MAC)
	}
	return nil
}

// ContinueInspection stores the inventory of a ramdisk with the node that waits
// for it and returns that node's uuid. The payload is kept before the answer goes out.
func (c *Conductor) ContinueInspection(ctx context.Context, payload []byte) (string, error) {
	if n := values(payload); n > maxValues {
		return "", errs.New(errs.Invalid, "the inspection data holds %d values; at most %d are taken", n, maxValues)
	}
	d, err := agentapi.ParseInspectionData(payload)
	if err != nil {
		return "", err
	}
	n, err := c.findInspected(ctx, d)
	if errs.Is(err, errs.NotFound) && c.DiscoveryDriver != "" {
		var id string
		if id, err = c.discover(ctx, d, payload, err); err == nil {
			return id, nil
		}
	}
	if err != nil {
		c.Log.Warn("inspection data without a node", "reason", err, "macs", inspect.MACs(d), "bmc", d.Inventory.BMCAddress,
			"kept", c.keepUnknown(d, payload))
		return "", err
	}
	inv, err := keep(n.UUID, payload)
	if err != nil {
		return "", err
	}
	if err := c.Store.SaveInventory(ctx, *inv); err != nil {
		return "", err
	}
	_, err = c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		put(n, keyReceived, c.Now().UTC().Format(time.RFC3339))
		delete(n.DriverInternalInfo, keyProcessed)
		return nil
	})
	if err != nil {
		return "", err
	}
	c.note(ctx, n.UUID, "inspection", "INFO", "the ramdisk sent its inventory")
	c.keepLogs(ctx, n.UUID, d)
	c.bells.ring(n.UUID)
	return n.UUID, nil
}

// maxValues bounds how many values an inventory may hold. Anybody on the network
// may send one, and three bytes of "{}," become half a kilobyte in memory; that of
// a big machine has some thousand values.
const maxValues = 50_000

// values counts the commas outside of strings, which are as many as the values.
func values(payload []byte) int {
	n, inString := 0, false
	for i := 0; i < len(payload); i++ {
		switch payload[i] {
		case '\\':
			i++ // only strings have it
		case '"':
			inString = !inString
		case ',':
			if !inString {
				n++
			}
		}
	}
	return n
}

// keep splits a payload into the inventory and the rest, without the ramdisk's logs
// and without what only the service itself may say.
func keep(nodeUUID string, payload []byte) (*ironic.Inventory, error) {
	var all map[string]any
	if err := json.Unmarshal(payload, &all); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the inspection data is no JSON object")
	}
	inv, ok := all["inventory"].(map[string]any)
	if !ok {
		return nil, errs.New(errs.Invalid, "the inspection data holds no inventory")
	}
	for _, k := range []string{"inventory", inspect.KeyLogs, inspect.KeyLLDP, inspect.KeyDiscovered} {
		delete(all, k)
	}
	return &ironic.Inventory{NodeUUID: nodeUUID, Inventory: inv, PluginData: all}, nil
}

// restore puts a kept payload together again.
func restore(inv *ironic.Inventory) (*agentapi.InspectionData, error) {
	all := map[string]any{"inventory": inv.Inventory}
	for _, k := range []string{keyRootDisk, keyBootInterface, keyError} {
		if v, ok := inv.PluginData[k]; ok {
			all[k] = v
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return agentapi.ParseInspectionData(b)
}

// findInspected finds the node that waits for an inventory: by the MAC addresses
// of its ports, else by the address of its BMC. The error says what matched what; it is
// Invalid where the inventory has no address to go by.
func (c *Conductor) findInspected(ctx context.Context, d *agentapi.InspectionData) (*ironic.Node, error) {
	macs := inspect.MACs(d)
	n, why, err := c.findByMACs(ctx, macs, "")
	if err != nil {
		return nil, err
	}
	if n == nil {
		var byBMC string
		if n, byBMC, err = c.findByBMC(ctx, d); err != nil {
			return nil, err
		}
		why += "; " + byBMC
		if fault := inspect.NoMAC(d); n == nil && fault != "" { // what is wrong is in what the ramdisk sent, and it may know
			return nil, errs.New(errs.Invalid, "the inventory has no usable MAC address: %s; %s", fault, byBMC).
				WithHint("expected interfaces with a mac_address such as 52:54:00:12:34:56")
		}
	}
	if n == nil {
		return nil, errs.New(errs.NotFound, "no node fits the inventory with addresses %s: %s", strings.Join(macs, ", "), why).
			WithHint("openstack baremetal port list shows the addresses that are known")
	}
	if s := fsm.State(n.ProvisionState); s != fsm.InspectWait && !(s == fsm.Inspecting && n.DriverInternalInfo[keyJobID] != nil) {
		return nil, errs.New(errs.NotFound, "the inventory belongs to node %s, which is in state %q and waits for none", title(n), n.ProvisionState)
	}
	return n, nil
}

func (c *Conductor) findByBMC(ctx context.Context, d *agentapi.InspectionData) (*ironic.Node, string, error) {
	addrs := bmcAddresses(d)
	if len(addrs) == 0 {
		return nil, "the ramdisk saw no BMC", nil
	}
	var fit []*ironic.Node
	err := ironic.Walk(ctx, c.Store, ironic.NodeFilter{ProvisionState: string(fsm.InspectWait)}, func(n *ironic.Node) error {
		if bmcOf(ctx, n, addrs) != "" {
			fit = append(fit, n)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	words := strings.Join(addrs, ", ")
	switch len(fit) {
	case 0:
		return nil, "no waiting node has the BMC address " + words, nil
	case 1:
		return fit[0], "", nil
	}
	return nil, fmt.Sprintf("%d waiting nodes share the BMC address %s", len(fit), words), nil
}

// bmcOf is the one of addrs at which n has its BMC, which the node may know by name; "": none.
func bmcOf(ctx context.Context, n *ironic.Node, addrs []string) string {
	for _, key := range []string{"ipmi_address", "redfish_address"} {
		host := text(n.DriverInfo, key)
		if u, err := url.Parse(host); err == nil && u.Host != "" { // Redfish has URLs, too
			host = u.Hostname()
		}
		ips := hostAddresses(ctx, host)
		for _, addr := range addrs {
			if slices.Contains(ips, addr) {
				return addr
			}
		}
	}
	return ""
}

// hostAddresses are the addresses of a host; none where nobody knows them.
func hostAddresses(ctx context.Context, host string) []string {
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return []string{ip.String()}
	}
	if host == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ips, _ := net.DefaultResolver.LookupHost(ctx, host)
	return ips
}
