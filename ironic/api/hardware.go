package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// hardwareRoutes are what a node's hardware can beside power and boot device,
// and of what it consists.
func (s *server) hardwareRoutes() []route {
	const n = "/v1/nodes/{node}"
	return []route{
		{path: n + "/states/console", methods: methods{"GET": s.getConsole, "PUT": s.putConsole}},
		{path: n + "/states/boot_mode", since: 76, methods: methods{"PUT": s.putBootMode}},
		{path: n + "/states/secure_boot", since: 76, methods: methods{"PUT": s.putSecureBoot}},
		{path: n + "/management/inject_nmi", since: 29, methods: methods{"PUT": s.injectNMI}},
		{path: n + "/children", since: 83, methods: methods{"GET": s.listChildren}},
		{path: n + "/firmware", since: 86, methods: methods{"GET": s.listFirmware}},
		{path: n + "/vmedia", since: 89, methods: methods{"GET": s.getMedia, "POST": s.attachMedia, "DELETE": s.detachMedia}},
	}
}

// NMIInjector is what a Conductor may also be: it interrupts a machine's
// processors at once. Invalid: the driver cannot.
type NMIInjector interface {
	InjectNMI(ctx context.Context, ident string) error
}

// BootModes is what a Conductor may also be: it chooses how the firmware of a
// machine boots. As with Ironic, what the BMC says of it stands in the node's last_error.
type BootModes interface {
	SetBootMode(ctx context.Context, ident, mode string) error
	SetSecureBoot(ctx context.Context, ident string, on bool) error
}

// Consoles is what a Conductor may also be: it starts and stops the serial
// consoles of machines. Invalid: the driver has none.
type Consoles interface {
	SetConsole(ctx context.Context, ident string, on bool) error
	// Console tells how to reach a console that is on; nil: it is off.
	Console(ctx context.Context, ident string) (map[string]any, error)
}

// hardware finds the node of the path and the part P of the conductor; a
// conductor without it answers as a driver that cannot, in Ironic's words.
func hardware[P any](s *server, c *call, extension string) (*ironic.Node, P, error) {
	var none P
	n, err := c.node()
	if err != nil {
		return nil, none, err
	}
	p, ok := s.conductor.(P)
	if !ok {
		return nil, none, badRequest("Driver %s does not support %s (disabled or not implemented).", n.Driver, extension)
	}
	return n, p, nil
}

func (s *server) injectNMI(c *call) error {
	n, p, err := hardware[NMIInjector](s, c, "inject_nmi")
	if err != nil {
		return err
	}
	if err := p.InjectNMI(c.ctx(), n.UUID); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

// targetOf reads a body whose only member is target.
func (c *call) targetOf() (any, error) {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return nil, err
	}
	if err := only("body", body, "target"); err != nil {
		return nil, err
	}
	target, given := body["target"]
	if !given {
		return nil, badRequest("Schema error for body: 'target' is a required property")
	}
	return target, nil
}

// changingFirmware refuses a change of how a node boots while something boots it.
func changingFirmware(n *ironic.Node, what string) error {
	if fsm.Busy(fsm.State(n.ProvisionState)) {
		return clientError(http.StatusConflict, "Node is in %s state. Since node is transitioning, the %s will not be set as this "+
			"may interfere with ongoing changes and result in erroneous modification. Try again later.", n.ProvisionState, what)
	}
	return nil
}

func (s *server) putBootMode(c *call) error {
	target, err := c.targetOf()
	if err != nil {
		return err
	}
	n, p, err := hardware[BootModes](s, c, "set_boot_mode")
	if err != nil {
		return err
	}
	modes := []string{ironic.UEFI, ironic.BIOS}
	mode, _ := target.(string)
	if !slices.Contains(modes, mode) {
		return badRequest("Invalid boot mode %v requested for node. Allowed boot modes are: %s", target, strings.Join(modes, ", "))
	}
	if err := changingFirmware(n, "boot mode"); err != nil {
		return err
	}
	if err := p.SetBootMode(c.ctx(), n.UUID, mode); err != nil {
		return err
	}
	return c.accepted(c.r.PathValue("node"))
}

func (s *server) putSecureBoot(c *call) error {
	target, err := c.targetOf()
	if err != nil {
		return err
	}
	n, p, err := hardware[BootModes](s, c, "set_secure_boot_state")
	if err != nil {
		return err
	}
	on, ok := parseBool(target)
	if !ok {
		return badRequest("Invalid secure_boot %v requested for node. Allowed secure_boot states are: True, False", target)
	}
	if err := changingFirmware(n, "secure boot state"); err != nil {
		return err
	}
	if err := p.SetSecureBoot(c.ctx(), n.UUID, on); err != nil {
		return err
	}
	return c.accepted(c.r.PathValue("node"))
}

func (s *server) getConsole(c *call) error {
	n, p, err := hardware[Consoles](s, c, "console")
	if err != nil {
		return err
	}
	info, err := p.Console(c.ctx(), n.UUID)
	if err != nil {
		return err
	}
	if info == nil {
		return c.json(http.StatusOK, object{{"console_enabled", false}, {"console_info", nil}})
	}
	return c.json(http.StatusOK, object{{"console_enabled", true}, {"console_info", info}})
}

func (s *server) putConsole(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	if err := only("body", body, "enabled"); err != nil {
		return err
	}
	on, ok := parseBool(body["enabled"])
	if !ok {
		return schemaError("body", "enabled", body["enabled"], "'boolean'")
	}
	n, p, err := hardware[Consoles](s, c, "console")
	if err != nil {
		return err
	}
	if err := p.SetConsole(c.ctx(), n.UUID, on); err != nil {
		return err
	}
	c.w.Header().Set("Location", c.base()+"/v1/nodes/"+url.PathEscape(c.r.PathValue("node"))+"/states/console")
	return c.status(http.StatusAccepted)
}
