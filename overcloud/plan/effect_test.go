package plan_test

import (
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
)

// What Heat would heed and this program does not is told; what must be hidden is.
func TestWhatHasNoEffectIsTold(t *testing.T) {
	o := article(t)
	o.Environments = []plan.File{{Name: "/home/stack/my.yaml", Data: []byte("encrypted_param_names: [CloudName]\nevent_sinks: [{type: zaqar-queue, target: q}]\n" +
		"resource_registry:\n  resources:\n    Controller: {hooks: pre-create, restricted_actions: replace}\n")}}
	p := build(t, o)
	told := strings.Join(p.Warnings, "\n")
	for _, want := range []string{"my.yaml:2: event_sinks has no effect here", "my.yaml:5: resource_registry resources Controller: hooks (pre-create) has no effect here",
		"my.yaml:5: resource_registry resources Controller: restricted_actions (replace) has no effect here"} {
		if !strings.Contains(told, want) {
			t.Errorf("not told: %s in\n%s", want, told)
		}
	}
	if !slices.Contains(p.Hidden, "CloudName") {
		t.Errorf("an encrypted parameter is shown: hidden are %v", p.Hidden)
	}
}
