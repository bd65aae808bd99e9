package disk

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic/agent/gpt"
)

// Config drives: at most 64 MiB, at the end of the disk, found by label.
const (
	configDriveSize  = 64 << 20
	configDriveLabel = "config-2"
	isoLabelOffset   = 16*2048 + 40 // volume identifier of an ISO 9660 primary descriptor
)

// FixTable moves the backup of an image's partition table to the real end of
// the disk. A disk with an MBR or no table is left alone.
func FixTable(d Device) error {
	t, err := gpt.Read(d, d.Sector())
	if errors.Is(err, gpt.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.Grow(d.Size()); err != nil {
		return err
	}
	return t.Write(d)
}

// DecodeConfigDrive turns a config drive, gzip in base64 or the URL of one, into
// the ISO image. fetch gets a URL.
func (w *Writer) DecodeConfigDrive(ctx context.Context, text string) ([]byte, error) {
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		resp, err := w.get(ctx, text, "")
		if err != nil {
			return nil, fmt.Errorf("config drive: %w", err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(io.LimitReader(resp.Body, 2*configDriveSize))
		if err != nil {
			return nil, fmt.Errorf("fetch config drive: %w", err)
		}
		text = string(data)
	}
	packed, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "config drive is not base64")
	}
	gz, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "config drive is not gzip")
	}
	iso, err := io.ReadAll(io.LimitReader(gz, configDriveSize+1))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "config drive cannot be unpacked")
	}
	if len(iso) > configDriveSize {
		return nil, errs.New(errs.Invalid, "config drive is larger than 64 MiB")
	}
	return iso, nil
}

// WriteConfigDrive writes the ISO into the partition that is labelled config-2,
// or into a new one at the end of the disk, and returns the partition's number.
func WriteConfigDrive(d Device, iso []byte) (int, error) {
	t, err := gpt.Read(d, d.Sector())
	if errors.Is(err, gpt.ErrNone) {
		return writeConfigDriveMBR(d, iso)
	}
	if err != nil {
		return 0, err
	}
	part, found := findConfigDrive(d, t)
	if found && int64(part.Last-part.First+1)*t.Sector < int64(len(iso)) {
		return 0, errs.New(errs.Invalid, "config drive of %d bytes does not fit the image's partition %d", len(iso), part.Index+1)
	}
	if !found {
		var id [16]byte
		_, _ = rand.Read(id[:])                         // never fails
		id[7], id[8] = id[7]&0x0f|0x40, id[8]&0x3f|0x80 // RFC 9562 version 4, as stored on disk
		if part, err = t.AddAtEnd(configDriveSize, configDriveLabel, gpt.LinuxData(), id); err != nil {
			return 0, errs.Wrap(errs.Invalid, err, "disk %s has no room for the config drive", d.Name())
		}
		if err := t.Write(d); err != nil {
			return 0, err
		}
	}
	return part.Index + 1, writeISO(d, iso, int64(part.First)*t.Sector)
}

func writeISO(d Device, iso []byte, off int64) error {
	if n := len(iso) % align; n != 0 {
		iso = append(bytes.Clone(iso), make([]byte, align-n)...)
	}
	if _, err := d.WriteAt(iso, off); err != nil {
		return fmt.Errorf("write config drive: %w", err)
	}
	return nil
}

// findConfigDrive looks for the label of the file system, then of the partition.
func findConfigDrive(d Device, t *gpt.Table) (gpt.Partition, bool) {
	label := make([]byte, len(configDriveLabel))
	for _, p := range t.Partitions {
		_, err := d.ReadAt(label, int64(p.First)*t.Sector+isoLabelOffset)
		if p.Name == configDriveLabel || err == nil && strings.EqualFold(string(label), configDriveLabel) {
			return p, true
		}
	}
	return gpt.Partition{}, false
}

// writeConfigDriveMBR takes a free primary entry of an MBR.
func writeConfigDriveMBR(d Device, iso []byte) (int, error) {
	mbr := make([]byte, 512)
	if _, err := d.ReadAt(mbr, 0); err != nil {
		return 0, fmt.Errorf("read partition table: %w", err)
	}
	if mbr[510] != 0x55 || mbr[511] != 0xaa {
		return 0, errs.New(errs.Invalid, "the image on %s has no partition table to add a config drive to", d.Name())
	}
	sectors := uint64(d.Size() / d.Sector())
	start := (sectors - configDriveSize/uint64(d.Sector())) / 2048 * 2048
	free := -1
	for i := range 4 {
		e := mbr[446+16*i:]
		first, n := uint64(binary.LittleEndian.Uint32(e[8:])), uint64(binary.LittleEndian.Uint32(e[12:]))
		if e[4] == 0 {
			if free < 0 {
				free = i
			}
		} else if first+n > start {
			return 0, errs.New(errs.Invalid, "disk %s has no room for the config drive: partition %d reaches into its last 64 MiB", d.Name(), i+1)
		}
	}
	if free < 0 || start > 0xffffffff || sectors <= start {
		return 0, errs.New(errs.Invalid, "disk %s has no free MBR partition for the config drive", d.Name())
	}
	e := mbr[446+16*free : 446+16*free+16]
	clear(e)
	e[4] = 0x83
	binary.LittleEndian.PutUint32(e[8:], uint32(start))
	binary.LittleEndian.PutUint32(e[12:], uint32(sectors-start))
	if err := writeISO(d, iso, int64(start)*d.Sector()); err != nil {
		return 0, err
	}
	if _, err := d.WriteAt(mbr, 0); err != nil {
		return 0, fmt.Errorf("write partition table: %w", err)
	}
	return free + 1, nil
}

// wipeSpan is what is zeroed at each end of a disk and of its partitions: all
// signatures that libblkid knows lie in it, RAID and LVM ones at ends included.
const wipeSpan = 4 << 20

// EraseMetadata zeroes partition tables and the signatures of file systems,
// RAID and LVM, first in the partitions and last on the disk itself, so that a
// run that was cut short starts again with the partitions still known.
func EraseMetadata(d Device) error {
	if t, err := gpt.Read(d, d.Sector()); err == nil {
		for _, p := range t.Partitions {
			if p.Last < p.First || int64(p.Last+1)*t.Sector > d.Size() {
				continue
			}
			if err := wipeEnds(d, int64(p.First)*t.Sector, int64(p.Last-p.First+1)*t.Sector); err != nil {
				return err
			}
		}
	}
	if err := wipeEnds(d, 0, d.Size()); err != nil {
		return err
	}
	return d.Sync()
}

func wipeEnds(d Device, off, length int64) error {
	if length <= 2*wipeSpan {
		return d.Zero(off, length)
	}
	return errors.Join(d.Zero(off, wipeSpan), d.Zero(off+length-wipeSpan, wipeSpan))
}

// Erase discards the whole disk, or zeroes it where it cannot.
func Erase(d Device) error {
	if err := d.Discard(0, d.Size()); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := d.Zero(0, d.Size()); err != nil {
		return err
	}
	return d.Sync()
}
