package disk

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic/agent/gpt"
)

func packed(t *testing.T, iso []byte) string {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	_, err := gz.Write(iso)
	if err == nil {
		err = gz.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func TestConfigDrive(t *testing.T) {
	ctx := context.Background()
	iso, err := writer(false).DecodeConfigDrive(ctx, packed(t, []byte("an ISO image")))
	if err != nil || string(iso) != "an ISO image" {
		t.Fatalf("decode: %q %v", iso, err)
	}
	for _, bad := range []string{"%", base64.StdEncoding.EncodeToString([]byte("no gzip"))} {
		if _, err := writer(false).DecodeConfigDrive(ctx, bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := writer(false).DecodeConfigDrive(ctx, packed(t, make([]byte, 64*mib+1))); err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("too large: %v", err)
	}

	d := dirty(t, 100*mib)
	tab, err := gpt.New(10*mib, 512, [16]byte{1})
	if err == nil {
		err = tab.Write(d)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := FixTable(d); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "again, into the same partition"} {
		n, err := WriteConfigDrive(d, []byte(text))
		if err != nil || n != 1 {
			t.Fatalf("partition %d, %v", n, err)
		}
		tab, err := gpt.Read(d, 512)
		if err != nil || len(tab.Partitions) != 1 {
			t.Fatalf("%+v %v", tab, err)
		}
		if got := content(t, d)[tab.Partitions[0].First*512:]; !bytes.HasPrefix(got, []byte(text)) {
			t.Errorf("the partition holds %q", got[:20])
		}
	}
}

func TestConfigDriveOnMBR(t *testing.T) {
	d := dirty(t, 100*mib)
	mbr := make([]byte, 512)
	copy(mbr[446:], []byte{0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0x40, 0, 0}) // 2048, 16384 sectors
	mbr[510], mbr[511] = 0x55, 0xaa
	if _, err := d.WriteAt(mbr, 0); err != nil {
		t.Fatal(err)
	}
	n, err := WriteConfigDrive(d, []byte("iso"))
	got := content(t, d)
	if err != nil || n != 2 || got[446+16+4] != 0x83 {
		t.Fatalf("partition %d, %v", n, err)
	}
	start := int(got[446+24]) | int(got[446+25])<<8 | int(got[446+26])<<16
	if string(got[start*512:start*512+3]) != "iso" {
		t.Error("the config drive is not where the table says")
	}
}

func TestEraseMetadata(t *testing.T) {
	d := dirty(t, 64*mib)
	tab, err := gpt.New(64*mib, 512, [16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	part, err := tab.AddAtEnd(32*mib, "data", gpt.LinuxData(), [16]byte{2})
	if err == nil {
		err = tab.Write(d)
	}
	if err == nil {
		err = EraseMetadata(d)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := content(t, d)
	first, last := int(part.First)*512, int(part.Last+1)*512
	for name, span := range map[string][]byte{"head": got[:wipeSpan], "tail": got[len(got)-wipeSpan:],
		"partition head": got[first : first+wipeSpan], "partition tail": got[last-wipeSpan : last]} {
		if !bytes.Equal(span, make([]byte, len(span))) {
			t.Errorf("%s still has data", name)
		}
	}
	if got[first-1] != 0xaa {
		t.Error("more than metadata was erased")
	}
	if err := Erase(d); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content(t, d), make([]byte, 64*mib)) {
		t.Error("the disk still has data")
	}
}

func TestCheckBootable(t *testing.T) {
	d := dirty(t, 16*mib)
	if err := CheckBootable(d, "bios"); !errs.Is(err, errs.Invalid) {
		t.Errorf("no boot code: %v", err)
	}
	if _, err := d.WriteAt([]byte{0x55, 0xaa}, 510); err != nil {
		t.Fatal(err)
	}
	if err := CheckBootable(d, "bios"); err != nil {
		t.Error(err)
	}
	tab, err := gpt.New(16*mib, 512, [16]byte{1})
	if err == nil {
		err = tab.Write(d)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckBootable(d, "uefi"); !errs.Is(err, errs.Invalid) {
		t.Errorf("no EFI partition: %v", err)
	}
	if _, err := tab.AddAtEnd(2*mib, "esp", espType(), [16]byte{3}); err != nil {
		t.Fatal(err)
	}
	if err := tab.Write(d); err != nil {
		t.Fatal(err)
	}
	if err := CheckBootable(d, "uefi"); err != nil {
		t.Error(err)
	}
}
