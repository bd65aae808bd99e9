package plan_test

import (
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
)

// place is where a resource stands on a machine.
type place struct{ step, index int }

// needed is what a resource needs of another of the same machine: the key of the other, or "".
func needed(r resource.Resource) string {
	sockets := map[string]bool{"mysql_database": true, "mysql_user": true}
	switch {
	case r.OVSPort != nil:
		return "ovs_bridge:" + r.OVSPort.Bridge
	case r.OVSBridge != nil:
		return "wait:openvswitch"
	case r.LibvirtSecret != nil:
		return "wait:libvirt"
	case sockets[r.Type] || r.Wait != nil && r.Wait.SQL != "" || r.Exec != nil && slices.Contains(r.Exec.Command, "mysql"):
		return "wait:mysql-socket"
	case r.CephCluster != nil:
		return "wait:ceph-mon"
	case r.Unit != nil:
		return map[string]string{"glance-api": "exec:glance reads Ceph's key", "cinder-volume": "exec:cinder reads Ceph's key", "nova-compute": "exec:nova reads Ceph's key",
			"nova-api": "exec:nova-db-sync", "cinder-api": "exec:cinder-db-sync", "neutron-rpc-server": "exec:neutron-db-sync",
			"neutron-l3-agent": "ovs_bridge:br-ex", "keepalived": "unit:haproxy"}[r.Unit.Name]
	}
	return ""
}

// TestWhatAServiceNeedsBesideItIsThere: services of one step do not wait for each other, so
// what one needs of another of its machine is made in an earlier step, or before it by itself.
func TestWhatAServiceNeedsBesideItIsThere(t *testing.T) {
	o, nodes := controllers(t, 3)
	cfg, err := build(t, o).Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	met := map[string]bool{}
	for _, n := range nodes {
		at, by := map[string]place{}, map[string]string{}
		for _, d := range cfg[n.Name] {
			for i, r := range d.Resources {
				if want := needed(r); want != "" {
					p, there := at[want]
					once := strings.HasSuffix(want, "-db-sync") // on the first machine only
					met[want] = met[want] || there
					if !there && !once || there && p.step == d.Step && (by[want] != r.Service || p.index > i) {
						t.Errorf("%s, step %d: %s of %s needs %s of %s, which is at %+v", n.Name, d.Step, r.Key(), r.Service, want, by[want], p)
					}
				}
				if _, there := at[r.Key()]; !there {
					at[r.Key()], by[r.Key()] = place{d.Step, i}, r.Service
				}
			}
		}
	}
	for _, want := range []string{"ovs_bridge:br-ex", "wait:libvirt", "wait:mysql-socket", "wait:ceph-mon", "exec:nova-db-sync", "exec:nova reads Ceph's key", "unit:haproxy"} {
		if !met[want] {
			t.Errorf("nobody needs %s", want)
		}
	}
}

// TestWhatAllStandOnIsThere: the services that are done before all others of a step are those
// of the tree, by their names.
func TestWhatAllStandOnIsThere(t *testing.T) {
	o, nodes := controllers(t, 1)
	o.Environments = []plan.File{{Name: "environments/network-isolation.yaml"}, {Name: "environments/net-single-nic-with-vlans.yaml"}}
	cfg, err := build(t, o).Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	var first []string
	for _, r := range cfg["overcloud-controller-0"][0].Resources {
		if resource.First(r.Service) && !slices.Contains(first, r.Service) {
			first = append(first, r.Service)
		}
	}
	slices.Sort(first)
	if want := []string{"hosts", "network_config", "tripleo_firewall"}; !slices.Equal(first, want) {
		t.Errorf("first are %q, want %q", first, want)
	}
}

// TestANewManagerIsStartedWhenItsKeyIsKnown: a cluster that is there learns the key in step 3,
// and has turned the manager away until then.
func TestANewManagerIsStartedWhenItsKeyIsKnown(t *testing.T) {
	o, nodes := controllers(t, 3)
	cfg, err := build(t, o).Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	started, known := 0, 0
	for _, d := range cfg["overcloud-controller-0"] {
		for _, r := range d.Resources {
			if r.CephCluster != nil {
				known = d.Step
			}
			if r.Unit != nil && r.Unit.Name == "ceph-mgr@overcloud-controller-0" {
				started = d.Step
			}
		}
	}
	if known == 0 || started <= known {
		t.Errorf("its key is known in step %d, and it is last started in step %d", known, started)
	}
}

// TestServicesOfAMachineAgreeOnAFile: what several write, in one step or in several, is the
// same; otherwise each deployment would change it forth and back, and restart them.
func TestServicesOfAMachineAgreeOnAFile(t *testing.T) {
	for name, environments := range map[string][]plan.File{"one network": nil,
		"isolated": {{Name: "environments/network-isolation.yaml"}, {Name: "environments/net-single-nic-with-vlans.yaml"}}} {
		o, nodes := controllers(t, 3)
		o.Environments = environments
		cfg, err := build(t, o).Configure(nodes)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			said, by := map[string]resource.File{}, map[string]string{}
			for _, d := range cfg[n.Name] {
				for _, r := range d.Resources {
					if r.File == nil {
						continue
					}
					if was, there := said[r.Key()]; there && was != *r.File {
						t.Errorf("%s: %s is one thing of %s and another of %s in step %d:\n%s", n.Name, r.Key(), by[r.Key()], r.Service, d.Step, missing("- ", strings.Split(was.Content, "\n"), strings.Split(r.File.Content, "\n")))
					}
					said[r.Key()], by[r.Key()] = *r.File, r.Service
				}
			}
		}
		if len(nodes) != 7 {
			t.Errorf("%s: %d machines", name, len(nodes))
		}
	}
}
