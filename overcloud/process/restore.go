package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"trefoil/internal/errs"
	"trefoil/overcloud/stage"
)

// made is the note in the stage of what was not there before the changes, with
// slashes, below the root. It is there while changes are made.
type made struct {
	Dirs  []string // those above first
	Files []string
}

func noteFile(stage string) string { return filepath.Join(stage, "made.json") }

// note writes made, whole or not at all.
func (c *changes) note() error {
	var m made
	seen := map[string]bool{}
	for _, f := range c.files {
		if _, err := os.Lstat(filepath.Join(c.root, f.name)); errors.Is(err, fs.ErrNotExist) && !f.remove {
			m.Files = append(m.Files, f.name)
		}
		m.absent(c.root, path.Dir(f.name), seen)
	}
	for _, d := range c.dirs {
		m.absent(c.root, d, seen)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("note what is made: %w", err)
	}
	part := noteFile(c.stage.Path) + ".part"
	if err := os.WriteFile(part, data, 0o600); err != nil {
		return fmt.Errorf("note what is made: %w", err)
	}
	return os.Rename(part, noteFile(c.stage.Path))
}

// absent adds dir and those above it as far as they do not exist.
func (m *made) absent(root, dir string, seen map[string]bool) {
	if dir == "." || seen[dir] {
		return
	}
	seen[dir] = true
	m.absent(root, path.Dir(dir), seen)
	if _, err := os.Stat(filepath.Join(root, dir)); errors.Is(err, fs.ErrNotExist) {
		m.Dirs = append(m.Dirs, dir)
	}
}

// restore puts a tree right that a killed run left half changed, before it is
// read. A dry run, which changes nothing, refuses such a tree.
func restore(root string, dry bool) error {
	where := filepath.Join(root, stageName)
	if _, err := os.Lstat(where); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if dry {
		return errs.New(errs.Conflict, "%s was left by a run that was interrupted, or is still going on", where).
			WithHint("run without --dry-run: the tree is put right first")
	}
	d, err := stage.Open(where)
	if err != nil {
		return err
	}
	if err := rollback(root, where); err != nil {
		d.Keep()
		return stuck(root, where, err)
	}
	return d.Remove()
}

func stuck(root, where string, err error) error {
	return errs.Wrap(errs.Conflict, err, "put %s right after a run that was interrupted", root).
		WithHint("what was there is in %s: move it to its place, then remove %s", filepath.Join(where, "old"), where)
}

// rollback takes back what the note in the stage says was begun, and empties the
// stage. It may be repeated when it fails or is killed.
func rollback(root, where string) error {
	data, err := os.ReadFile(noteFile(where))
	switch {
	case err == nil:
		if err := takeBack(root, where, data); err != nil {
			return err
		}
		if err := os.Remove(noteFile(where)); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return errors.Join(os.RemoveAll(filepath.Join(where, "old")), os.RemoveAll(filepath.Join(where, "new")))
}

// takeBack removes what was made and moves back what was replaced, as much as
// can be; the error tells all that could not.
func takeBack(root, where string, note []byte) error {
	var m made
	if err := json.Unmarshal(note, &m); err != nil {
		return fmt.Errorf("%s: %w", noteFile(where), err)
	}
	var all []error
	for _, name := range m.Files {
		if _, err := os.Lstat(filepath.Join(where, "new", name)); err == nil {
			continue // it was not moved yet: what stands in its place is another's
		}
		if err := os.Remove(filepath.Join(root, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = append(all, err)
		}
	}
	for _, dir := range slices.Backward(m.Dirs) {
		_ = os.Remove(filepath.Join(root, dir)) // one that another filled meanwhile stays
	}
	old := filepath.Join(where, "old")
	err := filepath.WalkDir(old, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(old, file)
		if err == nil {
			err = os.Rename(file, filepath.Join(root, name))
		}
		if err != nil {
			all = append(all, err)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		all = append(all, err)
	}
	return errors.Join(all...)
}
