package main

import (
	"context"
	"fmt"
	"time"

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
	for deadline := time.Now().Add(handover); ; {
		release, err = p.settings.Claim(warn) // waits a moment for who has it
		if p.service == "" || !errs.Is(err, errs.Conflict) || ctx.Err() != nil || time.Now().After(deadline) {
			return release, err
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
