package ipmi

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"trefoil/vbmc/domain/fake"
)

// TestAnswersComeFromTheAskedAddress: also where the routing table would choose another
// one: to 127.0.0.1 it is 127.0.0.1, whichever of 127/8 was asked.
func TestAnswersComeFromTheAskedAddress(t *testing.T) {
	for _, listen := range []string{"::", "0.0.0.0", "127.0.0.3"} {
		b, err := New(Config{Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := Listen(listen, 0)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- b.Serve(t.Context(), conn) }()
		t.Cleanup(func() { <-done })
		asked := []string{"127.0.0.1", "127.0.0.2"}
		switch listen {
		case "::":
			asked = append(asked, "::1")
		case "127.0.0.3":
			asked = []string{listen}
		}
		for _, a := range asked {
			to := netip.AddrPortFrom(netip.MustParseAddr(a), conn.LocalAddr().(*net.UDPAddr).AddrPort().Port())
			if from := pingFrom(t, to); from != to {
				t.Errorf("%s: %s was asked, %s answers", listen, to, from)
			}
		}
	}
}

// pingFrom sends a presence ping and returns who answers.
func pingFrom(t *testing.T, to netip.AddrPort) netip.AddrPort {
	t.Helper()
	local := netip.MustParseAddr("127.0.0.1")
	if to.Addr().Is6() {
		local = netip.IPv6Loopback()
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		t.Skip("no socket at", local, err) // a kernel without IPv6
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.WriteToUDPAddrPort([]byte{6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0x42, 0, 0}, to); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, from, err := c.ReadFromUDPAddrPort(buf)
	if err != nil || n != 28 {
		t.Fatalf("pong of %d bytes: %v", n, err)
	}
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}
