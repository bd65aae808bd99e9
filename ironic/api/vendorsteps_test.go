package api_test

import (
	"strings"
	"testing"

	"trefoil/ironic"
)

const (
	rawStep    = `{"interface":"vendor","step":"send_raw","args":{"raw_bytes":"0x06 0x47"}`
	noPassthru = "baremetal:node:vendor_passthru"
)

// What vendor_passthru refuses is not to be had as a step. Ironic lets all of these do it.
func TestAVendorStepIsForThoseWhoMayCallVendorMethods(t *testing.T) {
	for _, c := range []struct {
		who    string
		status int
	}{{"lessee_admin", 403}, {"owner_member", 403}, {"owner_admin", 403}, {"system_member", 403}, {"system_admin", 202}} {
		s := newSecured(t)
		if got := s.as(c.who, "POST", "/v1/nodes/"+leasedNode+"/vendor_passthru/send_raw", `{"raw_bytes":"6 1"}`); (got.status == 403) != (c.status == 403) {
			t.Errorf("vendor_passthru by %s: %d %s", c.who, got.status, got.body)
		}
		for state, body := range map[string]string{
			"manageable": `{"target":"clean","clean_steps":[{"interface":"bios","step":"factory_reset"},` + rawStep + `}]}`,
			"active":     `{"target":"service","service_steps":[` + rawStep + `}]}`,
			"available":  `{"target":"active","deploy_steps":[` + rawStep + `,"priority":150}]}`,
			"clean wait": `{"target":"rebuild","deploy_steps":[` + rawStep + `,"priority":150}]}`, // refused before the state is looked at
		} {
			status := c.status
			if state == "clean wait" && status == 202 {
				status = 400
			}
			_, err := s.store.UpdateNode(t.Context(), leasedNode, func(n *ironic.Node) error { n.ProvisionState, n.Reservation = state, ""; return nil })
			fine(t, err)
			got := s.as(c.who, "PUT", "/v1/nodes/"+leasedNode+"/states/provision", body)
			if got.status != status || status == 403 && (!strings.HasSuffix(got.fault(), noPassthru) || !strings.Contains(got.body, "steps of the interface vendor need this policy")) {
				t.Errorf("%s %s: %d %s", c.who, body, got.status, got.body)
			}
		}
	}
}

// On the owner's own part, which he may provision.
func TestAVendorStepOnAChildNodeIsNoWayRound(t *testing.T) {
	const own = "3c3b8adb-edd7-4ed0-8e82-aab714d8411a"
	for who, status := range map[string]int{"owner_admin": 403, "system_member": 403, "system_admin": 202} {
		for target, state := range map[string]string{"clean": "manageable", "service": "active"} {
			s := newSecured(t)
			_, err := s.store.UpdateNode(t.Context(), ownedNode, func(n *ironic.Node) error { n.ProvisionState, n.Reservation = state, ""; return nil })
			fine(t, err)
			got := s.as(who, "PUT", "/v1/nodes/"+ownedNode+"/states/provision", `{"target":"`+target+`","`+target+`_steps":[`+rawStep+
				`,"execute_on_child_nodes":true,"limit_child_node_execution":["`+own+`"]}]}`)
			if got.status != status || status == 403 && !strings.HasSuffix(got.fault(), noPassthru) {
				t.Errorf("%s %s: %d %s", who, target, got.status, got.body)
			}
		}
	}
}

// A runbook runs without that policy, so that nobody without it may write what it sends.
func TestVendorStepsOfARunbookAreAnAdministrators(t *testing.T) {
	const book = `{"name":"CUSTOM_RAW","steps":[` + rawStep + `,"order":1}]`
	s := newSecured(t)
	for _, who := range []string{"owner_admin", "lessee_manager", "service", "system_member"} {
		s.as(who, "POST", "/v1/runbooks", book+`}`).want(t, 403, noPassthru)
	}
	s.as("system_admin", "POST", "/v1/runbooks", book+`,"owner":"`+ownerProject+`"}`).want(t, 201, "")
	patch := func(who, ops string) answer { return s.as(who, "PATCH", "/v1/runbooks/CUSTOM_RAW", "["+ops+"]") }
	for _, ops := range []string{
		`{"op":"replace","path":"/steps/0/args/raw_bytes","value":"0x06 0x48"}`,
		`{"op":"replace","path":"/steps/0/step","value":"bmc_reset"}`,
		`{"op":"replace","path":"/steps","value":[` + rawStep + `,"order":2}]}`,
		`{"op":"add","path":"/steps/-","value":{"interface":"vendor","step":"other","args":{},"order":2}}`,
	} {
		patch("owner_manager", ops).want(t, 403, noPassthru)
	}
	s.as("owner_manager", "PATCH", "/v1/runbooks/CUSTOM_MEOW", `[{"op":"replace","path":"/steps/0/interface","value":"vendor"}]`).want(t, 403, noPassthru)
	for _, ops := range []string{
		`{"op":"add","path":"/extra/a","value":"b"}`,
		`{"op":"add","path":"/steps/-","value":{"interface":"bios","step":"factory_reset","order":2}}`,
		`{"op":"replace","path":"/steps","value":[{"interface":"vendor","step":"send_raw","args":{"raw_bytes":"******"},"order":1}]}`, // as it was shown
	} {
		patch("owner_manager", ops).want(t, 200, "")
	}
	r, err := s.store.Runbook(t.Context(), "CUSTOM_RAW")
	if err != nil || len(r.Steps) != 1 || r.Steps[0].Args["raw_bytes"] != "0x06 0x47" {
		t.Errorf("the patches left %+v %v", r, err)
	}
	_, err = s.store.UpdateNode(t.Context(), ownedNode, func(n *ironic.Node) error { n.Reservation, n.Traits = "", []string{"CUSTOM_RAW"}; return nil })
	fine(t, err)
	s.as("owner_manager", "PUT", "/v1/nodes/"+ownedNode+"/states/provision", `{"target":"clean","runbook":"CUSTOM_RAW"}`).want(t, 202, "")
	patch("system_admin", `{"op":"replace","path":"/steps/0/args/raw_bytes","value":"0x06 0x48"}`).want(t, 200, "")
	s.as("owner_manager", "GET", "/v1/runbooks/CUSTOM_RAW", "").want(t, 200, "")
}

// A deploy template is made and changed by those alone who may call vendor methods.
func TestVendorStepsOfADeployTemplateAreAnAdministrators(t *testing.T) {
	for who := range people() {
		got := newSecured(t).as(who, "POST", "/v1/deploy_templates", `{"name":"CUSTOM_RAW","steps":[`+rawStep+`,"priority":150}]}`)
		may := newSecured(t).as(who, "POST", "/v1/nodes/"+nobodys+"/vendor_passthru/send_raw", `{"raw_bytes":"6 1"}`).status
		if (got.status == 201) != (may != 403 && may != 404) {
			t.Errorf("%s makes a template: %d; calls a vendor method: %d", who, got.status, may)
		}
	}
}
