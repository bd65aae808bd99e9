package gpt

import (
	"bytes"
	"errors"
	"testing"
)

// disk is a file in memory.
type disk []byte

func (d disk) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(d).ReadAt(p, off) }
func (d disk) WriteAt(p []byte, off int64) (int, error) {
	return copy(d[off:], p), nil
}

const sectors = 8192

func written(t *testing.T) (disk, *Table) {
	t.Helper()
	d := make(disk, sectors*Sector)
	d[0] = 0x90 // boot code that must survive
	tab := &Table{DiskID: MustGUID("00112233-4455-6677-8899-aabbccddeeff"), Partitions: []Partition{
		{Type: TypeBIOSBoot, ID: MustGUID("00000000-0000-0000-0000-000000000001"), First: 34, Last: 2047, Name: "bios"},
		{Type: TypeRoot, ID: MustGUID("00000000-0000-0000-0000-000000000002"), First: 2048, Last: LastUsable(sectors), Name: "root"},
	}}
	if err := tab.Write(d, sectors); err != nil {
		t.Fatal(err)
	}
	return d, tab
}

func TestTableSurvivesARoundTrip(t *testing.T) {
	d, want := written(t)
	got, err := Read(d)
	if err != nil {
		t.Fatal(err)
	}
	if got.DiskID != want.DiskID || got.Backup != sectors-1 || got.Partitions[0] != want.Partitions[0] || got.Partitions[1] != want.Partitions[1] {
		t.Errorf("read %+v, wrote %+v", got.Partitions[:2], want.Partitions)
	}
	if d[0] != 0x90 || d[510] != 0x55 || d[450] != 0xee {
		t.Error("boot code, protective partition or signature is wrong")
	}
	if !bytes.Equal(d[2*Sector:34*Sector], d[(sectors-33)*Sector:(sectors-1)*Sector]) {
		t.Error("backup entries differ from the primary ones")
	}
}

func TestDamageIsSeen(t *testing.T) {
	for name, at := range map[string]int{"signature": Sector, "header": Sector + 40, "entries": 2*Sector + 5} {
		d, _ := written(t)
		d[at] ^= 1
		if _, err := Read(d); !errors.Is(err, ErrNoTable) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestPartitionBeyondTheDiskIsRefused(t *testing.T) {
	d, tab := written(t)
	tab.Partitions[1].Last++
	if tab.Write(d, sectors) == nil {
		t.Error("a partition over the backup table was accepted")
	}
}

func TestGUIDText(t *testing.T) {
	const s = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	if TypeESP.String() != s || TypeESP[0] != 0x28 {
		t.Errorf("GUID %s, first byte %#x", TypeESP, TypeESP[0])
	}
}

func FuzzRead(f *testing.F) {
	d := make(disk, 64*Sector)
	(&Table{}).Write(make(disk, sectors*Sector), sectors)
	f.Add([]byte(d))
	f.Fuzz(func(t *testing.T, b []byte) { Read(disk(b)) })
}
