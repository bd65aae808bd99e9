package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"trefoil/ironic"
)

// eventRoutes are what other services tell of their ports.
func (s *server) eventRoutes() []route {
	return []route{{path: "/v1/events", since: 54, methods: methods{"POST": s.postEvents}}}
}

// networkEvents are the events that Neutron tells.
func networkEvents() []string {
	return []string{"network.bind_port", "network.unbind_port", "network.delete_port"}
}

// postEvents takes what a network service tells. As with Ironic nobody waits for
// it: a line of the log is all that comes of it.
func (s *server) postEvents(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	if err := only("events", body, "events"); err != nil {
		return err
	}
	list, ok := body["events"].([]any)
	switch {
	case body["events"] == nil:
		return badRequest("Schema error for events: 'events' is a required property")
	case !ok:
		return schemaError("events", "events", body["events"], "'array'")
	case len(list) == 0:
		return badRequest("Schema error for events: the list of events is empty")
	}
	events := make([]map[string]any, len(list))
	for i, item := range list {
		if events[i], err = eventOf(fmt.Sprintf("events[%d]", i), item); err != nil {
			return err
		}
	}
	for _, e := range events {
		s.log.Info("bare-metal API was told of an event", "request_id", requestID(c.ctx()), "event", e["event"], "port", e["port_id"],
			"mac", e["mac_address"], "status", e["status"], "device", e["device_id"], "host", e["binding:host_id"], "vnic", e["binding:vnic_type"])
	}
	return c.status(http.StatusNoContent)
}

// eventOf checks one event; where is what a refusal calls it.
func eventOf(where string, item any) (map[string]any, error) {
	e, ok := item.(map[string]any)
	if !ok {
		return nil, schemaError(where, where, item, "'object'")
	}
	name, err := text(where, e, "event")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(networkEvents(), name) {
		return nil, badRequest("Schema error for %s: '%s' is not one of %s (field event)", where, name, strings.Join(networkEvents(), ", "))
	}
	optional := []string{"device_id", "binding:host_id", "binding:vnic_type"}
	if err := only(where, e, append(optional, "event", "port_id", "mac_address", "status")...); err != nil {
		return nil, err
	}
	required := []string{"port_id", "mac_address", "status"}
	for _, member := range required {
		if _, err := text(where, e, member); err != nil {
			return nil, err
		}
	}
	for _, member := range append(optional, required...) { // they go to the log
		if _, err := shortText.check(where, member, e[member]); err != nil {
			return nil, err
		}
	}
	return e, eventIDs(where, e)
}

// eventIDs wants ids and addresses in their form.
func eventIDs(where string, e map[string]any) error {
	for _, member := range []string{"port_id", "device_id", "binding:host_id"} {
		if id, given := e[member].(string); given && !ironic.IsUUID(id) {
			return badRequest("Schema error for %s: expected a UUID for %s but received %s.", where, member, id)
		}
	}
	if mac := e["mac_address"].(string); !macPattern.MatchString(strings.ToLower(mac)) {
		return badRequest("Schema error for %s: expected a MAC address for mac_address but received %s.", where, mac)
	}
	return nil
}
