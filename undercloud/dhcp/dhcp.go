// Package dhcp answers the network boot of machines that are published, and
// nobody else. It is deaf on every interface but one (SO_BINDTODEVICE) and
// silent to every MAC address that its lookup does not know, so that it can
// live on a network that has another DHCP server.
//
// Replies to a client that has no address yet are broadcast: RFC 2131 §4.1
// allows it whether or not the client set the broadcast flag, and it needs
// neither raw frames nor ARP entries.
package dhcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"
)

// Client is what the server must know of a machine it may answer.
type Client struct {
	NodeUUID string
	BootMode string // "bios" or "uefi": what the conductor expects; only logged when the firmware differs
}

// Config says what to serve. Interface, ServerIP, Mask, Start, End, ScriptURL,
// LeaseFile and Lookup are required.
type Config struct {
	Interface string
	ServerIP  netip.Addr
	Mask      net.IPMask
	Start     netip.Addr // first address handed out
	End       netip.Addr // last one, inclusive
	Gateway   netip.Addr // option 3; the zero value sends none
	DNS       []netip.Addr
	MTU       int    // option 26; 0 sends none
	ScriptURL string // what iPXE boots: http://…/boot.ipxe
	HTTPURL   string // base of /ipxe/<file> for UEFI HTTP boot; empty turns it off

	LeaseFile string
	LeaseTime time.Duration // default one hour

	// Lookup finds a published machine by MAC address (lower case, colons).
	Lookup func(mac string) (Client, bool)
	// Seen is told of each request for a network boot that was answered; may be nil.
	Seen func(c Client)

	Log *slog.Logger
	Now func() time.Time
}

// Server is one DHCP server. Handle is safe for concurrent use.
type Server struct {
	cfg    Config
	leases *Leases
}

// New checks the configuration and loads the leases.
func New(cfg Config) (*Server, error) {
	if !cfg.ServerIP.Is4() || !cfg.Start.Is4() || !cfg.End.Is4() || cfg.End.Less(cfg.Start) {
		return nil, fmt.Errorf("dhcp range %s–%s on %s: want IPv4 addresses in rising order", cfg.Start, cfg.End, cfg.ServerIP)
	}
	if cfg.Lookup == nil || cfg.LeaseFile == "" || cfg.ScriptURL == "" {
		return nil, errors.New("dhcp: lookup, lease file and script url are required")
	}
	if cfg.LeaseTime == 0 {
		cfg.LeaseTime = time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l, err := LoadLeases(cfg.LeaseFile, cfg.Start, cfg.End, cfg.ServerIP)
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, leases: l}, nil
}

// ListenAndServe answers on the interface until ctx ends, then returns nil.
func (s *Server) ListenAndServe(ctx context.Context) error {
	conn, err := server4.NewIPv4UDPConn(s.cfg.Interface, &net.UDPAddr{IP: net.IPv4zero, Port: dhcpv4.ServerPort})
	if err != nil {
		return fmt.Errorf("listen for dhcp on %s: %w", s.cfg.Interface, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	buf := make([]byte, 4096)
	for {
		n, peer, err := conn.ReadFromUDP(buf)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("read dhcp on %s: %w", s.cfg.Interface, err)
		}
		if err != nil { // e.g. network down for a moment: the bridge was taken down and up
			s.cfg.Log.Warn("dhcp read", "interface", s.cfg.Interface, "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		reply, to := s.handleSafely(buf[:n])
		if reply == nil {
			continue
		}
		if _, err := conn.WriteToUDP(reply.ToBytes(), to); err != nil {
			s.cfg.Log.Warn("dhcp reply not sent", "mac", reply.ClientHWAddr.String(), "peer", peer.String(), "error", err)
		}
	}
}

// handleSafely keeps one hostile packet from ending the service.
func (s *Server) handleSafely(pkt []byte) (reply *dhcpv4.DHCPv4, to *net.UDPAddr) {
	defer func() {
		if r := recover(); r != nil {
			s.cfg.Log.Error("dhcp packet broke the parser", "panic", r, "stack", string(debug.Stack()))
			reply, to = nil, nil
		}
	}()
	return s.Handle(pkt)
}

// Handle answers one packet, or returns nil when silence is the answer.
func (s *Server) Handle(pkt []byte) (*dhcpv4.DHCPv4, *net.UDPAddr) {
	req, err := dhcpv4.FromBytes(pkt)
	if err != nil || req.OpCode != dhcpv4.OpcodeBootRequest || len(req.ClientHWAddr) != 6 {
		return nil, nil
	}
	mac := req.ClientHWAddr.String()
	client, known := s.cfg.Lookup(mac)
	log := s.cfg.Log.With("mac", mac, "message", req.MessageType().String())
	if !known {
		log.Debug("dhcp ignored: mac is not published")
		return nil, nil
	}
	log = log.With("node", client.NodeUUID)
	reply := s.answer(req, client, log)
	if reply == nil {
		return nil, nil
	}
	return reply, destination(req)
}

// answer carries the state of the exchange (RFC 2131 §4.3).
func (s *Server) answer(req *dhcpv4.DHCPv4, c Client, log *slog.Logger) *dhcpv4.DHCPv4 {
	mac := req.ClientHWAddr.String()
	switch req.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		ip, err := s.leases.Acquire(mac, s.cfg.Now(), s.cfg.LeaseTime)
		if err != nil {
			log.Error("dhcp cannot offer", "error", err)
			return nil
		}
		return s.reply(req, c, dhcpv4.MessageTypeOffer, ip, log)
	case dhcpv4.MessageTypeRequest:
		return s.request(req, c, log)
	case dhcpv4.MessageTypeDecline:
		ip, _ := netip.AddrFromSlice(req.RequestedIPAddress().To4())
		log.Warn("dhcp address is in use by somebody else", "address", ip)
		if err := s.leases.Decline(mac, ip, s.cfg.Now()); err != nil {
			log.Error("dhcp decline not kept", "error", err)
		}
	case dhcpv4.MessageTypeInform:
		return s.reply(req, c, dhcpv4.MessageTypeAck, netip.Addr{}, log)
	}
	// Release needs nothing: the address stays with the MAC, so that a machine
	// has one address through firmware, iPXE and ramdisk.
	return nil
}

func (s *Server) request(req *dhcpv4.DHCPv4, c Client, log *slog.Logger) *dhcpv4.DHCPv4 {
	if id := req.ServerIdentifier(); id != nil && !id.Equal(s.cfg.ServerIP.AsSlice()) {
		log.Info("dhcp ignored: the client chose another server", "server", id.String())
		return nil
	}
	ip, err := s.leases.Acquire(req.ClientHWAddr.String(), s.cfg.Now(), s.cfg.LeaseTime)
	if err != nil {
		log.Error("dhcp cannot acknowledge", "error", err)
		return nil
	}
	want := req.RequestedIPAddress()
	if want == nil {
		want = req.ClientIPAddr
	}
	if want != nil && !want.IsUnspecified() && !want.Equal(ip.AsSlice()) {
		log.Info("dhcp refused: not this client's address", "asked", want.String(), "has", ip)
		nak, err := dhcpv4.NewReplyFromRequest(req, dhcpv4.WithMessageType(dhcpv4.MessageTypeNak),
			dhcpv4.WithOption(dhcpv4.OptServerIdentifier(s.cfg.ServerIP.AsSlice())))
		if err != nil {
			return nil
		}
		return nak
	}
	return s.reply(req, c, dhcpv4.MessageTypeAck, ip, log)
}

// destination follows RFC 2131 §4.1: relay, configured client, else everybody.
func destination(req *dhcpv4.DHCPv4) *net.UDPAddr {
	switch {
	case req.GatewayIPAddr != nil && !req.GatewayIPAddr.IsUnspecified():
		return &net.UDPAddr{IP: req.GatewayIPAddr, Port: dhcpv4.ServerPort}
	case req.ClientIPAddr != nil && !req.ClientIPAddr.IsUnspecified():
		return &net.UDPAddr{IP: req.ClientIPAddr, Port: dhcpv4.ClientPort}
	}
	return &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ClientPort}
}
