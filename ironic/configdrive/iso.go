package configdrive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path"
	"sort"
	"strings"

	"trefoil/internal/errs"
)

// Sources: ECMA-119 (ISO 9660), IEEE P1281 (SUSP), IEEE P1282 (Rock Ridge 1991A).

const (
	sector     = 2048
	firstTable = 18 // behind 16 system sectors, the primary descriptor and the terminator
)

// entry is a directory or a file of the volume.
type entry struct {
	name     string // its own, as people see it
	iso      string // its name in plain ISO 9660
	parent   *entry
	children []*entry // of a directory, in the order of iso
	dir      bool
	data     []byte
	start    uint32 // first sector
	size     uint32 // bytes
	number   uint16 // of a directory in the path table, from 1
}

// ISO makes a volume of files by their paths, with Rock Ridge names. Label has
// at most 32 characters.
func ISO(label string, files map[string][]byte) ([]byte, error) {
	if len(label) > 32 {
		return nil, errs.New(errs.Invalid, "volume label %q has more than 32 characters", label)
	}
	root, err := tree(files)
	if err != nil {
		return nil, err
	}
	dirs := directories(root)
	table := pathTable(dirs, binary.LittleEndian)
	tableSectors := sectors(len(table))
	next := uint32(firstTable + 2*tableSectors)
	for _, d := range dirs {
		d.start, d.size = next, uint32(sectors(directorySize(d))*sector)
		next += d.size / sector
	}
	all := filesOf(dirs)
	for _, f := range all {
		f.start, f.size = next, uint32(len(f.data))
		next += uint32(sectors(len(f.data)))
	}
	out := make([]byte, int(next)*sector)
	copy(out[16*sector:], primary(label, root, next, len(table), firstTable, firstTable+tableSectors))
	copy(out[17*sector:], append([]byte{255}, "CD001\x01"...))
	copy(out[firstTable*sector:], pathTable(dirs, binary.LittleEndian))
	copy(out[(firstTable+tableSectors)*sector:], pathTable(dirs, binary.BigEndian))
	for _, d := range dirs {
		copy(out[int(d.start)*sector:], directory(d))
	}
	for _, f := range all {
		copy(out[int(f.start)*sector:], f.data)
	}
	return out, nil
}

func sectors(n int) int { return (n + sector - 1) / sector }

func tree(files map[string][]byte) (*entry, error) {
	root := &entry{dir: true}
	root.parent = root
	var paths []string
	for p := range files {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	for _, p := range paths {
		if p != path.Clean(p) || strings.HasPrefix(p, "/") || strings.HasPrefix(p, "..") {
			return nil, errs.New(errs.Invalid, "file path %q is not plain", p)
		}
		d := root
		parts := strings.Split(p, "/")
		for i, name := range parts {
			if len(name) > 100 {
				return nil, errs.New(errs.Invalid, "file name %q is too long", name)
			}
			last := i == len(parts)-1
			d = d.child(name, !last)
			if last {
				d.data = files[p]
			}
		}
	}
	return root, nil
}

// child finds or makes an entry. The plain name is a number: Rock Ridge carries the real one.
func (e *entry) child(name string, dir bool) *entry {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	c := &entry{name: name, parent: e, dir: dir}
	if c.iso = fmt.Sprintf("F%07d.;1", len(e.children)); dir {
		c.iso = fmt.Sprintf("D%07d", len(e.children))
	}
	e.children = append(e.children, c)
	sort.Slice(e.children, func(i, j int) bool { return e.children[i].iso < e.children[j].iso })
	return c
}

// directories lists the tree level by level, as the path table wants it.
func directories(root *entry) []*entry {
	out := []*entry{root}
	for i := 0; i < len(out); i++ {
		out[i].number = uint16(i + 1)
		for _, c := range out[i].children {
			if c.dir {
				out = append(out, c)
			}
		}
	}
	return out
}

func filesOf(dirs []*entry) []*entry {
	var out []*entry
	for _, d := range dirs {
		for _, c := range d.children {
			if !c.dir {
				out = append(out, c)
			}
		}
	}
	return out
}

func pathTable(dirs []*entry, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, d := range dirs {
		name := d.iso
		if name == "" {
			name = "\x00"
		}
		out = append(out, byte(len(name)), 0)
		out = order.AppendUint32(out, d.start)
		out = order.AppendUint16(out, d.parent.number)
		out = append(out, name...)
		if len(name)%2 == 1 {
			out = append(out, 0)
		}
	}
	return out
}

// both writes a number in both byte orders, as ISO 9660 does.
func both32(b []byte, v uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, v), v)
}

func both16(b []byte, v uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, v), v)
}

// record is a directory record for e under a plain name, with extensions behind it.
func record(e *entry, name string, susp []byte) []byte {
	flags := byte(0)
	if e.dir {
		flags = 2
	}
	body := both32(nil, e.start)
	body = both32(body, e.size)
	body = append(body, 70, 1, 1, 0, 0, 0, 0) // 1 January 1970: equal input gives equal bytes
	body = append(body, flags, 0, 0)
	body = both16(body, 1)
	body = append(body, byte(len(name)))
	body = append(body, name...)
	if len(name)%2 == 0 {
		body = append(body, 0)
	}
	body = append(body, susp...)
	if len(body)%2 == 1 {
		body = append(body, 0)
	}
	return append([]byte{byte(len(body) + 2), 0}, body...)
}

// posix is Rock Ridge's PX: mode and links, owned by root.
func posix(e *entry) []byte {
	mode, links := uint32(0o100444), uint32(1)
	if e.dir {
		mode, links = 0o040555, 2
	}
	out := []byte{'P', 'X', 36, 1}
	for _, v := range []uint32{mode, links, 0, 0} {
		out = both32(out, v)
	}
	return out
}

func realName(name string) []byte {
	return append([]byte{'N', 'M', byte(5 + len(name)), 1, 0}, name...)
}

// directory renders a directory's sectors.
func directory(d *entry) []byte {
	self := posix(d)
	if d.parent == d { // the root says that extensions are in use, and which
		self = append([]byte{'S', 'P', 7, 1, 0xBE, 0xEF, 0}, self...)
		self = append(self, 'E', 'R', 18, 1, 10, 0, 0, 1)
		self = append(self, "RRIP_1991A"...)
	}
	out := append(record(d, "\x00", self), record(d.parent, "\x01", posix(d.parent))...)
	for _, c := range d.children {
		rec := record(c, c.iso, append(posix(c), realName(c.name)...))
		if left := sector - len(out)%sector; len(rec) > left { // records do not cross sectors
			out = append(out, make([]byte, left)...)
		}
		out = append(out, rec...)
	}
	return out
}

// directorySize is known before the sectors are: records do not grow with them.
func directorySize(d *entry) int { return len(directory(d)) }

// primary renders the primary volume descriptor.
func primary(label string, root *entry, total uint32, tableSize, tableL, tableM int) []byte {
	pad := func(s string, n int) []byte { return append([]byte(s), bytes.Repeat([]byte{' '}, n-len(s))...) }
	b := append([]byte{1}, "CD001\x01\x00"...)
	b = append(b, pad("LINUX", 32)...)
	b = append(b, pad(label, 32)...)
	b = append(b, make([]byte, 8)...)
	b = both32(b, total)
	b = append(b, make([]byte, 32)...)
	b = both16(b, 1)
	b = both16(b, 1)
	b = both16(b, sector)
	b = both32(b, uint32(tableSize))
	b = binary.LittleEndian.AppendUint32(b, uint32(tableL))
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(tableM))
	b = append(b, 0, 0, 0, 0)
	b = append(b, record(root, "\x00", nil)...)
	b = append(b, pad("", 128+128+128+128+37+37+37)...)
	for range 4 { // created, modified, expires, effective: not told
		b = append(b, "0000000000000000\x00"...)
	}
	return append(b, 1, 0)
}
