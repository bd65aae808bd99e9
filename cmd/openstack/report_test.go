package main

import (
	"os"
	"path/filepath"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// reports collects those of a stack's machines, of which compute-0 does not answer.
func (o *operator) reports(id string) {
	o.t.Helper()
	for _, name := range []string{"overcloud-controller-0", "overcloud-compute-0"} {
		if err := o.DB.PutStackNode(o.t.Context(), id, stack.Node{Node: plan.Node{Name: name, Role: "Controller", Address: "192.0.2.1"}}); err != nil {
			o.t.Fatal(err)
		}
	}
	dir := filepath.Join(o.t.TempDir(), "report")
	o.want("overcloud support report collect -o "+dir, 1, filepath.Join(dir, "overcloud-controller-0.tar.gz")+"\n", "1 of 3 reports are missing")
	o.want("overcloud support report collect -o "+dir+" overcloud-compute-0", 1, "", "no report of overcloud-compute-0: connect to it: no route to host")
	o.want("overcloud support report collect -o "+dir+" nope", 1, "", `has no machine "nope"`)
	o.want("overcloud support report collect --output "+dir+" undercloud", 0, filepath.Join(dir, "undercloud.tar.gz")+"\n", "")
	if text, err := os.ReadFile(filepath.Join(dir, "overcloud-controller-0.tar.gz")); err != nil || string(text) != "logs of overcloud-controller-0" {
		o.t.Errorf("%q %v", text, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		o.t.Errorf("what broke off left something behind: %v %v", files, err)
	}
	for _, name := range []string{"overcloud-controller-0", "overcloud-compute-0"} {
		if err := o.DB.DeleteStackNode(o.t.Context(), id, name); err != nil {
			o.t.Fatal(err)
		}
	}
}
