// Package gpt edits GUID partition tables (UEFI 2.10 §5.3) just as far as a
// deployed image needs: the backup moves to the end of a disk larger than the
// image, and one partition is added at the end.
package gpt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf16"
)

// ErrNone says that there is no GPT.
var ErrNone = errors.New("no GUID partition table")

// Disk is what a table is read from and written to: a device or a file.
type Disk interface {
	io.ReaderAt
	io.WriterAt
}

// Partition is one entry; First and Last are inclusive LBAs. Index counts from 0.
type Partition struct {
	Index       int
	Type, ID    [16]byte
	First, Last uint64
	Attrs       uint64
	Name        string
}

// Table is a partition table in memory. Sector is the logical block size in bytes.
type Table struct {
	Sector      int64
	Partitions  []Partition
	FirstUsable uint64
	LastUsable  uint64
	backup      uint64 // LBA of the backup header
	guid        [16]byte
	entries     uint64 // LBA of the entries
	count       uint32
	entrySize   uint32
}

// LinuxData is the type of Linux file systems, in the mixed-endian form on disk.
func LinuxData() [16]byte {
	return [16]byte{0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4}
}

const (
	headerSize = 92
	maxEntries = 1024
)

// Read reads the primary table and checks its checksums. The error is ErrNone
// when there is no table at all.
func Read(d Disk, sector int64) (*Table, error) {
	h := make([]byte, sector)
	if _, err := d.ReadAt(h, sector); err != nil {
		return nil, fmt.Errorf("read partition table: %w", err)
	}
	if string(h[:8]) != "EFI PART" {
		return nil, ErrNone
	}
	le := binary.LittleEndian
	size := le.Uint32(h[12:])
	if size < headerSize || int64(size) > sector {
		return nil, fmt.Errorf("partition table: header of %d bytes", size)
	}
	want := le.Uint32(h[16:])
	clear(h[16:20])
	if crc32.ChecksumIEEE(h[:size]) != want {
		return nil, errors.New("partition table: header checksum is wrong")
	}
	t := &Table{Sector: sector, FirstUsable: le.Uint64(h[40:]), LastUsable: le.Uint64(h[48:]), backup: le.Uint64(h[32:]),
		entries: le.Uint64(h[72:]), count: le.Uint32(h[80:]), entrySize: le.Uint32(h[84:])}
	copy(t.guid[:], h[56:72])
	if t.entrySize < 128 || t.entrySize > 4096 || t.count == 0 || t.count > maxEntries || t.entries < 2 || t.entries > 1<<40 {
		return nil, fmt.Errorf("partition table: %d entries of %d bytes at %d", t.count, t.entrySize, t.entries)
	}
	raw := make([]byte, t.count*t.entrySize)
	if _, err := d.ReadAt(raw, int64(t.entries)*sector); err != nil {
		return nil, fmt.Errorf("read partition entries: %w", err)
	}
	if crc32.ChecksumIEEE(raw) != le.Uint32(h[88:]) {
		return nil, errors.New("partition table: entries checksum is wrong")
	}
	for i := range int(t.count) {
		if p, used := decode(raw[i*int(t.entrySize):], i); used {
			t.Partitions = append(t.Partitions, p)
		}
	}
	return t, nil
}

func decode(e []byte, i int) (Partition, bool) {
	le := binary.LittleEndian
	p := Partition{Index: i, First: le.Uint64(e[32:]), Last: le.Uint64(e[40:]), Attrs: le.Uint64(e[48:])}
	copy(p.Type[:], e)
	copy(p.ID[:], e[16:])
	var name []uint16
	for o := 56; o < 128; o += 2 {
		c := le.Uint16(e[o:])
		if c == 0 {
			break
		}
		name = append(name, c)
	}
	p.Name = string(utf16.Decode(name))
	return p, p.Type != [16]byte{}
}

// Grow makes room up to the end of a disk of size bytes: the backup goes to the
// last sectors. A disk smaller than the table's own idea is an error.
func (t *Table) Grow(size int64) error {
	sectors := uint64(size / t.Sector)
	tail := t.entrySectors() + 1
	if sectors < t.FirstUsable+tail {
		return fmt.Errorf("partition table: a disk of %d bytes is too small", size)
	}
	last := sectors - tail - 1
	for _, p := range t.Partitions {
		if p.Last > last {
			return fmt.Errorf("partition table: partition %d ends at sector %d, the disk has %d", p.Index+1, p.Last, sectors)
		}
	}
	t.LastUsable, t.backup = last, sectors-1
	return nil
}

func (t *Table) entrySectors() uint64 {
	return (uint64(t.count)*uint64(t.entrySize) + uint64(t.Sector) - 1) / uint64(t.Sector)
}

// AddAtEnd appends a partition of at least size bytes that ends at the last
// usable sector and begins at a whole MiB, in free space.
func (t *Table) AddAtEnd(size int64, name string, kind, id [16]byte) (Partition, error) {
	mib := uint64(1<<20) / uint64(t.Sector)
	need := uint64((size + t.Sector - 1) / t.Sector)
	if t.LastUsable+1 < need+t.FirstUsable {
		return Partition{}, fmt.Errorf("no room for partition %s", name)
	}
	p := Partition{Type: kind, ID: id, Name: name, First: (t.LastUsable + 1 - need) / mib * mib, Last: t.LastUsable, Index: -1}
	used := map[int]bool{}
	for _, q := range t.Partitions {
		used[q.Index] = true
		if q.Last >= p.First {
			return Partition{}, fmt.Errorf("no room for partition %s: partition %d reaches to sector %d, it needs from %d on", name, q.Index+1, q.Last, p.First)
		}
	}
	for i := range int(t.count) {
		if !used[i] {
			p.Index = i
			break
		}
	}
	if p.Index < 0 || p.First < t.FirstUsable {
		return Partition{}, fmt.Errorf("no free entry for partition %s", name)
	}
	t.Partitions = append(t.Partitions, p)
	return p, nil
}

// Write writes backup, then primary, then the protective MBR, so that at each
// instant one of the two tables is whole.
func (t *Table) Write(d Disk) error {
	raw := make([]byte, t.entrySectors()*uint64(t.Sector))
	for _, p := range t.Partitions {
		encode(raw[p.Index*int(t.entrySize):], p)
	}
	sum := crc32.ChecksumIEEE(raw[:t.count*t.entrySize])
	backupEntries := t.backup - t.entrySectors()
	for _, w := range []struct {
		lba  uint64
		data []byte
	}{
		{backupEntries, raw},
		{t.backup, t.header(t.backup, 1, backupEntries, sum)},
		{t.entries, raw},
		{1, t.header(1, t.backup, t.entries, sum)},
	} {
		if _, err := d.WriteAt(w.data, int64(w.lba)*t.Sector); err != nil {
			return fmt.Errorf("write partition table: %w", err)
		}
	}
	return t.protect(d)
}

func (t *Table) header(self, other, entries uint64, sum uint32) []byte {
	h := make([]byte, t.Sector)
	le := binary.LittleEndian
	copy(h, "EFI PART")
	le.PutUint32(h[8:], 0x00010000)
	le.PutUint32(h[12:], headerSize)
	le.PutUint64(h[24:], self)
	le.PutUint64(h[32:], other)
	le.PutUint64(h[40:], t.FirstUsable)
	le.PutUint64(h[48:], t.LastUsable)
	copy(h[56:], t.guid[:])
	le.PutUint64(h[72:], entries)
	le.PutUint32(h[80:], t.count)
	le.PutUint32(h[84:], t.entrySize)
	le.PutUint32(h[88:], sum)
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:headerSize]))
	return h
}

func encode(e []byte, p Partition) {
	le := binary.LittleEndian
	copy(e, p.Type[:])
	copy(e[16:], p.ID[:])
	le.PutUint64(e[32:], p.First)
	le.PutUint64(e[40:], p.Last)
	le.PutUint64(e[48:], p.Attrs)
	for i, c := range utf16.Encode([]rune(p.Name)) {
		if i == 36 {
			break
		}
		le.PutUint16(e[56+2*i:], c)
	}
}

// protect stretches the protective MBR's one entry of type EEh over the disk.
// Boot code and a hybrid table's other entries stay.
func (t *Table) protect(d Disk) error {
	mbr := make([]byte, t.Sector)
	if _, err := d.ReadAt(mbr, 0); err != nil {
		return fmt.Errorf("read protective MBR: %w", err)
	}
	if !bytes.Equal(mbr[510:512], []byte{0x55, 0xaa}) {
		return nil
	}
	for o := 446; o < 510; o += 16 {
		if mbr[o+4] == 0xee && binary.LittleEndian.Uint32(mbr[o+8:]) == 1 {
			binary.LittleEndian.PutUint32(mbr[o+12:], uint32(min(t.backup, 0xffffffff)))
		}
	}
	if _, err := d.WriteAt(mbr, 0); err != nil {
		return fmt.Errorf("write protective MBR: %w", err)
	}
	return nil
}

// New makes an empty table of 128 entries for a disk of size bytes.
func New(size, sector int64, guid [16]byte) (*Table, error) {
	t := &Table{Sector: sector, guid: guid, entries: 2, count: 128, entrySize: 128}
	t.FirstUsable = 2 + t.entrySectors()
	return t, t.Grow(size)
}
