package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Limits bound what a client holds that does not go on. None of them is about how long a request takes
// as a whole: images of many gigabytes come and go as slowly as they like, and a handler may think for
// as long as it must. Set before Run.
type Limits struct {
	// Connections is how many a service has at once, see connections.
	Connections int
	// BodyIdle is how long a client may leave us waiting for the next bodyStep bytes of its body (or the
	// body's end). Time in which the handler does something else does not count.
	BodyIdle time.Duration
	// AnswerIdle is how long a client may take for answerStep bytes of an answer. It is long, since a machine
	// that writes an image to its disk stops reading for as long as the disk takes.
	AnswerIdle time.Duration
	// Large is how many large payloads of strangers (see Server.Stranger) are in memory at once. Others wait for
	// LargeWait and are answered 503 then.
	Large     int
	LargeWait time.Duration
	// StrangerTime is what a stranger's payload, large or not, has to come whole: it must not keep its place.
	StrangerTime time.Duration
}

const (
	bodyStep   = 16 << 10 // with BodyIdle a minimum rate: who sends a byte now and then is cut off, too
	answerStep = 64 << 10
	large      = 1 << 20 // bytes of a payload that counts as large
)

func defaultLimits() Limits {
	return Limits{Connections: 4096, BodyIdle: 5 * time.Minute, AnswerIdle: 5 * time.Minute, Large: 4, LargeWait: 10 * time.Second, StrangerTime: 2 * time.Minute}
}

// body is a request's body whose client must go on sending. For one goroutine at a time, as bodies are.
type body struct {
	io.ReadCloser
	conn  *http.ResponseController
	place *place
	idle  time.Duration
	until time.Time // when the whole must have come; zero: whenever
	left  time.Duration
	got   int // bytes since left was idle

	stalled bool // the client did not go on
}

func newBody(w http.ResponseWriter, r *http.Request, place *place, idle time.Duration) *body {
	return &body{ReadCloser: r.Body, conn: http.NewResponseController(w), place: place, idle: idle, left: idle}
}

// Read sets a deadline for the connection (for the stream, in HTTP/2) as long as it waits. Where there is
// no connection (tests of handlers) there is nobody to wait for.
func (b *body) Read(p []byte) (int, error) {
	began := time.Now()
	deadline := began.Add(b.left)
	if !b.until.IsZero() && b.until.Before(deadline) {
		deadline = b.until
	}
	_ = b.conn.SetReadDeadline(deadline)
	over := b.place.await(began.Add(b.left - b.idle)) // with the waits before for the same step: a byte is no progress
	n, err := b.ReadCloser.Read(p)
	over()
	b.left -= time.Since(began)
	if b.got += n; b.got >= bodyStep {
		b.got, b.left = 0, b.idle
	}
	b.stalled = b.stalled || errors.Is(err, os.ErrDeadlineExceeded)
	// Between reads there is none: HTTP/2 would end a stream by it though nobody waits, and HTTP/1 listens for
	// the client's going away. Who has stalled is not waited for again.
	if !b.stalled {
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// paced runs write while the client has AnswerIdle to take what is written. Between writes there is no
// deadline: HTTP/2 would end a stream by one though nobody waits.
func (r *recorder) paced(write func() error) error {
	now := time.Now()
	_ = r.conn.SetWriteDeadline(now.Add(r.idle))
	over := r.place.await(now)
	err := write()
	over()
	_ = r.conn.SetWriteDeadline(time.Time{})
	return err
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	total := 0
	for {
		part, n := b[:min(len(b), answerStep)], 0
		err := r.paced(func() (err error) { n, err = r.ResponseWriter.Write(part); return err })
		total += n
		if b = b[len(part):]; err != nil || len(b) == 0 {
			return total, err
		}
	}
}

// FlushError sends what is written so far; http.ResponseController calls it.
func (r *recorder) FlushError() error {
	r.wrote = true
	return r.paced(r.conn.Flush)
}

// admit waits for a place among the large payloads of strangers, which release gives back, and sets when the
// body must have come; false: it has answered that there is none.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, svc Service, b *body) (release func(), ok bool) {
	free := func() {}
	if s.Stranger == nil || !s.Stranger(r) {
		return free, true
	}
	defer func() { b.until = time.Now().Add(s.Limits.StrangerTime) }()
	if r.ContentLength >= 0 && r.ContentLength <= large {
		return free, true
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.Limits.LargeWait)
	defer cancel()
	defer b.place.await(time.Now())() // no handler works on it yet
	select {
	case s.places <- struct{}{}:
		return func() { <-s.places }, true
	case <-ctx.Done():
	}
	s.Log.Warn("too many large payloads at once", "service", svc.Name, "path", r.URL.Path, "from", r.RemoteAddr, "places", s.Limits.Large)
	w.Header().Set("Retry-After", strconv.Itoa(int(s.Limits.LargeWait.Seconds())+1))
	http.Error(w, "Too many large payloads are being taken at once; send it again later.", http.StatusServiceUnavailable)
	return nil, false
}
