package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/vbmc/control"
)

// handover is how long a daemon that makes room may take for it: libvirt may be slow to
// answer what its BMCs had begun.
const handover = 30 * time.Second

// claim has the configuration directory for this daemon. One that a service manager starts
// takes over from one that a command has started while the service was down, or the service
// would be refused until somebody ends what nobody knows that he has started. Of others,
// which somebody or another service manager started, it takes nothing.
func (p *program) claim(ctx context.Context, warn func(error)) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, handover)
	defer cancel()
	told := warn
	for first := true; ; first = false {
		if !first {
			told = func(error) {} // once is enough
		}
		release, err = p.settings.Claim(told) // waits a moment for who has it
		if p.service == "" || !errs.Is(err, errs.Conflict) || ctx.Err() != nil {
			return release, err
		}
		if first {
			if odd := writable(filepath.Dir(p.settings.PIDFile)); odd != nil {
				return nil, odd // it would be ended for nothing
			}
		}
		// No answer: it is only beginning, or already at its end.
		switch r, away := control.Call(ctx, p.settings.Socket(), control.Request{Command: "yield"}); {
		case away != nil:
		case r.RC != 0:
			return nil, err
		default:
			warn(fmt.Errorf("the vbmc daemon that a command had started (process %d) made room for this one", r.PID))
		}
	}
}

// writable tells why this process may make no files in a directory: a read-only file system, as
// a service manager gives its services, or modes.
func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return errs.Wrap(errs.Invalid, err, "pid_file: %s cannot be written to", dir).
			WithHint("name a file in a directory that the service may write to, or let it (ReadWritePaths of the unit)")
	}
	return nil
}
