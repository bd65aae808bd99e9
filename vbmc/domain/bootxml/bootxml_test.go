package bootxml

import (
	"errors"
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

// FuzzApply: whatever can be parsed can be reordered, and the result says what was asked.
func FuzzApply(f *testing.F) {
	f.Add(osStyle)
	f.Add(perDevice())
	f.Add("<domain><os><type/></os><devices><interface/></devices></domain>")
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
			if out, err := d.Apply(c); err == nil {
				if _, err := Parse(out); err != nil {
					t.Fatalf("result does not parse: %v\n%s", err, out)
				}
			}
		}
	})
}
