package console

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"trefoil/vbmc/domain"
)

// breakLimit ends a break that the hypervisor never finishes.
const breakLimit = 10 * time.Second

// maxBreaks is how many breaks may wait.
const maxBreaks = 16

// line is the typing side of an open console. A machine that does not read must
// not hold up its BMC, so that a goroutine writes, begun at the first character.
type line struct {
	c        domain.Console
	canWrite bool
	log      *slog.Logger

	mu      sync.Mutex
	typed   []byte
	breaks  []int // places in typed
	writing bool
	over    bool
}

func newLine(c domain.Console, canWrite bool, log *slog.Logger) *line {
	return &line{c: c, canWrite: canWrite, log: log}
}

// put takes as many characters as there is room for.
func (l *line) put(b []byte) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(b), maxTyped-len(l.typed))
	l.typed = append(l.typed, b[:n]...)
	l.write()
	return n
}

func (l *line) putBreak() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.breaks) < maxBreaks {
		l.breaks = append(l.breaks, len(l.typed))
		l.write()
	}
}

// write runs the writing goroutine. l.mu is held.
func (l *line) write() {
	if !l.writing && !l.over {
		l.writing = true
		go l.drain()
	}
}

// drain writes until nothing is left.
func (l *line) drain() {
	for {
		b, brk, more := l.take()
		if !more {
			return
		}
		var err error
		if len(b) > 0 {
			_, err = l.c.Write(b)
		}
		if brk && err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), breakLimit)
			err = l.c.SendBreak(ctx)
			cancel()
		}
		if err != nil {
			l.log.Warn("serial console: typing", "reason", err)
		}
	}
}

// take returns the characters up to the next break.
func (l *line) take() (b []byte, brk, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || len(l.typed)+len(l.breaks) == 0 {
		l.writing = false
		return nil, false, false
	}
	n := len(l.typed)
	if len(l.breaks) > 0 {
		n, brk = l.breaks[0], true
		l.breaks = l.breaks[1:]
	}
	b, l.typed = l.typed[:n], append([]byte(nil), l.typed[n:]...)
	for i := range l.breaks {
		l.breaks[i] -= n
	}
	return b, brk, true
}

// end drops what is not written; the machine that was to read it is not there.
func (l *line) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over, l.typed, l.breaks = true, nil, nil
}
