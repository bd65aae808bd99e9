// Package disk writes what the conductor asks for onto block devices: images,
// config drives, zeros. Plain files serve as devices in tests.
package disk

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Device is one disk, opened for reading and writing. Not safe for concurrent
// use but for WriteAt and Zero on ranges that do not overlap.
type Device interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Name() string
	Size() int64
	Sector() int64 // logical block size, bytes
	// Zero makes a range read as zeros, by deallocation where the device can.
	Zero(off, length int64) error
	// Discard frees a range; its content is undefined afterwards. ErrUnsupported where it cannot.
	Discard(off, length int64) error
	// Sync returns when everything is on the medium.
	Sync() error
	// Reread makes the kernel read the partition table anew.
	Reread() error
}

// Opener opens a device by name (/dev/vda).
type Opener func(name string) (Device, error)

type device struct {
	*os.File
	direct *os.File // for large aligned writes past the page cache; may be nil
	size   int64
	sector int64
	block  bool
}

// System opens a real block device, or a plain file.
func System(name string) (Device, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open disk: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open disk %s: %w", name, err), f.Close())
	}
	d := &device{File: f, size: st.Size(), sector: 512, block: st.Mode()&os.ModeDevice != 0}
	if d.block {
		if d.size, err = f.Seek(0, io.SeekEnd); err != nil {
			return nil, errors.Join(fmt.Errorf("size of disk %s: %w", name, err), f.Close())
		}
		if n, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET); err == nil && n >= 512 {
			d.sector = int64(n)
		}
		// A device that cannot do direct I/O is written through the page cache.
		d.direct, _ = os.OpenFile(name, os.O_RDWR|unix.O_DIRECT, 0)
	}
	return d, nil
}

func (d *device) Size() int64   { return d.size }
func (d *device) Sector() int64 { return d.sector }

// Close closes the device.
func (d *device) Close() error {
	if d.direct != nil {
		return errors.Join(d.direct.Close(), d.File.Close())
	}
	return d.File.Close()
}

// align is what direct I/O asks of memory, offset and length on every device we know.
const align = 4096

// WriteAt goes around the page cache when the buffer comes from newBuffer and
// offset and length are aligned: the image does not push the ramdisk's memory
// out, and an error belongs to the write that caused it.
func (d *device) WriteAt(p []byte, off int64) (int, error) {
	if d.direct != nil && len(p)%align == 0 && off%align == 0 && aligned(p) {
		return d.direct.WriteAt(p, off)
	}
	return d.File.WriteAt(p, off)
}

// Zero implements Device. BLKZEROOUT uses the device's own command where it has
// one (virtio, NVMe, SCSI) and else writes zeros.
func (d *device) Zero(off, length int64) error {
	if !d.block {
		err := unix.Fallocate(int(d.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, length)
		if err == nil {
			return nil
		}
		return writeZeros(d.File, off, length)
	}
	const step = 1 << 30 // so that a slow device does not sit in one ioctl for minutes
	for length > 0 {
		n := min(length, step)
		if err := blockRange(d.Fd(), blkZeroOut, off, n); err != nil {
			return fmt.Errorf("zero %d bytes at %d of %s: %w", n, off, d.Name(), err)
		}
		off, length = off+n, length-n
	}
	return nil
}

// Discard implements Device.
func (d *device) Discard(off, length int64) error {
	if !d.block {
		return d.Zero(off, length)
	}
	err := blockRange(d.Fd(), blkDiscard, off, length)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) {
		return errors.ErrUnsupported
	}
	return err
}

// Sync implements Device.
func (d *device) Sync() error {
	if err := d.File.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", d.Name(), err)
	}
	return nil
}

// Reread implements Device.
func (d *device) Reread() error {
	if !d.block {
		return nil
	}
	if err := unix.IoctlSetInt(int(d.Fd()), unix.BLKRRPART, 0); err != nil {
		return fmt.Errorf("read partitions of %s anew: %w", d.Name(), err)
	}
	return nil
}

func writeZeros(w io.WriterAt, off, length int64) error {
	buf := make([]byte, min(length, 1<<20))
	for length > 0 {
		n := min(length, int64(len(buf)))
		if _, err := w.WriteAt(buf[:n], off); err != nil {
			return fmt.Errorf("write zeros: %w", err)
		}
		off, length = off+n, length-n
	}
	return nil
}
