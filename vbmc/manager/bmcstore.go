package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"trefoil/vbmc/ipmi"
)

// fileStore keeps a BMC's memory as one file for each name. The directory is made
// by the first Save: most BMCs have nothing to remember.
type fileStore struct {
	dir  string
	disk disk
}

var _ ipmi.Store = fileStore{}

func (s fileStore) path(name string) string { return filepath.Join(s.dir, name+".json") }

// Load implements ipmi.Store.
func (s fileStore) Load(name string) ([]byte, error) {
	data, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Save implements ipmi.Store. A domain whose directory was deleted meanwhile does
// not come back by it.
func (s fileStore) Save(name string, data []byte) error {
	switch err := os.Mkdir(s.dir, 0o700); {
	case err == nil:
		if err := s.disk.settle(filepath.Dir(s.dir)); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("make directory of the BMC's memory: %w", err)
	}
	return s.disk.replace(s.path(name), data)
}

// clear forgets everything. Files that are not ours stay, and the directory with them.
func (s fileStore) clear() error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	foreign := false
	for _, e := range entries {
		if n := e.Name(); strings.HasSuffix(n, ".json") || strings.HasPrefix(n, ".new-") {
			err = errors.Join(err, os.Remove(filepath.Join(s.dir, n)))
		} else {
			foreign = true
		}
	}
	if err == nil && !foreign {
		err = os.Remove(s.dir)
	}
	return err
}
