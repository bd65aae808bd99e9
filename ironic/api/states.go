package api

import (
	"net/http"
	"slices"

	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

func (s *server) getStates(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	names := []string{"console_enabled", "last_error", "power_state", "provision_state", "target_power_state",
		"target_provision_state", "provision_updated_at", "raid_config", "target_raid_config", "boot_mode", "secure_boot"}
	out := object{}
	for _, name := range names {
		if f := s.nodes.find(name); f.since <= c.version {
			out = append(out, pair{name, f.get(c, n)})
		}
	}
	return c.json(http.StatusOK, out)
}

// powerVerbs are the targets of states/power with the version that brought each.
func powerVerbs() map[string]int {
	return map[string]int{
		ironic.PowerOn: 1, ironic.PowerOff: 1, ironic.Rebooting: 1,
		ironic.SoftPowerOff: 27, ironic.SoftRebooting: 27,
	}
}

func (s *server) putPower(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	if err := only("body", body, "target", "timeout"); err != nil {
		return err
	}
	target, err := text("body", body, "target")
	if err != nil {
		return err
	}
	timeout, err := c.powerTimeout(body)
	if err != nil {
		return err
	}
	n, err := c.node()
	if err != nil {
		return err
	}
	ident := c.r.PathValue("node")
	since, known := powerVerbs()[target]
	switch state := fsm.State(n.ProvisionState); {
	case !known:
		return invalidState(target, ident, n.PowerState)
	case since > c.version:
		return notAcceptable()
	case state == fsm.Cleaning || state == fsm.CleanWait:
		return invalidState(target, ident, n.ProvisionState)
	}
	if err := s.conductor.SetPower(c.ctx(), n.UUID, target, timeout); err != nil {
		return err
	}
	return c.accepted(ident)
}

func (c *call) powerTimeout(body map[string]any) (int, error) {
	v, given := body["timeout"]
	if !given || v == nil {
		return 0, nil
	}
	if c.version < 27 {
		return 0, notAcceptable()
	}
	seconds, ok := v.(float64)
	if !ok || seconds != float64(int(seconds)) {
		return 0, schemaError("body", "timeout", v, "'integer'")
	}
	if seconds < 1 || seconds > 1<<31 {
		return 0, badRequest("Schema error for body: timeout %v is less than the minimum of 1 or too large", v)
	}
	return int(seconds), nil
}

// invalidState is Ironic's refusal of a verb that does not fit.
func invalidState(action, node, state string) error {
	if state == "" {
		state = "None"
	}
	return badRequest("The requested action \"%s\" can not be performed on node \"%s\" while it is in state \"%s\".",
		action, node, state)
}

func (s *server) putProvision(c *call) error {
	req, err := c.provisionRequest()
	if err != nil {
		return err
	}
	n, err := c.node()
	if err != nil {
		return err
	}
	verb, known := fsm.VerbOf(req.Target)
	if !known {
		return invalidState(req.Target, n.UUID, n.ProvisionState)
	}
	if fsm.MinVersion(verb, fsm.State(n.ProvisionState)) > c.version {
		return notAcceptable()
	}
	if err := checkProvision(n, verb, req); err != nil {
		return err
	}
	if err := s.conductor.Provision(c.ctx(), n.UUID, *req); err != nil {
		return err
	}
	return c.accepted(c.r.PathValue("node"))
}

// provisionRequest reads and checks the body by itself; checkProvision looks at the node.
func (c *call) provisionRequest() (*ProvisionRequest, error) {
	body, err := c.objectBody(provisionLimit)
	if err != nil {
		return nil, err
	}
	if err := only("body", body, "target", "configdrive", "clean_steps", "deploy_steps", "service_steps",
		"rescue_password", "disable_ramdisk", "runbook"); err != nil {
		return nil, err
	}
	for name, since := range map[string]int{"deploy_steps": 69, "disable_ramdisk": 70, "service_steps": 87, "runbook": 92} {
		if _, given := body[name]; given && c.version < since {
			return nil, notAcceptable()
		}
	}
	req := &ProvisionRequest{}
	if req.Target, err = text("body", body, "target"); err != nil {
		return nil, err
	}
	if req.ConfigDrive, err = c.configDrive(body["configdrive"]); err != nil {
		return nil, err
	}
	if req.CleanSteps, err = stepList(body, "clean_steps", "interface", "step"); err != nil {
		return nil, err
	}
	if req.DeploySteps, err = stepList(body, "deploy_steps", "interface", "step", "priority"); err != nil {
		return nil, err
	}
	if v, given := body["disable_ramdisk"]; given {
		b, ok := parseBool(v)
		if !ok {
			return nil, schemaError("body", "disable_ramdisk", v, "'boolean'")
		}
		req.DisableRamdisk = b
	}
	return req, req.fits()
}

// fits refuses members that do not go with the verb.
func (r *ProvisionRequest) fits() error {
	building := slices.Contains([]string{"active", "deploy", "rebuild"}, r.Target)
	switch {
	case r.ConfigDrive != nil && !building:
		return badRequest("Adding a config drive is only supported when setting provision state to active or rebuild")
	case r.DeploySteps != nil && !building:
		return badRequest("\"deploy_steps\" is only valid when setting provision state to active or rebuild")
	case r.CleanSteps != nil && r.Target != "clean":
		return badRequest("\"clean_steps\" is only valid when setting target provision state to clean")
	case r.Target == "clean" && r.CleanSteps == nil:
		return badRequest("\"clean_steps\" is required when setting target provision state to clean")
	case r.DisableRamdisk && r.Target != "clean":
		return badRequest("\"disable_ramdisk\" is only valid when setting target provision state to clean")
	}
	return nil
}

// configDrive takes gzip+base64 text, a URL, or the parts to build one from.
func (c *call) configDrive(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil
	case string:
		if x == "" {
			return nil, nil
		}
		return x, nil
	case map[string]any:
		if c.version < 56 {
			return nil, badRequest("Providing a JSON object for configdrive is only supported starting with API version 1.56")
		}
		if _, given := x["vendor_data"]; given && c.version < 59 {
			return nil, badRequest("Providing vendor_data in configdrive is only supported starting with API version 1.59")
		}
		return x, only("configdrive", x, "meta_data", "network_data", "user_data", "vendor_data")
	}
	return nil, badRequest("Schema error for body: configdrive is not of type 'string', 'object', 'null'")
}

// stepList reads a list of steps; each needs the named members.
func stepList(body map[string]any, name string, required ...string) ([]map[string]any, error) {
	v, given := body[name]
	if !given || v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, schemaError("body", name, v, "'array'")
	}
	steps := make([]map[string]any, len(list))
	for i, item := range list {
		if steps[i], ok = item.(map[string]any); !ok {
			return nil, schemaError("body", name, item, "'object'")
		}
		if err := only(name, steps[i], "interface", "step", "args", "priority"); err != nil {
			return nil, err
		}
		for _, member := range required {
			if _, ok := steps[i][member]; !ok {
				return nil, badRequest("Schema error for %s: '%s' is a required property (step %d)", name, member, i)
			}
		}
	}
	return steps, nil
}

// checkProvision has the refusals that need no lock.
func checkProvision(n *ironic.Node, verb fsm.Verb, req *ProvisionRequest) error {
	destroys := verb.Event == fsm.EvDelete || verb.Event == fsm.EvRebuild
	builds := verb.Event == fsm.EvDeploy || verb.Event == fsm.EvRebuild
	switch {
	case n.Protected && destroys:
		return protectedError(n)
	case n.Maintenance && builds:
		return badRequest("The %s operation can't be performed on node %s because it's in maintenance mode.", req.Target, n.UUID)
	case n.Retired && verb.Event == fsm.EvProvide:
		return badRequest("Node %s is retired and can not be provided.", n.UUID)
	}
	return nil
}
