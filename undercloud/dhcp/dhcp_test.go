package dhcp

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"trefoil/internal/golden"
)

const (
	knownMAC = "52:54:00:00:00:01"
	otherMAC = "52:54:00:00:00:02"
)

func newServer(t testing.TB, change func(*Config)) *Server {
	t.Helper()
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	cfg := Config{
		Interface: "br-test", ServerIP: netip.MustParseAddr("192.168.24.1"), Mask: net.CIDRMask(24, 32),
		Start: netip.MustParseAddr("192.168.24.100"), End: netip.MustParseAddr("192.168.24.101"),
		Gateway: netip.MustParseAddr("192.168.24.1"), DNS: []netip.Addr{netip.MustParseAddr("192.168.24.1")}, MTU: 1400,
		ScriptURL: "http://192.168.24.1:8088/boot.ipxe", HTTPURL: "http://192.168.24.1:8088",
		LeaseFile: filepath.Join(t.TempDir(), "leases.json"), Now: func() time.Time { return now },
		Lookup: func(mac string) (Client, bool) {
			return Client{NodeUUID: "node-" + mac[len(mac)-2:]}, strings.HasPrefix(mac, "52:54:00:00:00:")
		},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// packet is a client's message with a fixed transaction id.
func packet(t testing.TB, mac string, kind dhcpv4.MessageType, mods ...dhcpv4.Modifier) []byte {
	t.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	base := []dhcpv4.Modifier{dhcpv4.WithHwAddr(hw), dhcpv4.WithMessageType(kind), dhcpv4.WithTransactionID(dhcpv4.TransactionID{1, 2, 3, 4})}
	d, err := dhcpv4.New(append(base, mods...)...)
	if err != nil {
		t.Fatal(err)
	}
	return d.ToBytes()
}

func pxe(arch iana.Arch) []dhcpv4.Modifier {
	return []dhcpv4.Modifier{dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient:Arch:00000:UNDI:002001")), dhcpv4.WithOption(dhcpv4.OptClientArch(arch))}
}

// TestOffersByFirmware holds the whole reply for each kind of client to a golden.
func TestOffersByFirmware(t *testing.T) {
	ipxe := append(pxe(iana.INTEL_X86PC), dhcpv4.WithGeneric(dhcpv4.OptionUserClassInformation, []byte("iPXE")))
	for name, mods := range map[string][]dhcpv4.Modifier{
		"bios":    pxe(iana.INTEL_X86PC),
		"uefi":    pxe(iana.EFI_X86_64),
		"uefi-bc": pxe(iana.EFI_BC),
		"ipxe":    ipxe,
		"ipxe175": append(pxe(iana.EFI_X86_64), dhcpv4.WithGeneric(optionIPXE, []byte{235, 3, 1, 0, 0})),
		"http":    {dhcpv4.WithOption(dhcpv4.OptClassIdentifier("HTTPClient:Arch:00016")), dhcpv4.WithOption(dhcpv4.OptClientArch(iana.EFI_X86_64_HTTP))},
		"os":      nil,
		"arm":     pxe(iana.EFI_ARM64),
	} {
		t.Run(name, func(t *testing.T) {
			seen := 0
			s := newServer(t, func(c *Config) { c.Seen = func(Client) { seen++ } })
			rep, to := s.Handle(packet(t, knownMAC, dhcpv4.MessageTypeDiscover, mods...))
			if rep == nil {
				t.Fatal("no offer")
			}
			got := fmt.Sprintf("to %s, file %q, netboots seen %d\n%s", to, rep.BootFileName, seen, rep.Summary())
			golden.Check(t, name+".golden", got)
		})
	}
}

func TestSilentToWhoeverIsNotPublished(t *testing.T) {
	s := newServer(t, nil)
	for _, kind := range []dhcpv4.MessageType{dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform} {
		if rep, _ := s.Handle(packet(t, "aa:bb:cc:00:00:01", kind)); rep != nil {
			t.Errorf("%s was answered", kind)
		}
	}
	if len(s.leases.byIP) != 0 {
		t.Error("a stranger got a lease")
	}
}

func TestExchangeKeepsOneAddressAndRefusesAnothers(t *testing.T) {
	s := newServer(t, nil)
	offer, _ := s.Handle(packet(t, knownMAC, dhcpv4.MessageTypeDiscover))
	ask := func(mac string, ip net.IP) *dhcpv4.DHCPv4 {
		rep, _ := s.Handle(packet(t, mac, dhcpv4.MessageTypeRequest, dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(ip))))
		return rep
	}
	if ack := ask(knownMAC, offer.YourIPAddr); ack.MessageType() != dhcpv4.MessageTypeAck || !ack.YourIPAddr.Equal(offer.YourIPAddr) {
		t.Errorf("wanted ack of %s, got %s", offer.YourIPAddr, ack.Summary())
	}
	if nak := ask(otherMAC, offer.YourIPAddr); nak.MessageType() != dhcpv4.MessageTypeNak {
		t.Errorf("another client's address was given away: %s", nak.Summary())
	}
	wrong := dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IP{10, 0, 0, 1}))
	if rep, _ := s.Handle(packet(t, knownMAC, dhcpv4.MessageTypeRequest, wrong)); rep != nil {
		t.Error("answered a request to another server")
	}
}

func TestReplyGoesWhereTheClientCanHearIt(t *testing.T) {
	s := newServer(t, nil)
	for name, c := range map[string]struct {
		mod  dhcpv4.Modifier
		want string
	}{
		"no address yet": {dhcpv4.WithBroadcast(false), "255.255.255.255:68"},
		"configured":     {dhcpv4.WithClientIP(net.IP{192, 168, 24, 100}), "192.168.24.100:68"},
		"relayed":        {dhcpv4.WithGatewayIP(net.IP{10, 9, 8, 1}), "10.9.8.1:67"},
	} {
		if _, to := s.Handle(packet(t, knownMAC, dhcpv4.MessageTypeRequest, c.mod)); to == nil || to.String() != c.want {
			t.Errorf("%s: reply goes to %v, want %s", name, to, c.want)
		}
	}
}

func TestLeasesSurviveARestartAndRunOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.json")
	start, end, self := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.0.0.2")
	load := func() *Leases {
		l, err := LoadLeases(path, start, end, self)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := load()
	a, err := l.Acquire("a", now, time.Hour)
	if err != nil || a != start {
		t.Fatalf("first lease %s %v", a, err)
	}
	if b, err := l.Acquire("b", now, time.Hour); err != nil || b != end {
		t.Fatalf("second lease must pass over the server's own address: %s %v", b, err)
	}
	l = load()
	if again, err := l.Acquire("a", now, time.Hour); err != nil || again != a {
		t.Errorf("after a restart a has %s (%v), had %s", again, err, a)
	}
	if _, err := l.Acquire("c", now, time.Hour); err == nil || !strings.Contains(err.Error(), "inspection_iprange") {
		t.Errorf("a full range must name the setting: %v", err)
	}
	if ip, err := l.Acquire("c", now.Add(2*time.Hour), time.Hour); err != nil || ip != a && ip != end {
		t.Errorf("an expired lease must be given away: %s %v", ip, err)
	}
}

func TestDeclinedAddressRests(t *testing.T) {
	s := newServer(t, nil)
	offer, _ := s.Handle(packet(t, knownMAC, dhcpv4.MessageTypeDiscover))
	s.Handle(packet(t, knownMAC, dhcpv4.MessageTypeDecline, dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(offer.YourIPAddr))))
	again, _ := s.Handle(packet(t, knownMAC, dhcpv4.MessageTypeDiscover))
	if again.YourIPAddr.Equal(offer.YourIPAddr) {
		t.Error("a declined address was offered again")
	}
}

func TestBrokenLeaseFileIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddr("10.0.0.1")
	if _, err := LoadLeases(path, a, a, a); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func FuzzHandle(f *testing.F) {
	f.Add(packet(f, knownMAC, dhcpv4.MessageTypeDiscover, pxe(iana.INTEL_X86PC)...))
	f.Add(packet(f, knownMAC, dhcpv4.MessageTypeDecline))
	s := newServer(f, func(c *Config) {
		c.Lookup = func(string) (Client, bool) { return Client{}, true }
		c.Log = slog.New(slog.DiscardHandler)
	})
	f.Fuzz(func(t *testing.T, pkt []byte) {
		if rep, to := s.Handle(pkt); rep != nil {
			if to == nil {
				t.Error("a reply without destination")
			}
			if _, err := dhcpv4.FromBytes(rep.ToBytes()); err != nil {
				t.Errorf("our reply cannot be parsed: %v", err)
			}
		}
	})
}
