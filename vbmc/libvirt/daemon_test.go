package libvirt

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"testing"
)

// The calls that the daemon of these tests knows (remote_protocol.x).
const (
	procOpen   = 1
	procLookup = 23
	procAuth   = 66
)

// packet is one of libvirt's protocol.
type packet struct {
	proc, kind, serial, status uint32
	body                       []byte
}

func (p packet) bytes() []byte {
	b := make([]byte, 0, packetHead+len(p.body))
	for _, w := range []uint32{uint32(packetHead + len(p.body)), 0x20008086, 1, p.proc, p.kind, p.serial, p.status} {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return append(b, p.body...)
}

func readPacket(r io.Reader) (packet, error) {
	var head [7]uint32
	if err := binary.Read(r, binary.BigEndian, &head); err != nil {
		return packet{}, err
	}
	p := packet{proc: head[3], kind: head[4], serial: head[5], status: head[6], body: make([]byte, head[0]-packetHead)}
	_, err := io.ReadFull(r, p.body)
	return p, err
}

// text is a string in XDR.
func text(s string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(s)))
	b = append(b, s...)
	return append(b, make([]byte, (4-len(s)%4)%4)...)
}

// refusal is the body of an error.
func refusal(code uint32, msg string) []byte {
	b := binary.BigEndian.AppendUint32(nil, code)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 1)
	b = append(b, text(msg)...)
	return append(b, 0, 0, 0, 2)
}

// daemon speaks libvirt's protocol on a socket. It answers what opens a connection
// and finds a domain; answer does the rest.
func daemon(t *testing.T, answer func(call packet) []packet) (uri string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listen(t, l, answer)
	return "qemu+unix:///system?socket=" + path
}

// listen is a daemon on any kind of socket.
func listen(t *testing.T, l net.Listener, answer func(call packet) []packet) {
	t.Helper()
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c, answer)
		}
	}()
}

func serve(c net.Conn, answer func(packet) []packet) {
	defer c.Close()
	for {
		call, err := readPacket(c)
		if err != nil {
			return
		}
		var out []packet
		switch call.proc {
		case procOpen:
			out = []packet{{}}
		case procAuth:
			out = []packet{{body: []byte{0, 0, 0, 0}}}
		case procLookup:
			out = []packet{{body: bytes.Join([][]byte{text("m"), make([]byte, 16), {0, 0, 0, 1}}, nil)}}
		default:
			out = answer(call)
		}
		for _, p := range out {
			if p.kind == 0 {
				p.kind = typeReply
			}
			p.proc, p.serial = call.proc, call.serial
			if _, err := c.Write(p.bytes()); err != nil {
				return
			}
		}
	}
}
