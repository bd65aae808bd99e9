package apply

import (
	"strings"
	"testing"

	"trefoil/overcloud/apply/keystone"
	"trefoil/overcloud/resource"
)

// TestKeystonesFirstRows: looked at by making them and taking them back, kept only where that
// changes something. The password itself goes to nobody.
func TestKeystonesFirstRows(t *testing.T) {
	const password = "the-admins-password"
	hash, err := keystone.Hash(password, 4)
	if err != nil {
		t.Fatal(err)
	}
	rows := resource.Resource{Type: "keystone_bootstrap", KeystoneBootstrap: &resource.KeystoneBootstrap{Password: password, Rounds: 4, Region: "regionOne", URL: "http://192.168.24.9:5000/v3"}}
	for _, c := range []struct {
		name, hash, changes, event string
		kept, set                  bool
	}{
		{"nothing is there", "", "17\t0\n", "changed", true, true},
		{"all is there", hash + "\n", "0\t0\n", "unchanged", false, false},
		{"another address", hash + "\n", "3\t3\n", "changed", true, false},
		{"another password", "$2b$04$RtJbACV9y.T.gkfCLqkYdumAzAP4KiZCoocZCarRPh9XfjPkbAquG\n", "2\t1\n", "changed", true, true},
	} {
		n := newNode(t)
		n.sys.look, n.sys.changes = c.hash, c.changes
		n.must(c.event+" keystone_bootstrap:admin\ndone", rows)
		all := strings.Join(n.sys.sql, "\n")
		if kept := strings.Contains(all, "COMMIT;"); kept != c.kept {
			t.Errorf("%s: kept %v", c.name, kept)
		}
		if set := !strings.Contains(all, "@hash = NULL;"); set != c.set || strings.Contains(all, password) {
			t.Errorf("%s: another hash is set: %v\n%s", c.name, set, all)
		}
	}
	n := newNode(t)
	if _, err := n.apply(rows); err == nil || !strings.Contains(err.Error(), "counts no changes") {
		t.Errorf("a server that answers nothing: %v", err)
	}
}
