package firstboot

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"trefoil/overcloud/image/gpt"
)

const (
	align         = 2048       // sectors; partitions end on a border of 1 MiB
	ext4IocResize = 0x40086610 // EXT4_IOC_RESIZE_FS, _IOW('f', 16, __u64)
	blkpgResize   = 3          // BLKPG_RESIZE_PARTITION
)

// GrowRoot grows the partition that / lies on up to the next partition or the
// end of the disk, and the ext4 filesystem with it, while mounted. The kernel's
// own calls are used: growpart and resize2fs cost five seconds under emulation.
func (l Linux) GrowRoot() (int64, error) {
	disk, number, err := l.rootPartition()
	if err != nil {
		return 0, err
	}
	sectors, err := readNumber(filepath.Join(l.Sys, "class/block", disk, "size"))
	if err != nil {
		return 0, err
	}
	f, err := os.OpenFile(filepath.Join(l.Dev, disk), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	gained, err := grow(f, number, sectors, kernel{
		partition: func(p gpt.Partition) error { return resizePartition(f, number, p) }, root: resizeRoot,
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", disk, err)
	}
	return gained * gpt.Sector, nil
}

// table is where a disk's partition table is read and written.
type table interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// kernel are the two things that only the running system can do. Both do nothing
// when the size is right already.
type kernel struct {
	partition, root func(gpt.Partition) error
}

// grow lengthens the partition in the table and then has partition and filesystem
// follow it. They follow also when the table needs no change: an earlier run may
// have lost power, or failed, after writing it. It returns the sectors gained.
func grow(f table, number int, sectors uint64, k kernel) (int64, error) {
	t, err := gpt.Read(f)
	if err != nil {
		return 0, err
	}
	gained, err := Extend(t, number, sectors)
	if err != nil {
		return 0, err
	}
	if gained > 0 {
		if err := t.Write(f, sectors); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	p := t.Partitions[number-1]
	if err := k.partition(p); err != nil {
		return 0, fmt.Errorf("tell the kernel the new size of partition %d: %w", number, err)
	}
	return gained, k.root(p)
}

// Extend lengthens partition number in the table as far as there is free
// space behind it, on a disk of so many sectors; it returns the sectors gained.
// Less than 1 MiB is not worth a write.
func Extend(t *gpt.Table, number int, sectors uint64) (int64, error) {
	if number < 1 || number > len(t.Partitions) || t.Partitions[number-1].Type == (gpt.GUID{}) {
		return 0, fmt.Errorf("no partition %d in the table", number)
	}
	p := &t.Partitions[number-1]
	if sectors < 2*align || p.First >= sectors {
		return 0, fmt.Errorf("a disk of %d sectors does not hold partition %d", sectors, number)
	}
	end := gpt.LastUsable(sectors)
	for i, q := range t.Partitions {
		if i != number-1 && q.Type != (gpt.GUID{}) && q.First > p.First && q.First-1 < end {
			end = q.First - 1
		}
	}
	end = (end+1)/align*align - 1
	if end < p.Last+align {
		return 0, nil
	}
	gained := int64(end - p.Last)
	p.Last = end
	return gained, nil
}

// rootPartition finds disk name and partition number of / in sysfs.
func (l Linux) rootPartition() (disk string, number int, err error) {
	var st unix.Stat_t
	if err := unix.Stat("/", &st); err != nil {
		return "", 0, err
	}
	link := fmt.Sprintf("dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	real, err := filepath.EvalSymlinks(filepath.Join(l.Sys, link))
	if err != nil {
		return "", 0, fmt.Errorf("find device of /: %w", err)
	}
	n, err := readNumber(filepath.Join(real, "partition"))
	if err != nil {
		return "", 0, fmt.Errorf("/ is not on a partition: %w", err)
	}
	return filepath.Base(filepath.Dir(real)), int(n), nil
}

func readNumber(path string) (uint64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}

// blkpgPartition and blkpgArg are struct blkpg_partition and blkpg_ioctl_arg of linux/blkpg.h.
type blkpgPartition struct {
	start, length int64
	number        int32
	names         [128]byte
}

type blkpgArg struct {
	op, flags, size int32
	data            *blkpgPartition
}

func resizePartition(disk *os.File, number int, p gpt.Partition) error {
	part := blkpgPartition{start: int64(p.First) * gpt.Sector, length: int64(p.Last-p.First+1) * gpt.Sector, number: int32(number)}
	arg := blkpgArg{op: blkpgResize, size: int32(unsafe.Sizeof(part)), data: &part}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, disk.Fd(), unix.BLKPG, uintptr(unsafe.Pointer(&arg))); e != 0 {
		return e
	}
	return nil
}

func resizeRoot(p gpt.Partition) error {
	var fs unix.Statfs_t
	if err := unix.Statfs("/", &fs); err != nil {
		return err
	}
	root, err := os.Open("/")
	if err != nil {
		return err
	}
	defer root.Close()
	blocks := (p.Last - p.First + 1) * gpt.Sector / uint64(fs.Bsize)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, root.Fd(), ext4IocResize, uintptr(unsafe.Pointer(&blocks))); e != 0 {
		return fmt.Errorf("resize ext4: %w", e)
	}
	return nil
}
