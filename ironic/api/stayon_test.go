package api_test

import "testing"

// As in Ironic, any hardware may be one that must not be switched off.
func TestDisablePowerOffGoesForAllHardware(t *testing.T) {
	r := newRig(t)
	r.do("POST", "/v1/nodes", "1.95", `{"driver":"ipmi","name":"a","disable_power_off":true}`).want(t, 201, `"disable_power_off":true`)
	r.do("POST", "/v1/nodes", "1.94", `{"driver":"ipmi","name":"b","disable_power_off":true}`).want(t, 406, "")
	r.do("PATCH", "/v1/nodes/a", "1.95", `[{"op":"replace","path":"/disable_power_off","value":"yes please"}]`).want(t, 400, "")
	r.do("PATCH", "/v1/nodes/a", "1.95", `[{"op":"remove","path":"/disable_power_off"}]`).want(t, 200, `"disable_power_off":false`)
}
