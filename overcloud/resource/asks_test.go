package resource_test

import (
	"testing"

	"trefoil/overcloud/resource"
)

// A machine that is away has no OSDs that are waited for, and its monitor is not told to leave Ceph's map.
func TestMonitorsOfMachinesThatAreAwayStayKnown(t *testing.T) {
	of := func(osds, monitors string) resource.Document {
		return resource.Document{Hash: "h", Resources: []resource.Resource{{Type: "ceph_health", CephHealth: &resource.CephHealth{OSDHosts: osds, Monitors: monitors}}}}
	}
	whole, fewer := of("s0,s1", "c0,c1"), of("s0", "c0")
	got := whole.AskingAs(fewer)
	if h := got.Resources[0].CephHealth; h.OSDHosts != "s0" || h.Monitors != "c0,c1" || got.Hash == "h" {
		t.Errorf("%+v, hash %s", h, got.Hash)
	}
	if whole.Resources[0].CephHealth.OSDHosts != "s0,s1" || fewer.Resources[0].CephHealth.Monitors != "c0" {
		t.Error("the documents that were compared are changed")
	}
}
