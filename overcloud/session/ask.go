package session

import (
	"context"
	"time"

	"trefoil/internal/errs"
)

// How often a request is made, a poll apart: of a node that is locked for a
// moment (by the power state's sync), as the Python client does, and of an
// undercloud that is away, for it may be restarting.
const (
	asksLocked = 6
	asksAway   = 60
)

// Ask makes a request that changes something and repeats it while the node is
// locked or the service is away. The error is explained (see Explain). When an
// answer was lost and the repeated request is refused as not fitting the node's
// state, or the node stays locked, the first one had arrived: that is no error.
func Ask(ctx context.Context, poll time.Duration, request func() error) error {
	for locked, away := 0, 0; ; {
		err := Explain(request())
		switch {
		case err == nil:
			return nil
		case away > 0 && errs.Is(err, errs.Invalid):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errs.Is(err, errs.Unavailable):
			away++
		case errs.Is(err, errs.Locked):
			locked++
		default:
			return err
		}
		if locked >= asksLocked && away > 0 {
			return nil // what holds the node for so long is what was asked
		}
		if locked >= asksLocked || away >= asksAway {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(poll):
		}
	}
}
