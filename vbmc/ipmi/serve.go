package ipmi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// maxPacket is far above the longest IPMI packet; longer ones are cut and dropped.
const maxPacket = 1024

// Listen opens the UDP socket of a BMC. "::" listens on IPv6 and IPv4 alike.
func Listen(address string, port int) (*net.UDPConn, error) {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	network := "udp"
	if ip.Is4() {
		network = "udp4" // or 0.0.0.0 would have IPv6 too
	}
	conn, err := listen(network, netip.AddrPortFrom(ip, uint16(port)))
	if err != nil && ip == netip.IPv6Unspecified() && noIPv6(err) { // a kernel without it
		return listen("udp4", netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)))
	}
	return conn, err
}

// listen asks for the local address of packets before the first one can come.
func listen(network string, at netip.AddrPort) (*net.UDPConn, error) {
	c := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		if at.Addr().IsUnspecified() {
			tellAddress(raw, network == "udp6")
		}
		return nil
	}}
	conn, err := c.ListenPacket(context.Background(), network, at.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// Serve answers on conn until ctx ends; it closes conn and the BMC and then returns nil.
func (b *BMC) Serve(ctx context.Context, conn *net.UDPConn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer b.Close()
	defer conn.Close()
	b.setSOLPort(conn.LocalAddr())
	sock, buf := newAsked(conn), make([]byte, maxPacket)
	for {
		n, from, to, err := sock.read(buf)
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			// An ICMP error of an earlier answer shows up here; it is no reason to stop,
			// but an error that stays must not become a busy loop.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		src := netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		b.handleSafely(src, buf[:n], func(p []byte) { sock.write(p, src, to) })
	}
}

// handleSafely keeps a fault in one packet from taking down the BMCs of all
// domains; the packet is logged so that it can become a test.
func (b *BMC) handleSafely(src netip.AddrPort, packet []byte, reply func([]byte)) {
	defer func() {
		if r := recover(); r != nil {
			b.log.Error("fault while handling a packet", "from", src, "fault", r, "packet", fmt.Sprintf("%x", packet))
		}
	}()
	b.Handle(src, packet, reply)
}
