// Package console shares the serial console of one machine: it holds the console
// open while somebody wants it, keeps the latest output for those who come later,
// and opens it again when the machine or its hypervisor comes back.
//
// A reader that comes gets the console, whoever has it. Else nobody is thrown out:
// not for the output that is kept, and not by a reader that was thrown out itself.
// Then the console is asked for every half minute.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"trefoil/vbmc/domain"
)

const (
	maxTyped   = 4 << 10          // characters that wait for a machine that does not read
	firstPause = time.Second      // before an ended console is opened again
	maxPause   = 30 * time.Second // when that happens again and again, or somebody else has it
	goodRun    = 10 * time.Second // of a console that did not end at once
	openLimit  = 20 * time.Second
)

// Open opens the machine's console; it is domain.ConsoleOpener's method.
type Open func(context.Context, domain.Claim) (c domain.Console, canWrite bool, err error)

// Hub is the console of one machine. It is safe for many goroutines, and no method
// blocks but Close.
type Hub struct {
	open  Open
	log   *slog.Logger
	done  sync.WaitGroup
	nudge chan struct{}                        // ends a pause: the machine has started
	after func(time.Duration) <-chan time.Time // the clock of pauses

	mu      sync.Mutex // guards what follows
	ring    ring
	readers map[*Reader]bool
	held    bool
	closed  bool
	cancel  context.CancelFunc // of the goroutine that holds the console; nil: none runs
	again   bool               // Start was called since the latest attempt to open began
	asked   bool               // a reader came and was not given the console yet
	busy    int                // attempts, one after another, that found somebody else there
	opening bool               // an attempt to open is on its way
	absent  bool               // the latest attempt found a machine without a console
	line    *line              // the open console; nil: none
	state   string             // for people, what keeps the console from being used; "": nothing
}

// NewHub makes a hub that keeps the latest size bytes. It opens nothing yet.
func NewHub(open Open, size int, log *slog.Logger) *Hub {
	return &Hub{
		open: open, log: log, nudge: make(chan struct{}, 1), after: time.After,
		ring: ring{size: size}, readers: map[*Reader]bool{},
	}
}

// Hold makes the console wanted without a reader, from the next Start on, so that
// the output of before the first reader is there for it.
func (h *Hub) Hold() { h.mu.Lock(); defer h.mu.Unlock(); h.held = true }

// Start opens the console when it is wanted and not open: the machine has started,
// or its hypervisor is back.
func (h *Hub) Start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.startNow()
}

// startNow is start without the pause that may go on. h.mu is held.
func (h *Hub) startNow() {
	h.again = true
	select {
	case h.nudge <- struct{}{}:
	default:
	}
	h.start()
	h.absent, h.opening = false, h.cancel != nil && h.line == nil
}

// start runs the goroutine, if it is wanted and does not run. h.mu is held.
func (h *Hub) start() {
	if h.closed || h.cancel != nil || !h.wanted() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.opening, h.absent = cancel, true, false
	h.done.Add(1)
	go h.run(ctx)
}

func (h *Hub) wanted() bool { return h.held || len(h.readers) > 0 }

// run holds the console open until it is not wanted or cannot be had.
func (h *Hub) run(ctx context.Context) {
	defer h.done.Done()
	pause := firstPause
	for {
		began := time.Now()
		err := h.session(ctx)
		if time.Since(began) > goodRun {
			pause = firstPause
		}
		if h.stopped(ctx, err) {
			return
		}
		if err == nil || errors.Is(err, domain.ErrBusy) { // what ended it may still go on
			h.wait(ctx, pause)
			pause = min(2*pause, maxPause)
		}
	}
}

// wait ends with the pause, or when the machine starts, as what it prints first is the
// most wanted, or when a reader comes.
func (h *Hub) wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-h.nudge:
	case <-h.after(d):
	}
}

// stopped decides after the end of a session; err tells why it could not be opened.
// It ends the goroutine's time in one step with the decision, so that no Start is
// missed, and no reader takes this session's end for the last word.
func (h *Hub) stopped(ctx context.Context, err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.refused(err)
	}
	cancelled := ctx.Err() != nil
	if !cancelled && h.wanted() && (err == nil || h.again || errors.Is(err, domain.ErrBusy)) {
		h.opening, h.absent = h.again, false // again: without a pause
		return false
	}
	h.cancel()
	h.cancel, h.opening = nil, false
	if cancelled { // it may be wanted again meanwhile
		h.start()
	}
	return true
}

// claim begins an attempt; it is TakeOver for a reader that waits for the console.
func (h *Hub) claim() domain.Claim {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.nudge: // what asked for this attempt must not end the pause behind it
	default:
	}
	h.again, h.opening, h.absent = false, true, false
	return domain.Claim(h.asked)
}

// session opens the console and reads it to its end.
func (h *Hub) session(ctx context.Context) error {
	opening, cancel := context.WithTimeout(ctx, openLimit)
	c, canWrite, err := h.open(opening, h.claim())
	cancel()
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	l := newLine(c, canWrite, h.log)
	defer l.end()
	state := ""
	if !canWrite {
		state = "this console is output only: what is typed is left out"
	}
	h.mu.Lock()
	h.line, h.asked, h.busy, h.opening = l, false, 0, false
	h.setState(state)
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		h.line, h.opening = nil, h.again
		h.mu.Unlock()
	}()
	h.copy(c)
	return nil
}

// copy reads the console until it ends.
func (h *Hub) copy(c domain.Console) {
	buf := make([]byte, 4<<10)
	for {
		n, err := c.Read(buf)
		h.mu.Lock()
		h.ring.write(buf[:n])
		h.wake()
		h.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// refused tells why the console could not be opened. The first time that somebody
// else has it nothing is told: it may be our own of a moment ago. h.mu is held.
func (h *Hub) refused(err error) {
	if errors.Is(err, domain.ErrBusy) {
		if h.busy++; h.busy == 2 {
			h.log.Info("serial console: somebody else has it; it is asked for every half minute", "reason", err)
			h.setState("somebody else has the console; it is asked for every half minute, and taken back when SOL is activated again")
		}
		return
	}
	h.busy = 0
	switch {
	case errors.Is(err, domain.ErrPoweredOff):
		h.setState("the machine is off; its console appears here when it starts")
	case errors.Is(err, context.Canceled):
	default:
		h.log.Warn("serial console", "reason", err)
		h.setState(fmt.Sprintf("no console: %v", err))
		h.absent = errors.Is(err, domain.ErrNotSupported)
		h.wake() // to see that it is over
	}
}

// setState tells all readers what changed for them. h.mu is held.
func (h *Hub) setState(s string) {
	if s == h.state {
		return
	}
	h.state = s
	for r := range h.readers {
		r.notice(s)
	}
}

// Typable tells whether the machine reads what is typed now, or may do so soon, when the
// console is open.
func (h *Hub) Typable() (now, soon bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.line != nil && h.line.canWrite, h.line == nil && h.opening
}

func (h *Hub) wake() {
	for r := range h.readers {
		r.wake()
	}
}

// Write types to the machine. It takes what it has room for: while the machine does
// not read, nothing. Without a console that can be typed to, characters are left
// out, as on a serial line that ends nowhere.
func (h *Hub) Write(b []byte) (taken int) {
	h.mu.Lock()
	l := h.line
	h.mu.Unlock()
	if l == nil || !l.canWrite {
		return len(b)
	}
	return l.put(b)
}

// Break sends a break after what was typed before.
func (h *Hub) Break() {
	h.mu.Lock()
	l := h.line
	h.mu.Unlock()
	if l != nil {
		l.putBreak()
	}
}

// Close ends the console and waits for that.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	if h.cancel != nil {
		h.cancel()
	}
	h.mu.Unlock()
	h.done.Wait()
}
