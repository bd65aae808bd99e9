package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// marker is what the program below prints once a kernel has started it: the
// proof that the accelerator runs a kernel up to userspace.
const marker = "trefoil-probe: userspace reached"

const loadAddress = 0x400000

// initProgram is a whole /init: a static x86-64 ELF of some 200 bytes that writes
// the marker to its standard output (the kernel opens /dev/console for it) and
// switches the machine off. It is put together here because a probe must not need
// a compiler, and a Go binary would be a megabyte of initramfs for one sentence.
//
// System calls: write 1, reboot 169 (reboot(2): two magic numbers, then
// LINUX_REBOOT_CMD_POWER_OFF), pause 34.
func initProgram() []byte {
	const headers = 64 + 56 // ELF header and one program header
	text := []byte("\n" + marker + "\n")
	code := []byte{
		0xb8, 1, 0, 0, 0, // mov eax, write
		0xbf, 1, 0, 0, 0, // mov edi, stdout
		0x48, 0x8d, 0x35, 0, 0, 0, 0, // lea rsi, [rip+text]
		0xba, byte(len(text)), 0, 0, 0, // mov edx, length
		0x0f, 0x05, // syscall
		0xb8, 169, 0, 0, 0, // mov eax, reboot
		0xbf, 0xad, 0xde, 0xe1, 0xfe, // mov edi, LINUX_REBOOT_MAGIC1
		0xbe, 0x69, 0x19, 0x12, 0x28, // mov esi, LINUX_REBOOT_MAGIC2
		0xba, 0xdc, 0xfe, 0x21, 0x43, // mov edx, LINUX_REBOOT_CMD_POWER_OFF
		0x45, 0x31, 0xd2, // xor r10d, r10d
		0x0f, 0x05, // syscall
		0xb8, 34, 0, 0, 0, // again: mov eax, pause
		0x0f, 0x05, // syscall
		0xeb, 0xf7, // jmp again
	}
	// The text follows the code; rip points behind the 17 bytes up to the end of lea.
	binary.LittleEndian.PutUint32(code[13:], uint32(len(code)-17))
	size := uint64(headers + len(code) + len(text))

	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	for _, v := range []any{
		uint16(2), uint16(62), uint32(1), // executable, x86-64, version
		uint64(loadAddress + headers), uint64(64), uint64(0), // entry, program headers, no sections
		uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), // PT_LOAD, read and execute, from the file's start
		uint64(loadAddress), uint64(loadAddress), size, size, uint64(0x1000),
	} {
		_ = binary.Write(&b, binary.LittleEndian, v) // a bytes.Buffer takes everything
	}
	b.Write(code)
	b.Write(text)
	return b.Bytes()
}

// initramfs is a cpio archive in the kernel's "newc" form (Documentation/
// driver-api/early-userspace/buffer-format.rst) with /dev/console and /init.
func initramfs() []byte {
	const dir, char, file = 0o040755, 0o020600, 0o100755
	var b bytes.Buffer
	entry(&b, 1, "dev", dir, 0, 0, nil)
	entry(&b, 2, "dev/console", char, 5, 1, nil)
	entry(&b, 3, "init", file, 0, 0, initProgram())
	entry(&b, 0, "TRAILER!!!", 0, 0, 0, nil)
	return b.Bytes()
}

func entry(b *bytes.Buffer, inode int, name string, mode, major, minor int, data []byte) {
	fmt.Fprintf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0)
	b.WriteString(name)
	b.WriteByte(0)
	pad(b)
	b.Write(data)
	pad(b)
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
