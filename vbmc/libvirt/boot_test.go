package libvirt

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// More calls of remote_protocol.x.
const (
	procHasSaved    = 183
	procCreateFlags = 196
)

// TestBootThrowsASavedGuestAway, and asks for that only where there is one: hypervisors that
// save no guests do not know the flag.
func TestBootThrowsASavedGuestAway(t *testing.T) {
	const forceBoot = 1 << 3 // VIR_DOMAIN_START_FORCE_BOOT
	reply := func(body ...byte) packet { return packet{body: body} }
	for name, tc := range map[string]struct {
		saved packet
		start packet
		flags uint32
		drops bool
		code  Code
	}{
		"saved":              {reply(0, 0, 0, 1), reply(), forceBoot, true, 0},
		"not saved":          {reply(0, 0, 0, 0), reply(), 0, false, 0},
		"cannot be told":     {packet{status: statusError, body: refusal(3, "not supported")}, reply(), 0, false, 0},
		"refused":            {reply(0, 0, 0, 1), packet{status: statusError, body: refusal(55, "network is not active")}, forceBoot, false, CodeOperationInvalid},
		"the question fails": {packet{status: statusError, body: refusal(1, "fault")}, reply(), 99, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			flags := uint32(99)
			c, err := Dial(t.Context(), daemon(t, func(call packet) []packet {
				switch call.proc {
				case procHasSaved:
					return []packet{tc.saved}
				case procCreateFlags:
					flags = binary.BigEndian.Uint32(call.body[len(call.body)-4:])
					p := tc.start
					if p.status == statusOK {
						p.body = bytes.Join([][]byte{text("m"), make([]byte, 16), {0, 0, 0, 1}}, nil)
					}
					return []packet{p}
				}
				return []packet{{status: statusError, body: refusal(3, "unknown")}}
			}))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			dropped, err := c.BootDomain(t.Context(), "m")
			if dropped != tc.drops || CodeOf(err) != tc.code || flags != tc.flags {
				t.Errorf("dropped %v, %v, flags %d", dropped, err, flags)
			}
		})
	}
}
