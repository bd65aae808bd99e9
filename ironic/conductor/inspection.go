package conductor

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/driver"
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

// checkInspect looks whether a node may be inspected, and can boot the ramdisk for it, unless somebody
// else boots one.
func (c *Conductor) checkInspect(ctx context.Context, drv driver.Driver, n *ironic.Node, byOthers bool) error {
	if err := mayInspect(n); err != nil {
		return err
	}
	if err := drv.Validate(n); err != nil || byOthers || !inspectsByAgent(n) {
		return err
	}
	return c.canBoot(ctx, drv, n, jobInspect)
}

func mayInspect(n *ironic.Node) error {
	if n.Interfaces["inspect"] == "no-inspect" {
		return errs.New(errs.Invalid, "Driver %s does not support inspect (disabled or not implemented).", n.Driver)
	}
	return nil
}

func inspectsByAgent(n *ironic.Node) bool {
	return bootsRamdisk(n) && n.Interfaces["inspect"] != "fake"
}

// inspect boots the ramdisk, waits for its inventory and writes what it says into the node.
func (t *task) inspect() error {
	if inspectsByAgent(t.node) {
		others := bootedByOthers(t.node)
		if t.purpose = jobInspect; !others {
			if err := t.bootRamdisk(jobInspect); err != nil {
				return err
			}
		}
		if err := t.step("inventory", t.awaitInventory); err != nil {
			return err
		}
		if err := t.step("process", t.process); err != nil {
			return err
		}
		if !others {
			if err := t.step("power off after inspection", t.dropRamdisk); err != nil {
				return err
			}
		}
	}
	return t.step("done", func(ctx context.Context) error {
		if err := t.pretend(ctx, "inspect"); err != nil {
			return err
		}
		t.note("inspection", "introspection finished")
		return t.enter(ctx, fsm.Manageable, func(n *ironic.Node) {
			now := t.Now().UTC()
			n.InspectionFinishedAt = &now
			delete(n.DriverInternalInfo, keyReceived)
			delete(n.DriverInternalInfo, keyProcessed)
			delete(n.DriverInternalInfo, api.KeyBootedByOthers)
		})
	})
}

// bootedByOthers reports whether the machine's ramdisk is somebody else's business during the node's
// inspection: it is neither booted nor switched, nor tidied up after, only its inventory is waited for.
func bootedByOthers(n *ironic.Node) bool { return n.DriverInternalInfo[api.KeyBootedByOthers] == true }

// callbackPath is where an inventory goes while nobody said how machines reach this service:
// only who boots them knows that.
const callbackPath = "/v1/continue_inspection of the bare-metal API, at an address that the machine reaches (ipa-inspection-callback-url= on its kernel's command line)"

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
	}, func(n *ironic.Node) error {
		if bootedByOthers(n) {
			return errs.New(errs.Unavailable, "Timeout reached while waiting for the inventory of node %s, which somebody else was to boot: nothing came in %s",
				title(n), t.Now().Sub(start).Round(time.Second)).WithHint("its ramdisk must post to %s", cmp.Or(t.InspectCallbackURL, callbackPath))
		}
		return t.bootTimeout("the inventory", t.Now().Sub(start))
	})
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
	n, how, err := c.findInspected(ctx, d)
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
	c.note(ctx, n.UUID, "inspection", "INFO", "the ramdisk sent its inventory, which is this node's by the "+how)
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
