package plan_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/roles"
)

// texts are the files of a machine, and what else its steps say, by path.
func texts(t *testing.T, docs []resource.Document) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, d := range docs {
		for _, r := range d.Resources {
			if r.File != nil {
				out[r.File.Path] = r.File.Content
			}
		}
	}
	return out
}

// Where images, volumes and servers' disks are follows from whether there are OSDs.
func TestDataAreInCephWhereThereIsOneAndElseOnTheMachines(t *testing.T) {
	for storage, want := range map[int]map[string]string{
		2: {"/etc/glance/glance-api.conf": "enabled_backends = rbd:rbd\n", "/etc/cinder/cinder.conf": "cinder.volume.drivers.rbd.RBDDriver", "/etc/nova/nova-compute.conf": "images_type = rbd"},
		0: {"/etc/glance/glance-api.conf": "enabled_backends = file:file\n", "/etc/cinder/cinder.conf": "cinder.volume.drivers.lvm.LVMVolumeDriver"},
	} {
		o := article(t)
		o.Counts["CephStorage"] = storage
		there := slices.DeleteFunc(slices.Clone(machines), func(n plan.Node) bool { return n.Role == "CephStorage" && n.Index >= storage })
		cfg, err := build(t, o).Configure(there)
		if err != nil {
			t.Fatal(err)
		}
		files := texts(t, cfg["overcloud-controller-0"])
		for path, text := range texts(t, cfg["overcloud-novacompute-0"]) {
			files[path] = text
		}
		for path, text := range want {
			if !strings.Contains(files[path], text) {
				t.Errorf("%d storage machines: no %q in %s:\n%s", storage, text, path, files[path])
			}
		}
		for path, text := range files {
			if storage == 0 && (strings.HasPrefix(path, "/etc/ceph/") || strings.Contains(text, "rbd")) {
				t.Errorf("without storage machines: %s is of Ceph:\n%s", path, text)
			}
		}
	}
}

// Monitors and managers are on CephMon's machines alone, and everybody asks them there.
func TestMonitorsOnMachinesOfTheirOwn(t *testing.T) {
	var list bytes.Buffer
	for _, name := range []string{"ControllerNoCeph", "Compute", "CephMon", "CephStorage"} {
		data, err := roles.FS.ReadFile(name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		list.Write(data)
	}
	o := article(t)
	o.Roles = plan.File{Name: "roles.yaml", Data: list.Bytes()}
	o.Counts, o.Flavors = map[string]int{"ControllerNoCeph": 1, "Compute": 1, "CephMon": 3, "CephStorage": 2}, nil
	p := build(t, o)
	if err := p.Deployable(); err != nil || len(p.Warnings) > 0 {
		t.Errorf("%v, warnings %q", err, p.Warnings)
	}
	there := []plan.Node{{Name: "c0", Role: "ControllerNoCeph", Address: "192.0.2.10"}, {Name: "n0", Role: "Compute", Address: "192.0.2.11"},
		{Name: "m0", Role: "CephMon", Address: "192.0.2.12"}, {Name: "m1", Role: "CephMon", Index: 1, Address: "192.0.2.13"}, {Name: "m2", Role: "CephMon", Index: 2, Address: "192.0.2.14"},
		{Name: "s0", Role: "CephStorage", Address: "192.0.2.15"}, {Name: "s1", Role: "CephStorage", Index: 1, Address: "192.0.2.16"}}
	cfg, err := p.Configure(there)
	if err != nil {
		t.Fatal(err)
	}
	var monitors, managers, clusters []string
	for _, n := range there {
		if conf := texts(t, cfg[n.Name])["/etc/ceph/ceph.conf"]; !strings.Contains(conf, "mon_host = 192.0.2.12,192.0.2.13,192.0.2.14\n") {
			t.Errorf("%s looks for monitors elsewhere:\n%s", n.Name, conf)
		}
		for _, d := range cfg[n.Name] {
			for _, r := range d.Resources {
				switch {
				case r.CephMon != nil:
					monitors = append(monitors, n.Name)
				case r.CephCluster != nil:
					clusters = append(clusters, n.Name)
				case r.Unit != nil && d.Step == 2 && strings.HasPrefix(r.Unit.Name, "ceph-mgr@"):
					managers = append(managers, n.Name)
				}
			}
		}
	}
	if all := []string{"m0", "m1", "m2"}; !slices.Equal(monitors, all) || !slices.Equal(managers, all) || !slices.Equal(slices.Compact(clusters), []string{"m0"}) {
		t.Errorf("monitors on %v, managers on %v, pools made by %v", monitors, managers, clusters)
	}
	if text := texts(t, cfg["c0"])["/etc/glance/glance-api.conf"]; !strings.Contains(text, "enabled_backends = rbd:rbd") {
		t.Errorf("the controller's images are not in Ceph:\n%s", text)
	}
	// The pools are there before what stores in them begins.
	if g := p.Gates(there, nil)["ControllerNoCeph"][3]; !slices.Contains(g.Roles, "CephMon") {
		t.Errorf("a controller's fourth step waits for %v", g.Roles)
	}
}

// loopPrograms stand for those that need root: they write down what they were asked.
const loopPrograms = `#!/bin/sh
cd "$STATE" && echo "${0##*/} $*" >>ran
case "${0##*/} $1" in
"losetup --find") touch attached; echo /dev/loop7 ;;
"losetup -j") [ ! -e attached ] || echo "/dev/loop7: []: (/a/file)" ;;
"vgs cinder-volumes") [ -e group ] ;;
"vgcreate -y") touch group ;;
esac
`

// A larger file of volumes is made so, with the device and the group in it; a smaller one
// is refused, with the volumes there all the same.
func TestTheFileOfVolumesGrowsAndIsNotMadeSmaller(t *testing.T) {
	dir := t.TempDir()
	file, ran := filepath.Join(dir, "volumes"), filepath.Join(dir, "ran")
	for _, program := range []string{"losetup", "vgs", "vgcreate", "pvs", "pvresize", "vgchange"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte(loopPrograms), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o := article(t)
	o.Counts["CephStorage"] = 0
	there := slices.DeleteFunc(slices.Clone(machines), func(n plan.Node) bool { return n.Role == "CephStorage" })
	for _, c := range []struct {
		size, is    int // MB
		does, never string
		refused     string
	}{
		{size: 8, is: 8, does: "vgcreate -y cinder-volumes /dev/loop7"},
		{size: 16, is: 16, does: "losetup -c /dev/loop7\npvs /dev/loop7\npvresize /dev/loop7\nvgchange", never: "vgcreate"},
		{size: 8, is: 16, does: "vgchange -a y cinder-volumes", refused: "CinderLVMLoopDeviceSize is 8, and " + file + " has 16 MB: it holds volumes, and only grows. Set CinderLVMLoopDeviceSize: 16 or more"},
		{size: 16, is: 16, does: "vgchange -a y cinder-volumes", never: "--find"},
	} {
		o.Parameters["CinderLVMLoopDeviceSize"] = c.size
		script := fileOf(t, o, there, "overcloud-controller-0", "/usr/local/sbin/cinder-volumes-loop")
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(script, "/var/lib/cinder/cinder-volumes", file))
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "STATE=" + dir}
		_ = os.Remove(ran)
		out, err := cmd.CombinedOutput()
		did, _ := os.ReadFile(ran)
		st, serr := os.Stat(file)
		if serr != nil || st.Size() != int64(c.is)<<20 || !strings.Contains(string(did), c.does) || c.never != "" && strings.Contains(string(did), c.never) {
			t.Errorf("%d MB: %v, %v; it did\n%s", c.size, st, serr, did)
		}
		if (err != nil) != (c.refused != "") || !strings.Contains(string(out), c.refused) {
			t.Errorf("%d MB: %v: %s", c.size, err, out)
		}
	}
}

// A changed size is no change of a file alone: the script runs.
func TestTheFileOfVolumesIsLookedAtWhenItsSizeChanges(t *testing.T) {
	o := article(t)
	o.Counts["CephStorage"] = 0
	cfg, err := build(t, o).Configure(slices.DeleteFunc(slices.Clone(machines), func(n plan.Node) bool { return n.Role == "CephStorage" }))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range cfg["overcloud-controller-0"] {
		for _, r := range d.Resources {
			if r.Unit != nil && r.Unit.Name == "cinder-volumes-loop" && fmt.Sprint(r.Unit.RestartOn) == "[file:/usr/local/sbin/cinder-volumes-loop]" {
				return
			}
		}
	}
	t.Error("no unit that is started anew")
}
