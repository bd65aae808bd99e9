package api_test

import (
	"strings"
	"testing"

	"trefoil/ironic"
)

// TestSecretsOfDigitsAreNotShown: openstack sends what looks like a number as one, so a password of
// digits is no text; what makes it a secret is its key.
func TestSecretsOfDigitsAreNotShown(t *testing.T) {
	r := newRig(t)
	digits := map[string]any{"ipmi_password": 24681357.0, "snmp_community": 24681357.0, "admin_pass": []any{24681357.0, "24681357"},
		"auth_password": map[string]any{"a": 24681357.0}, "port": 623.0, "agent_secret_token_pregenerated": true, "private_key": nil}
	step := map[string]any{"interface": "deploy", "step": "write_image", "args": digits}
	r.add(ironic.Node{Name: "n", DriverInfo: digits, InstanceInfo: digits, DriverInternalInfo: digits, CleanStep: step, DeployStep: step})
	for _, path := range []string{"/v1/nodes/n", "/v1/nodes/detail"} {
		a := r.do("GET", path, "1.82", "")
		if strings.Contains(a.body, "24681357") || strings.Count(a.body, `"port":623,`) != 5 || strings.Count(a.body, `"agent_secret_token_pregenerated":true,"auth_password":{"a":"******"}`) != 5 ||
			strings.Count(a.body, `"private_key":null`) != 5 {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	r.do("PATCH", "/v1/nodes/n", "1.82", `[{"op":"replace","path":"/driver_info","value":{"ipmi_password":"******","admin_pass":["******","x"]}}]`).want(t, 200, "")
	if got := r.node("n").DriverInfo; got["ipmi_password"] != 24681357.0 || got["admin_pass"].([]any)[0] != 24681357.0 {
		t.Errorf("writing back the mask lost the secret: %v", got)
	}
	for _, op := range []string{
		`{"op":"replace","path":"/driver_info/nope/x","value":{"ipmi_password":987654}}`,
		`{"op":"replace","path":"/driver_info/nope/x","value":[{"a":{"admin_pass":[987654]}}]}`,
		`{"op":"add","path":"/driver_info/ipmi_password/x","value":987654}`,
		`{"op":"add","path":"/instance_info/nope/x","value":{"configdrive":987654}}`,
		`{"op":"add","path":"/instance_info/image_url/x","value":987654}`,
		`{"op":"replace","path":"/driver_info","value":[{"ipmi_password":987654}]}`,
	} {
		a := r.do("PATCH", "/v1/nodes/n", "1.82", "["+op+"]")
		if a.status != 400 || strings.Contains(a.body+r.logged.String(), "987654") {
			t.Errorf("%s: %d %s", op, a.status, a.body)
		}
	}
}

func TestSecretsOfDigitsInStepsAndTargetsAreNotShown(t *testing.T) {
	r, node, _ := volumeRig(t)
	steps := `[{"interface":"bios","step":"apply","args":{"password":24681357,"l":[{"token":24681357}]},"priority":1}]`
	runbook := strings.Replace(steps, "priority", "order", 1)
	for _, a := range []answer{
		r.do("POST", targetsURL, "1.32", targetBody(node, 0, `,"properties":{"auth_password":24681357}`)),
		r.do("POST", "/v1/deploy_templates", "1.110", `{"name":"CUSTOM_A","steps":`+steps+`}`),
		r.do("POST", "/v1/runbooks", "1.110", `{"name":"CUSTOM_A","steps":`+runbook+`}`),
		r.do("GET", targetsURL+"?detail=True", "1.43", ""), r.do("GET", "/v1/deploy_templates?detail=True", "1.110", ""), r.do("GET", "/v1/runbooks?detail=True", "1.110", ""),
	} {
		if a.status > 201 || strings.Contains(a.body, "24681357") || !strings.Contains(a.body, `"******"`) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	for _, path := range []string{"/v1/deploy_templates/CUSTOM_A", "/v1/runbooks/CUSTOM_A"} {
		a := r.do("PATCH", path, "1.110", `[{"op":"replace","path":"/steps/0/args/nope/x","value":{"image_url":987654,"password":987654}}]`)
		if a.status != 400 || strings.Contains(a.body, "987654") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
