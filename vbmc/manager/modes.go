package manager

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
)

// Rights of a mode that are not the owner's.
const (
	notTheirs = 0o077 // any
	toWrite   = 0o022
)

// whoElse says in words who has one of some rights besides the owner.
func whoElse(mode, rights fs.FileMode) string {
	group, others := mode&rights&0o070 != 0, mode&rights&0o007 != 0
	switch {
	case group && others:
		return "its group and others"
	case group:
		return "its group"
	}
	return "others"
}

// errNoEffect is a file system, such as one of Windows, that says yes to a mode and has none.
var errNoEffect = errors.New("the file system does not keep the mode")

// setMode gives an open file a mode. The result is the mode that it has then.
func (d disk) setMode(fd int, mode uint32) (now fs.FileMode, err error) {
	chmod := d.chmod
	if chmod == nil {
		chmod = unix.Fchmod
	}
	refused := chmod(fd, mode)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	now = fs.FileMode(st.Mode & 0o777)
	if now&notTheirs&^fs.FileMode(mode) != 0 {
		return now, cmp.Or(refused, errNoEffect)
	}
	return now, nil
}

// stillOpen is what warns of rights that could not be taken away: whose file it is says
// who can.
func stillOpen(path string, st unix.Stat_t, rights fs.FileMode, why error) *errs.Error {
	mode := fs.FileMode(st.Mode & 0o777)
	who := whoElse(mode, rights)
	return errs.Wrap(errs.Forbidden, why, "%s has mode %04o and cannot be closed to %s", path, mode, who).
		WithHint("let its owner (user %d) do: chmod go= '%s'", st.Uid, path)
}

// closeRoot takes the configuration directory from its group and others where they may
// write to it, as virtualbmc's umask of 0 leaves it. One that they may only read keeps
// its mode, as does one with a sticky bit: it may be a directory with other purposes
// too. warn is told of the closing. One whose mode is not ours to change is used as it is, with a warning, unless
// everybody may write to it.
func (d disk) closeRoot(dir string, warn func(error)) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "look at", Path: dir, Err: err}
	}
	if st.Mode&toWrite == 0 || st.Mode&unix.S_ISVTX != 0 {
		return nil
	}
	now, why := d.setMode(fd, 0o700)
	if why == nil {
		mode := fs.FileMode(st.Mode & 0o777)
		warn(errs.New(errs.Forbidden, "%s had mode %04o, and %s could add BMCs: it is closed to them now", dir, mode, whoElse(mode, toWrite)))
		return nil
	}
	st.Mode = st.Mode&^0o777 | uint32(now)
	open := stillOpen(dir, st, toWrite, why)
	if now&0o002 != 0 {
		return open.WithHint("whoever puts a file there has a BMC, with a password of his own, of any domain: "+
			"%s, or name another config_dir in virtualbmc.conf", open.Hint)
	}
	if now&toWrite != 0 {
		warn(open)
	}
	return nil
}

// closeToOthers closes a domain's directory and configuration to everybody but their
// owner, their group too: the password is in it. told is called for what was open, err
// for what stays open.
func (d dirStore) closeToOthers(name string, told func(path string, was fs.FileMode, err error)) {
	for _, f := range []struct {
		path string
		mode uint32
	}{{d.dir(name), 0o700}, {d.file(name), 0o600}} {
		was, err := d.disk.tighten(f.path, f.mode)
		if was != 0 || err != nil {
			told(f.path, was, err)
		}
	}
}

// tighten gives a file or directory a mode if its group or others have any right to it,
// and returns the mode that it had, 0 when nothing had to be done. While others could
// write to the directory they may have put anything there: what a link leads to, and
// what has a second name, is not touched.
func (d disk) tighten(path string, mode uint32) (was fs.FileMode, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return 0, nil
	}
	var st unix.Stat_t
	if err != nil {
		if seen := unix.Lstat(path, &st); seen == nil && st.Mode&notTheirs == 0 {
			return 0, nil // not even this process may read it: the load tells why
		}
		return fs.FileMode(st.Mode & 0o777), fmt.Errorf("look at the mode of %s: %w", path, err)
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("look at the mode of %s: %w", path, err)
	}
	was = fs.FileMode(st.Mode & 0o777)
	if was&notTheirs == 0 {
		return 0, nil
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink > 1 {
		return was, errs.New(errs.Forbidden, "%s has a second name (hard link) and keeps mode %04o, which is open to %s", path, was, whoElse(was, notTheirs)).
			WithHint("find that name, and do: chmod go= '%s'", path)
	}
	if _, why := d.setMode(fd, mode); why != nil {
		return was, stillOpen(path, st, notTheirs, why)
	}
	return was, nil
}
