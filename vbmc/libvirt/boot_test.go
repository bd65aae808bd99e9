package libvirt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"
)

// More calls of remote_protocol.x.
const (
	procIsActive    = 150
	procHasSaved    = 183
	procCreateFlags = 196
)

// saves is a libvirt with a domain whose guest may be saved.
type saves struct {
	before, after packet // whether there is one: before a start, and when that failed
	start         packet
	active        packet
	flags         uint32 // of the start; 99: none came
}

func (s *saves) answer(call packet) []packet {
	switch call.proc {
	case procHasSaved:
		if s.flags != 99 {
			return []packet{s.after}
		}
		return []packet{s.before}
	case procIsActive:
		return []packet{s.active}
	case procCreateFlags:
		s.flags = binary.BigEndian.Uint32(call.body[len(call.body)-4:])
		p := s.start
		if p.status == statusOK {
			p.body = bytes.Join([][]byte{text("m"), make([]byte, 16), {0, 0, 0, 1}}, nil)
		}
		return []packet{p}
	}
	return []packet{{status: statusError, body: refusal(3, "unknown")}}
}

// TestBootThrowsASavedGuestAway, and asks for that only where there is one: hypervisors that
// save no guests do not know the flag. Whether it is gone is also told when the start fails.
func TestBootThrowsASavedGuestAway(t *testing.T) {
	const forceBoot = 1 << 3 // VIR_DOMAIN_START_FORCE_BOOT
	yes, no := packet{body: []byte{0, 0, 0, 1}}, packet{body: []byte{0, 0, 0, 0}}
	fails := func(code uint32) packet { return packet{status: statusError, body: refusal(code, "fault")} }
	for name, tc := range map[string]struct {
		s     saves
		flags uint32
		drops bool
		code  Code
	}{
		"saved":              {saves{before: yes}, forceBoot, true, 0},
		"not saved":          {saves{before: no}, 0, false, 0},
		"cannot be told":     {saves{before: fails(3)}, 0, false, 0},
		"the question fails": {saves{before: fails(1)}, 99, false, 1},

		"refused":                        {saves{before: yes, after: no, active: no, start: fails(55)}, forceBoot, true, CodeOperationInvalid},
		"refused before":                 {saves{before: yes, after: yes, start: fails(38)}, forceBoot, false, 38},
		"others let it go on":            {saves{before: yes, after: no, active: yes, start: fails(55)}, forceBoot, false, CodeOperationInvalid},
		"refused, not saved":             {saves{before: no, after: no, active: no, start: fails(55)}, 0, false, CodeOperationInvalid},
		"refused, nobody knows more":     {saves{before: yes, after: fails(1), start: fails(55)}, forceBoot, true, CodeOperationInvalid},
		"refused, nobody knows the rest": {saves{before: yes, after: no, active: fails(1), start: fails(55)}, forceBoot, true, CodeOperationInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := tc.s
			s.flags = 99
			c := dialed(t, s.answer)
			saved, err := c.HasSaved(t.Context(), "m")
			if want := tc.s.before.status == statusOK && tc.s.before.body[3] == 1; saved != want || (err != nil) != (tc.code == 1) {
				t.Errorf("saved %v, %v", saved, err)
			}
			dropped, err := c.BootDomain(t.Context(), "m")
			if dropped != tc.drops || CodeOf(err) != tc.code || s.flags != tc.flags {
				t.Errorf("dropped %v, %v, flags %d", dropped, err, s.flags)
			}
		})
	}
}

// TestBootWithoutAnAnswer: whoever does not wait for the start must take the guest for gone.
func TestBootWithoutAnAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := dialed(t, func(call packet) []packet {
		if call.proc == procHasSaved {
			return []packet{{body: []byte{0, 0, 0, 1}}}
		}
		cancel() // of the start, which gets no answer
		return nil
	})
	if dropped, err := c.BootDomain(ctx, "m"); !dropped || !errors.Is(err, context.Canceled) {
		t.Errorf("dropped %v, %v", dropped, err)
	}
}

// dialed is a connection to a daemon.
func dialed(t *testing.T, answer func(packet) []packet) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), daemon(t, answer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
