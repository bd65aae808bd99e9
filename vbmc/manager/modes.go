package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// closeRoot takes the configuration directory from others where they may write to it, as
// virtualbmc's umask of 0 leaves it. One that they may only read keeps its mode, as does
// one with a sticky bit: it may be a directory with other purposes too.
func closeRoot(dir string) error {
	i, err := os.Stat(dir)
	if err != nil || i.Mode().Perm()&0o022 == 0 || i.Mode()&fs.ModeSticky != 0 {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// closeToOthers closes a domain's directory and configuration to everybody else:
// the password is in it. told is called for what was open, err for what stays open.
func (d dirStore) closeToOthers(name string, told func(path string, was fs.FileMode, err error)) {
	for _, f := range []struct {
		path string
		mode uint32
	}{{d.dir(name), 0o700}, {d.file(name), 0o600}} {
		was, err := tighten(f.path, f.mode)
		if was != 0 || err != nil {
			told(f.path, was, err)
		}
	}
}

// tighten gives a file or directory a mode if others have any right to it, and returns the
// mode that it had, 0 when nothing had to be done. While others could write to the
// directory they may have put anything there: what a link leads to, and what has a
// second name, is not touched.
func tighten(path string, mode uint32) (was fs.FileMode, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at the mode of %s: %w", path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("look at the mode of %s: %w", path, err)
	}
	was = fs.FileMode(st.Mode & 0o777)
	if was&0o077 == 0 {
		return 0, nil
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink > 1 {
		return was, fmt.Errorf("%s has a second name (hard link) and keeps mode %04o", path, was)
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return was, fmt.Errorf("close %s to others: %w", path, err)
	}
	return was, nil
}
