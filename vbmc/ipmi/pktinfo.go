package ipmi

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asked is a socket that listens on all addresses. It notes by which of them a packet
// came and answers from that one: the routing table would choose another on a host
// with several, and clients and firewalls drop what comes from there.
type asked struct {
	conn *net.UDPConn
	v6   bool   // of the socket; such a one has IPv4 too, as mapped addresses
	oob  []byte // nil: of one address only
}

// oobSize has room for the packet information of either family.
const oobSize = 64

// newAsked serves a socket, whoever opened it. One of a single address answers from there
// anyway, and is spared the kernel's work for each packet.
func newAsked(conn *net.UDPConn) *asked {
	a := &asked{conn: conn}
	u, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok || !u.IP.IsUnspecified() {
		return a
	}
	a.v6, a.oob = u.IP.To4() == nil, make([]byte, oobSize)
	if raw, err := conn.SyscallConn(); err == nil {
		tellAddress(raw, a.v6)
	}
	return a
}

// tellAddress makes the kernel tell the local address of each packet. When it does not,
// answers leave by the routing table as everywhere else.
func tellAddress(raw syscall.RawConn, v6 bool) {
	level, option := syscall.IPPROTO_IP, syscall.IP_PKTINFO
	if v6 {
		level, option = syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO
	}
	raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), level, option, 1) })
}

// read takes a packet; to is the address that was asked, invalid when it is not known
// or not one to answer from.
func (a *asked) read(buf []byte) (n int, src netip.AddrPort, to netip.Addr, err error) {
	n, k, _, src, err := a.conn.ReadMsgUDPAddrPort(buf, a.oob)
	if err != nil {
		return n, src, to, err
	}
	if to = packetInfo(a.oob[:k]); to.IsMulticast() || to.IsUnspecified() || to == broadcast() {
		to = netip.Addr{}
	}
	return n, src, to, nil
}

func broadcast() netip.Addr { return netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

// write answers from an address, or from any when that one is not known or not ours.
func (a *asked) write(p []byte, dst netip.AddrPort, from netip.Addr) {
	if from.IsValid() {
		var oob [oobSize]byte
		if _, _, err := a.conn.WriteMsgUDPAddrPort(p, a.control(oob[:0], from), dst); err == nil {
			return
		}
	}
	a.conn.WriteToUDPAddrPort(p, dst)
}

// The kernel's structures (ip(7), ipv6(7), cmsg(3)): a header of length, level and
// type; then in6_pktinfo is address and interface, in_pktinfo interface, the local
// address to answer from, and the destination of the header.
const (
	pktinfo6Len = 20
	pktinfo4Len = 12
)

// packetInfo reads the local address out of control messages.
func packetInfo(oob []byte) netip.Addr {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		switch {
		case err != nil:
			return netip.Addr{}
		case h.Level == syscall.IPPROTO_IPV6 && h.Type == syscall.IPV6_PKTINFO && len(data) >= pktinfo6Len:
			return netip.AddrFrom16([16]byte(data[:16])).Unmap()
		case h.Level == syscall.IPPROTO_IP && h.Type == syscall.IP_PKTINFO && len(data) >= pktinfo4Len:
			return netip.AddrFrom4([4]byte(data[4:8]))
		}
		oob = rest
	}
	return netip.Addr{}
}

// control makes the control message that sends from an address. The interface stays
// open: the route to the asker, or its zone, says that.
func (a *asked) control(b []byte, from netip.Addr) []byte {
	level, kind, n := uint32(syscall.IPPROTO_IP), uint32(syscall.IP_PKTINFO), pktinfo4Len
	if a.v6 {
		level, kind, n = syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO, pktinfo6Len
	}
	b = b[:syscall.CmsgSpace(n)]
	clear(b)
	if unsafe.Sizeof(uintptr(0)) == 8 {
		binary.NativeEndian.PutUint64(b, uint64(syscall.CmsgLen(n)))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(syscall.CmsgLen(n)))
	}
	data := b[syscall.CmsgLen(0):]
	binary.NativeEndian.PutUint32(b[syscall.CmsgLen(0)-8:], level)
	binary.NativeEndian.PutUint32(b[syscall.CmsgLen(0)-4:], kind)
	if a.v6 {
		addr := from.As16()
		copy(data, addr[:])
	} else {
		addr := from.As4()
		copy(data[4:], addr[:])
	}
	return b
}
