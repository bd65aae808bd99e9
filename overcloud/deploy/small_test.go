package deploy_test

import (
	"slices"
	"testing"

	"trefoil/overcloud/deploy"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
)

// Machines that are smaller than what their services take are told with figures; those
// that nobody has measured, and those of other roles, are not.
func TestMachinesTooSmallForTheirRole(t *testing.T) {
	service := func(name string, memory, disk int) plan.ServiceData {
		return plan.ServiceData{Name: name, Takes: plan.Takes{MemoryMB: memory, DiskGB: disk}}
	}
	p := &plan.Plan{Roles: []plan.Role{
		{Name: "Controller", Data: []plan.ServiceData{service("kernel", 400, 4), service("mysql", 230, 2)}},
		{Name: "Compute", Data: []plan.ServiceData{service("kernel", 400, 4)}},
	}}
	choice := func(name, role string, memory, disk int) placement.Choice {
		return placement.Choice{Node: placement.Node{Name: name, MemoryMB: memory, LocalGB: disk}, Role: role}
	}
	got := deploy.Small(p, []placement.Choice{choice("a", "Controller", 629, 6), choice("b", "Controller", 512, 5), choice("c", "Compute", 400, 4), choice("d", "Controller", 0, 0)})
	want := []string{
		"too little memory for role Controller: a has 629 MiB, b has 512 MiB, and its services take about 630 with little to do (kernel 400, mysql 230)",
		"too little disk for role Controller: b has 5 GiB, and its services take about 6 with little to do (kernel 4, mysql 2)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
