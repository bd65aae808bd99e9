package console

// Reader follows the output of a hub.
type Reader struct {
	h     *Hub
	ready chan struct{}
	at    uint64 // place in the ring
	lead  []byte // notices, told before the next output
}

// Attach begins to follow the output, after the latest replay bytes of it. The
// console is opened if it is not, and taken from whoever else has it.
func (h *Hub) Attach(replay int) *Reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Reader{h: h, ready: make(chan struct{}, 1)}
	r.at = h.ring.end - min(uint64(max(0, replay)), h.ring.end-h.ring.first())
	if r.at < h.ring.end {
		r.wake()
	}
	if h.state != "" {
		r.notice(h.state)
	}
	h.readers[r] = true
	if h.line == nil {
		h.asked = true
		h.startNow()
	}
	return r
}

// Ready tells that Read may have something.
func (r *Reader) Ready() <-chan struct{} { return r.ready }

func (r *Reader) wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// notice tells the reader something in a line of its own. h.mu is held.
func (r *Reader) notice(s string) {
	if s == "" {
		s = "console is connected"
	}
	r.lead = append(r.lead, "[vbmc: "+s+"]\r\n"...)
	r.wake()
}

// Read takes output that is there and does not wait; n is 0 when there is none.
// lost tells that the reader was so slow that output was overwritten.
func (r *Reader) Read(p []byte) (n int, lost bool) {
	r.h.mu.Lock()
	defer r.h.mu.Unlock()
	if n = copy(p, r.lead); n > 0 {
		r.lead = r.lead[n:]
		return n, false
	}
	if f := r.h.ring.first(); r.at < f {
		r.at, lost = f, true
	}
	n = r.h.ring.read(p, r.at)
	r.at += uint64(n)
	return n, lost
}

// Over tells that all was read and nothing will follow: the machine has no console. A later
// start of it may bring one, to a reader that comes then.
func (r *Reader) Over() bool {
	r.h.mu.Lock()
	defer r.h.mu.Unlock()
	return r.h.absent && len(r.lead) == 0 && r.at == r.h.ring.end
}

// Flush leaves out what is there.
func (r *Reader) Flush() {
	r.h.mu.Lock()
	defer r.h.mu.Unlock()
	r.at, r.lead = r.h.ring.end, nil
}

// Close ends following. The last reader closes the console, unless it is held.
func (r *Reader) Close() {
	h := r.h
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, r)
	h.asked = h.asked && len(h.readers) > 0
	if !h.wanted() && h.cancel != nil {
		h.cancel()
		h.line = nil // who comes now must be given another
	}
}
