package api_test

import (
	"strings"
	"testing"
)

// Hardware that is switched off to boot anew refuses disable_power_off, and says what Ironic would do and what is left to do.
func TestDisablePowerOffOfHardwareThatIsSwitchedOffIsRefusedWithTheReason(t *testing.T) {
	r := newRig(t)
	const body = `{"driver":"ipmi","name":"a","disable_power_off":true}`
	a := r.do("POST", "/v1/nodes", "1.95", body)
	a.want(t, 400, "Driver ipmi does not support disable_power_off (not implemented): its machines are switched off to boot from another device.")
	for _, words := range []string{"Ironic resets such machines instead", "leave disable_power_off false", "set protected"} {
		if !strings.Contains(a.body, words) {
			t.Errorf("no %q in %s", words, a.body)
		}
	}
	r.do("POST", "/v1/nodes", "1.95", strings.Replace(body, "true", "false", 1)).want(t, 201, "")
	r.do("PATCH", "/v1/nodes/a", "1.95", `[{"op":"replace","path":"/disable_power_off","value":true}]`).want(t, 400, "does not support disable_power_off")
}
