package ipmi

import "slices"

// underway is a chassis control that is being done for a session.
type underway struct {
	session *session
	what    byte
	done    chan struct{} // closed when code is there
	code    byte
}

// once does a chassis control, or waits for the same one that the session has under way. A
// client that is not patient means one power cycle and not many: FreeIPMI's ipmipower asks
// anew each 0.4 s, every time as a new request, and a real machine takes longer.
func (b *BMC) once(r request, do func() byte) byte {
	what := r.data[0] & 0x0f
	var c *underway
	first := false
	b.locked(func() {
		for _, u := range b.chassis.underway {
			if u.session == r.session && u.what == what {
				c = u
				return
			}
		}
		first, c = true, &underway{session: r.session, what: what, done: make(chan struct{}), code: ccUnspecified}
		b.chassis.underway = append(b.chassis.underway, c)
	})
	if !first {
		select {
		case <-c.done:
			return c.code
		case <-r.ctx.Done():
			return b.code("Chassis Control", r.ctx.Err())
		}
	}
	defer b.ended(c) // also by a fault
	c.code = do()
	return c.code
}

func (b *BMC) ended(c *underway) {
	b.locked(func() {
		b.chassis.underway = slices.DeleteFunc(b.chassis.underway, func(u *underway) bool { return u == c })
	})
	close(c.done)
}
