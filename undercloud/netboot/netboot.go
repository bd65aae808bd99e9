// Package netboot implements driver.NetBoot: it keeps what each machine boots
// from the network, and runs the DHCP, TFTP and HTTP parts that hand it out.
//
// Entries are files, one a node, written before Publish returns; a service that
// was killed goes on answering machines that were in the middle of their boot.
package netboot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/driver"
	"trefoil/undercloud/dhcp"
	"trefoil/undercloud/httpboot"
	"trefoil/undercloud/netboot/radv"
	"trefoil/undercloud/tftp"
)

// Config of the boot service. Dir and HTTPURL are always required; the DHCP
// fields only for Run.
type Config struct {
	Dir      string // state: entries and leases; made if missing, mode 0700
	HTTPURL  string // how nodes reach Handler, e.g. http://192.168.24.1:8088
	ImageDir string // imagecache's directory; empty serves no images
	IPXEDir  string // default /usr/lib/ipxe

	Interface string       // where DHCP listens, e.g. br-ctlplane
	Address   netip.Prefix // the undercloud's address on it with its prefix length
	Start     netip.Addr   // inspection_iprange
	End       netip.Addr
	Gateway   netip.Addr // may be zero
	DNS       []netip.Addr
	MTU       int

	// Unknown is what a machine boots whose MAC is not published, false for nothing; with
	// an empty MAC it is asked for the files that such machines load. May be nil.
	Unknown func(mac string) (driver.BootEntry, bool)

	Log *slog.Logger
}

// state is an entry and how far its boot has come.
type state struct {
	Entry driver.BootEntry `json:"entry"`
	Phase driver.BootPhase `json:"phase,omitempty"`
}

// Service implements driver.NetBoot. Safe for concurrent use.
type Service struct {
	cfg Config

	mu    sync.Mutex
	nodes map[string]*state
	byMAC map[string]string // MAC → node
}

var (
	_ driver.NetBoot  = (*Service)(nil)
	_ httpboot.Source = (*Service)(nil)
)

// New loads the entries that are published.
func New(cfg Config) (*Service, error) {
	if cfg.Dir == "" || cfg.HTTPURL == "" {
		return nil, errors.New("netboot: dir and http url are required")
	}
	cfg.HTTPURL = strings.TrimSuffix(cfg.HTTPURL, "/")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Join(cfg.Dir, "entries"), 0o700); err != nil {
		return nil, fmt.Errorf("make netboot directory: %w", err)
	}
	nodes, err := loadEntries(filepath.Join(cfg.Dir, "entries"))
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, nodes: nodes, byMAC: map[string]string{}}
	for id, st := range nodes {
		for _, mac := range st.Entry.MACs {
			s.byMAC[mac] = id
		}
	}
	return s, nil
}

// Handler serves scripts, kernels, ramdisks and images; mount it at HTTPURL.
func (s *Service) Handler() http.Handler {
	return httpboot.New(httpboot.Config{Source: s, BaseURL: s.cfg.HTTPURL, ImageDir: s.cfg.ImageDir, IPXEDir: s.cfg.IPXEDir, Log: s.cfg.Log})
}

// Run answers DHCP and TFTP until ctx ends (then nil) or one of them fails.
func (s *Service) Run(ctx context.Context) error {
	srv, err := dhcp.New(dhcp.Config{
		Interface: s.cfg.Interface, ServerIP: s.cfg.Address.Addr(), Mask: net.CIDRMask(s.cfg.Address.Bits(), 32),
		Start: s.cfg.Start, End: s.cfg.End, Gateway: s.cfg.Gateway, DNS: s.cfg.DNS, MTU: s.cfg.MTU,
		ScriptURL: s.cfg.HTTPURL + "/boot.ipxe", HTTPURL: s.cfg.HTTPURL,
		LeaseFile: filepath.Join(s.cfg.Dir, "leases.json"), LeaseTime: time.Hour,
		Lookup: s.lookup, Seen: func(c dhcp.Client) { s.Reached(c.NodeUUID, driver.PhaseDHCP) }, Log: s.cfg.Log,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 2)
	go func() { failed <- srv.ListenAndServe(ctx) }()
	go func() {
		failed <- tftp.Serve(ctx, tftp.Config{Addr: netip.AddrPortFrom(s.cfg.Address.Addr(), 69), Dir: s.cfg.IPXEDir, Log: s.cfg.Log})
	}()
	go func() {
		known := func(mac string) bool { _, ok := s.ByMAC(mac); return ok }
		if err := radv.Serve(ctx, s.cfg.Interface, known, s.cfg.Log); err != nil {
			s.cfg.Log.Warn("no IPv6 here: iPXE will wait 16 s for it at each boot", "error", err)
		}
	}()
	first := <-failed
	cancel()
	return errors.Join(first, <-failed)
}

// Publish implements driver.NetBoot. Errors: Invalid for an entry that cannot
// boot (no MAC, missing file), Conflict when another node has one of its MACs.
func (s *Service) Publish(_ context.Context, e driver.BootEntry) error {
	e.MACs = lower(e.MACs)
	if err := check(e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, mac := range e.MACs {
		if other, ok := s.byMAC[mac]; ok && other != e.NodeUUID {
			return errs.New(errs.Conflict, "MAC %s is already being booted as node %s", mac, other).
				WithHint("two nodes claim one port: delete one with `openstack baremetal port delete`")
		}
	}
	st := &state{Entry: e}
	if err := save(s.entries(), st); err != nil {
		return err
	}
	s.forget(e.NodeUUID)
	s.nodes[e.NodeUUID] = st
	for _, mac := range e.MACs {
		s.byMAC[mac] = e.NodeUUID
	}
	return nil
}

// Remove implements driver.NetBoot.
func (s *Service) Remove(_ context.Context, nodeUUID string) error {
	if !uuidForm.MatchString(nodeUUID) {
		return nil // never published: Publish refuses it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := drop(s.entries(), nodeUUID); err != nil {
		return err
	}
	s.forget(nodeUUID)
	return nil
}

// Phase implements driver.NetBoot.
func (s *Service) Phase(nodeUUID string) driver.BootPhase {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st, ok := s.nodes[nodeUUID]; ok {
		return st.Phase
	}
	return driver.PhaseNone
}

// Reached implements httpboot.Source: phases only advance, because the ramdisk asks DHCP again.
func (s *Service) Reached(nodeUUID string, p driver.BootPhase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.nodes[nodeUUID]
	if !ok || rank(p) <= rank(st.Phase) {
		return
	}
	st.Phase = p
	if err := save(s.entries(), st); err != nil {
		s.cfg.Log.Warn("boot phase not kept", "node", nodeUUID, "error", err)
	}
}

// ByMAC implements httpboot.Source.
func (s *Service) ByMAC(mac string) (driver.BootEntry, bool) {
	s.mu.Lock()
	id, ok := s.byMAC[mac]
	s.mu.Unlock()
	if !ok {
		return s.unknown(mac)
	}
	return s.ByNode(id)
}

// unknown is the entry of machines that are not published.
func (s *Service) unknown(mac string) (driver.BootEntry, bool) {
	if s.cfg.Unknown == nil {
		return driver.BootEntry{}, false
	}
	e, ok := s.cfg.Unknown(mac)
	e.NodeUUID = driver.UnknownNode
	return e, ok
}

// ByNode implements httpboot.Source.
func (s *Service) ByNode(uuid string) (driver.BootEntry, bool) {
	if uuid == driver.UnknownNode {
		return s.unknown("")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.nodes[uuid]
	if !ok {
		return driver.BootEntry{}, false
	}
	e := st.Entry
	e.MACs, e.Params = slices.Clone(e.MACs), slices.Clone(e.Params)
	return e, true
}

// Uses tells whether a machine boots a file. Safe for concurrent use.
func (s *Service) Uses(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.nodes {
		if st.Entry.Kernel == path || st.Entry.Ramdisk == path {
			return true
		}
	}
	return false
}

func (s *Service) lookup(mac string) (dhcp.Client, bool) {
	e, ok := s.ByMAC(mac)
	return dhcp.Client{NodeUUID: e.NodeUUID, BootMode: e.BootMode}, ok
}

func (s *Service) entries() string { return filepath.Join(s.cfg.Dir, "entries") }

func (s *Service) forget(nodeUUID string) {
	delete(s.nodes, nodeUUID)
	maps.DeleteFunc(s.byMAC, func(_, id string) bool { return id == nodeUUID })
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F][0-9a-fA-F-]{7,63}$`)

// check refuses what could not boot, or would write outside its file or script line.
func check(e driver.BootEntry) error {
	if !uuidForm.MatchString(e.NodeUUID) {
		return errs.New(errs.Invalid, "boot entry: node uuid %q is not a uuid", e.NodeUUID)
	}
	if len(e.MACs) == 0 {
		return errs.New(errs.Invalid, "node %s has no port with PXE enabled, so it cannot boot from the network", e.NodeUUID).
			WithHint("`openstack baremetal port create --node %s MAC`", e.NodeUUID)
	}
	for _, mac := range e.MACs {
		if hw, err := net.ParseMAC(mac); err != nil || len(hw) != 6 || hw.String() != mac {
			return errs.New(errs.Invalid, "boot entry of node %s: %q is not a MAC address", e.NodeUUID, mac)
		}
	}
	for _, p := range append(slices.Clone(e.Params), e.Purpose) {
		if strings.ContainsFunc(p, func(r rune) bool { return r < 0x20 || r == 0x7f }) || strings.Contains(p, "${") {
			return errs.New(errs.Invalid, "boot entry of node %s: a kernel parameter holds a control character or ${", e.NodeUUID)
		}
	}
	for what, path := range map[string]string{"kernel": e.Kernel, "ramdisk": e.Ramdisk} {
		if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() || st.Size() == 0 {
			return errs.New(errs.Invalid, "node %s: its deploy %s %q is missing or empty", e.NodeUUID, what, path).
				WithHint("`openstack overcloud image build` and `openstack overcloud image upload` make and upload it")
		}
	}
	return nil
}

func lower(macs []string) []string {
	out := make([]string, len(macs))
	for i, m := range macs {
		out[i] = strings.ToLower(m)
	}
	return out
}

func rank(p driver.BootPhase) int {
	return slices.Index([]driver.BootPhase{driver.PhaseNone, driver.PhaseDHCP, driver.PhaseScript, driver.PhaseKernel, driver.PhaseRamdisk}, p)
}
