package disk

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ioctl numbers of linux/fs.h; both take offset and length in bytes.
const (
	blkDiscard = 0x1277
	blkZeroOut = 0x127f
)

func blockRange(fd uintptr, op uintptr, off, length int64) error {
	span := [2]uint64{uint64(off), uint64(length)}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, fd, op, uintptr(unsafe.Pointer(&span))); e != 0 {
		return e
	}
	return nil
}

// newBuffer returns memory that direct I/O accepts. Give it back with freeBuffer.
func newBuffer(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}

func freeBuffer(b []byte) { _ = unix.Munmap(b) }

func aligned(p []byte) bool { return len(p) > 0 && uintptr(unsafe.Pointer(&p[0]))%align == 0 }
