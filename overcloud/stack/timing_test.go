package stack_test

import (
	"strings"
	"testing"

	"trefoil/overcloud/stack"
)

func TestTiming(t *testing.T) {
	s := stack.Summary{Total: 553, Seconds: map[string]int{"placement": 1, "provisioning": 180, "step 1": 35, "step 5": 9, "keystone resources": 20},
		Path: []stack.Hop{
			{Node: "overcloud-controller-0", Step: 1, Seconds: 35, Service: "mysql", Key: "unit:mariadb", LongestSeconds: 20.25},
			{Seconds: 20},
			{Node: "overcloud-novacompute-0", Step: 5, Seconds: 9},
		},
		Spent: []stack.Spent{
			{Node: "overcloud-controller-0", Step: 1, Boot: "a", FromMS: 9000, ToMS: 59100, MemoryMiB: 812},
			{Node: "overcloud-novacompute-0", Step: 1, Boot: "b", FromMS: 8000, ToMS: 12000, MemoryMiB: 813},
			{Node: "overcloud-novacompute-0", Step: 5, Boot: "b", FromMS: 12000, ToMS: 21000, Open: true},
		}}
	want := `Time: 553 s; placement 1 s, provisioning 180 s, step 1 35 s, keystone resources 20 s, step 5 9 s
Critical path of the steps:
  overcloud-controller-0 step 1: 35.0 s, of it 20.2 s for unit:mariadb of mysql
  catalog: 20.0 s
  overcloud-novacompute-0 step 5: 9.0 s
Processor seconds of all machines, and the most memory in use:
  step 1: 54.1 s, of it 50.1 s on overcloud-controller-0; 813 MiB on overcloud-novacompute-0
  step 5: at least 9.0 s, of it 9.0 s on overcloud-novacompute-0`
	if got := strings.Join(s.Timing(), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := (stack.Summary{}).Timing(); got != nil {
		t.Errorf("of nothing: %q", got)
	}
}
