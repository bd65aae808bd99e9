package api_test

import (
	"context"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
)

// lamps is the stand-in with indicators.
type lamps struct {
	*apitest.Conductor
	shows map[string]string // by name@component
}

func (l *lamps) Indicators(context.Context, string) ([]ironic.Indicator, error) {
	return []ironic.Indicator{{Component: "chassis", Name: "led-0", ReadOnly: true, States: []string{"off", "on"}},
		{Component: "system", Name: "led", States: []string{"blinking", "off", "on"}}}, nil
}

func (l *lamps) Indicator(_ context.Context, _, component, name string) (string, error) {
	state, has := l.shows[name+"@"+component]
	if !has {
		return "", errs.New(errs.Invalid, "Invalid indicator %s specified.", name)
	}
	return state, nil
}

func (l *lamps) SetIndicator(_ context.Context, _, component, name, state string) error {
	l.shows[name+"@"+component] = state
	return nil
}

const indicatorsPath = "/v1/nodes/n/management/indicators"

// lampRig has a node n with the indicators of lamps.
func lampRig(t *testing.T) (*rig, *lamps, *ironic.Node) {
	r := newRig(t)
	l := &lamps{Conductor: r.conductor, shows: map[string]string{"led@system": "on"}}
	r.url = serve(t, api.New(api.Config{Store: r.store, Conductor: l}))
	return r, l, r.add(ironic.Node{Name: "n"})
}

func TestIndicators(t *testing.T) {
	r, l, n := lampRig(t)
	const path = indicatorsPath
	list := func(path string) []any { return r.do("GET", path, "1.63", "").object(t)["indicators"].([]any) }
	all := list(path)
	if len(all) != 2 {
		t.Fatalf("indicators %v", all)
	}
	first := all[0].(map[string]any)
	href := first["links"].([]any)[0].(map[string]any)["href"]
	if first["name"] != "led-0@chassis" || first["component"] != "chassis" || first["readonly"] != true || len(first["states"].([]any)) != 2 ||
		href != r.url+"/v1/nodes/"+n.UUID+"/management/indicators/led-0@chassis" {
		t.Errorf("indicator %v", first)
	}
	for component, want := range map[string]int{"system": 1, "nic": 0} {
		if got := list(path + "/" + component); len(got) != want {
			t.Errorf("%s has %v", component, got)
		}
	}
	for _, one := range []string{"/led@system", "/system/led"} {
		for _, state := range []string{"off", "blinking"} {
			got := r.do("PUT", path+one, "1.63", `{"state":"`+state+`"}`)
			got.want(t, 204, "")
			if shown := r.do("GET", path+one, "1.63", ""); got.body != "" || shown.body != `{"state":"`+state+`"}` {
				t.Errorf("%s: %s, then %s", one, got.body, shown.body)
			}
		}
	}
	r.do("PUT", path+"/led@system?state=on", "1.63", "").want(t, 204, "")
	if l.shows["led@system"] != "on" {
		t.Errorf("the query's state did not reach the conductor: %v", l.shows)
	}
	r.do("PUT", path+"/led@system?state=off", "1.63", "{}").want(t, 204, "")
	if l.shows["led@system"] != "off" {
		t.Errorf("the query's state did not reach the conductor: %v", l.shows)
	}
}

func TestIndicatorRefusals(t *testing.T) {
	r, _, _ := lampRig(t)
	const path = indicatorsPath
	for _, tc := range []struct {
		method, path, version, body string
		status                      int
		fault                       string
	}{
		{"GET", path, "1.62", "", 404, ""},
		{"GET", path + "/led@system", "1.62", "", 404, ""},
		{"GET", path + "/led", "1.63", "", 400, `Malformed indicator name "led"`},
		{"PUT", path + "/system", "1.63", `{"state":"on"}`, 400, `Malformed indicator name "system"`},
		{"GET", path + "/led-9@system", "1.63", "", 400, "Invalid indicator led-9 specified."},
		{"PUT", path + "/led@system", "1.63", `{}`, 400, "'state' is a required property"},
		{"PUT", path + "/led@system", "1.63", `{"state":1}`, 400, "not of type 'string'"},
		{"PUT", path + "/led@system", "1.63", `{"state":"on","for":5}`, 400, "'for' was unexpected"},
		{"GET", "/v1/nodes/nobody/management/indicators", "1.63", "", 404, "Node nobody"},
		{"GET", "/v1/nodes/nobody/management/indicators/led@system", "1.63", "", 404, "Node nobody"},
		{"PUT", "/v1/nodes/nobody/management/indicators/led@system", "1.63", `{"state":"on"}`, 404, "Node nobody"},
		{"POST", path, "1.63", "{}", 405, ""},
	} {
		got := r.do(tc.method, tc.path, tc.version, tc.body)
		if got.status != tc.status || !strings.Contains(got.fault(), tc.fault) {
			t.Errorf("%s %s %s: %d %q, want %d with %q", tc.method, tc.path, tc.body, got.status, got.fault(), tc.status, tc.fault)
		}
	}
}

func TestAConductorWithoutIndicatorsAnswersAsADriverWithout(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n", Driver: "ipmi"})
	const path = "/v1/nodes/n/management/indicators"
	r.do("GET", path, "1.63", "").want(t, 400, "Driver ipmi does not support get_supported_indicators (disabled or not implemented).")
	r.do("GET", path+"/led@system", "1.63", "").want(t, 400, "Driver ipmi does not support get_indicator_state (disabled or not implemented).")
	r.do("PUT", path+"/led@system", "1.63", `{"state":"on"}`).want(t, 400, "Driver ipmi does not support set_indicator_state (disabled or not implemented).")
}
