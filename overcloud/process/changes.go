package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/stage"
)

// file is one file that is to be written or removed.
type file struct {
	name   string // below the root, with slashes
	data   []byte
	mode   fs.FileMode // before the umask
	fresh  bool        // must not be there yet
	remove bool
}

// changes are files that are written and removed together: all of them, or,
// when anything fails, none.
type changes struct {
	root  string
	dirs  []string // directories that must be there even when they are empty
	files []file

	stage *stage.Dir // holds what is written until all of it is, and what it replaces
}

// check sorts the files and tells everything that stands in the way, without
// changing anything.
func (c *changes) check() error {
	sort.Slice(c.files, func(i, j int) bool { return c.files[i].name < c.files[j].name })
	var wrong []string
	seen := map[string]bool{}
	for _, f := range c.files {
		full := filepath.Join(c.root, f.name)
		st, err := os.Stat(full)
		switch {
		case err == nil && st.IsDir():
			wrong = append(wrong, fmt.Sprintf("%s: a directory is in the way of a file", full))
		case err == nil && f.fresh:
			wrong = append(wrong, fmt.Sprintf("ERROR: path already exists for file: %s", full))
		}
		wrong = append(wrong, c.blocked(path.Dir(f.name), seen)...)
	}
	for _, d := range c.dirs {
		wrong = append(wrong, c.blocked(d, seen)...)
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return errs.New(errs.Conflict, "%s", strings.Join(wrong, "\n")).WithHint("nothing was written; move it away, or choose another --output-dir")
}

// blocked tells whether a file stands where a directory must be.
func (c *changes) blocked(dir string, seen map[string]bool) []string {
	if seen[dir] || dir == "." {
		return nil
	}
	seen[dir] = true
	full := filepath.Join(c.root, dir)
	if st, err := os.Stat(full); err == nil && !st.IsDir() {
		return []string{fmt.Sprintf("%s: a file is in the way of a directory", full)}
	}
	return nil
}

// commit writes everything beside its place first and then moves it there.
// Every move is taken back when one fails; when taking back fails, the stage is
// kept and named, and recover goes on with it.
func (c *changes) commit(ctx context.Context) (err error) {
	fresh, err := c.open()
	if err != nil {
		return err
	}
	if err := c.write(ctx); err != nil {
		return errors.Join(fmt.Errorf("nothing was written: %w", err), c.stage.Remove())
	}
	if fresh {
		err = os.Rename(c.staged(""), c.root)
	} else {
		err = c.moveAll()
	}
	if err == nil {
		return c.stage.Remove()
	}
	if back := rollback(c.root, c.stage.Path); back != nil {
		c.stage.Keep()
		return errs.Wrap(errs.Conflict, errors.Join(err, back), "%s is changed in part, and could not be put back", c.root).
			WithHint("what was there is in %s; the next run of this command puts it back", filepath.Join(c.stage.Path, "old"))
	}
	return errors.Join(fmt.Errorf("nothing was written: %w", err), c.stage.Remove())
}

// stageName is the stage's name below the root, hidden from what reads a tree.
const stageName = ".process-templates"

// open opens the stage, and tells whether the root is still to be made.
func (c *changes) open() (fresh bool, err error) {
	where := filepath.Join(c.root, stageName)
	if _, serr := os.Stat(c.root); errors.Is(serr, fs.ErrNotExist) {
		root := filepath.Clean(c.root)
		where, fresh = filepath.Join(filepath.Dir(root), stageName+"-"+filepath.Base(root)), true
	}
	if c.stage, err = stage.Open(where); err != nil {
		return fresh, fmt.Errorf("write to %s: %w", filepath.Dir(where), err)
	}
	if err := rollback(c.root, c.stage.Path); err != nil {
		c.stage.Keep()
		return fresh, stuck(c.root, c.stage.Path, err)
	}
	return fresh, nil
}

// moveAll notes what is about to be made, moves everything to its place and then
// removes the note: from there on the changes count as made.
func (c *changes) moveAll() error {
	if err := c.note(); err != nil {
		return err
	}
	for _, d := range c.dirs {
		if err := c.mkdir(d); err != nil {
			return err
		}
	}
	for _, f := range c.files {
		if err := c.move(f); err != nil {
			return err
		}
	}
	return os.Remove(noteFile(c.stage.Path))
}

func (c *changes) staged(name string) string { return filepath.Join(c.stage.Path, "new", name) }

// write fills the stage.
func (c *changes) write(ctx context.Context) error {
	for _, d := range append([]string{"."}, c.dirs...) {
		if err := os.MkdirAll(c.staged(d), 0o777); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	for _, f := range c.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.remove {
			continue
		}
		name := c.staged(f.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if err := os.WriteFile(name, f.data, f.mode); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// move puts one file into its place and what was there into the stage.
func (c *changes) move(f file) error {
	if err := c.mkdir(path.Dir(f.name)); err != nil {
		return err
	}
	full := filepath.Join(c.root, f.name)
	if _, err := os.Lstat(full); err == nil {
		old := filepath.Join(c.stage.Path, "old", f.name)
		if err := os.MkdirAll(filepath.Dir(old), 0o700); err != nil {
			return fmt.Errorf("keep %s: %w", full, err)
		}
		if err := os.Rename(full, old); err != nil {
			return fmt.Errorf("replace %s: %w", full, err)
		}
	}
	if f.remove {
		return nil
	}
	if err := os.Rename(c.staged(f.name), full); err != nil {
		return fmt.Errorf("write %s: %w", full, err)
	}
	return nil
}

// mkdir makes a directory below the root and those above it.
func (c *changes) mkdir(dir string) error {
	if err := os.MkdirAll(filepath.Join(c.root, dir), 0o777); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return nil
}
