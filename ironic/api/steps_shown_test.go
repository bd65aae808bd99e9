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
