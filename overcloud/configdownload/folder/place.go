package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"trefoil/internal/errs"
	"trefoil/overcloud/configdownload"
	"trefoil/overcloud/stage"
)

// place is a directory and the working directory beside it. In that, new holds
// what is being written and, once it was exchanged, what was there before; old
// holds what was there before where the file system cannot exchange directories.
type place struct {
	dir      string
	work     *stage.Dir
	exchange func(a, b string) error
}

// open locks the working directory of dir and puts right what a killed run left.
func open(dir string) (*place, error) {
	work, err := stage.Open(filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".config-download"))
	if err != nil {
		return nil, err
	}
	p := &place{dir: dir, work: work, exchange: stage.Exchange}
	if err := p.recover(); err != nil {
		work.Keep()
		return nil, errs.Wrap(errs.Conflict, err, "put right what an interrupted run left").
			WithHint("what was in %s before is in %s: move what you want to keep, then remove that directory", dir, work.Path)
	}
	return p, nil
}

func (p *place) fresh() string  { return filepath.Join(p.work.Path, "new") }
func (p *place) before() string { return filepath.Join(p.work.Path, "old") }

// recover ends what a killed run began. Where dir is absent, what was moved away
// comes back. Else the run got as far as putting the new directory in dir's place,
// or not even there; either way what is not ours and still beside dir belongs into
// it (a directory that is only half written holds nothing but what is ours).
func (p *place) recover() error {
	if _, err := os.Lstat(p.dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(p.before(), p.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, left := range []string{p.before(), p.fresh()} {
		if err := p.settle(left); err != nil {
			return err
		}
		if err := p.drop(left); err != nil {
			return err
		}
	}
	return nil
}

// drop deletes a left-over directory, under another name, so that recover does
// not take one that is half deleted for the operator's.
func (p *place) drop(left string) error {
	gone := filepath.Join(p.work.Path, "gone")
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(left, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(gone)
}

// done deletes the working directory, unless err says that it must stay.
func (p *place) done(err error) error {
	if kept := (*keptError)(nil); errors.As(err, &kept) {
		p.work.Keep()
		return err
	}
	rerr := errors.Join(p.drop(p.before()), p.drop(p.fresh()), p.work.Remove())
	if err == nil && rerr != nil {
		return errs.Wrap(errs.Invalid, rerr, "remove what the configuration has replaced")
	}
	return err
}

// settle moves what is not ours from a left-over directory into dir, or, where
// it has no room there, puts the left-over one back in dir's place.
func (p *place) settle(left string) error {
	was, err := ours(left)
	if err != nil || was == nil {
		return err
	}
	moved, err := carry(left, p.dir, others(was, nil))
	if err == nil {
		return nil
	}
	err = p.restore(err, left, moved)
	if kept := (*keptError)(nil); errors.As(err, &kept) {
		return err
	}
	return nil
}

// write makes the new directory and puts it in dir's place.
func (p *place) write(files configdownload.Files, keep bool) error {
	old, err := ours(p.dir)
	if err != nil {
		return err
	}
	if err := fill(p.fresh(), files); err != nil {
		return err
	}
	before, err := p.swap()
	if err != nil || before == "" || !keep {
		return wrapped(err)
	}
	moved, err := carry(before, p.dir, others(old, files))
	if err == nil {
		return nil
	}
	return wrapped(p.restore(err, before, moved))
}

// swap puts the new directory in dir's place and returns where the earlier one
// is, "" where there was none. On an error nothing has changed, or recover puts
// it right.
func (p *place) swap() (string, error) {
	if _, err := os.Lstat(p.dir); errors.Is(err, fs.ErrNotExist) {
		return "", os.Rename(p.fresh(), p.dir)
	}
	err := p.exchange(p.fresh(), p.dir)
	if !errors.Is(err, errors.ErrUnsupported) {
		return p.fresh(), err
	}
	if err := os.Rename(p.dir, p.before()); err != nil {
		return "", err
	}
	if err := os.Rename(p.fresh(), p.dir); err != nil {
		return "", p.restore(err, p.before(), nil)
	}
	return p.before(), nil
}

// restore puts the earlier directory back after a failure. Where that fails too,
// the working directory is kept, for it holds the only copy.
func (p *place) restore(failed error, before string, moved []string) error {
	var err error
	for _, name := range moved {
		err = errors.Join(err, os.Rename(filepath.Join(p.dir, name), filepath.Join(before, name)))
	}
	if err == nil {
		err = p.back(before)
	}
	if err == nil {
		return failed
	}
	return &keptError{errs.Wrap(errs.Conflict, errors.Join(failed, err), "what was in %s is not all back in its place", p.dir).
		WithHint("what is missing is in %s; the next run puts it back", p.work.Path)}
}

// back undoes swap.
func (p *place) back(before string) error {
	if before == p.fresh() {
		return p.exchange(before, p.dir)
	}
	if err := os.Rename(p.dir, p.fresh()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(before, p.dir)
}

// keptError says that the working directory must stay.
type keptError struct{ error }

func (e *keptError) Unwrap() error { return e.error }

func wrapped(err error) error {
	if err != nil {
		return fmt.Errorf("put the configuration in its place: %w", err)
	}
	return nil
}

// others tells which files of an earlier directory are not ours: those that are
// neither of the earlier Write nor of this one.
func others(old []string, files configdownload.Files) func(name string) bool {
	was := map[string]bool{Manifest: true}
	for _, name := range old {
		was[name] = true
	}
	return func(name string) bool {
		_, is := files[name]
		return !was[name] && !is
	}
}

// carry moves the files that kept tells, and .git as a whole, and returns their
// names. A file that is in its place already is an error, and so is not lost.
func carry(from, to string, kept func(name string) bool) (moved []string, err error) {
	err = filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == from {
			return err
		}
		name, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		if d.IsDir() && name != ".git" || !kept(filepath.ToSlash(name)) {
			return nil
		}
		target := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		if _, err := os.Lstat(target); err == nil {
			return &os.LinkError{Op: "move", Old: file, New: target, Err: fs.ErrExist}
		}
		if err := os.Rename(file, target); err != nil {
			return err
		}
		moved = append(moved, name)
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	return moved, err
}
