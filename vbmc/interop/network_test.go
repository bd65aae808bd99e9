//go:build e2e

package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"
)

// segment is a network whose frames are UDP datagrams, as QEMU sends them for a card of
// libvirt's type udp. The test is the only other station on it: it gives an address and
// names one file (DHCP), tells where it is (ARP), and gives the file (TFTP). So a machine
// boots from a network that needs neither root nor an interface of the host.
type segment struct {
	conn  *net.UDPConn
	card  string        // of the domain
	file  []byte        // shorter than the 512 bytes of a block; nil: nobody else is here
	given chan struct{} // the file was asked for
}

// startSegment serves until the test ends.
func startSegment(t *testing.T, file []byte) *segment {
	t.Helper()
	loopback := net.IPv4(127, 0, 0, 1)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback}) // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	s := &segment{conn: conn, file: file, given: make(chan struct{}, 16)}
	s.card = fmt.Sprintf("<interface type='udp'><mac address='52:54:00:12:34:56'/><source address='127.0.0.1' port='%d'>"+
		"<local address='127.0.0.1' port='%d'/></source><model type='virtio'/></interface>", port(conn), port(theirs))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve()
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return s
}

// asked waits until a machine asks for the file, by what do brings about.
func (s *segment) asked(t *testing.T, do func()) {
	t.Helper()
	for len(s.given) > 0 { // asked twice before, by a machine that was not patient
		<-s.given
	}
	do()
	select {
	case <-s.given:
	case <-time.After(bootLimit):
		t.Fatal("the machine does not boot from the network")
	}
}

func port(c *net.UDPConn) int { return c.LocalAddr().(*net.UDPAddr).Port }

func (s *segment) serve() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := s.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if answer := s.frame(buf[:n]); answer != nil {
			s.conn.WriteToUDP(answer, from)
		}
	}
}

// Our addresses and the machine's.
func ourMAC() []byte  { return []byte{0x52, 0x54, 0, 0, 0, 1} }
func ourIP() []byte   { return []byte{10, 9, 0, 1} }
func theirIP() []byte { return []byte{10, 9, 0, 2} }

// frame answers an Ethernet frame; nil: with nothing.
func (s *segment) frame(f []byte) []byte {
	if len(f) < 42 || s.file == nil {
		return nil
	}
	from, body := f[6:12], f[14:]
	switch binary.BigEndian.Uint16(f[12:]) {
	case 0x0806: // ARP: who has …?
		if binary.BigEndian.Uint16(body[6:]) != 1 || !bytes.Equal(body[24:28], ourIP()) {
			return nil
		}
		reply := append([]byte{0, 1, 8, 0, 6, 4, 0, 2}, ourMAC()...)
		reply = append(append(reply, ourIP()...), body[8:18]...)
		return ethernet(from, 0x0806, reply)
	case 0x0800:
		header := int(body[0]&15) * 4
		if body[9] != 17 || len(body) < header+8 {
			return nil
		}
		udp := body[header:]
		port, data := binary.BigEndian.Uint16(udp), udp[8:]
		switch binary.BigEndian.Uint16(udp[2:]) {
		case 67:
			if reply := offer(data); reply != nil {
				return ethernet(from, 0x0800, ipv4(67, 68, reply))
			}
		case 69:
			if len(data) > 1 && data[1] == 1 { // a read request, whatever the name
				select {
				case s.given <- struct{}{}:
				default:
				}
				return ethernet(from, 0x0800, ipv4(69, port, append([]byte{0, 3, 0, 1}, s.file...)))
			}
		}
	}
	return nil
}

// offer answers DHCP: an address, and a file on this server (RFC 2131).
func offer(ask []byte) []byte {
	const fixed, cookie = 236, 4
	if len(ask) < fixed+cookie+3 {
		return nil
	}
	kind := byte(0)
	for o := ask[fixed+cookie:]; len(o) > 2 && o[0] != 255; {
		if o[0] == 0 { // a filler
			o = o[1:]
			continue
		}
		if o[0] == 53 {
			kind = o[2]
		}
		o = o[min(len(o), 2+int(o[1])):]
	}
	answer, known := map[byte]byte{1: 2, 3: 5}[kind] // discover: offer; request: acknowledgement
	if !known {
		return nil
	}
	r := make([]byte, fixed)
	copy(r, []byte{2, 1, 6, 0})
	copy(r[4:8], ask[4:8])     // the transaction
	copy(r[10:12], ask[10:12]) // flags
	copy(r[16:], theirIP())
	copy(r[20:], ourIP()) // where the file is
	copy(r[28:44], ask[28:44])
	copy(r[108:], "guest")
	r = append(r, 0x63, 0x82, 0x53, 0x63, 53, 1, answer, 54, 4)
	r = append(append(r, ourIP()...), 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 255)
	return r
}

func ethernet(to []byte, kind uint16, body []byte) []byte {
	f := append(append([]byte(nil), to...), ourMAC()...)
	return append(binary.BigEndian.AppendUint16(f, kind), body...)
}

// ipv4 is a datagram to the machine; its UDP has no sum, which is allowed.
func ipv4(from, to uint16, data []byte) []byte {
	p := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0}
	p = append(append(p, ourIP()...), theirIP()...)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)+8+len(data)))
	var sum uint32
	for i := 0; i < len(p); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum>>16+sum))
	p = binary.BigEndian.AppendUint16(p, from)
	p = binary.BigEndian.AppendUint16(p, to)
	p = binary.BigEndian.AppendUint16(p, uint16(8+len(data)))
	return append(append(p, 0, 0), data...)
}
