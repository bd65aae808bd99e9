package plan_test

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"regexp"
	"testing"

	"trefoil/overcloud/plan"
)

func TestPasswordsAreKept(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	first, err := plan.GeneratePasswords(map[string]string{"AdminPassword": "mine", "Custom": "kept"}, random)
	if err != nil {
		t.Fatal(err)
	}
	second, err := plan.GeneratePasswords(first, random)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Fatalf("passwords changed at the second call (%v)", err)
	}
	if first["AdminPassword"] != "mine" || first["Custom"] != "kept" {
		t.Fatal("a given password was replaced")
	}
	seen := map[string]string{}
	for k, v := range first {
		if other, dup := seen[v]; dup {
			t.Errorf("%s and %s are the same", k, other)
		}
		seen[v] = k
	}
	for k, want := range map[string]string{"MysqlRootPassword": `^[A-Za-z0-9]{25}$`, "KeystoneFernetKey0": `^[A-Za-z0-9_-]{43}=$`,
		"CephMonKey": `^AQAAAAAAAAAAABAA[A-Za-z0-9+/=]{24}$`, "CephClusterFSID": `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`} {
		if !regexp.MustCompile(want).MatchString(first[k]) {
			t.Errorf("%s is not of the form %s", k, want)
		}
	}
	if _, err := plan.GeneratePasswords(nil, bytes.NewReader(nil)); err == nil {
		t.Error("no error although there was no randomness")
	}
}
