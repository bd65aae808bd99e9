package plan_test

import (
	"context"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/templates"
)

// Every service is told whether there is a Ceph cluster: it follows from which
// roles with OSDs have machines, whatever they are called.
func TestServicesKnowWhetherThereIsCeph(t *testing.T) {
	tree := overlay(t, map[string]string{"deployment/kernel/kernel.yaml": strings.Replace(service, "outputs:", "conditions: {ceph: {get_param: CephBackend}}\noutputs:", 1) + "      service_name: kernel\n      summary: {if: [ceph, rbd, local]}\n"})
	const hci = "- name: Controller\n  CountDefault: 1\n  tags: [primary, controller]\n  ServicesDefault: ['OS::TripleO::Services::CephMgr', 'OS::TripleO::Services::CephMon', 'OS::TripleO::Services::Kernel']\n" +
		"- name: ComputeHCI\n  ServicesDefault: ['OS::TripleO::Services::CephOSD']\n"
	for _, tc := range []struct {
		name string
		o    plan.Options
		want string
	}{
		{"no storage machines", plan.Options{Counts: map[string]int{"CephStorage": 0}}, "kernel: local"},
		{"storage machines", plan.Options{Counts: map[string]int{"CephStorage": 1}}, "kernel: rbd"},
		{"storage machines whose OSDs were taken away", plan.Options{Counts: map[string]int{"CephStorage": 1}, Parameters: map[string]any{"CephStorageServices": []any{"OS::TripleO::Services::Kernel"}}}, "kernel: local"},
		{"OSDs on computes", plan.Options{Roles: plan.File{Name: "hci.yaml", Data: []byte(hci)}, Counts: map[string]int{"ComputeHCI": 2}}, "kernel: rbd"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.Passwords = article(t).Passwords
			p, err := plan.Build(context.Background(), tree, tc.o)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range p.Roles[0].Summary {
				if s == tc.want {
					return
				}
			}
			t.Errorf("the controller's services say %q; expected %q", p.Roles[0].Summary, tc.want)
		})
	}
}

// Clusters that cannot be are refused before any machine is touched.
func TestCephClustersThatCannotBe(t *testing.T) {
	without := func(service string) map[string]any {
		var left []any
		for _, s := range []string{"CephMon", "CephMgr", "Kernel"} {
			if s != service {
				left = append(left, "OS::TripleO::Services::"+s)
			}
		}
		return map[string]any{"ControllerServices": left}
	}
	for _, tc := range []struct {
		name       string
		parameters map[string]any
		want       string
	}{
		{"no monitor", without("CephMon"), "service ceph_osd (deployment/ceph/ceph-osd.yaml) of role CephStorage needs ceph_mon, which runs nowhere"},
		{"no manager", without("CephMgr"), "of role CephStorage needs ceph_mgr, which runs nowhere"},
		{"more copies than machines, whose disks nobody has counted", map[string]any{"CephPoolDefaultSize": 3}, ""},
		{"more copies than disks that there must be", map[string]any{"CephPoolDefaultSize": 3, "CephOsdMinDisks": 1},
			"command line: CephPoolDefaultSize asks for 3 copies, and there are 2 OSDs: 2 machines of role CephStorage with at least 1 each"},
		{"more copies than disks that are listed", map[string]any{"CephPoolDefaultSize": 3, "CephAnsibleDisksConfig": map[string]any{"devices": []any{"/dev/vdb"}}}, "2 machines of role CephStorage with 1 each"},
		{"a slip in the list's name", map[string]any{"CephAnsibleDisksConfig": map[string]any{"device": []any{"/dev/vdb"}}}, `command line: CephAnsibleDisksConfig: unknown key "device"; did you mean "devices"?: only devices is known`},
		{"a list of nothing", map[string]any{"CephAnsibleDisksConfig": map[string]any{"devices": []any{}}}, "devices: expected a list of disks"},
		{"a disk twice", map[string]any{"CephAnsibleDisksConfig": map[string]any{"devices": []any{"/dev/vdb", "/dev/vdb"}}}, "/dev/vdb is listed twice"},
		{"a disk by another way", map[string]any{"CephAnsibleDisksConfig": map[string]any{"devices": []any{"/dev//vdb"}}}, `"/dev//vdb" is not the path of a disk below /dev`},
		{"of one role", map[string]any{"CephStorageParameters": map[string]any{"CephAnsibleDisksConfig": map[string]any{"osd_scenario": "lvm"}}}, `unknown key "osd_scenario"`},
		{"as many copies as disks", map[string]any{"CephPoolDefaultSize": 4, "CephAnsibleDisksConfig": map[string]any{"devices": []any{"/dev/vdb", "/dev/vdc"}}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := article(t)
			for k, v := range tc.parameters {
				o.Parameters[k] = v
			}
			_, err := plan.Build(context.Background(), templates.FS, o)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v; expected %q", err, tc.want)
			}
		})
	}
}

// A parameter that puts data into a Ceph that there is not is named with its place.
func TestDataInACephThatThereIsNot(t *testing.T) {
	o := article(t)
	o.Counts["CephStorage"] = 0
	o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  GlanceBackend: rbd\n  CinderEnableRbdBackend: true\n  NovaEnableRbdBackend: true\n")}}
	_, err := plan.Build(t.Context(), templates.FS, o)
	for _, want := range []string{
		"my.yaml:2: GlanceBackend has service glance_api (deployment/glance/glance-api.yaml) of role Controller keep its data in Ceph, and no machine has OSDs: role CephStorage has it and no machines; set CephStorageCount",
		"my.yaml:3: CinderEnableRbdBackend has service cinder_volume ", "my.yaml:4: NovaEnableRbdBackend has service nova_compute ",
	} {
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) || errs.HintOf(err) == "" {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	o.Counts["CephStorage"] = 1
	build(t, o)
}

// The place of a number of copies that cannot be.
func TestCopiesAreNamedWithTheirPlace(t *testing.T) {
	o := article(t)
	o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  CephOsdMinDisks: 2\n  CephPoolDefaultSize: 5\n")}}
	if _, err := plan.Build(t.Context(), templates.FS, o); err == nil || !strings.Contains(err.Error(), "my.yaml:3: CephPoolDefaultSize asks for 5 copies, and there are 4 OSDs") {
		t.Errorf("got %v", err)
	}
}
