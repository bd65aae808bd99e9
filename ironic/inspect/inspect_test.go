package inspect

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic/agentapi"

	"pgregory.net/rapid"
)

func data(t testing.TB, s string) *agentapi.InspectionData {
	t.Helper()
	var d agentapi.InspectionData
	if err := json.Unmarshal([]byte(s), &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

const lab = `{"inventory": {"cpu": {"count": 4, "architecture": "x86_64", "flags": ["fpu", "pse", "svm", "aes", "pdpe1gb", "smx"]},
 "memory": {"total": 4100000000, "physical_mb": 4096},
 "disks": [{"name": "/dev/vda", "size": 64424509440, "serial": "root"}, {"name": "/dev/vdb", "size": 171798691840, "serial": "ceph", "rotational": true}],
 "interfaces": [{"name": "lo", "mac_address": "00:00:00:00:00:00", "has_carrier": true}, {"name": "bad", "mac_address": "not a mac"},
  {"name": "group", "mac_address": "01:00:5e:00:00:01", "has_carrier": true},
  {"name": "ens3", "mac_address": "52:54:00:AA:00:01", "has_carrier": true}, {"name": "ens4", "mac_address": "52:54:00:aa:00:02", "has_carrier": true},
  {"name": "ens5", "mac_address": "52:54:00:aa:00:03"}],
 "boot": {"current_boot_mode": "bios", "pxe_interface": "52:54:00:aa:00:01"}}, "boot_interface": "01-52-54-00-aa-00-01"}`

func TestPropertiesAreTextAsInInspector(t *testing.T) {
	r, err := Process(data(t, lab), nil, AddPXE)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"cpus": "4", "cpu_arch": "x86_64", "memory_mb": "4096", "local_gb": "59"}
	if fmt.Sprint(r.Properties) != fmt.Sprint(want) {
		t.Errorf("%v", r.Properties)
	}
	caps := MergeCapabilities("", r.Capabilities)
	if caps != "boot_mode:bios,cpu_aes:true,cpu_hugepages:true,cpu_hugepages_1g:true,cpu_txt:true,cpu_vt:true" {
		t.Errorf("%s", caps)
	}
	if len(r.Missing) != 0 || r.BootMode != "bios" || r.RootDisk.Name != "/dev/vda" {
		t.Errorf("%+v", r)
	}
}

func TestPortsAreChosen(t *testing.T) {
	for add, want := range map[AddPorts]string{
		AddPXE:    "[{52:54:00:aa:00:01 true}]",
		AddActive: "[{52:54:00:aa:00:01 true} {52:54:00:aa:00:02 false}]",
		AddAll:    "[{52:54:00:aa:00:01 true} {52:54:00:aa:00:02 false} {52:54:00:aa:00:03 false}]",
		AddNone:   "[]",
	} {
		r, err := Process(data(t, lab), nil, add)
		if err != nil || fmt.Sprint(r.Ports) != want {
			t.Errorf("%s: %v %v", add, r.Ports, err)
		}
	}
	d := data(t, lab)
	d.BootInterface, d.Inventory.Boot.PXEInterface = "", ""
	if r, _ := Process(d, nil, AddPXE); len(r.Ports) != 2 {
		t.Errorf("without a boot interface: %v", r.Ports)
	}
	if got := MACs(data(t, lab)); strings.Join(got, " ") != "52:54:00:aa:00:01 52:54:00:aa:00:02 52:54:00:aa:00:03" {
		t.Errorf("%v", got)
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	r, err := Process(data(t, `{"inventory": {"memory": {"total": 2147483648}}}`), nil, AddPXE)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.Missing, "; "); got != "cpus; cpu_arch; local_gb (no disk of 4 GiB or more); network interfaces" {
		t.Errorf("%s", got)
	}
	if r.Properties["memory_mb"] != "2048" {
		t.Errorf("%v", r.Properties)
	}
	if _, err := Process(data(t, `{"inventory": {}, "error": "no NIC has a link"}`), nil, AddPXE); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "no NIC has a link") {
		t.Errorf("%v", err)
	}
}

func TestRootDeviceHints(t *testing.T) {
	wwn := "0x5000c500"
	disks := []agentapi.Disk{
		{Name: "/dev/sda", Size: 500 * gib, Model: "Big Spinner", Rotational: true, Vendor: "ACME"},
		{Name: "/dev/sdb", Size: 3 * gib, Model: "USB Stick"},
		{Name: "/dev/sdc", Size: 100 * gib, Model: "Fast NVMe", WWN: &wwn, Serial: "S1"},
		{Name: "/dev/sdd", Size: 100 * gib, Model: "Fast NVMe", Serial: "S2"},
	}
	for _, c := range []struct{ hints, want string }{
		{`{}`, "/dev/sdc"},
		{`{"size": 100}`, "/dev/sdc"},
		{`{"size": "100", "serial": "s2"}`, "/dev/sdd"},
		{`{"size": ">= 200"}`, "/dev/sda"},
		{`{"size": "= 200"}`, "/dev/sda"},
		{`{"size": "< 10"}`, "/dev/sdb"},
		{`{"size": "!= 500"}`, "/dev/sdb"},
		{`{"rotational": true}`, "/dev/sda"},
		{`{"rotational": "no", "size": "> 50"}`, "/dev/sdc"},
		{`{"model": "<in> nvme"}`, "/dev/sdc"},
		{`{"model": "<all-in> big <all-in> spinner"}`, "/dev/sda"},
		{`{"name": "<or> /dev/sdx <or> /dev/sdd"}`, "/dev/sdd"},
		{`{"vendor": "s== acme"}`, "/dev/sda"},
		{`{"serial": "s> S1"}`, "/dev/sdd"},
		{`{"wwn": "0x5000C500"}`, "/dev/sdc"},
		{`{"serial": "S9"}`, "!no disk matches the root device hints"},
		{`{"colour": "red"}`, "!hint \"colour\" is not known"},
		{`{"size": "> big"}`, "!\"big\" is no number"},
		{`{"rotational": "maybe"}`, "!not true or false"},
	} {
		var hints map[string]any
		if err := json.Unmarshal([]byte(c.hints), &hints); err != nil {
			t.Fatal(err)
		}
		d, err := RootDisk(disks, hints)
		if word, bad := strings.CutPrefix(c.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v", c.hints, err)
			}
			continue
		}
		if err != nil || d.Name != c.want {
			t.Errorf("%s: %v %v, want %s", c.hints, d, err, c.want)
		}
	}
	if _, err := RootDisk(nil, nil); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "none") {
		t.Errorf("%v", err)
	}
}

func TestMergingCapabilitiesKeepsWhatThePersonSet(t *testing.T) {
	add := map[string]string{"boot_mode": "uefi", "cpu_vt": "true"}
	for in, want := range map[string]string{
		"":                                    "boot_mode:uefi,cpu_vt:true",
		"profile:control,boot_option:local":   "profile:control,boot_option:local,boot_mode:uefi,cpu_vt:true",
		"boot_mode:bios,profile:compute":      "boot_mode:uefi,profile:compute,cpu_vt:true",
		" node:controller-0 , boot_mode:bios": "node:controller-0,boot_mode:uefi,cpu_vt:true",
	} {
		if got := MergeCapabilities(in, add); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z_]{1,6}`)
		in := rapid.MapOf(word, word).Draw(t, "in")
		add := rapid.MapOf(word, word).Draw(t, "add")
		once := MergeCapabilities(MergeCapabilities("", in), add)
		if MergeCapabilities(once, add) != once {
			t.Fatal("a second merge changes something")
		}
		got := ParseCapabilities(once)
		for k, v := range add {
			if got[k] != v {
				t.Fatalf("%s is %q, want %q", k, got[k], v)
			}
		}
		for k, v := range in {
			if _, over := add[k]; !over && got[k] != v {
				t.Fatalf("%s was lost", k)
			}
		}
	})
}

func FuzzProcess(f *testing.F) {
	f.Add([]byte(lab), []byte(`{"size": ">= 10"}`))
	f.Fuzz(func(t *testing.T, payload, hints []byte) {
		var d agentapi.InspectionData
		var h map[string]any
		if json.Unmarshal(payload, &d) != nil || json.Unmarshal(hints, &h) != nil {
			return
		}
		if r, err := Process(&d, h, AddPXE); err == nil && r == nil {
			t.Error("no result and no error")
		}
		MACs(&d)
	})
}
