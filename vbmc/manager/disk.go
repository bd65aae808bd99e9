package manager

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// disk writes files so that they outlive a power cut. The zero value is the real one.
type disk struct {
	syncDir func(dir string) error          // nil: fsync(2); tests count the calls
	chmod   func(fd int, mode uint32) error // nil: fchmod(2); tests refuse it
}

// replace replaces a file atomically with mode 0600. Content and name are on the disk
// when it returns: of a rename alone a power cut may leave the old file, or none.
func (d disk) replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return d.settle(dir)
}

// settle has what was made, renamed and removed in a directory on the disk.
func (d disk) settle(dir string) error {
	if d.syncDir != nil {
		return d.syncDir(dir)
	}
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write directory %s to disk: %w", dir, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write directory %s to disk: %w", dir, err)
	}
	return nil
}
