package image

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"

	"trefoil/overcloud/image/gpt"
)

// rawDisk writes the whole disk as a sparse file.
func (b *build) rawDisk(ctx context.Context, l *layout) error {
	used, err := treeSize(b.tree)
	if err != nil {
		return err
	}
	// Metadata and some room to boot in; first boot grows it to the disk.
	l.rootBytes = (used + used/8 + 256<<20) &^ (1<<20 - 1)
	sectors := uint64(rootFirst) + uint64(l.rootBytes)/sector + 2048
	if b.SizeGB > 0 {
		if want := uint64(b.SizeGB) << 30 / sector; want < sectors {
			return fmt.Errorf("the system takes %.1f GB; a disk of %d GB is too small", gb(sectors*sector), b.SizeGB)
		} else {
			sectors = want
			l.rootBytes = int64((sectors - 2048 - rootFirst) * sector)
		}
	}
	raw := filepath.Join(b.work, "disk.raw")
	f, err := os.OpenFile(raw, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(int64(sectors) * sector); err != nil {
		return err
	}
	if err := b.makeRoot(ctx, raw, l); err != nil {
		return err
	}
	if err := writeESP(f, l.efiImg); err != nil {
		return fmt.Errorf("write EFI system partition: %w", err)
	}
	return writeBoot(f, l, sectors)
}

func (b *build) makeRoot(ctx context.Context, raw string, l *layout) error {
	out, err := output(command(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-U", l.rootUUID, "-d", b.tree,
		"-E", "lazy_itable_init=0,offset="+strconv.Itoa(rootFirst*sector), raw, strconv.FormatInt(l.rootBytes/1024, 10)+"k"))
	b.Log.Write(out)
	if err != nil {
		return fmt.Errorf("make root filesystem: mke2fs: %w: %s", err, lastLines(string(out), 5))
	}
	return nil
}

// writeESP makes a FAT filesystem with the removable-media loader, which
// firmware starts from any disk without an entry of its own.
func writeESP(f *os.File, loader []byte) error {
	disk := file.New(f, false)
	esp, err := fat32.Create(disk, (rootFirst-espFirst)*sector, espFirst*sector, sector, "ESP", false)
	if err != nil {
		return err
	}
	for _, d := range []string{"EFI", "EFI/BOOT"} {
		if err := esp.Mkdir(d); err != nil {
			return err
		}
	}
	out, err := esp.OpenFile("EFI/BOOT/BOOTX64.EFI", os.O_CREATE|os.O_RDWR)
	if err != nil {
		return err
	}
	if _, err := out.Write(loader); err != nil {
		return err
	}
	return out.Close()
}

func writeBoot(f *os.File, l *layout, sectors uint64) error {
	var ids [4][16]byte
	for i := range ids {
		if _, err := rand.Read(ids[i][:]); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(l.bootImg[:440], 0); err != nil {
		return err
	}
	if _, err := f.WriteAt(l.coreImg, biosFirst*sector); err != nil {
		return err
	}
	t := gpt.Table{DiskID: ids[0], Partitions: []gpt.Partition{
		{Type: gpt.TypeBIOSBoot, ID: ids[1], First: biosFirst, Last: espFirst - 1, Name: "bios"},
		{Type: gpt.TypeESP, ID: ids[2], First: espFirst, Last: rootFirst - 1, Name: "esp"},
		{Type: gpt.TypeRoot, ID: ids[3], First: rootFirst, Last: rootFirst + uint64(l.rootBytes)/sector - 1, Name: "root"},
	}}
	if err := t.Write(f, sectors); err != nil {
		return err
	}
	return f.Close()
}

// treeSize is what the files take in blocks of 4 KiB.
func treeSize(root string) (int64, error) {
	var n int64
	err := filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() {
			n += (min(info.Size(), st.Blocks*512) + 4095) &^ 4095
		} else {
			n += 4096
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measure the tree: %w", err)
	}
	return n, nil
}

// convert makes the qcow2 and lays kernel and initial ramdisk beside it.
func (b *build) convert(ctx context.Context) error {
	out, err := output(command(ctx, "qemu-img", "convert", "-O", "qcow2", "-W", "-m", "4",
		filepath.Join(b.work, "disk.raw"), b.staged(".qcow2")))
	if err != nil {
		os.Remove(b.staged(".qcow2"))
		return fmt.Errorf("make qcow2: qemu-img: %w: %s", err, lastLines(string(out), 3))
	}
	for ext, link := range map[string]string{".vmlinuz": "vmlinuz", ".initrd": "initrd.img"} {
		target, err := os.Readlink(filepath.Join(b.tree, link))
		if err != nil {
			return fmt.Errorf("find kernel: %w", err)
		}
		if err := copyFile(filepath.Join(b.tree, target), b.staged(ext), 0o644); err != nil {
			return err
		}
	}
	return nil
}
