package dhcp

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// The two programs that TFTP hands to firmware that is not iPXE itself.
const (
	BIOSLoader = "undionly.kpxe"
	UEFILoader = "snponly.efi"
)

// optionIPXE is iPXE's encapsulated option; only iPXE sends it.
const optionIPXE = dhcpv4.GenericOptionCode(175)

// Firmware is what kind of program asks for an address.
type Firmware string

// The kinds of client.
const (
	FirmwareIPXE Firmware = "ipxe"      // takes the script by HTTP
	FirmwareBIOS Firmware = "bios pxe"  // takes undionly.kpxe by TFTP
	FirmwareUEFI Firmware = "uefi pxe"  // takes snponly.efi by TFTP
	FirmwareHTTP Firmware = "uefi http" // takes snponly.efi by HTTP
	FirmwareNone Firmware = "os"        // wants an address only
	FirmwareOdd  Firmware = "unsupported"
)

// Classify tells from options 60, 77, 93 (RFC 4578) and 175 who asks.
func Classify(req *dhcpv4.DHCPv4) Firmware {
	if req.Options.Has(optionIPXE) || isIPXE(req) {
		return FirmwareIPXE
	}
	class := req.ClassIdentifier()
	pxe, httpBoot := strings.HasPrefix(class, "PXEClient"), strings.HasPrefix(class, "HTTPClient")
	if !pxe && !httpBoot {
		return FirmwareNone
	}
	arch := iana.INTEL_X86PC // a PXE client that names no architecture is an old BIOS
	if a := req.ClientArch(); len(a) > 0 {
		arch = a[0]
	}
	switch {
	case httpBoot && arch == iana.EFI_X86_64_HTTP:
		return FirmwareHTTP
	case pxe && arch == iana.INTEL_X86PC:
		return FirmwareBIOS
	case pxe && (arch == iana.EFI_X86_64 || arch == iana.EFI_BC):
		return FirmwareUEFI
	}
	return FirmwareOdd
}

// isIPXE looks for the user class, which iPXE sends without RFC 3004's length bytes.
func isIPXE(req *dhcpv4.DHCPv4) bool {
	for _, c := range req.UserClass() {
		if c == "iPXE" {
			return true
		}
	}
	return string(req.Options.Get(dhcpv4.OptionUserClassInformation)) == "iPXE"
}

// reply builds an offer or acknowledgement. ip is invalid for answers to INFORM.
func (s *Server) reply(req *dhcpv4.DHCPv4, c Client, kind dhcpv4.MessageType, ip netip.Addr, log *slog.Logger) *dhcpv4.DHCPv4 {
	server := net.IP(s.cfg.ServerIP.AsSlice())
	mods := []dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server)),
		dhcpv4.WithOption(dhcpv4.OptSubnetMask(s.cfg.Mask)),
	}
	if ip.IsValid() {
		mods = append(mods, dhcpv4.WithYourIP(ip.AsSlice()), dhcpv4.WithOption(dhcpv4.OptIPAddressLeaseTime(s.cfg.LeaseTime)))
	}
	if s.cfg.Gateway.IsValid() {
		mods = append(mods, dhcpv4.WithOption(dhcpv4.OptRouter(s.cfg.Gateway.AsSlice())))
	}
	if len(s.cfg.DNS) > 0 {
		ips := make([]net.IP, len(s.cfg.DNS))
		for i, a := range s.cfg.DNS {
			ips[i] = a.AsSlice()
		}
		mods = append(mods, dhcpv4.WithOption(dhcpv4.OptDNS(ips...)))
	}
	if s.cfg.MTU > 0 {
		mods = append(mods, dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{byte(s.cfg.MTU >> 8), byte(s.cfg.MTU)}))
	}
	fw := Classify(req)
	file, mods := s.bootOptions(fw, req, mods)
	rep, err := dhcpv4.NewReplyFromRequest(req, mods...)
	if err != nil {
		log.Error("dhcp reply not built", "error", err)
		return nil
	}
	if file != "" {
		rep.BootFileName = file
		if s.cfg.Seen != nil {
			s.cfg.Seen(c)
		}
	}
	log.Info("dhcp "+strings.ToLower(kind.String()), "address", ip, "firmware", string(fw), "boot", file)
	warnMode(log, c, fw)
	return rep
}

// bootOptions chooses the boot file and where to get it: options 66, 67, siaddr.
func (s *Server) bootOptions(fw Firmware, req *dhcpv4.DHCPv4, mods []dhcpv4.Modifier) (string, []dhcpv4.Modifier) {
	var file string
	switch fw {
	case FirmwareIPXE:
		file = s.cfg.ScriptURL
		// iPXE waits up to 2 s for ProxyDHCP unless told not to (option 175.176).
		mods = append(mods, dhcpv4.WithGeneric(optionIPXE, []byte{176, 1, 1}))
	case FirmwareBIOS:
		file = BIOSLoader
	case FirmwareUEFI:
		file = UEFILoader
	case FirmwareHTTP:
		if s.cfg.HTTPURL == "" {
			return "", mods
		}
		file = strings.TrimSuffix(s.cfg.HTTPURL, "/") + "/ipxe/" + UEFILoader
	default:
		return "", mods
	}
	server := net.IP(s.cfg.ServerIP.AsSlice())
	mods = append(mods, dhcpv4.WithServerIP(server),
		dhcpv4.WithOption(dhcpv4.OptTFTPServerName(server.String())),
		dhcpv4.WithOption(dhcpv4.OptBootFileName(file)))
	switch fw {
	case FirmwareBIOS, FirmwareUEFI:
		// PXE 2.1: discovery control 8 = take the boot file of this reply, look for no boot server.
		mods = append(mods, dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient")),
			dhcpv4.WithGeneric(dhcpv4.OptionVendorSpecificInformation, []byte{6, 1, 8, 255}))
	case FirmwareHTTP:
		mods = append(mods, dhcpv4.WithOption(dhcpv4.OptClassIdentifier("HTTPClient")))
	}
	if g := req.Options.Get(dhcpv4.OptionClientMachineIdentifier); len(g) == 17 && fw != FirmwareIPXE {
		mods = append(mods, dhcpv4.WithGeneric(dhcpv4.OptionClientMachineIdentifier, g))
	}
	return file, mods
}

// warnMode says when the firmware is not what the node's boot_mode promises:
// the deploy would boot, then fail to start from its disk.
func warnMode(log *slog.Logger, c Client, fw Firmware) {
	switch {
	case fw == FirmwareOdd:
		log.Warn("dhcp: this firmware's architecture has no boot file")
	case fw == FirmwareBIOS && c.BootMode == "uefi", (fw == FirmwareUEFI || fw == FirmwareHTTP) && c.BootMode == "bios":
		log.Warn("dhcp: firmware differs from the node's boot_mode", "boot_mode", c.BootMode, "firmware", string(fw))
	}
}
