package api_test

import (
	"strings"
	"testing"
)

const (
	eventPort = "182740b8-c4b2-4952-b3f0-c423af88a5bc"
	eventHead = `"port_id":"` + eventPort + `","mac_address":"52:54:00:AA:00:01","status":"ACTIVE"`
)

func TestEventsAreTakenAndLogged(t *testing.T) {
	r := newRig(t)
	got := r.do("POST", "/v1/events", "1.54", `{"events":[{"event":"network.bind_port",`+eventHead+`,"device_id":"`+eventPort+`",
		"binding:host_id":null,"binding:vnic_type":"baremetal"},{"event":"network.delete_port",`+eventHead+`}]}`)
	got.want(t, 204, "")
	if got.body != "" {
		t.Errorf("body %s", got.body)
	}
	for _, part := range []string{"event=network.bind_port", "event=network.delete_port", "port=" + eventPort, "status=ACTIVE", "vnic=baremetal"} {
		if !strings.Contains(r.logged.String(), part) {
			t.Errorf("the log lacks %s:\n%s", part, r.logged)
		}
	}
	if _, has := r.do("GET", "/v1", "1.54", "").object(t)["events"]; !has {
		t.Error("no events among the collections")
	}
	r.do("GET", "/v1/events", "1.54", "").want(t, 405, "")
}

func TestEventRefusals(t *testing.T) {
	r := newRig(t)
	one := func(members string) string { return `{"events":[{` + members + `}]}` }
	for _, tc := range []struct {
		body, fault string
	}{
		{`{}`, "'events' is a required property"},
		{`{"events":null}`, "'events' is a required property"},
		{`{"events":{}}`, "not of type 'array'"},
		{`{"events":[]}`, "the list of events is empty"},
		{`{"events":[5]}`, "5 is not of type 'object'"},
		{`{"events":[],"more":1}`, "'more' was unexpected"},
		{one(eventHead), "'event' is a required property"},
		{one(`"event":"compute.start",` + eventHead), "'compute.start' is not one of network.bind_port, network.unbind_port, network.delete_port"},
		{one(`"event":"network.bind_port","mac_address":"52:54:00:aa:00:01","status":"x"`), "'port_id' is a required property"},
		{one(`"event":"network.bind_port","port_id":"` + eventPort + `","status":"x"`), "'mac_address' is a required property"},
		{one(`"event":"network.bind_port","port_id":"` + eventPort + `","mac_address":"52:54:00:aa:00:01"`), "'status' is a required property"},
		{one(`"event":"network.bind_port",` + eventHead + `,"color":"red"`), "events[0]: Additional properties are not allowed ('color' was unexpected)"},
		{one(`"event":"network.bind_port",` + eventHead + `,"device_id":5`), "5 is not of type 'string', 'null' (field device_id)"},
		{one(`"event":"network.bind_port",` + eventHead + `,"device_id":"server-1"`), "UUID for device_id but received server-1"},
		{one(`"event":"network.bind_port",` + eventHead + `,"binding:host_id":"host-1"`), "UUID for binding:host_id but received host-1"},
		{one(`"event":"network.bind_port",` + eventHead + `,"binding:vnic_type":"` + strings.Repeat("x", 256) + `"`), "longer than 255"},
		{one(`"event":"network.bind_port","port_id":"eth0","mac_address":"52:54:00:aa:00:01","status":"x"`), "UUID for port_id but received eth0"},
		{one(`"event":"network.bind_port","port_id":"` + eventPort + `","mac_address":"here","status":"x"`), "MAC address for mac_address but received here"},
		{`{"events":[{"event":"network.unbind_port",` + eventHead + `},{"event":"network.unbind_port"}]}`, "Schema error for events[1]"},
	} {
		got := r.do("POST", "/v1/events", "1.54", tc.body)
		if got.status != 400 || !strings.Contains(got.fault(), tc.fault) {
			t.Errorf("%s: %d %q, want 400 with %q", tc.body, got.status, got.fault(), tc.fault)
		}
	}
	r.do("POST", "/v1/events", "1.53", one(`"event":"network.bind_port",`+eventHead)).want(t, 404, "")
	if strings.Contains(r.logged.String(), "told of an event") {
		t.Errorf("of a request that was refused something was logged:\n%s", r.logged)
	}
}
