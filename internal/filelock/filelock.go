// Package filelock keeps two processes from the same work by a lock on a file or
// directory. The kernel releases the lock when the last process that has the file
// open ends, however it ends.
package filelock

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience is for a holder that was killed as it started a program: between fork
// and exec the new process has the file open too (flock(2)), and holds the lock
// for as long as a busy machine takes to come to exec.
const patience = 2 * time.Second

// Take locks f for this process alone, until f is closed. It returns
// unix.EWOULDBLOCK after two seconds in which another process held the lock.
func Take(f *os.File) error {
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EWOULDBLOCK) && time.Since(began) < patience {
			continue
		}
		return err
	}
}
