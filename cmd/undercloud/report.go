package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

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
		if log, err = endOf(u.path("undercloud.log"), logEnd); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the service's log: %w", err)
		}
	}
	return u.stacks.engine.Report(ctx, s, node, log, w)
}

// endOf is the last limit bytes of a file, from the beginning of a line on: half a
// line could hold half a secret.
func endOf(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, st.Size()-limit)
	data, err := io.ReadAll(io.NewSectionReader(f, from, limit))
	if i := bytes.IndexByte(data, '\n'); from > 0 && i >= 0 {
		data = data[i+1:]
	}
	return data, err
}
