package lab

import (
	"strings"
	"testing"

	"trefoil/examples"
	"trefoil/internal/golden"
	"trefoil/overcloud/lab/probe"
)

func TestDomainXML(t *testing.T) {
	c := example(t)
	private := places{images: "/var/lib/libvirt/images", nvram: "/var/lib/libvirt/qemu/nvram", logs: "/var/log/libvirt/qemu"}
	t.Run("BIOS under emulation", func(t *testing.T) {
		m := &Sized{Machine: c.Machines[1], RAM: 1536 * mib, TBCache: smallTBCache}
		text, err := domainXML(c.Name, m, &c.Network, probe.TCG, private)
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "storage-1-bios-tcg.xml", text+"\n")
	})
	t.Run("UEFI under KVM", func(t *testing.T) {
		m := &Sized{Machine: c.Machines[3], RAM: 2 * gib}
		m.Firmware = UEFI
		m.NICs = append(m.NICs, NIC{MAC: "52:54:00:00:00:02"})
		n := c.Network
		n.MTU = 9000
		text, err := domainXML(c.Name, m, &n, probe.KVM, private)
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "compute-1-uefi-kvm.xml", text+"\n")
	})
}

func TestALabKnowsItsOwnDomains(t *testing.T) {
	c := example(t)
	m := &Sized{Machine: c.Machines[0], RAM: gib}
	m.Role = `odd"<role>&`
	text, err := domainXML("mine", m, &c.Network, probe.TCG, places{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ownerOf(text).lab; got != "mine" {
		t.Errorf("owner %q", got)
	}
	for name, other := range map[string]string{
		"no metadata":         "<domain><name>x</name></domain>",
		"another tool's":      `<domain><metadata><lab xmlns="https://else.example" name="mine"/></metadata></domain>`,
		"not XML":             "<domain",
		"a name without mark": `<domain><name>mine</name><metadata/></domain>`,
	} {
		if got := ownerOf(other).lab; got != "" {
			t.Errorf("%s: owner %q", name, got)
		}
	}
}

func FuzzOwnerOf(f *testing.F) {
	f.Add("<domain><metadata><trefoil:lab xmlns:trefoil='" + owner + "' name='x'/></metadata></domain>")
	f.Fuzz(func(t *testing.T, text string) {
		if ownerOf(text).lab != "" && !strings.Contains(text, "metadata") {
			t.Error("found an owner without metadata")
		}
	})
}

// The article's own sizes must give the article's own file, byte for byte.
func TestInspectionIsTheArticlesFile(t *testing.T) {
	c := example(t)
	sizes := map[string]struct {
		cpu       int
		ram, disk Size
	}{"control": {8, 32 * gib, 60 * gib}, "ceph-storage": {4, 16 * gib, 160 * gib}, "compute": {12, 32 * gib, 60 * gib}}
	var machines []Sized
	for _, m := range c.Machines {
		s := sizes[m.Role]
		m.VCPUs = s.cpu
		m.Disks = append([]Disk{{Size: s.disk}}, m.Disks[1:]...)
		machines = append(machines, Sized{Machine: m, RAM: s.ram})
	}
	want, err := examples.FS.ReadFile("inspection.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := Inspection(machines, "192.168.255.200"); string(got) != string(want) {
		t.Errorf("got:\n%s", got)
	}
}

func TestVBMCDomainEscapesPercentSigns(t *testing.T) {
	c := example(t)
	s := &State{Config: *c, dir: "/lab"}
	m := &Sized{Machine: c.Machines[0]}
	m.VBMC.Password = "100%sure"
	want := "[VirtualBMC]\ndomain_name = control-1\nusername = admin\npassword = 100%%sure\nport = 7001\naddress = 192.168.255.200\n" +
		"libvirt_uri = qemu:///system?socket=/lab/libvirt/run/libvirt/libvirt-sock\nactive = True\n"
	if got := vbmcDomain(s, m); got != want {
		t.Errorf("got:\n%s", got)
	}
}
