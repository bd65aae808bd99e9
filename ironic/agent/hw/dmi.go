package hw

import "encoding/binary"

// installedMB sums the memory devices (SMBIOS type 17, DSP0134 §7.18) of a raw
// DMI table: bytes 0Ch–0Dh are the size, 7FFFh defers to the extended size at
// 1Ch in MiB, bit 15 means KiB, FFFFh is unknown.
func installedMB(table []byte) int64 {
	var total int64
	for len(table) >= 4 {
		kind, length := table[0], int(table[1])
		if length < 4 || length > len(table) {
			return total
		}
		if s := table[:length]; kind == 17 && length >= 0x0e {
			switch size := binary.LittleEndian.Uint16(s[0x0c:]); {
			case size == 0xffff || size == 0:
			case size == 0x7fff && length >= 0x20:
				total += int64(binary.LittleEndian.Uint32(s[0x1c:]) & 0x7fffffff)
			case size&0x8000 != 0:
				total += int64(size&0x7fff) >> 10
			default:
				total += int64(size)
			}
		}
		table = afterStrings(table[length:])
	}
	return total
}

// afterStrings skips a structure's strings, which end with two zero bytes.
func afterStrings(b []byte) []byte {
	for i := 0; i+1 < len(b); i++ {
		if b[i] == 0 && b[i+1] == 0 {
			return b[i+2:]
		}
	}
	return nil
}
