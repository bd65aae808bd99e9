package durable

import (
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// Jobs are removed few at a time, with a pause: each time is one transaction, and meanwhile no job
// can store what its step found.
const (
	tidyBatch = 100
	tidyPause = 100 * time.Millisecond
)

// tidy removes jobs that ended long ago, each cfg.Tidy until Stop. Those that are pending or at work have
// no end and are never among them. Nor is it done at once: whoever enqueued them looks after a start how
// they ended, and what is not known any more looks as if it had never been enqueued.
func (d *Runner) tidy(c dbos.Context) {
	wait := d.cfg.Tidy
	for {
		select {
		case <-d.over:
			return
		case <-time.After(wait):
		}
		wait = d.cfg.Tidy
		if d.forgetSome(c) == tidyBatch {
			wait = min(wait, tidyPause)
		}
	}
}

// forgetSome removes up to tidyBatch old jobs and says how many. Failing to harms nobody: it is tried again.
func (d *Runner) forgetSome(c dbos.Context) int {
	old, err := dbos.ListWorkflows(c, dbos.WithFilterCompletedBefore(time.Now().Add(-d.cfg.Keep)),
		dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false), dbos.WithFilterLimit(tidyBatch))
	if err != nil {
		d.untidy("list old jobs", err)
		return 0
	}
	ids := make([]string, len(old))
	for i, w := range old {
		ids[i] = w.ID
	}
	if len(ids) == 0 {
		return 0
	}
	if err := dbos.DeleteWorkflows(c, ids); err != nil {
		d.untidy("remove old jobs", err)
		return 0
	}
	return len(ids)
}

// untidy tells of a failure, unless Stop made it.
func (d *Runner) untidy(what string, err error) {
	select {
	case <-d.over:
	default:
		d.log.Warn(what, "error", err)
	}
}
