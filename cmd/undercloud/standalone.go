package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/ironic"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/inspect"
	"trefoil/ironic/inspect/rules"
	"trefoil/undercloud/config"
	"trefoil/undercloud/imagecache"
	"trefoil/undercloud/install"
	"trefoil/undercloud/jobs/durable"
	"trefoil/undercloud/keystone"
	"trefoil/undercloud/netboot"
	"trefoil/undercloud/server"
	"trefoil/undercloud/store/sqlite"
)

// standalone is the bare-metal API, introspection, conductor and network boot
// without an undercloud around them.
type standalone struct {
	cfg *config.Standalone
	log *slog.Logger
	bareMetal

	keystone *keystone.Validator // nil unless auth_strategy says so
}

// serveStandalone runs until ctx ends.
func serveStandalone(ctx context.Context, file string, logw io.Writer) error {
	cfg, err := config.LoadStandalone(file, interfaceAddresses)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(logw, &slog.HandlerOptions{Level: level(cfg.Debug)}))
	s := &standalone{cfg: cfg, log: log}
	if err := s.claim(); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	defer s.db.Close()
	p := newProgram(log)
	if err := s.mount(p); err != nil {
		return err
	}
	p.boot, p.start, p.stop, p.guard = s.answerBoots, s.begin, s.stop, s.guard
	return p.run(ctx, "the bare-metal service", "auth_strategy", cfg.Auth, "state_dir", cfg.StateDir)
}

// claim makes the state directory this process's own.
func (s *standalone) claim() error {
	if err := os.MkdirAll(s.cfg.StateDir, 0o700); err != nil {
		return errs.Wrap(errs.Invalid, err, "%s: state_dir", s.cfg.Place("state_dir")).
			WithHint("make the directory, and user %d, whom the service runs as, its owner; or set state_dir", os.Geteuid())
	}
	// It is the operator's directory, and may be another one than was meant: it is not closed for them.
	if st, err := os.Stat(s.cfg.StateDir); err == nil && st.Mode().Perm()&0o007 != 0 {
		s.log.Warn("everybody on this machine may enter the state directory; its files have secrets, each closed for itself only",
			"state_dir", s.cfg.StateDir, "mode", fmt.Sprintf("%#o", st.Mode().Perm()), "hint", "chmod 700 "+s.cfg.StateDir)
	}
	self := install.NewProcess("", s.cfg.StateDir, nil)
	self.Config = s.cfg.Path
	err := self.Announce(func() error { return nil })
	if errs.Is(err, errs.Conflict) {
		return errs.Wrap(errs.Conflict, err, "%s: state_dir %s is in use", s.cfg.Place("state_dir"), s.cfg.StateDir).
			WithHint("stop that service, or give this one a state_dir of its own")
	}
	if err != nil {
		return fmt.Errorf("%s: state_dir: %w", s.cfg.Place("state_dir"), err)
	}
	return nil
}

// interfaceAddresses are the addresses of a network interface with their prefix lengths.
func interfaceAddresses(name string) ([]netip.Prefix, error) {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return nil, errs.New(errs.Invalid, "there is no such network interface on this machine")
	}
	list, err := dev.Addrs()
	if err != nil {
		return nil, fmt.Errorf("ask for its addresses: %w", err)
	}
	var out []netip.Prefix
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
		}
	}
	return out, nil
}

// open makes every part; nothing runs yet.
func (s *standalone) open(ctx context.Context) error {
	drivers, err := s.drivers()
	if err != nil {
		return err
	}
	builtIn, err := s.rules(drivers)
	if err != nil {
		return err
	}
	aliases, err := inspect.ParsePCIAliases(s.cfg.PCIAliases)
	if err != nil {
		return fmt.Errorf("%s: pci_device_alias: %w", s.cfg.Place("pci_device_alias"), err)
	}
	if s.db, err = sqlite.Open(ctx, s.path("undercloud.db")); err != nil {
		return err
	}
	s.jobs = durable.New(durable.Config{Path: s.path("jobs.db"), Log: s.log})
	s.guard = &conductor.URLGuard{Loopback: s.cfg.LoopbackURLs, Files: s.cfg.FilePaths}
	cfg := conductor.Config{Drivers: drivers, AgentNets: s.cfg.AgentNets, Host: s.host(), CleanOnProvide: s.cfg.AutomatedClean,
		DeployKernel: s.cfg.DeployKernel, DeployRamdisk: s.cfg.DeployRamdisk, KernelParams: s.cfg.KernelParams,
		DiscoveryDriver: s.cfg.DiscoveryDriver, BuiltInRules: builtIn, PCIAliases: aliases, Log: s.log}
	s.tune(&cfg)
	var boot *netboot.Config
	if n := s.cfg.Netboot; n != nil {
		boot = &netboot.Config{HTTPURL: "http://" + s.bootAddr(), Interface: n.Interface, Address: n.Address,
			Start: n.Start, End: n.End, Gateway: n.Gateway, DNS: n.DNS, MTU: n.MTU}
		cfg.APIURL = boot.HTTPURL // agents call where they booted from: see bootDoor
	}
	err = s.bareMetal.open(s.cfg.StateDir, boot, imagecache.FetchConfig{MaxSize: int64(s.cfg.MaxImage) << 30}, cfg)
	if err != nil {
		s.db.Close()
	}
	return err
}

func (s *standalone) path(name string) string { return s.cfg.StateDir + "/" + name }

// host is the conductor's name, which nodes show. It may change: what a process of the
// name before had reserved is given back at the start.
func (s *standalone) host() string {
	if s.cfg.Host != "" {
		return s.cfg.Host
	}
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

// drivers are the hardware types that the configuration enables.
func (s *standalone) drivers() (map[string]driver.Driver, error) {
	all, out := s.hardware(), map[string]driver.Driver{}
	for _, name := range s.cfg.HardwareTypes {
		d, ok := all[name]
		if !ok {
			return nil, errs.New(errs.Invalid, "%s: enabled_hardware_types names %q; expected some of %s%s", s.cfg.Place("enabled_hardware_types"), name,
				strings.Join(slices.Sorted(maps.Keys(all)), ", "), nearest.Hint(name, slices.Sorted(maps.Keys(all))))
		}
		out[name] = d
	}
	return out, nil
}

// rules reads the built-in inspection rules, and looks that unknown machines have a driver.
func (s *standalone) rules(drivers map[string]driver.Driver) ([]*ironic.InspectionRule, error) {
	if d := s.cfg.DiscoveryDriver; d != "" && drivers[d] == nil {
		return nil, errs.New(errs.Invalid, "%s: discovery_driver is %q; expected one of those that enabled_hardware_types names: %s", s.cfg.Place("discovery_driver"), d, strings.Join(s.cfg.HardwareTypes, ", "))
	}
	if s.cfg.BuiltInRules == "" {
		return nil, nil
	}
	data, err := os.ReadFile(s.cfg.BuiltInRules)
	if err != nil {
		return nil, fmt.Errorf("%s: built_in_rules: %w", s.cfg.Place("built_in_rules"), err)
	}
	return rules.BuiltIn(s.cfg.BuiltInRules, data)
}

func (s *standalone) bootAddr() string {
	return netip.AddrPortFrom(s.cfg.Netboot.Address.Addr(), uint16(s.cfg.Netboot.Port)).String()
}

// mount puts the APIs on their addresses.
func (s *standalone) mount(p *program) error {
	auth, inspectAuth, err := s.auth()
	if err != nil {
		return err
	}
	api := s.api(auth, s.cfg.Audit, s.log)
	baremetal := server.Service{Name: "baremetal", Addr: s.cfg.Listen.String(), From: s.cfg.Place("listen") + ": listen", Handler: withHealth(p, api)}
	second := "introspection_listen"
	if s.cfg.Place(second) == s.cfg.Path {
		second = "listen" // port 5050 of its address
	}
	introspection := server.Service{Name: "introspection", Addr: s.cfg.IntrospectionListen.String(), From: s.cfg.Place(second) + ": " + second,
		Handler: s.introspection(inspectAuth, s.cfg.Audit, s.log)}
	if s.cfg.TLSCert != "" {
		tls, err := server.LoadTLS(s.cfg.TLSCert, s.cfg.TLSKey, s.log)
		if err != nil {
			return fmt.Errorf("%s: tls_certificate_file: %w", s.cfg.Place("tls_certificate_file"), err)
		}
		baremetal.TLS, introspection.TLS = tls, tls
	} else if s.cfg.Auth != config.AuthNone && !s.cfg.Listen.Addr().Unmap().IsLoopback() {
		s.log.Warn("passwords or tokens travel in the clear: set tls_certificate_file and tls_key_file", "listen", s.cfg.Listen.String())
	}
	p.srv.AddService(baremetal)
	p.srv.AddService(introspection)
	if s.boot != nil {
		p.srv.AddService(server.Service{Name: "httpboot", Addr: s.bootAddr(), From: s.cfg.PlaceIn("netboot", "port") + ": [netboot] port", Handler: bootDoor(s.boot.Handler(), api)})
	}
	return nil
}

// withHealth adds /healthz and /metrics to the API and leaves all other paths to it
// as they are.
func withHealth(p *program, api http.Handler) http.Handler {
	health := p.srv.Health(http.NotFoundHandler(), p.starting)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" || r.URL.Path == "/metrics" {
			health.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// bootDoor is what machines reach while they boot: scripts, kernels and images, and
// of the API the calls of agents, which need no credentials. So the API itself can
// stay on loopback, or behind TLS.
func bootDoor(boot, api http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"/{$}", "/v1", "/v1/{$}", "/v1/lookup", "/v1/lookup/{$}", "/v1/heartbeat/", "/v1/continue_inspection", "/v1/continue_inspection/{$}"} {
		mux.Handle(path, api)
	}
	mux.Handle("/", boot)
	return mux
}

// answerBoots runs DHCP and TFTP, where they are asked for, until ctx ends.
func (s *standalone) answerBoots(ctx context.Context) error {
	if s.boot == nil || !s.cfg.Netboot.DHCP {
		<-ctx.Done()
		return nil
	}
	return s.boot.Run(ctx)
}
