package manager

import (
	"encoding/json"
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

// Place is where a part is kept, for people.
func (s fileStore) Place(name string) string { return s.path(name) }

// damaged are the files that Load gives and nobody can read.
func (s fileStore) damaged() (files []string) {
	entries, _ := os.ReadDir(s.dir) // what cannot be listed keeps the BMC from starting, which says so
	for _, e := range entries {
		name, ours := strings.CutSuffix(e.Name(), ".json")
		if !ours {
			continue
		}
		if raw, err := s.Load(name); err != nil || raw != nil && !json.Valid(raw) {
			files = append(files, s.path(name))
		}
	}
	return files
}

// memory warns of what the BMC cannot remember.
func (x *examination) memory() {
	for _, file := range x.m.store.bmc(x.name).damaged() {
		x.say("memory", Warning, file+" is damaged: what the BMC kept there is left out"+lost(file),
			"put a copy of it back, or remove it; then: vbmc stop '"+x.name+"' && vbmc start '"+x.name+"'")
	}
}

// lost names what hurts most.
func lost(file string) string {
	if filepath.Base(file) == "users.json" {
		return ", such as users that were made over IPMI"
	}
	return ""
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
