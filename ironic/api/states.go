package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/fsm"
	"trefoil/ironic/steps"
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

// powerTargets names those that a version knows.
func powerTargets(version int) []string {
	var out []string
	for name, since := range powerVerbs() {
		if since <= version {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
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
		return invalidState(target, ident, n.PowerState).choosing(target, powerTargets(c.version))
	case since > c.version:
		return tooNew("the power target "+target, since, c.version)
	case state == fsm.Cleaning || state == fsm.CleanWait:
		return invalidState(target, ident, n.ProvisionState)
	}
	if err := s.conductor.SetPower(c.ctx(), n.UUID, target, timeout); err != nil {
		return err
	}
	return c.accepted(ident)
}

// maxPowerTimeout is the longest timeout of a power action, in seconds: meanwhile the node is held, and nobody can
// take the action back. Ironic knows no end.
const maxPowerTimeout = 24 * 60 * 60

func (c *call) powerTimeout(body map[string]any) (int, error) {
	v, given := body["timeout"]
	if !given || v == nil {
		return 0, nil
	}
	if c.version < 27 {
		return 0, tooNew("the field timeout", 27, c.version)
	}
	seconds, ok := v.(float64)
	if !ok || seconds != float64(int(seconds)) {
		return 0, schemaError("body", "timeout", v, "'integer'")
	}
	switch {
	case seconds < 1:
		return 0, badRequest("Schema error for body: %v is less than the minimum of 1 (field timeout)", v)
	case seconds > maxPowerTimeout:
		return 0, badRequest("Schema error for body: %.0f is greater than the maximum of %d (field timeout)", v, maxPowerTimeout).
			hinting("nobody else can switch the machine meanwhile; expected seconds, a day at most")
	}
	return int(seconds), nil
}

// invalidState is Ironic's refusal of a verb that does not fit.
func invalidState(action, node, state string) *apiError {
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
	if err := c.mayStep(n, req); err != nil {
		return err
	}
	verb, known := fsm.VerbOf(req.Target)
	if !known {
		return invalidState(req.Target, n.UUID, n.ProvisionState).choosing(req.Target, verbsOf(n, c.version))
	}
	if since := fsm.MinVersion(verb, fsm.State(n.ProvisionState)); since > c.version {
		return tooNew("the target "+req.Target+" in this state", since, c.version)
	}
	if err := req.fits(c.version); err != nil {
		return err
	}
	if err := checkProvision(n, verb, req); err != nil {
		return err
	}
	if err := c.useRunbook(n, req); err != nil {
		return err
	}
	err = s.conductor.Provision(c.ctx(), n.UUID, *req)
	if _, leads := fsm.Next(fsm.State(n.ProvisionState), verb.Event); leads != nil && errs.Is(err, errs.Invalid) {
		return badRequest("%s", err).choosing("", verbsOf(n, c.version)) // a known verb, so that no other is meant
	}
	if err != nil {
		return err
	}
	return c.accepted(c.r.PathValue("node"))
}

// verbsOf names what the node's state lets a client of a version ask for.
func verbsOf(n *ironic.Node, version int) []string {
	state := fsm.State(n.ProvisionState)
	var out []string
	for _, v := range fsm.Verbs() {
		if _, err := fsm.Next(state, v.Event); err == nil && fsm.MinVersion(v, state) <= version {
			out = append(out, v.Name)
		}
	}
	return out
}

// provisionMembers are the members of a provision request with the version that brought each.
func provisionMembers() map[string]int {
	return map[string]int{"target": 1, "configdrive": 1, "clean_steps": 15, "rescue_password": 38, "deploy_steps": 69,
		"disable_ramdisk": 70, "service_steps": 87, "runbook": 92}
}

// provisionRequest reads and checks the body by itself; checkProvision looks at the node.
func (c *call) provisionRequest() (*ProvisionRequest, error) {
	body, err := c.objectBody(provisionLimit)
	if err != nil {
		return nil, err
	}
	members := provisionMembers()
	if err := only("body", body, slices.Collect(maps.Keys(members))...); err != nil {
		return nil, err
	}
	for name, since := range members {
		if v := body[name]; v != nil && c.version < since {
			return nil, tooNew("the field "+name, since, c.version)
		}
	}
	req := &ProvisionRequest{}
	if req.Target, err = text("body", body, "target"); err != nil {
		return nil, err
	}
	if req.ConfigDrive, err = c.configDrive(body["configdrive"]); err != nil {
		return nil, err
	}
	if err := req.readSteps(body); err != nil {
		return nil, err
	}
	if v := body["disable_ramdisk"]; v != nil {
		b, ok := parseBool(v)
		if !ok {
			return nil, schemaError("body", "disable_ramdisk", v, "'boolean'")
		}
		if err := c.mayDisableRamdisk(req.Target); err != nil {
			return nil, err
		}
		req.DisableRamdisk = b
	}
	if v := body["rescue_password"]; v != nil {
		s, ok := v.(string)
		if !ok { // the value is not repeated: it may be a password all the same
			return nil, badRequest("Schema error for body: rescue_password is not of type 'string', 'null'")
		}
		req.RescuePassword = &s
	}
	if v := body["runbook"]; v != nil {
		if req.Runbook, err = text("body", body, "runbook"); err != nil {
			return nil, err
		}
		if body["disable_ramdisk"] != nil { // Ironic would heed the runbook's, and its client refuses it
			return nil, badRequest("Please provide either \"disable_ramdisk\" or a runbook, but not both.")
		}
	}
	return req, nil
}

// mayDisableRamdisk: cleaning always, servicing from 1.108 on.
func (c *call) mayDisableRamdisk(target string) error {
	switch {
	case target == "clean", target == "service" && c.version >= 108:
		return nil
	case c.version >= 108:
		return badRequest("disable_ramdisk is supported only with manual cleaning and servicing")
	}
	return badRequest("disable_ramdisk is supported only with manual cleaning")
}

// readSteps takes the three lists of steps; one that is null or absent stays nil.
func (r *ProvisionRequest) readSteps(body map[string]any) error {
	for kind, to := range map[steps.Kind]*[]map[string]any{steps.Clean: &r.CleanSteps, steps.Deploy: &r.DeploySteps, steps.Service: &r.ServiceSteps} {
		v := body[string(kind)+"_steps"]
		if v == nil {
			continue
		}
		if _, err := steps.Parse(kind, v); err != nil {
			return err
		}
		*to = []map[string]any{}
		for _, item := range v.([]any) { // Parse has looked at both types
			*to = append(*to, item.(map[string]any))
		}
	}
	return nil
}

// fits refuses members that do not go with the verb, in a version.
func (r *ProvisionRequest) fits(version int) error {
	building := slices.Contains([]string{"active", "deploy", "rebuild"}, r.Target)
	only := func(member, verbs string) error {
		return badRequest("\"%s\" is only valid when setting target provision state to %s", member, verbs)
	}
	required := func(member, verb string) error {
		return badRequest("\"%s\" is required when setting target provision state to %s", member, verb)
	}
	switch {
	case r.ConfigDrive != nil && r.Target == "rebuild" && version < 35:
		return badRequest("Adding a config drive is only supported when setting provision state to active")
	case r.ConfigDrive != nil && !building:
		return badRequest("Adding a config drive is only supported when setting provision state to active or rebuild")
	case r.DeploySteps != nil && !building:
		return only("deploy_steps", "active or rebuild")
	case r.CleanSteps != nil && r.Target != "clean":
		return only("clean_steps", "clean")
	case r.ServiceSteps != nil && r.Target != "service":
		return only("service_steps", "service")
	case r.RescuePassword != nil && r.Target != "rescue":
		return only("rescue_password", "rescue")
	case r.Runbook != "" && r.Target != "clean" && r.Target != "service":
		return only("runbook", "clean or service")
	case r.Runbook != "" && len(r.CleanSteps) > 0:
		return badRequest("Please provide either \"clean_steps\" or a runbook, but not both.")
	case r.Runbook != "" && len(r.ServiceSteps) > 0:
		return badRequest("Please provide either \"service_steps\" or a runbook, but not both.")
	case r.Target == "clean" && len(r.CleanSteps) == 0 && r.Runbook == "":
		return required("clean_steps", "clean")
	case r.Target == "service" && len(r.ServiceSteps) == 0 && r.Runbook == "":
		return required("service_steps", "service")
	case r.Target == "rescue" && (r.RescuePassword == nil || strings.TrimSpace(*r.RescuePassword) == ""):
		return badRequest("A non-empty \"rescue_password\" is required when setting target provision state to rescue")
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

// checkProvision has the refusals that need no lock.
func checkProvision(n *ironic.Node, verb fsm.Verb, req *ProvisionRequest) error {
	destroys := verb.Event == fsm.EvDelete || verb.Event == fsm.EvRebuild
	builds := verb.Event == fsm.EvDeploy || verb.Event == fsm.EvRebuild
	switch {
	case n.Protected && destroys:
		return protectedError(n)
	case n.Maintenance && builds:
		return badRequest("The provisioning operation can't be performed on node %s because it's in maintenance mode.", n.UUID)
	case n.Retired && verb.Event == fsm.EvProvide:
		return badRequest("Node %s is retired and can not be provided.", n.UUID)
	}
	return nil
}
