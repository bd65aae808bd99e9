package identity

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"trefoil/internal/errs"
)

// OpenPrivate opens a file of secrets, what in words, that nobody else can read or change. Its errors are
// Invalid and say what to do; one that wraps fs.ErrNotExist has no hint, since how such a
// file is made the caller knows.
func OpenPrivate(what, path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(what, path, err)
	}
	st, err := f.Stat()
	if err == nil {
		err = private(path, st)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// unreadable says why a file could not be opened.
func unreadable(what, path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return errs.Wrap(errs.Invalid, err, "%s cannot be read by user %d, whom the service runs as", what, os.Geteuid()).
			WithHint("make that user its owner: chown %d %s && chmod 600 %s; the folders above must let the user through, too", os.Geteuid(), path, path)
	}
	return errs.Wrap(errs.Invalid, err, "%s cannot be read", what)
}

// private tells whether nobody else can read or change a file of secrets.
func private(path string, st os.FileInfo) error {
	switch {
	case st.IsDir():
		return errs.New(errs.Invalid, "%s is a directory; expected a file", path).WithHint("name a file in it")
	case !st.Mode().IsRegular():
		return errs.New(errs.Invalid, "%s is no ordinary file", path).WithHint("name one that is")
	}
	if perm := st.Mode().Perm(); perm&0o027 != 0 {
		return errs.New(errs.Invalid, "%s has mode %#o, so that others may read or change it; expected 0600 or 0640", path, perm).WithHint("chmod 600 %s", path)
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Uid != 0 && int(sys.Uid) != os.Geteuid() {
		return errs.New(errs.Invalid, "%s belongs to user %d, who may change it; expected root or user %d, whom the service runs as", path, sys.Uid, os.Geteuid()).
			WithHint("chown %d %s", os.Geteuid(), path)
	}
	return nil
}
