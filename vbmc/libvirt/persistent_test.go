package libvirt

import "testing"

const procIsPersistent = 151

// TestIsPersistent: a refusal is not an answer.
func TestIsPersistent(t *testing.T) {
	for name, c := range map[string]struct {
		reply  packet
		stored bool
		code   Code
	}{
		"stored":    {packet{body: []byte{0, 0, 0, 1}}, true, 0},
		"transient": {packet{body: []byte{0, 0, 0, 0}}, false, 0},
		"gone":      {packet{status: statusError, body: refusal(uint32(CodeNoDomain), "no domain")}, false, CodeNoDomain},
	} {
		conn, err := Dial(t.Context(), daemon(t, func(call packet) []packet {
			if call.proc != procIsPersistent {
				t.Errorf("%s: call %d", name, call.proc)
			}
			return []packet{c.reply}
		}))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if stored, err := conn.IsPersistent(t.Context(), "m"); stored != c.stored || CodeOf(err) != c.code {
			t.Errorf("%s: %v, %v", name, stored, err)
		}
	}
}
