// Package gpt reads and writes a GUID partition table in a file or block
// device: enough to lay out the image and to grow its last partition at first
// boot. Sectors are of 512 bytes (UEFI specification 2.10, chapter 5).
package gpt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf16"
)

// Sector is the only sector size spoken here, in bytes.
const Sector = 512

const (
	entrySize    = 128
	entryCount   = 128
	entrySectors = entryCount * entrySize / Sector
	headerSize   = 92
	// FirstUsable is the first sector after the primary table.
	FirstUsable = 2 + entrySectors
)

// Partition types used by the image.
var (
	TypeBIOSBoot = MustGUID("21686148-6449-6E6F-744E-656564454649")
	TypeESP      = MustGUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
	TypeRoot     = MustGUID("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709") // Linux root, x86-64
)

// ErrNoTable means that there is no valid primary table.
var ErrNoTable = errors.New("no GUID partition table")

// GUID is held as it lies on the disk (first three groups little-endian).
type GUID [16]byte

// MustGUID parses the text form of a constant.
func MustGUID(s string) GUID {
	g, err := ParseGUID(s)
	if err != nil {
		panic(err) // a constant of this package, checked by its test
	}
	return g
}

// ParseGUID parses the text form.
func ParseGUID(s string) (g GUID, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		return g, fmt.Errorf("parse GUID %q: want 32 hexadecimal digits", s)
	}
	return FromBytes([16]byte(b)), nil
}

// FromBytes makes a GUID of 16 bytes in reading order, e.g. random ones.
func FromBytes(b [16]byte) GUID {
	return GUID{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}
}

// String is the text form in lower case.
func (g GUID) String() string {
	b := FromBytes(g) // the swap is its own inverse
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// Partition is one used or (zero Type) unused entry; First and Last are sectors, inclusive.
type Partition struct {
	Type, ID    GUID
	First, Last uint64
	Attributes  uint64
	Name        string
}

// Table is a whole table. Partitions[i] is partition number i+1.
type Table struct {
	DiskID     GUID
	Partitions []Partition
	Backup     uint64 // sector of the backup header; Read sets it
}

// Read parses the primary table and checks both checksums. ErrNoTable when
// there is none.
func Read(r io.ReaderAt) (*Table, error) {
	head := make([]byte, Sector)
	if _, err := r.ReadAt(head, Sector); err != nil {
		return nil, fmt.Errorf("read table header: %w", err)
	}
	le := binary.LittleEndian
	if string(head[:8]) != "EFI PART" {
		return nil, ErrNoTable
	}
	size, want := le.Uint32(head[12:]), le.Uint32(head[16:])
	if size < headerSize || size > Sector {
		return nil, fmt.Errorf("%w: header of %d bytes", ErrNoTable, size)
	}
	le.PutUint32(head[16:], 0)
	if crc32.ChecksumIEEE(head[:size]) != want {
		return nil, fmt.Errorf("%w: wrong checksum of the header", ErrNoTable)
	}
	if n, s := le.Uint32(head[80:]), le.Uint32(head[84:]); n != entryCount || s != entrySize {
		return nil, fmt.Errorf("%w: %d entries of %d bytes; only %d of %d are known", ErrNoTable, n, s, entryCount, entrySize)
	}
	first := le.Uint64(head[72:])
	if first > 1<<40 {
		return nil, fmt.Errorf("%w: entries at sector %d", ErrNoTable, first)
	}
	entries := make([]byte, entryCount*entrySize)
	if _, err := r.ReadAt(entries, int64(first)*Sector); err != nil {
		return nil, fmt.Errorf("read partition entries: %w", err)
	}
	if crc32.ChecksumIEEE(entries) != le.Uint32(head[88:]) {
		return nil, fmt.Errorf("%w: wrong checksum of the entries", ErrNoTable)
	}
	t := &Table{DiskID: GUID(head[56:72]), Backup: le.Uint64(head[32:])}
	for i := range entryCount {
		t.Partitions = append(t.Partitions, decode(entries[i*entrySize:(i+1)*entrySize]))
	}
	return t, nil
}

// LastUsable is the last sector that a partition may use on a disk of so many sectors.
func LastUsable(sectors uint64) uint64 { return sectors - entrySectors - 2 }

// Write writes the protective MBR's partition, the primary and the backup
// table for a disk of so many sectors. The 440 bytes of boot code stay as they
// are. The backup goes first: a cut between the two leaves the old table valid.
func (t *Table) Write(w io.WriterAt, sectors uint64) error {
	if len(t.Partitions) > entryCount {
		return fmt.Errorf("write partition table: %d partitions; at most %d", len(t.Partitions), entryCount)
	}
	entries := make([]byte, entryCount*entrySize)
	for i, p := range t.Partitions {
		if p.Type != (GUID{}) && (p.First < FirstUsable || p.Last > LastUsable(sectors) || p.First > p.Last) {
			return fmt.Errorf("write partition table: partition %d (sectors %d to %d) does not fit a disk of %d sectors", i+1, p.First, p.Last, sectors)
		}
		p.encode(entries[i*entrySize : (i+1)*entrySize])
	}
	last := sectors - 1
	parts := []struct {
		data   []byte
		offset int64
	}{
		{entries, int64(last-entrySectors) * Sector},
		{t.header(entries, last, 1, last-entrySectors, sectors), int64(last) * Sector},
		{entries, 2 * Sector},
		{t.header(entries, 1, last, 2, sectors), Sector},
		{protective(sectors), 446},
	}
	for _, p := range parts {
		if _, err := w.WriteAt(p.data, p.offset); err != nil {
			return fmt.Errorf("write partition table: %w", err)
		}
	}
	return nil
}

func (t *Table) header(entries []byte, self, other, first, sectors uint64) []byte {
	h := make([]byte, Sector)
	le := binary.LittleEndian
	copy(h, "EFI PART")
	le.PutUint32(h[8:], 0x00010000)
	le.PutUint32(h[12:], headerSize)
	le.PutUint64(h[24:], self)
	le.PutUint64(h[32:], other)
	le.PutUint64(h[40:], FirstUsable)
	le.PutUint64(h[48:], LastUsable(sectors))
	copy(h[56:], t.DiskID[:])
	le.PutUint64(h[72:], first)
	le.PutUint32(h[80:], entryCount)
	le.PutUint32(h[84:], entrySize)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:headerSize]))
	return h
}

// protective is the MBR from byte 446 on: one partition of type EE over all.
func protective(sectors uint64) []byte {
	b := make([]byte, 66)
	copy(b, []byte{0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0})
	binary.LittleEndian.PutUint32(b[12:], uint32(min(sectors-1, 0xffffffff)))
	b[64], b[65] = 0x55, 0xaa
	return b
}

func (p Partition) encode(b []byte) {
	if p.Type == (GUID{}) {
		return
	}
	le := binary.LittleEndian
	copy(b, p.Type[:])
	copy(b[16:], p.ID[:])
	le.PutUint64(b[32:], p.First)
	le.PutUint64(b[40:], p.Last)
	le.PutUint64(b[48:], p.Attributes)
	for i, u := range utf16.Encode([]rune(p.Name)) {
		if i == 36 {
			break
		}
		le.PutUint16(b[56+2*i:], u)
	}
}

func decode(b []byte) Partition {
	le := binary.LittleEndian
	p := Partition{Type: GUID(b[:16]), ID: GUID(b[16:32]),
		First: le.Uint64(b[32:]), Last: le.Uint64(b[40:]), Attributes: le.Uint64(b[48:])}
	var name []uint16
	for i := 56; i < entrySize && !bytes.Equal(b[i:i+2], []byte{0, 0}); i += 2 {
		name = append(name, le.Uint16(b[i:]))
	}
	p.Name = string(utf16.Decode(name))
	return p
}
