package console

// ring keeps the latest bytes of the output. Places in the output are counted from
// its beginning. Its memory is taken at the first output: most machines of a lab
// have nobody who looks.
type ring struct {
	size int
	buf  []byte
	end  uint64 // place after the latest byte
}

func (r *ring) write(b []byte) {
	if len(b) == 0 || r.size <= 0 {
		return
	}
	if r.buf == nil {
		r.buf = make([]byte, r.size)
	}
	if len(b) > r.size {
		r.end += uint64(len(b) - r.size)
		b = b[len(b)-r.size:]
	}
	at := int(r.end % uint64(r.size))
	n := copy(r.buf[at:], b)
	copy(r.buf, b[n:])
	r.end += uint64(len(b))
}

// first is the place of the oldest byte that is kept.
func (r *ring) first() uint64 {
	if r.end < uint64(r.size) {
		return 0
	}
	return r.end - uint64(r.size)
}

// read copies from place at on; at must not be before first.
func (r *ring) read(p []byte, at uint64) int {
	p = p[:min(uint64(len(p)), r.end-at)]
	if len(p) == 0 {
		return 0
	}
	n := copy(p, r.buf[at%uint64(r.size):])
	copy(p[n:], r.buf)
	return len(p)
}
