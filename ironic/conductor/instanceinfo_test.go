package conductor_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

// What cannot be read is refused, and taken for nothing else.
func TestAnInstanceThatCannotBeReadIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	for _, c := range []struct {
		key   string
		value any
		word  string
	}{
		{"image_type", []any{"partition"}, "instance_info/image_type is no text"},
		{"kernel", map[string]any{"a": 1}, "instance_info/kernel is no text"},
		{"ramdisk", 5, "instance_info/ramdisk is no text"},
		{"project_id", 5, "instance_info/project_id is no text"},
		{"project_id", strings.Repeat("x", 256), "longer than 255 characters"},
		{"project_id", "a\x00", "control characters"},
		{"project_id", "a\x1b[2J", "control characters"},
	} {
		w.set(func(n *ironic.Node) {
			n.InstanceInfo = map[string]any{"image_source": "overcloud-full", c.key: c.value}
		})
		err := w.c.Provision(t.Context(), n.UUID, api.ProvisionRequest{Target: "active"})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s %.20q: %v", c.key, c.value, err)
		}
		if got := w.await("available"); got.Lessee != "" {
			t.Errorf("%s: lessee %q", c.key, got.Lessee)
		}
	}
	w.set(func(n *ironic.Node) {
		n.InstanceInfo = map[string]any{"image_source": "overcloud-full", "image_type": nil, "project_id": strings.Repeat("é", 255)}
	})
	w.provision("active")
	w.await("active")
}
