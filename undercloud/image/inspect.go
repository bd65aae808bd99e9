package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"trefoil/internal/errs"
)

// qcow2 header, QEMU docs/interop/qcow2.txt.
const (
	qcowHeaderSize   = 104
	qcowExternalData = 1 << 2 // incompatible feature: the data is in another file
	maxVirtualSize   = 1 << 50
)

// inspect checks that the first bytes are what diskFormat says and returns the
// size of the disk inside, in bytes (0: not known). It never follows a
// reference to another file: such an image could show the undercloud's own files.
func inspect(diskFormat string, r io.ReaderAt, size int64) (int64, error) {
	head := make([]byte, qcowHeaderSize)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read image header: %w", err)
	}
	head = head[:n]
	isQcow := bytes.HasPrefix(head, []byte("QFI\xfb"))
	switch {
	case size == 0:
		return 0, errs.New(errs.Invalid, "the image is empty")
	case diskFormat == "qcow2":
		return inspectQcow2(head, isQcow, size)
	case diskFormat == "raw" && isQcow:
		return 0, errs.New(errs.Invalid, "disk_format is raw, but the data is a qcow2 image; use --disk-format qcow2")
	case diskFormat == "raw":
		return size, nil
	}
	return 0, nil
}

func inspectQcow2(head []byte, isQcow bool, size int64) (int64, error) {
	if !isQcow {
		return 0, errs.New(errs.Invalid, "disk_format is qcow2, but the data does not begin with a qcow2 header").
			WithHint("the file may be damaged or of another format; check it with qemu-img info")
	}
	if len(head) < 72 {
		return 0, errs.New(errs.Invalid, "qcow2 header is cut off: the file has %d bytes", size)
	}
	be := binary.BigEndian
	version, backing, virtual := be.Uint32(head[4:]), be.Uint64(head[8:]), be.Uint64(head[24:])
	l1Size, l1Offset := be.Uint32(head[36:]), be.Uint64(head[40:])
	switch {
	case version != 2 && version != 3:
		return 0, errs.New(errs.Invalid, "qcow2 version %d is not supported, expected 2 or 3", version)
	case backing != 0:
		return 0, errs.New(errs.Invalid, "the qcow2 image needs a backing file, which an uploaded image must not").
			WithHint("flatten it: qemu-img convert -O qcow2 IN OUT")
	case version == 3 && len(head) < qcowHeaderSize:
		return 0, errs.New(errs.Invalid, "qcow2 header is cut off: the file has %d bytes", size)
	case version == 3 && be.Uint64(head[72:])&qcowExternalData != 0:
		return 0, errs.New(errs.Invalid, "the qcow2 image keeps its data in another file, which an uploaded image must not").
			WithHint("flatten it: qemu-img convert -O qcow2 IN OUT")
	case virtual == 0 || virtual > maxVirtualSize:
		return 0, errs.New(errs.Invalid, "the qcow2 image says that its disk has %d bytes", virtual)
	case l1Offset > uint64(size) || l1Offset+uint64(l1Size)*8 > uint64(size):
		return 0, errs.New(errs.Invalid, "the qcow2 image is cut off: its L1 table ends after the %d bytes of the file", size)
	}
	return int64(virtual), nil
}
