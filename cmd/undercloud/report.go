package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"trefoil/internal/logfile"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/stack"
)

// logEnd is how much of the service's log goes into a report, in bytes.
const logEnd = 4 << 20

// report writes a machine's report, or the undercloud's own with the end of its log.
// Where systemd keeps the log, in its journal, there is none.
func (u *undercloud) report(ctx context.Context, s *stack.Stack, node string, w io.Writer) error {
	var log []byte
	if node == deploy.UndercloudReport {
		var err error
		if log, err = logfile.End(u.path("undercloud.log"), logEnd); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the service's log: %w", err)
		}
	}
	return u.stacks.engine.Report(ctx, s, node, log, w)
}
