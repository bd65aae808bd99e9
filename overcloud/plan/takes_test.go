package plan_test

import (
	"context"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
)

// A role takes what its services take; what ours say is in the order of what was measured:
// a controller works in 5 GiB and not in 4, a compute in 1.5 GiB, a storage machine in 1.
func TestWhatTheServicesOfARoleTake(t *testing.T) {
	p := build(t, article(t))
	for i, within := range [][2]int{{4096, 4608}, {700, 1500}, {400, 1000}} {
		if got := p.Roles[i].Takes(); got.MemoryMB <= within[0] || got.MemoryMB >= within[1] || got.DiskGB < 4 || got.DiskGB > 15 {
			t.Errorf("%s takes %+v", p.Roles[i].Name, got)
		}
	}
	r := plan.Role{Data: []plan.ServiceData{{Name: "a", Takes: plan.Takes{MemoryMB: 1}}, {Name: "b", Takes: plan.Takes{MemoryMB: 3, DiskGB: 2}}, {Name: "none"},
		{Name: "c", Takes: plan.Takes{MemoryMB: 2}}, {Name: "d", Takes: plan.Takes{MemoryMB: 2}}}}
	if got := r.Largest(func(t plan.Takes) int { return t.MemoryMB }); got != "b 3, c 2, d 2, …" {
		t.Error(got)
	}
	if got := r.Largest(func(t plan.Takes) int { return t.DiskGB }); got != "b 2" || r.Takes() != (plan.Takes{MemoryMB: 8, DiskGB: 2}) {
		t.Error(got, r.Takes())
	}
}

func TestTakesThatCannotBe(t *testing.T) {
	for takes, want := range map[string]string{
		"1": "takes must be a map of memory_mb and disk_gb", "{memry_mb: 1}": `takes has an unknown key "memry_mb"; did you mean "memory_mb"?`,
		"{memory_mb: 1.5}": "takes: memory_mb is 1.5; expected a whole number, 1 or more", "{disk_gb: -1}": "takes: disk_gb is -1",
	} {
		tree := overlay(t, map[string]string{"deployment/kernel/kernel.yaml": service + "      service_name: kernel\n      takes: " + takes + "\n"})
		if _, err := plan.Build(context.Background(), tree, plan.Options{Passwords: passwords(t)}); err == nil || !strings.Contains(err.Error(), "service kernel (deployment/kernel/kernel.yaml): "+want) {
			t.Errorf("%s: %v", takes, err)
		}
	}
}
