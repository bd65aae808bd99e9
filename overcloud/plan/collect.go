package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
)

// Collect returns the files outside the tree that the environments need, by
// cleaned path: templates of their resource_registry and what those name in turn
// by type and get_file. read reads a file of the operator's machine. The names
// of environments must be absolute or below the tree. The result is Options.Files.
func Collect(read func(name string) ([]byte, error), environments []File) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, f := range environments {
		if !path.IsAbs(f.Name) || strings.HasPrefix(f.Name, TreePath) {
			continue // below the tree, as all that it names
		}
		e, err := hot.ParseEnvironment(f.Name, f.Data)
		if err != nil {
			return nil, err
		}
		for _, m := range e.Registry {
			if !strings.HasSuffix(m.Target, ".yaml") && !strings.HasSuffix(m.Target, ".template") {
				continue
			}
			if err := collect(out, read, m.Target, m.Origin); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func collect(out map[string][]byte, read func(string) ([]byte, error), name string, from hot.Origin) error {
	name = path.Clean(name)
	if _, done := out[name]; done || !path.IsAbs(name) || strings.HasPrefix(name, TreePath) {
		return nil
	}
	data, err := read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return errs.New(errs.Invalid, "%s: file %s not found", from, name)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	out[name] = data
	if !strings.HasSuffix(name, ".yaml") && !strings.HasSuffix(name, ".template") {
		return nil // a script or the like
	}
	t, err := hot.ParseTemplate(name, data)
	if err != nil {
		return err
	}
	for _, ref := range t.References() {
		if err := collect(out, read, ref, hot.Origin{File: name}); err != nil {
			return err
		}
	}
	return nil
}
