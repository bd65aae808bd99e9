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
	f, err := os.OpenFile(s.lock(), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, errs.Wrap(errs.Forbidden, err, "claim the configuration directory").
			WithHint("the daemon (user %d) must be able to write to %s; or name another config_dir in virtualbmc.conf", os.Geteuid(), s.ConfigDir)
	}
	switch err := filelock.Take(f); {
	case errors.Is(err, unix.EWOULDBLOCK):
		defer f.Close()
		return nil, Busy(s.ConfigDir, holderIn(f))
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
	// Nobody writes here now: what is unfinished stays so. DOMAIN/bmc is the deepest.
	if err := removeUnfinished(s.ConfigDir, 2); err != nil {
		warn(fmt.Errorf("remove what a killed daemon had not written to the end: %w", err))
	}
	return func() { f.Close() }, nil
}

// WritePID writes this process's number to the pid file, by rename: a link that somebody
// put there is replaced and not followed.
func (s Settings) WritePID() error {
	return disk{}.replace(s.PIDFile, []byte(strconv.Itoa(os.Getpid())+"\n"))
}

func (s Settings) lock() string { return filepath.Join(s.ConfigDir, "vbmcd.lock") }

// Holder tells whether a process has the configuration directory, and its number if that is
// known: also of one that does not answer.
func (s Settings) Holder() (pid int, held bool) {
	f, err := os.OpenFile(s.lock(), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	if !errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
		return 0, false
	}
	return holderIn(f), true
}

// holderIn reads who has the directory, 0 when that does not stand there. The number is only for people: the lock is the
// kernel's, and a file that a killed daemon left locks nothing.
func holderIn(f *os.File) int {
	raw, _ := io.ReadAll(io.LimitReader(f, 20))
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0
	}
	return pid
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
