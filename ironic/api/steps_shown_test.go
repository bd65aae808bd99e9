package api_test

import (
	"strings"
	"testing"

	"trefoil/ironic"
)

// TestArgumentsOfStepsHideSecrets: whoever reads the node need not know the instance's data.
func TestArgumentsOfStepsHideSecrets(t *testing.T) {
	r := newRig(t)
	args := map[string]any{"configdrive": "geheim", "image_url": "https://images.example.com/a?sig=geheim", "password": "geheim", "size": 4}
	step := map[string]any{"interface": "deploy", "step": "write_image", "args": args}
	r.add(ironic.Node{Name: "n", CleanStep: step, DeployStep: step, ServiceStep: step, DriverInternalInfo: map[string]any{"user_deploy_steps": []any{step}}})
	a := r.do("GET", "/v1/nodes/n", "1.110", "")
	if strings.Contains(a.body, "geheim") || strings.Count(a.body, `"size"`) != 4 {
		t.Errorf("%s", a.body)
	}
}

// The bytes of a raw command may be the new password of one of a BMC's users.
func TestRawBytesAreShownToNobody(t *testing.T) {
	r := newRig(t)
	const raw = `{"interface":"vendor","step":"send_raw","args":{"raw_bytes":"0x06 0x47 0x02 0x02 0x67"}`
	step := map[string]any{"interface": "vendor", "step": "send_raw", "args": map[string]any{"raw_bytes": "0x06 0x47 0x02 0x02 0x67"}}
	r.add(ironic.Node{Name: "n", CleanStep: step, DeployStep: step, ServiceStep: step,
		DriverInternalInfo: map[string]any{"clean_steps": []any{step}, "service_steps": []any{step}}})
	r.do("POST", "/v1/runbooks", "1.110", `{"name":"CUSTOM_RAW","steps":[`+raw+`,"order":1}]}`).want(t, 201, "")
	r.do("POST", "/v1/deploy_templates", "1.110", `{"name":"CUSTOM_RAW","steps":[`+raw+`,"priority":1}]}`).want(t, 201, "")
	for path, masks := range map[string]int{"nodes/n": 5, "runbooks/CUSTOM_RAW": 1, "runbooks?detail=true": 1, "deploy_templates/CUSTOM_RAW": 1} {
		got := r.do("GET", "/v1/"+path, "1.110", "")
		if strings.Contains(got.body, "0x47") || strings.Count(got.body, `"raw_bytes":"******"`) != masks {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	shown := `[{"op":"replace","path":"/steps","value":[{"interface":"vendor","step":"send_raw","args":{"raw_bytes":"******"},"priority":7}]}]`
	r.do("PATCH", "/v1/deploy_templates/CUSTOM_RAW", "1.110", shown).want(t, 200, "")
	row, err := r.store.DeployTemplate(t.Context(), "CUSTOM_RAW")
	if err != nil || row.Steps[0].Rank != 7 || row.Steps[0].Args["raw_bytes"] != step["args"].(map[string]any)["raw_bytes"] {
		t.Errorf("what was shown and sent back left %+v %v", row, err)
	}
	refused := r.do("PATCH", "/v1/deploy_templates/CUSTOM_RAW", "1.110", `[{"op":"replace","path":"/steps/9/args/raw_bytes","value":"0x06 0x47"}]`)
	if refused.status != 400 || strings.Contains(refused.body, "0x47") {
		t.Errorf("%d %s", refused.status, refused.body)
	}
}
