package resource_test

import (
	"reflect"
	"testing"

	"trefoil/overcloud/resource"
)

func TestChecksAreTheUnitsAndWaitsOfAllSteps(t *testing.T) {
	unit := func(service, name, state string) resource.Resource {
		return resource.Resource{Type: "unit", Service: service, Unit: &resource.Unit{Name: name, State: state}}
	}
	wait := func(service, name, tcp string) resource.Resource {
		return resource.Resource{Type: "wait", Service: service, Wait: &resource.Wait{Name: name, TCP: tcp}}
	}
	got := resource.Checks([]resource.Document{
		{Step: 1, Resources: []resource.Resource{
			{Type: "file", Service: "hosts", File: &resource.File{Path: "/etc/hosts"}},
			unit("mysql", "mariadb", ""), unit("mysql", "mariadb", ""), wait("mysql", "mysql", "a:1")}},
		{Step: 4, Resources: []resource.Resource{unit("nova_api", "nova-api", "started"), unit("ntp", "chrony", ""), unit("nova_api", "nova-old", "")}},
		{Step: 5, Resources: []resource.Resource{unit("ntp", "chrony", "stopped"), wait("mysql", "mysql", "a:2"), unit("nova_api", "nova-old", "stopped")}},
	})
	got = append(got, resource.Checks([]resource.Document{{Step: 2, Resources: []resource.Resource{
		{Type: "probe", Service: "dhcp", Probe: &resource.Probe{Name: "dnsmasq"}},
		{Type: "ceph_osd", Service: "ceph_osd", CephOSD: &resource.CephOSD{}},
		{Type: "ceph_health", Service: "ceph_mon", CephHealth: &resource.CephHealth{OSDHosts: "a,b"}}}}})...)
	want := []resource.Check{
		{Service: "mysql", Units: []string{"mariadb"}, Waits: []resource.Wait{{Name: "mysql", TCP: "a:2"}}},
		{Service: "nova_api", Units: []string{"nova-api"}},
		{Service: "dhcp", Probes: []resource.Probe{{Name: "dnsmasq"}}},
		{Service: "ceph_osd", OSDs: true},
		{Service: "ceph_mon", Ceph: &resource.CephHealth{OSDHosts: "a,b"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
