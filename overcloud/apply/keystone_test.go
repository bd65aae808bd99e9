package apply

import (
	"encoding/json"
	"net"
	"strings"
	"sync/atomic"
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

// TestKeystonesFirstRowsAreTriedAgain where others hold the rows, and memcached forgets what
// changed, and only then. A hash in what the client says is hidden.
func TestKeystonesFirstRowsAreTriedAgain(t *testing.T) {
	var asked atomic.Int32
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_, _ = c.Write([]byte("OK\r\n"))
			c.Close()
		}
	}()
	rows := resource.Resource{Type: "keystone_bootstrap", KeystoneBootstrap: &resource.KeystoneBootstrap{Password: "another", Rounds: 4, Region: "r", URL: "http://a:5000/v3", Memcached: l.Addr().String()}}
	deadlock := &RunError{"mysql", 1, "--------------\nUPDATE endpoint\n--------------\nERROR 1213 (40001) at line 9: Deadlock found"}

	n := newNode(t)
	n.sys.changes, n.sys.sqlErrors = "17\t0\n", []error{deadlock, deadlock}
	n.must("changed keystone_bootstrap:admin\ndone", rows)
	if asked.Load() != 0 {
		t.Error("memcached was asked to forget nothing")
	}
	n = newNode(t)
	n.sys.changes = "3\t3\n"
	n.must("changed keystone_bootstrap:admin\ndone", rows)
	if asked.Load() != 1 {
		t.Errorf("memcached was asked %d times", asked.Load())
	}
	n = newNode(t)
	const hash = "$2b$04$RtJbACV9y.T.gkfCLqkYdumAzAP4KiZCoocZCarRPh9XfjPkbAquG"
	n.sys.sqlErrors = []error{&RunError{"mysql", 1, "SET @hash = '" + hash + "'\nERROR 2006 (HY000) at line 5: Server has gone away"}}
	_, err = n.apply(rows)
	told, _ := json.Marshal(n.events)
	if err == nil || strings.Contains(err.Error(), hash[7:]) || strings.Contains(string(told), hash[7:]) || !strings.Contains(err.Error(), "ERROR 2006 (HY000) at line 5: Server has gone away") {
		t.Errorf("%v\n%s", err, told)
	}
}
