package libvirt

import (
	"encoding/binary"
	"io"
	"strings"
	"testing"
)

const (
	typeStream     = 3
	statusError    = 1
	statusContinue = 2
)

// TestConsole: somebody else's console is a refusal at once and stays theirs, unless
// it is taken; an open one is told before it prints anything.
func TestConsole(t *testing.T) {
	c, err := Dial(t.Context(), daemon(t, func(call packet) []packet {
		flags := binary.BigEndian.Uint32(call.body[len(call.body)-4:])
		if call.proc != procOpenConsole || flags != uint32(ConsoleForce) {
			return []packet{{status: statusError, body: refusal(9, "Active console session exists for this domain")}}
		}
		return []packet{{}, {kind: typeStream, status: statusContinue, body: []byte("login: ")}, {kind: typeStream, status: statusOK}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.OpenConsole(t.Context(), "m", "serial0", ConsoleIfFree); CodeOf(err) != CodeOperationFailed || !strings.Contains(err.Error(), "Active console") {
		t.Errorf("somebody else has it: %v", err)
	}
	out, err := c.OpenConsole(t.Context(), "m", "serial0", ConsoleForce)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if got, err := io.ReadAll(out); string(got) != "login: " || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestConsoleOpensBeforeItPrints: opening does not wait for the machine, and closing
// ends what waits for it.
func TestConsoleOpensBeforeItPrints(t *testing.T) {
	c, err := Dial(t.Context(), daemon(t, func(packet) []packet { return []packet{{}} }))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, err := c.OpenConsole(t.Context(), "m", "serial0", ConsoleIfFree)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan error)
	go func() {
		_, err := out.Read(make([]byte, 1))
		over <- err
	}()
	out.Close()
	if err := <-over; err == nil {
		t.Error("read something of a closed console")
	}
}

// FuzzOpening: however a stream is cut, the reply is found if it is there, and nothing
// else is taken for it.
func FuzzOpening(f *testing.F) {
	reply := packet{proc: procOpenConsole, kind: typeReply, body: []byte("abc")}
	f.Add(packet{proc: procAuth, kind: typeReply, body: make([]byte, 40)}.bytes(), byte(3))
	f.Add(packet{proc: procOpenConsole, kind: typeReply, status: statusError}.bytes(), byte(29))
	f.Add([]byte{0, 0, 0, 0}, byte(1))
	f.Fuzz(func(t *testing.T, before []byte, cut byte) {
		o := &opening{open: make(chan struct{})}
		isOpen := func() bool {
			select {
			case <-o.open:
				return true
			default:
				return false
			}
		}
		for b := append(packets(before), reply.bytes()...); len(b) > 0; {
			n := min(int(cut)+1, len(b))
			o.look(b[:n])
			b = b[n:]
			if len(b) > len(reply.body) && isOpen() {
				t.Fatalf("open %d bytes before the end", len(b))
			}
		}
		if !isOpen() {
			t.Fatal("the reply was not seen")
		}
	})
}

// packets makes packets of any bytes, none of which is the reply.
func packets(b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		n := min(int(b[0]), len(b))
		p := packet{proc: procOpenConsole, kind: typeStream, body: b[:n]}
		out = append(out, p.bytes()...)
		b = b[max(n, 1):]
	}
	return out
}
