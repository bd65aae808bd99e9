package lab

import (
	"os"
	"strings"
	"testing"

	"trefoil/examples"
	"trefoil/internal/errs"
)

// example is the lab that is built into the program.
func example(t *testing.T) *Config {
	t.Helper()
	data, err := examples.FS.ReadFile("lab.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("lab.yaml", data, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheExampleIsTheArticlesLab(t *testing.T) {
	c := example(t)
	want := []struct {
		name string
		port int
		mac  string
	}{
		{"control-1", 7001, "52:54:00:20:a2:2f"},
		{"storage-1", 7002, "52:54:00:79:0b:cb"},
		{"storage-2", 7003, "52:54:00:a7:fe:27"},
		{"compute-1", 7004, "52:54:00:98:e9:d6"},
		{"compute-2", 7005, "52:54:00:6a:ea:be"},
	}
	if len(c.Machines) != len(want) {
		t.Fatalf("%d machines, want %d", len(c.Machines), len(want))
	}
	for i, w := range want {
		m := c.Machines[i]
		if m.Name != w.name || m.VBMC.Port != w.port || m.NICs[0].MAC != w.mac || m.VBMC.Username != "admin" || m.VBMC.Password != "admin" {
			t.Errorf("machine %d is %s, port %d, %s, %s", i, m.Name, m.VBMC.Port, m.NICs[0].MAC, m.VBMC.Username)
		}
	}
	if c.Network.HostAddress != "192.168.255.200" || c.Network.Interface != "eth0" {
		t.Errorf("network %+v", c.Network)
	}
}

func TestWhatIsLeftOutIsFilledIn(t *testing.T) {
	const text = "name: tiny\nmachines:\n  - name: a\n  - name: b\n    vbmc: {port: 9000, password: other}\n"
	c, err := Parse("tiny.yaml", []byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.Machines[0], c.Machines[1]
	if c.Namespace != "tiny" || c.Network.Bridge != "br-lab" || c.Network.MTU != 1500 || c.Acceleration != "auto" {
		t.Errorf("lab: %+v", c)
	}
	if a.Memory != (Range{2 * gib, gib}) || a.VCPUs != 2 || a.Firmware != BIOS || a.Disks[0] != (Disk{60 * gib, 4 * gib}) || a.VBMC.Port != 7001 {
		t.Errorf("machine: %+v", a)
	}
	if b.VBMC != (VBMC{Username: "admin", Password: "other", Port: 9000}) {
		t.Errorf("vBMC: %+v", b.VBMC)
	}
	if !strings.HasPrefix(a.NICs[0].MAC, "52:54:00:") || a.NICs[0].MAC == b.NICs[0].MAC || a.UUID == b.UUID {
		t.Errorf("addresses %s %s, UUIDs %s %s", a.NICs[0].MAC, b.NICs[0].MAC, a.UUID, b.UUID)
	}
	again, err := Parse("tiny.yaml", []byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	if again.Machines[0].NICs[0].MAC != a.NICs[0].MAC || again.Machines[0].UUID != a.UUID {
		t.Error("a second reading gave other addresses")
	}
}

func TestAnotherNameTakesAnotherNamespace(t *testing.T) {
	data, err := examples.FS.ReadFile("lab.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("lab.yaml", data, "second")
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "second" || c.Namespace != "second" {
		t.Errorf("name %s, namespace %s", c.Name, c.Namespace)
	}
}

func TestABadDescriptionSaysWhere(t *testing.T) {
	const head = "name: x\nmachines:\n"
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "name: x\nmachine: []\n", "lab.yaml:2: unknown key machine"},
		{"broken YAML", "name: [\n", "lab.yaml"},
		{"bad lab name", "name: X Y\nmachines: [{name: a}]\n", `lab.yaml:1: name: "X Y" is no lab name`},
		{"no machines", "name: x\n", "lab.yaml:1: machines: a lab needs at least one machine"},
		{"unknown acceleration", "name: x\nacceleration: warp\nmachines: [{name: a}]\n", `lab.yaml:2: acceleration: "warp" is unknown; expected auto, kvm, tcg`},
		{"size without unit", head + "  - name: a\n    memory: 2048\n", `lab.yaml:4: "2048" is no size; expected for example 512M or 8G`},
		{"unknown part of a range", head + "  - name: a\n    memory: {want: 2G, most: 3G}\n", "lab.yaml:4: field most is unknown"},
		{"minimum above the wish", head + "  - name: a\n    memory: {want: 1G, min: 2G}\n", "lab.yaml:4: machines[0].memory: min 2G is more than want 1G"},
		{"too little for the ramdisk", head + "  - name: a\n    memory: 256M\n", "lab.yaml:4: machines[0].memory: 256M is too little; the ramdisk needs 512M"},
		{"bad MAC", head + "  - name: a\n    nics: [{mac: '52:54:00'}]\n", `lab.yaml:4: machines[0].nics[0].mac: "52:54:00" is no MAC address`},
		{"multicast MAC", head + "  - name: a\n    nics: [{mac: '53:54:00:00:00:01'}]\n", "is no MAC address of a card"},
		{"MAC twice", head + "  - name: a\n    nics: [{mac: '52:54:00:00:00:01'}]\n  - name: b\n    nics: [{mac: '52:54:00:00:00:01'}]\n", "lab.yaml:6: machines[1].nics[0].mac: MAC 52:54:00:00:00:01 is already taken by a"},
		{"name twice", head + "  - name: a\n  - name: a\n    vbmc: {port: 8000}\n", "lab.yaml:4: machines[1].name: name a is already taken by a"},
		{"port twice", head + "  - {name: a, vbmc: {port: 7002}}\n  - name: b\n", "vBMC port 7002 is already taken by a"},
		{"host outside of the network", "name: x\nnetwork: {host_address: 10.0.0.1}\nmachines: [{name: a}]\n", `lab.yaml:2: network.host_address: "10.0.0.1" is not an address of 192.168.255.0/24`},
		{"firmware", head + "  - name: a\n    firmware: openboot\n", `lab.yaml:4: machines[0].firmware: "openboot" is unknown; expected bios, uefi`},
		{"password too long for IPMI", head + "  - name: a\n    vbmc: {password: 123456789012345678901}\n", "at most 16 bytes of user name and 20 of password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("lab.yaml", []byte(tt.text), "")
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant …%s…", err, tt.want)
			}
		})
	}
}

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	_, err := Parse("lab.yaml", []byte("name: x\nmachines:\n  - {name: A, firmware: no, vcpus: 100}\n"), "")
	if err == nil || strings.Count(err.Error(), "lab.yaml:3") != 3 {
		t.Errorf("got %v, want three problems", err)
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("../../examples/lab.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add("name: x\nmachines: [{name: a, nics: [{mac: x}], memory: {want: 1G}}]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("lab.yaml", []byte(text), "")
		if err != nil {
			return
		}
		for _, m := range c.Machines { // what was accepted can be made
			if m.Memory.Min < lowestMemory || len(m.Disks) == 0 || len(m.NICs) == 0 || !nameForm.MatchString(m.Name) {
				t.Errorf("accepted %+v", m)
			}
		}
	})
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]Size{"512M": 512 * mib, "8G": 8 * gib, "1T": 1024 * gib, "2GiB": 2 * gib, "3GB": 3 * gib} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%s: got %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "8", "G", "-1G", "0G", "8K", "99999999999T", "1.5G"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%q was taken for %d", in, got)
		}
	}
}
