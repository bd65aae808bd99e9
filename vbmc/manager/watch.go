package manager

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
)

// watch has the kernel tell whether the configurations may have changed (inotify(7)), so that an idle
// daemon does not look at thousands of files every few seconds. It only saves looks: what it is not
// sure of counts as changed. Where the kernel cannot tell, of network file systems or beyond its
// limits, it says so once and is off. nil is one that is off. Not safe for concurrent use.
type watch struct {
	root string
	log  *slog.Logger
	fd   int                                                // -1: off
	dirs map[int32]bool                                     // watch descriptors of domains' directories
	add  func(path string, mask uint32) (wd int, err error) // inotify_add_watch(2); tests refuse it
}

const (
	// rootChanges are those that make, remove or replace a domain's directory.
	rootChanges = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ATTRIB |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	// dirChanges are also those of what a file in it holds.
	dirChanges = rootChanges | unix.IN_MODIFY | unix.IN_DONT_FOLLOW
)

// localFileSystems are those whose changes all come through this kernel (statfs(2)).
func localFileSystems() []int64 {
	return []int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC,
		unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC, 0x2FC12FC1} // the last is ZFS
}

// newWatch begins a watch of the configuration directory, which need not be there yet.
func newWatch(root string, log *slog.Logger) *watch {
	w := &watch{root: root, log: log, dirs: map[int32]bool{}}
	var err error
	if w.fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		w.fd = -1
		w.off(fmt.Errorf("begin: %w", err))
	}
	w.add = func(path string, mask uint32) (int, error) { return unix.InotifyAddWatch(w.fd, path, mask) }
	return w
}

// off ends the watch: from now on everything may have changed at any time.
func (w *watch) off(why error) {
	w.close()
	attrs := []any{"reason", why}
	if errors.Is(why, unix.ENOSPC) || errors.Is(why, unix.EMFILE) {
		attrs = append(attrs, "hint", "fs.inotify.max_user_watches must hold one for each BMC and one more, max_user_instances one for the daemon (sysctl); then restart it")
	}
	w.log.Info("the kernel cannot tell of edited configurations: all are looked at again and again", attrs...)
}

func (w *watch) close() {
	if w != nil && w.fd >= 0 {
		_ = unix.Close(w.fd)
		w.fd = -1
	}
}

// cover watches what is there now. A change from here on is told by quiet. The error is why it
// may not be, which a later cover may mend.
func (w *watch) cover() error {
	if w == nil || w.fd < 0 {
		return errors.ErrUnsupported
	}
	err := w.coverAll()
	if err != nil && !absent(err) {
		w.off(err)
	}
	return err
}

func (w *watch) coverAll() error {
	var st unix.Statfs_t
	if err := unix.Statfs(w.root, &st); err != nil {
		return fmt.Errorf("look at the file system of %s: %w", w.root, err)
	}
	if !slices.Contains(localFileSystems(), int64(st.Type)) { //nolint:unconvert // int32 on some architectures
		return errs.New(errs.Invalid, "%s is on a file system that others may change (type %#x)", w.root, st.Type)
	}
	if _, err := w.add(w.root, rootChanges); err != nil {
		return fmt.Errorf("watch %s: %w", w.root, err)
	}
	entries, err := os.ReadDir(w.root)
	if err != nil {
		return err
	}
	dirs := map[int32]bool{}
	for _, e := range entries {
		wd, err := w.one(e)
		if absent(err) {
			continue // of no domain, or gone again, which the root tells
		}
		if err != nil {
			return err
		}
		dirs[int32(wd)] = true
	}
	for wd := range w.dirs { // of directories that are elsewhere now, or gone
		if !dirs[wd] {
			_, _ = unix.InotifyRmWatch(w.fd, uint32(wd))
		}
	}
	w.dirs = dirs
	return nil
}

// one watches a domain's directory. What lies elsewhere, behind a link or a second name, changes
// without a word.
func (w *watch) one(e fs.DirEntry) (int, error) {
	dir := filepath.Join(w.root, e.Name())
	file := filepath.Join(dir, "config")
	if !e.IsDir() {
		if _, err := os.Stat(file); err != nil || e.Type()&fs.ModeSymlink == 0 {
			return 0, fs.ErrNotExist
		}
		return 0, errs.New(errs.Invalid, "%s is a symbolic link", dir)
	}
	wd, err := w.add(dir, dirChanges)
	if err != nil {
		return 0, fmt.Errorf("watch %s: %w", dir, err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(file, &st); err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 1) {
		return 0, errs.New(errs.Invalid, "%s is a link or has several names", file)
	}
	return wd, nil
}

// quiet tells that nothing has changed since the last call, if cover covered all before.
func (w *watch) quiet() bool {
	if w == nil || w.fd < 0 {
		return false
	}
	quiet, buf := true, make([]byte, 64<<10)
	for {
		n, err := unix.Read(w.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return quiet
		case err != nil || n < unix.SizeofInotifyEvent:
			w.off(fmt.Errorf("read events: %w", err))
			return false
		default:
			quiet = !w.changed(buf[:n]) && quiet
		}
	}
}

// changed goes through events (inotify(7)). Of a domain's directory those of other files than its
// configuration do not count: there the daemon writes itself.
func (w *watch) changed(events []byte) bool {
	changed := false
	for len(events) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(events))
		end := min(unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(events[12:])), len(events))
		name := strings.TrimRight(string(events[unix.SizeofInotifyEvent:end]), "\x00")
		changed = changed || !w.dirs[wd] || name == "" || name == "config"
		events = events[end:]
	}
	return changed
}
