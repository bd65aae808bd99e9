package bootxml

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/vbmc/domain"
)

const osStyle = `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>a</name><!-- <boot dev='fd'/> is only a comment -->
  <metadata><x:boot xmlns:x='urn:x' order='7'/></metadata>
  <os>
    <type arch='x86_64'>hvm</type>
    <boot dev='hd'/>
    <boot dev='cdrom'/>
    <bootmenu enable='no'/>
  </os>
  <devices>
    <disk type='file' device='disk'>
      <source file='/a &amp; b'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='sda'/>
    </disk>
    <interface type='network'>
      <mac address='52:54:00:00:00:01'/>
    </interface>
    <interface type='network'>
      <mac address='52:54:00:00:00:02'/>
    </interface>
  </devices>
  <qemu:commandline><qemu:arg value='-S'/></qemu:commandline>
</domain>
`

func perDevice() string {
	s := strings.Replace(osStyle, "    <boot dev='hd'/>\n    <boot dev='cdrom'/>\n", "", 1)
	s = strings.Replace(s, "bus='virtio'/>\n", "bus='virtio'/>\n      <boot order='1' loadparm='2'/>\n", 1)
	return strings.Replace(s, "00:02'/>\n", "00:02'/>\n      <boot order=\"2\"></boot>\n", 1)
}

// fixture is the stored definition of a machine with UEFI firmware, as libvirt prints it.
func fixture(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// boots are the lines of the boot order, and rest is all else.
func boots(text string) (order []string, rest string) {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "<boot ") {
			order = append(order, strings.TrimSpace(line))
		} else {
			b.WriteString(line)
		}
	}
	return order, b.String()
}

// TestUEFI: QEMU tells the firmware its order at each start, which goes before what the
// firmware remembers in its nvram, so that the order is all there is to change: loader,
// nvram and its template stay, or the machine would lose its boot entries.
func TestUEFI(t *testing.T) {
	for name, want := range map[string]map[domain.Device]string{
		"uefi-os.xml": { // Debian 12: loader and nvram by path
			domain.PXE:   "<boot dev='network'/> <boot dev='hd'/>",
			domain.Disk:  "<boot dev='hd'/>",
			domain.CDROM: "<boot dev='cdrom'/> <boot dev='hd'/>",
		},
		"uefi-devices.xml": { // chosen by libvirt; disk, first card, second card
			domain.PXE:   "<boot order='2'/> <boot order='1'/> <boot order='3'/>",
			domain.Disk:  "<boot order='1'/> <boot order='2'/> <boot order='3'/>",
			domain.CDROM: "<boot order='2'/> <boot order='1'/> <boot order='3'/> <boot order='4'/>",
		},
	} {
		text := fixture(t, name)
		before, err := Parse(text)
		if err != nil || !before.EFI() {
			t.Fatalf("%s: EFI %v, %v", name, before.EFI(), err)
		}
		_, rest := boots(text)
		for dev, order := range want {
			out := override(t, text, dev)
			got, others := boots(out)
			if strings.Join(got, " ") != order || others != rest {
				t.Errorf("%s, %v: %v, want %s; all else is as it was: %v", name, dev, got, order, others == rest)
			}
			again, err := Parse(out)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := again.Apply(before.Config()); err != nil || back != text {
				t.Errorf("%s, %v and back: %v\n%s", name, dev, err, back)
			}
		}
	}
}

func TestFirmware(t *testing.T) {
	for os, want := range map[string]bool{
		"<os firmware='efi'><type>hvm</type></os>":                                           true,
		"<os firmware='bios'><type>hvm</type></os>":                                          false,
		"<os><type>hvm</type></os>":                                                          false,
		"<os><loader type='rom'>/usr/share/seabios/bios-256k.bin</loader></os>":              false,
		"<os><loader type='rom'>/usr/share/ovmf/OVMF.fd</loader></os>":                       true,
		"<os><loader readonly='yes' type='pflash'>/usr/share/qemu/edk2-x86.fd</loader></os>": true,
	} {
		if d, err := Parse("<domain>" + os + "</domain>"); err != nil || d.EFI() != want {
			t.Errorf("%s: %v, want %v", os, err, want)
		}
	}
}

// TestWhatCannotBeWrittenIsRefused: nothing is stored that does not say what was asked.
func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	d, err := Parse("<domain><os><type/></os><devices><disk device='disk'><target dev='vda'/><boot order='1'/></disk><interface/></devices></domain>")
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Override(d.Config(), domain.PXE)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Apply(c); err == nil {
		t.Error("a card without content has no place for its order, and the old order was given out as the new one")
	}
	// A device that was taken out since is no reason to refuse.
	c = Config{Orders: map[string]int{"disk:vda": 2, "disk:vdb": 1}}
	if out, err := d.Apply(c); err != nil || !strings.Contains(out, "<boot order='2'/>") {
		t.Errorf("%v\n%s", err, out)
	}
}

func override(t *testing.T, text string, dev domain.Device) string {
	t.Helper()
	d, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Override(d.Config(), dev)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Apply(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOSStyleIsReordered(t *testing.T) {
	want := strings.Replace(osStyle, "    <boot dev='hd'/>\n    <boot dev='cdrom'/>\n",
		"    <boot dev='network'/>\n    <boot dev='hd'/>\n    <boot dev='cdrom'/>\n", 1)
	if got := override(t, osStyle, domain.PXE); got != want {
		t.Errorf("got:\n%s", got)
	}
	want = strings.Replace(osStyle, "    <boot dev='hd'/>\n    <boot dev='cdrom'/>\n",
		"    <boot dev='cdrom'/>\n    <boot dev='hd'/>\n", 1)
	if got := override(t, osStyle, domain.CDROM); got != want {
		t.Errorf("got:\n%s", got)
	}
	if got := override(t, osStyle, domain.Disk); got != osStyle {
		t.Errorf("disk is first already, but the text changed:\n%s", got)
	}
}

func TestOSStyleWithoutList(t *testing.T) {
	text := strings.Replace(osStyle, "    <boot dev='hd'/>\n    <boot dev='cdrom'/>\n", "", 1)
	got := override(t, text, domain.PXE)
	if want := strings.Replace(text, "hvm</type>\n", "hvm</type>\n    <boot dev='network'/>\n", 1); got != want {
		t.Errorf("got:\n%s", got)
	}
}

func TestPerDeviceStyleIsReordered(t *testing.T) {
	// The card that is in the order already is chosen, not the first of the document.
	got := override(t, perDevice(), domain.PXE)
	want := strings.Replace(perDevice(), "<boot order='1' ", "<boot order='2' ", 1)
	want = strings.Replace(want, `<boot order="2">`, `<boot order='1'>`, 1)
	if got != want {
		t.Errorf("got:\n%s", got)
	}
	got = override(t, perDevice(), domain.CDROM)
	if !strings.Contains(got, "<target dev='sda'/>\n      <boot order='1'/>\n    </disk>") ||
		!strings.Contains(got, "<boot order='2' loadparm='2'/>") || !strings.Contains(got, "<boot order='3'></boot>") {
		t.Errorf("got:\n%s", got)
	}
}

func TestApplyGoesBack(t *testing.T) {
	for _, text := range []string{osStyle, perDevice()} {
		before, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, dev := range []domain.Device{domain.PXE, domain.Disk, domain.CDROM} {
			d, err := Parse(override(t, text, dev))
			if err != nil {
				t.Fatal(err)
			}
			if again, err := d.Override(d.Config(), dev); err != nil || !again.Equal(d.Config()) {
				t.Errorf("%v is not first: %+v, %v", dev, d.Config(), err)
			}
			back, err := d.Apply(before.Config())
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(back, `"`, "'"); got != strings.ReplaceAll(text, `"`, "'") {
				t.Errorf("%v and back:\n%s", dev, back)
			}
		}
	}
}

func TestMissingDevice(t *testing.T) {
	d, err := Parse(osStyle)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Override(d.Config(), domain.Floppy); !errors.Is(err, ErrNoDevice) {
		t.Errorf("%v, want ErrNoDevice", err)
	}
}

// FuzzApply: what can be parsed is reordered as was asked or refused, nothing but boot
// elements changes, and the way back leads to the old order.
func FuzzApply(f *testing.F) {
	f.Add(osStyle)
	f.Add(perDevice())
	for _, name := range []string{"uefi-os.xml", "uefi-devices.xml"} {
		f.Add(fixture(f, name))
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		for _, dev := range []domain.Device{domain.PXE, domain.Disk, domain.CDROM, domain.Floppy} {
			c, err := d.Override(d.Config(), dev)
			if err != nil {
				continue
			}
			out, err := d.Apply(c)
			if err != nil {
				continue
			}
			again, err := Parse(out)
			if err != nil || !again.Config().Equal(c) {
				t.Fatalf("asked for %+v, got %v:\n%s", c, err, out)
			}
			if back, err := again.Apply(d.Config()); err != nil {
				continue
			} else if last, err := Parse(back); err != nil || !last.Config().Equal(d.Config()) {
				t.Fatalf("no way back to %+v, %v:\n%s", d.Config(), err, back)
			}
		}
	})
}

func TestFirst(t *testing.T) {
	lan := "<interface><mac address='52:54:00:00:00:01'/><boot order='%'/></interface>"
	disk := "<disk device='disk'><target dev='vda'/><boot order='%'/></disk>"
	other := "<hostdev><boot order='%'/></hostdev>"
	at := func(device, n string) string { return strings.Replace(device, "%", n, 1) }
	for text, want := range map[string]domain.Device{
		"<os><type>hvm</type><boot dev='cdrom'/><boot dev='hd'/></os>":                    domain.CDROM,
		"<os><type>hvm</type></os><devices></devices>":                                    domain.None,
		"<devices>" + at(disk, "10") + at(lan, "9") + "</devices>":                        domain.PXE,
		"<devices>" + at(disk, "2") + at(lan, "3") + at(other, "1") + "</devices>":        domain.None,
		"<devices>" + at(lan, "3") + at(other, "4") + at(disk, "2") + "<disk/></devices>": domain.Disk,
	} {
		d, err := Parse("<domain>" + text + "</domain>")
		if err != nil {
			t.Fatal(err)
		}
		if got := d.First(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
