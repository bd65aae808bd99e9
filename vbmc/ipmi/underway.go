package ipmi

import "slices"

// underway is a chassis control that is being done for a session.
type underway struct {
	session *session
	what    byte
	on      bool          // the machine was, when it was asked for
	done    chan struct{} // closed when code is there
	code    byte
}

// once does a chassis control, or waits for the same one that the session has under way. A
// client that is not patient means one power cycle and not many: FreeIPMI's ipmipower asks
// anew each 0.4 s, every time as a new request, and a real machine takes longer.
func (b *BMC) once(r request, do func() byte) byte {
	what := r.data[0] & 0x0f
	on, err := b.machine.Power()
	var c *underway
	first := false
	b.locked(func() {
		for _, u := range b.chassis.underway {
			if u.session == r.session && u.what == what {
				c = u
				return
			}
		}
		first, c = true, &underway{session: r.session, what: what, on: err == nil && on, done: make(chan struct{}), code: ccUnspecified}
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

// resetting tells whether a hard reset is under way. A machine is on all through one; libvirt
// stops and starts it where its boot order changes, and who saw it off in between would take
// that for an answer to the power off that he is about to send. b.mu is held.
func (b *BMC) resetting() bool {
	return slices.ContainsFunc(b.chassis.underway, func(u *underway) bool { return u.what == 3 && u.on })
}
