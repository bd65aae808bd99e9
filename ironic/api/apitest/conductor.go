package apitest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/fsm"
)

// Conductor is a scripted api.Conductor: a verb that fits a node's state puts
// it at once where the real transition would end, a power action at once where
// it aims. It remembers what it was asked in Calls.
type Conductor struct {
	Store *Store
	// Fail, if set, is asked before each call ("Provision", "SetPower", …); its
	// error is the answer.
	Fail func(method string) error

	mu    sync.Mutex
	Calls []string
	// Asked is what Provision was asked for last.
	Asked api.ProvisionRequest
	boot  map[string]string
}

var _ api.Conductor = (*Conductor)(nil)

// NewConductor makes one that works on s.
func NewConductor(s *Store) *Conductor { return &Conductor{Store: s, boot: map[string]string{}} }

func (c *Conductor) called(method string, args ...any) error {
	c.mu.Lock()
	c.Calls = append(c.Calls, fmt.Sprintf("%s%v", method, args))
	c.mu.Unlock()
	if c.Fail != nil {
		return c.Fail(method)
	}
	return nil
}

// ends has the stable state that follows each verb.
func ends() map[fsm.Event]fsm.State {
	return map[fsm.Event]fsm.State{fsm.EvManage: fsm.Manageable, fsm.EvProvide: fsm.Available,
		fsm.EvInspect: fsm.Manageable, fsm.EvDeploy: fsm.Active, fsm.EvRebuild: fsm.Active,
		fsm.EvDelete: fsm.Available, fsm.EvClean: fsm.Manageable, fsm.EvAdopt: fsm.Active, fsm.EvAbort: fsm.InspectFailed,
		fsm.EvService: fsm.Active, fsm.EvRescue: fsm.Rescue, fsm.EvUnrescue: fsm.Active}
}

// Provision checks the verb against the table and jumps to its end.
func (c *Conductor) Provision(ctx context.Context, ident string, req api.ProvisionRequest) error {
	if err := c.called("Provision", req.Target); err != nil {
		return err
	}
	c.mu.Lock()
	c.Asked = req
	c.mu.Unlock()
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return err
	}
	verb, _ := fsm.VerbOf(req.Target)
	if _, err := fsm.Next(fsm.State(n.ProvisionState), verb.Event); err != nil {
		return errs.New(errs.Invalid, "The requested action \"%s\" can not be performed on node \"%s\" while it is in state \"%s\".",
			req.Target, n.UUID, n.ProvisionState)
	}
	_, err = c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		at := c.Store.Now().UTC()
		n.ProvisionState, n.TargetProvisionState, n.ProvisionUpdatedAt = string(ends()[verb.Event]), "", &at
		if verb.Event == fsm.EvInspect {
			n.InspectionStartedAt, n.InspectionFinishedAt = &at, &at
		}
		return nil
	})
	return err
}

// SetPower jumps to target.
func (c *Conductor) SetPower(ctx context.Context, ident, target string, timeout int) error {
	if err := c.called("SetPower", target, timeout); err != nil {
		return err
	}
	state := ironic.PowerOn
	if target == ironic.PowerOff || target == ironic.SoftPowerOff {
		state = ironic.PowerOff
	}
	_, err := c.Store.UpdateNode(ctx, ident, func(n *ironic.Node) error { n.PowerState = state; return nil })
	return err
}

// SetBootDevice remembers the device.
func (c *Conductor) SetBootDevice(_ context.Context, ident, device string, _ bool) error {
	if err := c.called("SetBootDevice", device); err != nil {
		return err
	}
	if device != ironic.BootPXE && device != ironic.BootDisk {
		return errs.New(errs.Invalid, "Invalid boot device %s specified.", device)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.boot[ident] = device
	return nil
}

// BootDevice tells it; pxe is where machines start.
func (c *Conductor) BootDevice(_ context.Context, ident string) (string, bool, error) {
	if err := c.called("BootDevice"); err != nil {
		return "", false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.boot[ident]; d != "" {
		return d, false, nil
	}
	return ironic.BootPXE, false, nil
}

// SupportedBootDevices are pxe and disk.
func (c *Conductor) SupportedBootDevices(context.Context, string) ([]string, error) {
	return []string{ironic.BootPXE, ironic.BootDisk}, c.called("SupportedBootDevices")
}

// Validate finds nothing wrong.
func (c *Conductor) Validate(context.Context, string) (map[string]api.Validation, error) {
	out := map[string]api.Validation{}
	for _, name := range []string{"bios", "boot", "console", "deploy", "firmware", "inspect", "management", "network", "power", "raid", "rescue", "storage"} {
		out[name] = api.Validation{Result: true}
	}
	return out, c.called("Validate")
}

// CheckCreate fills in fake interfaces.
func (c *Conductor) CheckCreate(_ context.Context, n *ironic.Node) error {
	if err := c.called("CheckCreate", n.Driver); err != nil {
		return err
	}
	if !slices.Contains(c.Drivers(), n.Driver) {
		return errs.New(errs.Invalid, "No valid host was found. Reason: No conductor service registered which supports driver %s for conductor group \"%s\".",
			n.Driver, n.ConductorGroup)
	}
	if n.Interfaces == nil {
		n.Interfaces = map[string]string{}
	}
	for _, name := range []string{"bios", "boot", "console", "deploy", "firmware", "inspect", "management", "power", "raid", "rescue", "vendor"} {
		if n.Interfaces[name] == "" {
			n.Interfaces[name] = "fake"
		}
	}
	for _, name := range []string{"network", "storage"} {
		if n.Interfaces[name] == "" {
			n.Interfaces[name] = "noop"
		}
	}
	n.Conductor = c.Host()
	return nil
}

// DeleteNode removes idle nodes and those in maintenance.
func (c *Conductor) DeleteNode(ctx context.Context, ident string) error {
	if err := c.called("DeleteNode"); err != nil {
		return err
	}
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return err
	}
	idle := []string{string(fsm.Enroll), string(fsm.Manageable), string(fsm.Available), string(fsm.AdoptFailed)}
	if !n.Maintenance && !slices.Contains(idle, n.ProvisionState) {
		return errs.New(errs.Conflict, "Can not delete node \"%s\" while it is in provision state \"%s\".", n.UUID, n.ProvisionState)
	}
	return c.Store.DeleteNode(ctx, n.UUID)
}

// Lookup finds nodes that wait for a ramdisk.
func (c *Conductor) Lookup(ctx context.Context, macs []string, uuid string) (*agentapi.Lookup, error) {
	if err := c.called("Lookup", macs, uuid); err != nil {
		return nil, err
	}
	for _, mac := range macs {
		if p, err := c.Store.Port(ctx, mac); err == nil && uuid == "" {
			uuid = p.NodeUUID
		}
	}
	n, err := c.Store.Node(ctx, uuid)
	if err != nil || fsm.KindOf(fsm.State(n.ProvisionState)) != fsm.Wait {
		return nil, errs.New(errs.NotFound, "Resource could not be found.")
	}
	return &agentapi.Lookup{Node: agentapi.LookupNode{UUID: n.UUID, Properties: n.Properties},
		Config: agentapi.LookupConfig{HeartbeatTimeout: 300, AgentToken: "token", AgentTokenRequired: true}}, nil
}

// Heartbeat wants the token "token".
func (c *Conductor) Heartbeat(_ context.Context, _ string, hb agentapi.Heartbeat) error {
	if err := c.called("Heartbeat", hb.CallbackURL); err != nil {
		return err
	}
	if hb.AgentToken != "token" {
		return errs.New(errs.Invalid, "Invalid or missing agent token received.")
	}
	return nil
}

// ContinueInspection finds the node by the MACs of the inventory.
func (c *Conductor) ContinueInspection(ctx context.Context, payload []byte) (string, error) {
	if err := c.called("ContinueInspection"); err != nil {
		return "", err
	}
	data, err := agentapi.ParseInspectionData(payload)
	if err != nil {
		return "", err
	}
	for _, i := range data.Inventory.Interfaces {
		if p, err := c.Store.Port(ctx, i.MACAddress); err == nil {
			return p.NodeUUID, nil
		}
	}
	return "", errs.New(errs.NotFound, "Resource could not be found.")
}

// Drivers are those of the recorded peer.
func (c *Conductor) Drivers() []string { return []string{"fake-hardware", "ipmi"} }

// DriverProperties has a few of ipmi's.
func (c *Conductor) DriverProperties(driver string) (map[string]string, error) {
	all := map[string]map[string]string{"fake-hardware": {}, "ipmi": {"ipmi_address": "IP address or hostname of the node. Required."}}
	return maps.Clone(all[driver]), c.called("DriverProperties")
}

// Host is localhost.
func (c *Conductor) Host() string { return "localhost" }
