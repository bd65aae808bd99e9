package deploy_test

import (
	"strings"
	"testing"

	"trefoil/overcloud/stack"
)

// More copies than disks that introspection saw are refused before any machine is
// touched; where nobody has looked, the machines themselves are asked later.
func TestCopiesAreHeldAgainstTheDisksThatWereSeen(t *testing.T) {
	const gib = 1 << 30
	for _, x := range []struct {
		name   string
		disks  map[string]int64
		want   string
		failed string
	}{
		{"three disks on one machine", map[string]int64{"/dev/vdb": 40 * gib, "/dev/vdc": 40 * gib, "/dev/vdd": 40 * gib}, "CREATE_COMPLETE", ""},
		{"one of them too small", map[string]int64{"/dev/vdb": 40 * gib, "/dev/vdc": 40 * gib, "/dev/vdd": 4 * gib}, "CREATE_FAILED",
			"my.yaml:2: CephPoolDefaultSize asks for 3 copies, and there are 2 data disks: storage-1 has 2"},
		{"no data disks", map[string]int64{}, "CREATE_FAILED", "there are 0 data disks"},
		{"nobody has looked", nil, "CREATE_COMPLETE", ""},
	} {
		w := newWorld(t)
		w.cloud.disks = map[string]map[string]int64{"uuid-storage-1": x.disks}
		w.begin(stack.Create, 1)
		if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error {
			s.Input.Environments, s.Input.Files = []string{"my.yaml"}, map[string]string{"my.yaml": "parameter_defaults:\n  CephPoolDefaultSize: 3\n"}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		s := w.run(x.want)
		if x.failed != "" && (!strings.Contains(s.Failures[0].Error, x.failed) || s.Failures[0].Phase != "placement" || s.Failures[0].Hint == "" || w.cloud.deploys > 0) {
			t.Errorf("%s: %+v, %d machines touched", x.name, s.Failures, w.cloud.deploys)
		}
	}
}
