package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

func parseMode(s string, missing os.FileMode) os.FileMode {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil {
		return missing
	}
	m := os.FileMode(n & 0o777)
	for bit, f := range map[uint64]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if n&bit != 0 {
			m |= f
		}
	}
	return m
}

const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// owner finds the ids, with what to do when there is no such user.
func (s *step) owner(user, group string) (int, int, error) {
	uid, gid, err := s.System.Owner(user, group)
	if err != nil {
		return 0, 0, errs.Wrap(errs.NotFound, err, "find the owner").
			WithHint("the package that makes this user is not in the image: rebuild overcloud-full with the roles that you deploy")
	}
	return uid, gid, nil
}

// owned tells whether info has the owner asked for; -1 is any.
func owned(info fs.FileInfo, uid, gid int) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (uid < 0 || st.Uid == uint32(uid)) && (gid < 0 || st.Gid == uint32(gid))
}

func (s *step) file(r resource.Resource) handler {
	f := r.File
	path, mode := s.path(f.Path), parseMode(f.Mode, 0o644)
	return handler{
		cheap: func() (bool, error) {
			info, err := os.Lstat(path)
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			if info.IsDir() {
				return false, errs.New(errs.Conflict, "%s is a directory", f.Path)
			}
			if !info.Mode().IsRegular() || info.Mode()&modeBits != mode || info.Size() != int64(len(f.Content)) {
				return false, nil
			}
			uid, gid, err := s.owner(f.Owner, f.Group)
			if err != nil || !owned(info, uid, gid) {
				return false, err
			}
			b, err := os.ReadFile(path)
			return err == nil && bytes.Equal(b, []byte(f.Content)), err
		},
		set: func(context.Context) error {
			uid, gid, err := s.owner(f.Owner, f.Group)
			if err != nil {
				return err
			}
			s.dirty = s.dirty || unitFile(f.Path)
			return writeAtomic(path, []byte(f.Content), mode, uid, gid)
		},
	}
}

// unitFile tells whether systemd must read its units again when path changes.
func unitFile(path string) bool { return strings.Contains(path, "/systemd/system") }

func (s *step) link(l *resource.Link) handler {
	path := s.path(l.Path)
	return handler{
		cheap: func() (bool, error) {
			if l.Target == "" { // a file may stand where a link of another configuration does
				st, err := os.Lstat(path)
				if err == nil && st.IsDir() {
					return false, errs.New(errs.Conflict, "%s is there and is a directory", l.Path)
				}
				return errors.Is(err, fs.ErrNotExist), nil
			}
			target, err := os.Readlink(path)
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			if err != nil {
				return false, errs.Wrap(errs.Conflict, err, "%s is there and is not a symbolic link", l.Path)
			}
			return l.Target == target, nil
		},
		set: func(context.Context) error {
			s.dirty = s.dirty || unitFile(l.Path)
			if l.Target == "" {
				return os.Remove(path)
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			tmp := path + ".os-apply-config"
			os.Remove(tmp)
			if err := os.Symlink(l.Target, tmp); err != nil {
				return err
			}
			return os.Rename(tmp, path)
		},
	}
}

// kept compares a small file that this program owns.
func kept(path, content string) bool {
	b, err := os.ReadFile(path)
	return err == nil && string(b) == content
}

func (s *step) sysctl(c *resource.Sysctl) handler {
	key := strings.ReplaceAll(c.Key, ".", "/")
	now := s.path("proc/sys/" + key)
	file := s.path("etc/sysctl.d/90-overcloud-" + strings.ReplaceAll(key, "/", "-") + ".conf")
	content := strings.ReplaceAll(c.Key, "/", ".") + " = " + c.Value + "\n"
	return handler{
		cheap: func() (bool, error) {
			b, err := os.ReadFile(now)
			if errors.Is(err, fs.ErrNotExist) {
				return false, errs.New(errs.NotFound, "the kernel has no setting %s", c.Key).
					WithHint("a kernel_module resource before it may bring it")
			}
			same := strings.Join(strings.Fields(string(b)), " ") == strings.Join(strings.Fields(c.Value), " ")
			return same && kept(file, content), err
		},
		set: func(context.Context) error {
			if err := writeAtomic(file, []byte(content), 0o644, -1, -1); err != nil {
				return err
			}
			return os.WriteFile(now, []byte(c.Value+"\n"), 0o644)
		},
	}
}

func (s *step) module(m *resource.KernelModule) handler {
	file := s.path("etc/modules-load.d/overcloud-" + m.Name + ".conf")
	return handler{
		cheap: func() (bool, error) {
			_, err := os.Stat(s.path("sys/module/" + strings.ReplaceAll(m.Name, "-", "_")))
			return err == nil && kept(file, m.Name+"\n"), nil
		},
		set: func(ctx context.Context) error {
			if _, err := s.System.Run(ctx, Command{Args: []string{"modprobe", m.Name}, Timeout: time.Minute}); err != nil {
				return fmt.Errorf("load kernel module: %w", err)
			}
			return writeAtomic(file, []byte(m.Name+"\n"), 0o644, -1, -1)
		},
	}
}
