package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"trefoil/overcloud/hot"
)

// Collect returns the files outside the tree that the environments need, by
// cleaned path: templates of their resource_registry and what those name in turn
// by type and get_file. read reads a file of the operator's machine. The names
// of environments must be absolute or below the tree. The result is Options.Files.
// All files that are not there are told at once.
func Collect(read func(name string) ([]byte, error), environments []File) (map[string][]byte, error) {
	c := collector{read: read, files: map[string][]byte{}}
	for _, f := range environments {
		if !path.IsAbs(f.Name) || strings.HasPrefix(f.Name, TreePath) {
			continue // below the tree, as all that it names
		}
		e, err := hot.ParseEnvironment(f.Name, f.Data)
		if err != nil {
			return nil, err
		}
		for _, m := range e.Registry {
			if !isTemplate(m.Target) {
				continue
			}
			if err := c.add(hot.Reference{Name: m.Target, From: m.Origin}); err != nil {
				return nil, err
			}
		}
	}
	return c.files, c.missing.err()
}

// collector is one Collect.
type collector struct {
	read    func(name string) ([]byte, error)
	files   map[string][]byte
	missing problems
}

func (c *collector) add(ref hot.Reference) error {
	name := path.Clean(ref.Name)
	if _, done := c.files[name]; done || !path.IsAbs(name) || strings.HasPrefix(name, TreePath) {
		return nil
	}
	data, err := c.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		c.missing.add(ref.From.File, ref.From.Line, "file %s not found", name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", ref.From, err)
	}
	c.files[name] = data
	if !isTemplate(name) {
		return nil // a script or the like
	}
	t, err := hot.ParseTemplate(name, data)
	if err != nil {
		return err
	}
	for _, below := range t.References() {
		if err := c.add(below); err != nil {
			return err
		}
	}
	return nil
}

func isTemplate(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".template")
}
