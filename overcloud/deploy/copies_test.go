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

// Disks that are named for OSDs must be there; links of udev are the machine's to know.
func TestNamedDisksAreHeldAgainstThoseThatWereSeen(t *testing.T) {
	const gib = 1 << 30
	for _, x := range []struct {
		name, devices string
		disks         map[string]int64
		failed        string
	}{
		{"they are there", "[/dev/vdb]", map[string]int64{"/dev/vdb": 40 * gib, "/dev/vdc": 40 * gib}, ""},
		{"some are not", "[/dev/vda, /dev/vdb, /dev/vdd]", map[string]int64{"/dev/vdb": 40 * gib, "/dev/vdc": 160 * gib},
			"node storage-1, chosen for role CephStorage, has no disk /dev/vda, /dev/vdd for OSDs: besides the disk of its image introspection saw /dev/vdb (40 GiB), /dev/vdc (160 GiB)"},
		{"there are none", "[/dev/vdb]", map[string]int64{}, "introspection saw none"},
		{"nobody has looked", "[/dev/vdz]", nil, ""},
		{"a link of udev", "[/dev/disk/by-id/wwn-0x5000]", map[string]int64{"/dev/vdb": 40 * gib}, ""},
	} {
		w := newWorld(t)
		w.cloud.disks = map[string]map[string]int64{"uuid-storage-1": x.disks}
		w.begin(stack.Create, 1)
		if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error {
			s.Input.Environments, s.Input.Files = []string{"my.yaml"}, map[string]string{"my.yaml": "parameter_defaults:\n  CephAnsibleDisksConfig: {devices: " + x.devices + "}\n"}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		want := "CREATE_COMPLETE"
		if x.failed != "" {
			want = "CREATE_FAILED"
		}
		s := w.run(want)
		if x.failed != "" && (!strings.Contains(s.Failures[0].Error, x.failed) || s.Failures[0].Phase != "placement" || s.Failures[0].Hint == "" || w.cloud.deploys > 0) {
			t.Errorf("%s: %+v, %d machines touched", x.name, s.Failures, w.cloud.deploys)
		}
	}
}
