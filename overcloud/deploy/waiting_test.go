package deploy

import (
	"testing"
	"time"

	"trefoil/overcloud/resource"
)

func TestWhatIsWaitedForIsToldOnceAMinute(t *testing.T) {
	w := waits{doc: resource.Document{Step: 5, Resources: []resource.Resource{
		{Type: "wait", Service: "horizon", Wait: &resource.Wait{Name: "horizon", HTTP: "http://192.0.2.1/", Unit: "apache2"}},
		{Type: "wait", Service: "neutron_api", Wait: &resource.Wait{Name: "agents", SQL: "SELECT 1", Log: "/var/log/neutron/neutron-api.log"}},
	}}}
	began := time.Unix(1e9, 0)
	for _, c := range []struct {
		at    int // seconds
		event resource.Event
		want  string
	}{
		{0, resource.Event{Event: "start", Key: "wait:horizon"}, ""},
		{30, resource.Event{Event: "waiting", Key: "wait:horizon", MS: 30000, Missing: "connection refused"}, ""},
		{60, resource.Event{Event: "waiting", Key: "wait:horizon", MS: 60000, Missing: "connection refused"},
			"waits for wait:horizon of horizon, 60 s so far: connection refused; its log: journalctl -u apache2"},
		{65, resource.Event{Event: "waiting", Key: "wait:horizon", MS: 65000}, ""},
		{120, resource.Event{Event: "waiting", Key: "wait:agents", MS: 40000, Missing: "missing: L3 agent"},
			"waits for wait:horizon of horizon, 65 s so far: no answer (and for 1 more); its log: journalctl -u apache2"},
		{130, resource.Event{Event: "unchanged", Key: "wait:horizon"}, ""},
		{131, resource.Event{Event: "waiting", Key: "wait:osd.0", MS: 50000, Missing: "osd.0 is \"booting\""}, ""},
		{181, resource.Event{Event: "waiting", Key: "wait:osd.0", MS: 105000, Missing: "osd.0 is \"booting\""},
			"waits for wait:osd.0, 105 s so far: osd.0 is \"booting\" (and for 1 more)"},
		{182, resource.Event{Event: "unchanged", Key: "wait:osd.0"}, ""},
		{242, resource.Event{Event: "waiting", Key: "wait:agents", MS: 101000, Missing: "missing: L3 agent"},
			"waits for wait:agents of neutron_api, 101 s so far: missing: L3 agent; its log: /var/log/neutron/neutron-api.log"},
	} {
		if got := w.see(c.event, began.Add(time.Duration(c.at)*time.Second)); got != c.want {
			t.Errorf("%d s: %q, expected %q", c.at, got, c.want)
		}
	}
}
