package api

import (
	"log/slog"
	"net/http"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/audit"
)

// lookup tells a ramdisk which node it runs on. Addresses that are no MAC
// (InfiniBand, rubbish) are passed over, as Ironic does.
func (s *server) lookup(c *call) error {
	q := c.r.URL.Query()
	uuid := q.Get("node_uuid")
	if uuid != "" && !ironic.IsUUID(uuid) {
		return badRequest("Expected a UUID but received %s.", uuid)
	}
	var macs []string
	for _, a := range strings.Split(q.Get("addresses"), ",") {
		if mac := macText(a); macPattern.MatchString(mac) {
			macs = append(macs, mac)
		}
	}
	if macs == nil && uuid == "" {
		return clientError(http.StatusNotFound, "Resource could not be found.")
	}
	found, err := s.conductor.Lookup(c.ctx(), macs, uuid)
	if err != nil {
		return s.discreet(c, slog.LevelWarn, err)
	}
	for _, m := range []*map[string]any{&found.Node.Properties, &found.Node.InstanceInfo, &found.Node.DriverInternalInfo} {
		if *m == nil { // agents look into them; null is no object
			*m = map[string]any{}
		}
	}
	return c.json(http.StatusOK, found)
}

// heartbeatFields has the members of a heartbeat with the version that brought each.
func heartbeatFields() map[string]int {
	return map[string]int{"callback_url": 22, "agent_version": 36, "agent_token": 62,
		"agent_verify_ca": 68, "agent_status": 72, "agent_status_message": 72}
}

func (s *server) heartbeat(c *call) error {
	body, err := c.objectBody(heartbeatLimit)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for name, v := range body {
		since, known := heartbeatFields()[name]
		if !known || since > c.version {
			return badRequest("Field %s not recognised", name)
		}
		if v == nil {
			continue
		}
		text, ok := v.(string)
		if !ok {
			return schemaError("heartbeat", name, v, "'string', 'null'")
		}
		values[name] = text
	}
	if values["callback_url"] == "" {
		return badRequest("Schema error for heartbeat: 'callback_url' is a required property")
	}
	n, err := c.node()
	if err != nil {
		return err
	}
	err = s.conductor.Heartbeat(c.ctx(), n.UUID, agentapi.Heartbeat{
		CallbackURL: values["callback_url"], AgentToken: values["agent_token"], AgentVersion: values["agent_version"],
		AgentVerifyCA: values["agent_verify_ca"], AgentStatus: values["agent_status"],
		AgentStatusMessage: values["agent_status_message"],
	})
	if err != nil {
		return s.discreet(c, slog.LevelWarn, err)
	}
	return c.status(http.StatusAccepted)
}

// continueInspection hands a ramdisk's payload over as it came.
func (s *server) continueInspection(c *call) error {
	data, err := c.body(payloadLimit)
	if err != nil {
		return err
	}
	uuid, err := s.conductor.ContinueInspection(c.ctx(), data)
	if err != nil {
		return s.discreet(c, slog.LevelInfo, err) // the conductor has warned
	}
	audit.Note(c.ctx(), func(t *audit.Trail) { t.Node = uuid })
	return c.json(http.StatusAccepted, object{{"uuid", uuid}})
}

// discreet keeps from callers without credentials which machines there are and
// what they do; the log has the reason, under the id of the request.
func (s *server) discreet(c *call, level slog.Level, err error) error {
	if !errs.Is(err, errs.NotFound) {
		return err
	}
	s.log.Log(c.ctx(), level, "a ramdisk was not recognised", "request_id", requestID(c.ctx()), "path", c.r.URL.Path, "reason", err)
	return clientError(http.StatusNotFound, "Resource could not be found.")
}
