package console

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"testing"
)

// slow is a console whose machine reads when it is told.
type slow struct {
	stuck
	read   bytes.Buffer
	breaks chan struct{}
}

func (s *slow) Write(p []byte) (int, error) {
	n, err := s.stuck.Write(p)
	s.read.Write(p)
	return n, err
}

func (s *slow) SendBreak(context.Context) error { s.breaks <- struct{}{}; return nil }

// TestFlushTyped: what the machine has not begun to read is dropped, breaks are not.
func TestFlushTyped(t *testing.T) {
	s := &slow{stuck: stuck{make(chan struct{})}, breaks: make(chan struct{})}
	l := newLine(s, true, slog.New(slog.DiscardHandler))
	h := &Hub{}
	h.FlushTyped() // no console is open
	h.line = l
	l.put([]byte("a"))
	<-s.gate // the machine reads it
	l.put([]byte("dropped"))
	l.putBreak()
	l.put([]byte("too"))
	h.FlushTyped()
	l.put([]byte("b"))
	s.gate <- struct{}{}
	<-s.breaks
	<-s.gate
	s.gate <- struct{}{}
	for running := true; running; {
		l.mu.Lock()
		running = l.writing
		l.mu.Unlock()
		runtime.Gosched()
	}
	if got := s.read.String(); got != "ab" {
		t.Errorf("the machine reads %q", got)
	}
}
