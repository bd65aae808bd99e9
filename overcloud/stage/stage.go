// Package stage is the working directory beside what is to be replaced as a
// whole. It has a fixed name, so that the next run finds what a killed one left
// in it, and a lock, so that only one run works in it; the lock ends with the
// process that holds it.
package stage

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/internal/filelock"
)

// Dir is a working directory that this process alone uses.
type Dir struct {
	Path string
	lock *os.File
}

// Open makes the directory, or takes over the one that a killed run left, and
// locks it. Another process that works in it is an error of the code Conflict.
func Open(path string) (*Dir, error) {
	for {
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, errs.Wrap(errs.Invalid, err, "make a working directory")
		}
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another run has just removed it
		}
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "open the working directory")
		}
		if err := filelock.Take(f); err != nil {
			_ = f.Close()
			return nil, errs.Wrap(errs.Conflict, err, "another process works in %s", path).WithHint("wait until it is done")
		}
		if d := (&Dir{Path: path, lock: f}); d.same() {
			return d, nil
		}
		_ = f.Close() // what is locked was removed meanwhile
	}
}

// same tells whether the locked directory is still the one at its path.
func (d *Dir) same() bool {
	locked, err := d.lock.Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(d.Path)
	return err == nil && os.SameFile(locked, now)
}

// Remove deletes the directory with all that is in it, and ends the lock.
func (d *Dir) Remove() error {
	err := os.RemoveAll(d.Path)
	d.Keep()
	return err
}

// Keep leaves the directory as it is, for the next run, and ends the lock.
func (d *Dir) Keep() { _ = d.lock.Close() }

// Exchange swaps two directories of one file system in one step: there is no
// moment at which either name is absent. An error of errors.ErrUnsupported says
// that the file system or the kernel cannot, and that nothing has changed.
func Exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return errors.ErrUnsupported
	}
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
	}
	return nil
}
