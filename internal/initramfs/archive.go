// Package initramfs makes what a kernel unpacks into its first root: Debian's
// kernel and its modules, found without installing anything, and an archive in
// the kernel's own format. The undercloud's ramdisk and the guests of
// `openstack overcloud check` are built with it.
package initramfs

import (
	"io"
	"time"

	"github.com/cavaliergopher/cpio"
)

// Archive writes cpio in newc format, the one that kernels read. The same input
// gives the same bytes. Not safe for concurrent use.
type Archive struct{ w *cpio.Writer }

// NewArchive begins an archive; Close ends it.
func NewArchive(w io.Writer) *Archive { return &Archive{cpio.NewWriter(w)} }

// Dirs adds directories; parents come before children.
func (a *Archive) Dirs(names ...string) error {
	for _, d := range names {
		if err := a.w.WriteHeader(&cpio.Header{Name: d, Mode: cpio.TypeDir | 0o755, ModTime: epoch()}); err != nil {
			return err
		}
	}
	return nil
}

// Console adds /dev/console, which the kernel opens for init before init can mount anything.
func (a *Archive) Console() error {
	return a.w.WriteHeader(&cpio.Header{Name: "dev/console", Mode: cpio.TypeChar | 0o600, ModTime: epoch(), DeviceID: 5<<8 | 1})
}

// File adds a file. Its name has no leading slash.
func (a *Archive) File(name string, mode cpio.FileMode, data []byte) error {
	h := &cpio.Header{Name: name, Mode: cpio.TypeReg | mode, Size: int64(len(data)), ModTime: epoch()}
	if err := a.w.WriteHeader(h); err != nil {
		return err
	}
	_, err := a.w.Write(data)
	return err
}

// Close writes the archive's end; the writer below stays open.
func (a *Archive) Close() error { return a.w.Close() }

// epoch keeps the archive the same for the same input.
func epoch() time.Time { return time.Unix(0, 0) }
