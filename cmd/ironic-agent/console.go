package main

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// keep is how much of the log is kept for collect_system_logs, bytes.
const keep = 1 << 20

// console writes log lines where a person may look, and keeps the last of them.
type console struct {
	log *slog.Logger

	mu  sync.Mutex
	out io.Writer
	buf []byte
}

func newConsole(out io.Writer) *console {
	c := &console{out: out}
	c.log = slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{ReplaceAttr: quiet(time.Now())}))
	return c
}

// Write takes one log line.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = append(c.buf, p...)
	if over := len(c.buf) - keep; over > 0 {
		c.buf = append(c.buf[:0], c.buf[over:]...)
	}
	// A console that takes nothing must not stop the agent.
	_, _ = c.out.Write(append([]byte("ironic-agent: "), p...))
	return len(p), nil
}

func (c *console) tail() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.buf...)
}
