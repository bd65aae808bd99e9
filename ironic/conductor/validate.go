package conductor

import (
	"context"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/fsm"
)

// interfaceKinds returns, by driver, each kind of interface with what may be
// chosen; the first is the default.
func interfaceKinds(driverName string) map[string][]string {
	if driverName == "fake-hardware" {
		return map[string][]string{
			"bios": {"fake", "no-bios"}, "boot": {"fake", "ipxe", "pxe"}, "console": {"fake", "no-console"},
			"deploy": {"fake", "direct", "custom-agent"}, "firmware": {"fake", "no-firmware"},
			"inspect": {"fake", "no-inspect", "agent"}, "management": {"fake", "noop"},
			"network": {"noop", "flat"}, "power": {"fake"}, "raid": {"fake", "no-raid", "agent"},
			"rescue": {"fake", "no-rescue", "agent"}, "storage": {"noop", "fake"}, "vendor": {"fake", "no-vendor"},
		}
	}
	return map[string][]string{
		"bios": {"no-bios"}, "boot": {"ipxe", "pxe"}, "console": {"no-console", "ipmitool-socat"},
		"deploy": {"direct", "custom-agent"}, "firmware": {"no-firmware"},
		"inspect": {"agent", "no-inspect", "inspector"}, "management": {"ipmitool", "noop"},
		"network": {"noop", "flat"}, "power": {"ipmitool"}, "raid": {"no-raid", "agent"},
		"rescue": {"no-rescue", "agent"}, "storage": {"noop"}, "vendor": {"no-vendor", "ipmitool"},
	}
}

// DriverInterfaces names the implementations of each interface of a hardware
// type, the default first; nil for a type that is not here.
func (c *Conductor) DriverInterfaces(driverName string) map[string][]string {
	if _, ok := c.Config.Drivers[driverName]; !ok {
		return nil
	}
	return interfaceKinds(driverName)
}

// CheckCreate fills a new node's interfaces, resource class and conductor, or
// says why it cannot be managed.
func (c *Conductor) CheckCreate(ctx context.Context, n *ironic.Node) error {
	if _, err := c.driver(n); err != nil {
		return err
	}
	kinds := interfaceKinds(n.Driver)
	set := map[string]string{}
	for kind, choices := range kinds {
		set[kind] = choices[0]
	}
	for kind, v := range n.Interfaces {
		choices, ok := kinds[kind]
		if !ok {
			return errs.New(errs.Invalid, "there is no %s interface", kind).WithHint("there are %s", strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		}
		if v == "" {
			continue
		}
		if !slices.Contains(choices, v) {
			return errs.New(errs.Invalid, "Could not find the following interface in the 'ironic.hardware.interfaces.%s' entrypoint: %s. Valid interfaces are ['%s'].",
				kind, v, strings.Join(choices, "', '"))
		}
		set[kind] = v
	}
	n.Interfaces = set
	if n.ResourceClass == "" {
		n.ResourceClass = c.ResourceClass
	}
	n.Conductor = c.Config.Host
	return nil
}

// Validate tells for each interface whether the node has what it needs.
func (c *Conductor) Validate(ctx context.Context, ident string) (map[string]api.Validation, error) {
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return nil, err
	}
	drv, err := c.driver(n)
	if err != nil {
		return nil, err
	}
	out := map[string]api.Validation{}
	for kind := range interfaceKinds(n.Driver) {
		out[kind] = api.Validation{Result: true}
		if v := n.Interfaces[kind]; strings.HasPrefix(v, "no-") {
			out[kind] = api.Validation{Reason: "not supported"}
		}
	}
	set := func(kind string, err error) {
		if err != nil {
			out[kind] = api.Validation{Reason: err.Error()}
		}
	}
	bmc := drv.Validate(n)
	set("power", bmc)
	set("management", bmc)
	if out["console"].Result {
		_, err := c.console(n)
		set("console", err)
	}
	if bootsRamdisk(n) {
		err := c.canBoot(ctx, drv, n, jobDeploy)
		set("boot", err)
		if out["inspect"].Result {
			set("inspect", err)
		}
	}
	if err := c.checkDeploy(ctx, n); err != nil {
		set("deploy", errs.Wrap(errs.CodeOf(err), err, "Failed to validate deploy image info for node %s", title(n)))
		if out["boot"].Result {
			set("boot", err)
		}
		return out, nil
	}
	_, err = c.chosen(ctx, n, fsm.EvDeploy, api.ProvisionRequest{})
	set("deploy", err)
	return out, nil
}
