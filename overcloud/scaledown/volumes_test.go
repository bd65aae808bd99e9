package scaledown_test

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// database remembers what it was asked, and does it to the rows of the fake's Cinder.
func (f *fakeCloud) database(statements *[]string) func(context.Context, string) error {
	return func(_ context.Context, sql string) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		*statements = append(*statements, sql)
		f.rows["volumev3/os-services"] = nil
		return nil
	}
}

// The list of Cinder's services must not show a machine that is gone, and its API deletes none.
func TestCinderForgetsAMachineInItsTable(t *testing.T) {
	f := newFake(t)
	f.rows["volumev3/os-services"] = append(f.rows["volumev3/os-services"], map[string]any{"binary": "cinder-scheduler", "host": "overcloud-controller-0.localdomain", "status": "enabled"},
		map[string]any{"binary": "cinder-scheduler", "host": "overcloud-controller-01.localdomain", "status": "enabled"})
	c := f.start()
	var sql []string
	for range 2 { // the second time, as after a kill, there is nothing left to do
		left, err := c.Forget(t.Context(), "overcloud-controller-0", f.database(&sql))
		if err != nil || len(left) != 0 {
			t.Fatalf("%q %v", left, err)
		}
	}
	const row = "UPDATE cinder.services SET deleted = 1, deleted_at = UTC_TIMESTAMP() WHERE deleted = 0 AND `binary` = "
	want := row + "'cinder-volume' AND host = 'overcloud-controller-0@lvm';\n" + row + "'cinder-scheduler' AND host = 'overcloud-controller-0.localdomain';\n"
	if len(sql) != 1 || sql[0] != want {
		t.Errorf("asked the database\n%q\nwant\n%q", sql, want)
	}
	if strings.Contains(strings.Join(f.asked, " "), "disable") {
		t.Errorf("asked %v", f.asked)
	}
}

// Where the table cannot be changed the services are disabled, and the way out is told.
func TestCinderIsDisabledAndToldWhereItsTableCannotBeChanged(t *testing.T) {
	for name, c := range map[string]struct {
		host string
		sql  func(context.Context, string) error
		why  string
	}{
		"no database":   {"overcloud-controller-0@lvm", nil, "no machine that stays has the database"},
		"it is silent":  {"overcloud-controller-0@lvm", func(context.Context, string) error { return errors.New("no route to host") }, "no route to host"},
		"a strange row": {"overcloud-controller-0@l'vm", func(context.Context, string) error { t.Error("asked"); return nil }, "is no name of a service or host"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.rows["volumev3/os-services"][0]["host"] = c.host
			left, err := f.start().Forget(t.Context(), "overcloud-controller-0", c.sql)
			if err != nil || len(left) != 1 || !strings.Contains(left[0], c.why) || !strings.Contains(left[0], "cinder-manage service remove cinder-volume "+c.host) {
				t.Errorf("%q %v", left, err)
			}
			if f.rows["volumev3/os-services"][0]["status"] != "disabled" || f.ids("compute/os-services", "id") != "s1 s2" {
				t.Errorf("%v", f.rows)
			}
		})
	}
}
