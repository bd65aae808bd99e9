package manager

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/internal/filelock"
)

// Claim makes the configuration directory this process's own until release is called
// or the process ends, however it ends: two daemons would start each BMC twice and
// write over each other's state. A Conflict names the process that has it. warn is
// called for what is not as it should be and does not keep a daemon from working.
func (s Settings) Claim(warn func(error)) (release func(), err error) {
	return s.claim(disk{}, warn)
}

func (s Settings) claim(d disk, warn func(error)) (release func(), err error) {
	if err := os.MkdirAll(s.ConfigDir, 0o700); err != nil {
		return nil, fmt.Errorf("make configuration directory: %w", err)
	}
	if err := d.closeRoot(s.ConfigDir, warn); err != nil {
		return nil, fmt.Errorf("configuration directory: %w", err)
	}
	// The file stays when the daemon ends: one that was removed and made anew could be
	// locked twice.
	f, err := os.OpenFile(filepath.Join(s.ConfigDir, "vbmcd.lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, errs.Wrap(errs.Forbidden, err, "claim the configuration directory").
			WithHint("the daemon (user %d) must be able to write to %s; or name another config_dir in virtualbmc.conf", os.Geteuid(), s.ConfigDir)
	}
	switch err := filelock.Take(f); {
	case errors.Is(err, unix.EWOULDBLOCK):
		defer f.Close()
		return nil, s.held(f)
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("note who has the configuration directory: %w", err)
	}
	return func() { f.Close() }, nil
}

// WritePID writes this process's number to the pid file, by rename: a link that somebody
// put there is replaced and not followed.
func (s Settings) WritePID() error {
	return disk{}.replace(s.PIDFile, []byte(strconv.Itoa(os.Getpid())+"\n"))
}

// held says who has the directory. The number is only for people: the lock is the
// kernel's, and a file that a killed daemon left locks nothing.
func (s Settings) held(f *os.File) error {
	raw, _ := io.ReadAll(io.LimitReader(f, 20))
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return Busy(s.ConfigDir, 0)
	}
	return Busy(s.ConfigDir, pid)
}

// Busy is the refusal of a second daemon on one directory; pid 0 is not known.
func Busy(dir string, pid int) error {
	if pid == 0 {
		return errs.New(errs.Conflict, "another vbmc daemon has configuration directory %s", dir).
			WithHint("stop it first, or name another config_dir in virtualbmc.conf")
	}
	return errs.New(errs.Conflict, "another vbmc daemon (process %d) has configuration directory %s", pid, dir).
		WithHint("stop it first (kill %d), or name another config_dir in virtualbmc.conf", pid)
}
