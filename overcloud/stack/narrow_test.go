package stack

import (
	"reflect"
	"testing"
)

// A narrowed action leaves what was deployed in the stack's input.
func TestNarrowedInputKeepsWhatWasDeployed(t *testing.T) {
	old := Input{Tree: []byte("tree"), Files: map[string]string{"/e": "env", "/b1": "old"}, Environments: []string{"/e"}, BaremetalFile: "/b1", Counts: map[string]int{"Compute": 2}}
	got := Input{Only: OnlyProvision, Files: map[string]string{"/b2": "new"}, BaremetalFile: "/b2", SSHKeys: "key"}.onto(old)
	want := old
	want.Files, want.BaremetalFile, want.Only, want.SSHKeys = map[string]string{"/e": "env", "/b2": "new"}, "/b2", OnlyProvision, "key"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("provision: got %+v", got)
	}
	got = Input{Only: OnlyUnprovision, Unprovision: []string{"a"}}.onto(got)
	want.Only, want.Unprovision = OnlyUnprovision, []string{"a"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("unprovision: got %+v", got)
	}
	if got := (Input{Tree: []byte("next")}).onto(want); !reflect.DeepEqual(got, Input{Tree: []byte("next")}) {
		t.Errorf("a whole action: got %+v", got)
	}
	deleted := Input{Removed: map[string][]int{"Compute": {1}}, Force: true}
	if got := (Input{}).onto(deleted); !reflect.DeepEqual(got, Input{Removed: deleted.Removed}) {
		t.Errorf("a whole action spends deleted indexes again, or is forced: %+v", got)
	}
	if got := (Input{Only: OnlyDelete, Force: true}).Whole(); got.Force {
		t.Error("what forced one action forces the next")
	}
	if old.Files["/b1"] != "old" || len(old.Files) != 2 {
		t.Errorf("the old input was changed: %v", old.Files)
	}
}
