package apply

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"trefoil/internal/errs"
)

// noSpace is what programs print when write says ENOSPC; Python's say of what file.
var noSpace = regexp.MustCompile(`No space left on device(?:: '(/[^']*)')?`)

// explain tells of an error that a filesystem is behind which filesystem it is,
// how full, and what to do; other errors stay as they are. It is the one place
// for it: every resource writes somewhere. A program that could not write has said so
// in its output, a service in the tail of its log.
func explain(err error, tail []string) error {
	var ended *RunError
	var at *fs.PathError
	var link *os.LinkError
	said := strings.Join(tail, "\n")
	if errors.As(err, &ended) {
		said += "\n" + ended.Output
	}
	full := noSpace.FindAllStringSubmatch(said, -1)
	path := ""
	switch {
	case full != nil:
		path = cmp.Or(full[len(full)-1][1], "/")
	case !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) && !errors.Is(err, syscall.EROFS):
		return err
	case errors.As(err, &at):
		path = at.Path
	case errors.As(err, &link):
		path = link.New
	}
	mount := mountOf(path)
	if full != nil && !errors.Is(err, syscall.ENOSPC) && !tight(mount) { // it says so of before room was made
		return err
	}
	if errors.Is(err, syscall.EROFS) {
		return errs.Wrap(errs.Unavailable, err, "the filesystem of %s can only be read", mount).
			WithHint("the kernel makes it so after a disk error: look at dmesg on the node; a new disk or openstack overcloud node unprovision and deploy cure it")
	}
	return errs.Wrap(errs.Unavailable, err, "the filesystem of %s is full%s", mount, fullness(mount)).
		WithHint("find what fills it: sudo du -xh --max-depth=3 %s | sort -h | tail; make room (journalctl --vacuum-size=50M, old logs in /var/log), then run the deploy again: it goes on here", mount)
}

// mountOf climbs from a path to the directory that its filesystem is mounted on.
func mountOf(path string) string {
	device := func(p string) (uint64, bool) {
		var st syscall.Stat_t
		err := syscall.Lstat(p, &st)
		return st.Dev, err == nil
	}
	if !filepath.IsAbs(path) {
		return "/"
	}
	dev, known := device(path)
	for path != "/" {
		up := filepath.Dir(path)
		d, ok := device(up)
		if known && ok && d != dev {
			return path
		}
		path, dev, known = up, d, ok
	}
	return "/"
}

// tight tells whether a filesystem has next to nothing left: what a log says may be old.
func tight(mount string) bool {
	var st syscall.Statfs_t
	return syscall.Statfs(mount, &st) == nil && (st.Bavail <= st.Blocks/50 || st.Files > 0 && st.Ffree == 0)
}

// fullness is what a full filesystem has: blocks or inodes may be what lacks.
func fullness(mount string) string {
	var st syscall.Statfs_t
	if syscall.Statfs(mount, &st) != nil || st.Blocks == 0 {
		return ""
	}
	if st.Files > 0 && st.Ffree == 0 {
		return ": no inode is left"
	}
	mib := func(blocks uint64) uint64 { return blocks * uint64(st.Bsize) >> 20 } //nolint:gosec // a block size is positive
	return fmt.Sprintf(": %d of %d MiB are free", mib(st.Bavail), mib(st.Blocks))
}
