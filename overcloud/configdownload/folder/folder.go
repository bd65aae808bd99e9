// Package folder writes what configdownload makes into a directory: all of it or
// nothing, for its owner's eyes only, each time as a commit of a git repository.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/configdownload"
)

// Manifest lists the files that are ours, one a line. A directory that has it may
// be written again.
const Manifest = ".config-download"

// New makes a directory tripleo-…-config below dir, as Queens does, and returns it.
func New(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", errs.Wrap(errs.Invalid, err, "make the directory of the configuration")
	}
	made, err := os.MkdirTemp(dir, "tripleo-*-config")
	if err != nil {
		return "", errs.Wrap(errs.Invalid, err, "make the directory of the configuration")
	}
	return made, nil
}

// Write makes dir hold files. They are written beside it and then put in its
// place, so that after an error it is as before. What an earlier Write left is
// replaced; other files, and the history, are kept if keep is set. A directory
// that holds something and was not written by this package is refused. What a
// killed Write left beside dir is put right first; where an error says that
// something of dir stays beside it, the next Write does the same with that.
func Write(dir string, files configdownload.Files, keep bool) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "find the directory of the configuration")
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return errs.Wrap(errs.Invalid, err, "make the directory of the configuration")
	}
	p, err := open(dir)
	if err != nil {
		return err
	}
	return p.done(p.write(files, keep))
}

// ours are the files of an earlier Write, nil where there is nothing.
func ours(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, errs.Wrap(errs.Invalid, err, "read the directory of the configuration")
	case len(entries) == 0:
		return nil, nil
	}
	list, err := os.ReadFile(filepath.Join(dir, Manifest))
	if err != nil {
		return nil, errs.New(errs.Conflict, "%s holds files that are not a downloaded configuration", dir).
			WithHint("give an empty directory, or one that does not exist")
	}
	return strings.Split(strings.TrimSpace(string(list)), "\n"), nil
}

// fill writes files and their list into a new directory.
func fill(dir string, files configdownload.Files) error {
	all := maps.Clone(files)
	all[Manifest] = []byte(strings.Join(slices.Sorted(maps.Keys(files)), "\n") + "\n")
	// The list is first: recover takes a file that is not in it for the operator's.
	for _, name := range append([]string{Manifest}, slices.Sorted(maps.Keys(files))...) {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return errs.New(errs.Invalid, "%q is not the name of a file below a directory", name)
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(file), 0o700)
		if err == nil {
			err = os.WriteFile(file, all[name], configdownload.Mode(name))
		}
		if err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
	}
	return nil
}

// ErrNoGit says that there is no git program; nothing was committed.
var ErrNoGit = errors.New("no git program: the configuration is not kept as a commit")

// Commit records what is in dir as a commit of its git repository, which is made
// if there is none. Without a change there is no commit.
func Commit(ctx context.Context, dir, message string) error {
	if _, err := exec.LookPath("git"); err != nil {
		return ErrNoGit
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); errors.Is(err, fs.ErrNotExist) {
		if err := git(ctx, dir, "init", "--quiet", "--shared=0600"); err != nil {
			return err
		}
	}
	if err := git(ctx, dir, "add", "--all"); err != nil {
		return err
	}
	if git(ctx, dir, "diff", "--cached", "--quiet") == nil {
		return nil
	}
	return git(ctx, dir, "-c", "user.name=config-download", "-c", "user.email=config-download@localhost", "-c", "commit.gpgSign=false",
		"-c", "core.hooksPath=/dev/null", "commit", "--quiet", "--message", message)
}

// git runs one command in dir, and only on the repository there.
func git(ctx context.Context, dir string, args ...string) error {
	c := exec.CommandContext(ctx, "git", args...)
	c.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GIT_") {
			c.Env = append(c.Env, v)
		}
	}
	c.Env = append(c.Env, "GIT_DIR="+filepath.Join(dir, ".git"), "GIT_WORK_TREE="+dir)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s in %s: %w: %s", args[0], dir, err, strings.TrimSpace(string(out)))
	}
	return nil
}
