package console

// FlushTyped drops what was typed and is not yet written to the machine. Breaks stay.
func (h *Hub) FlushTyped() {
	h.mu.Lock()
	l := h.line
	h.mu.Unlock()
	if l != nil {
		l.flush()
	}
}

func (l *line) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.typed = nil
	clear(l.breaks) // their places are now the beginning
}
