package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// directory gives a directory its owner and mode. Many stand in directories of services,
// which may put a symbolic link there: it must not lead root to something else.
func (s *step) directory(d *resource.Directory) handler {
	path, mode := s.path(d.Path), parseMode(d.Mode, 0o755)
	return handler{
		cheap: func() (bool, error) {
			f, err := openDirectory(path, false, rootsOrOwn)
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return false, err
			}
			uid, gid, err := s.owner(d.Owner, d.Group)
			return err == nil && info.Mode()&modeBits == mode && owned(info, uid, gid), err
		},
		set: func(context.Context) error {
			uid, gid, err := s.owner(d.Owner, d.Group)
			if err != nil {
				return err
			}
			f, err := openDirectory(path, true, rootsOrOwn)
			if err != nil {
				return err
			}
			defer f.Close()
			return setOwner(f, uid, gid, mode)
		},
	}
}

// setOwner gives owner and mode to a directory that is open as a place, as far as they differ.
func setOwner(place *os.File, uid, gid int, mode fs.FileMode) error {
	info, err := place.Stat()
	if err != nil || info.Mode()&modeBits == mode && owned(info, uid, gid) {
		return err
	}
	fd, err := unix.Openat(int(place.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: place.Name(), Err: err}
	}
	f := os.NewFile(uintptr(fd), place.Name())
	defer f.Close()
	if uid >= 0 || gid >= 0 {
		if err := f.Chown(uid, gid); err != nil {
			return err
		}
	}
	return f.Chmod(mode)
}

// rootsOrOwn tells whether a link is root's or of who runs this program.
func rootsOrOwn(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// maxLinks is how many symbolic links a path may lead over.
const maxLinks = 40

// openDirectory opens the directory of an absolute path, and makes it and those above it
// where they are missing and create says so. It goes from each directory into the next by
// what it has opened, so that nobody can exchange one on the way, and follows a symbolic
// link only if its owner, a user id, is trusted.
func openDirectory(path string, create bool, trusted func(uint32) bool) (*os.File, error) {
	at, err := openStep(unix.AT_FDCWD, "/", "/")
	if err != nil {
		return nil, err
	}
	names, walked, links := elements(path), "/", 0
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		here := filepath.Join(walked, name)
		target, err := linkTarget(at, name, here, trusted)
		if err != nil {
			return nil, closed(at, err)
		}
		if target != "" {
			if links++; links > maxLinks {
				return nil, closed(at, errs.New(errs.Conflict, "%s leads over more than %d symbolic links", path, maxLinks))
			}
			names = append(elements(target), names...)
			if !filepath.IsAbs(target) {
				continue
			}
			name, here = "/", "/"
		}
		next, err := openStep(int(at.Fd()), name, here)
		if create && errors.Is(err, fs.ErrNotExist) {
			next, err = makeStep(int(at.Fd()), name, here)
		}
		at.Close()
		if err != nil {
			return nil, err
		}
		at, walked = next, here
	}
	return at, nil
}

// elements are the names of a path, without those that say nothing.
func elements(path string) []string {
	var out []string
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			out = append(out, name)
		}
	}
	return out
}

// closed closes f and returns err.
func closed(f *os.File, err error) error {
	f.Close()
	return err
}

// openStep opens a directory in another; it is no symbolic link. It is opened as a place
// only (O_PATH): root may be kept from reading one that lies on another machine.
func openStep(dir int, name, path string) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) {
		return nil, errs.New(errs.Conflict, "%s is there and is not a directory", path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// makeStep makes a directory in another and opens it, or the one that somebody else has made.
func makeStep(dir int, name, path string) (*os.File, error) {
	if err := unix.Mkdirat(dir, name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return openStep(dir, name, path)
}

// linkTarget is where a symbolic link leads to; "" of what is none, or not there.
func linkTarget(dir *os.File, name, path string, trusted func(uint32) bool) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", nil // opening it tells what is wrong
	}
	if !trusted(st.Uid) {
		return "", errs.New(errs.Conflict, "%s is a symbolic link that user %d made: it is not followed", path, st.Uid).
			WithHint("look where it leads (ls -l %s): only root may put links on the way to a directory that gets an owner here", path)
	}
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(dir.Fd()), name, target)
	if err != nil {
		return "", fmt.Errorf("read the symbolic link %s: %w", path, err)
	}
	return string(target[:n]), nil
}
