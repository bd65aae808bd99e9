package gpt

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

// memory is a disk in memory.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}

func (m memory) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(m)) {
		return 0, errors.New("write outside the disk")
	}
	return copy(m[off:], p), nil
}

func protective(sectors uint32) []byte {
	mbr := make([]byte, 512)
	mbr[446+4], mbr[446+8] = 0xee, 1
	binary.LittleEndian.PutUint32(mbr[446+12:], sectors)
	mbr[510], mbr[511] = 0x55, 0xaa
	return mbr
}

func TestImageOnLargerDisk(t *testing.T) {
	for _, sector := range []int64{512, 4096} {
		const small, large = 16 << 20, 96 << 20
		d := make(memory, large)
		copy(d, protective(small/512-1))
		tab, err := New(small, sector, [16]byte{9})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tab.AddAtEnd(8<<20, "root", LinuxData(), [16]byte{1}); err != nil {
			t.Fatal(err)
		}
		if err := tab.Write(d); err != nil {
			t.Fatal(err)
		}
		if tab, err = Read(d, sector); err != nil {
			t.Fatal(err)
		}
		if err := tab.Grow(large); err != nil {
			t.Fatal(err)
		}
		part, err := tab.AddAtEnd(64<<20, "config-2", LinuxData(), [16]byte{2})
		if err != nil {
			t.Fatal(err)
		}
		if err := tab.Write(d); err != nil {
			t.Fatal(err)
		}
		got, err := Read(d, sector)
		if err != nil || len(got.Partitions) != 2 || got.Partitions[1].Name != "config-2" || got.guid != [16]byte{9} {
			t.Fatalf("sector %d: %+v %v", sector, got, err)
		}
		if part.Index != 1 || int64(part.First)*sector%(1<<20) != 0 || part.Last != got.LastUsable || int64(part.Last-part.First+1)*sector < 64<<20 {
			t.Errorf("sector %d: partition %+v", sector, part)
		}
		if string(d[large-sector:large-sector+8]) != "EFI PART" {
			t.Errorf("sector %d: no backup header in the last sector", sector)
		}
		if n := binary.LittleEndian.Uint32(d[446+12:]); int64(n) != large/sector-1 {
			t.Errorf("sector %d: protective MBR covers %d", sector, n)
		}
	}
}

func TestNoRoom(t *testing.T) {
	tab, err := New(32<<20, 512, [16]byte{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tab.AddAtEnd(30<<20, "root", LinuxData(), [16]byte{}); err != nil {
		t.Fatal(err)
	}
	if _, err := tab.AddAtEnd(8<<20, "config-2", LinuxData(), [16]byte{}); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("got %v", err)
	}
	if err := tab.Grow(16 << 20); err == nil {
		t.Error("a table was moved onto a disk that its partitions overrun")
	}
}

func TestDamageIsSeen(t *testing.T) {
	d := make(memory, 16<<20)
	if _, err := Read(d, 512); !errors.Is(err, ErrNone) {
		t.Errorf("an empty disk: %v", err)
	}
	tab, err := New(16<<20, 512, [16]byte{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tab.Write(d); err != nil {
		t.Fatal(err)
	}
	for _, off := range []int{512 + 40, 2*512 + 5} {
		d[off] ^= 1
		if _, err := Read(d, 512); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("a flipped bit at %d: %v", off, err)
		}
		d[off] ^= 1
	}
}

func FuzzRead(f *testing.F) {
	d := make(memory, 1<<20)
	tab, err := New(1<<20, 512, [16]byte{})
	if err != nil {
		f.Fatal(err)
	}
	if err := tab.Write(d); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(d[:4096]))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = Read(memory(data), 512) })
}
