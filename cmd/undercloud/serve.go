package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/conductor"
	"trefoil/overcloud/deploy"
	stackapi "trefoil/overcloud/stack/api"
	"trefoil/undercloud/certificate"
	"trefoil/undercloud/compute"
	"trefoil/undercloud/config"
	"trefoil/undercloud/identity"
	"trefoil/undercloud/image"
	"trefoil/undercloud/imagecache"
	"trefoil/undercloud/install"
	"trefoil/undercloud/jobs/durable"
	"trefoil/undercloud/netboot"
	"trefoil/undercloud/network"
	"trefoil/undercloud/secret"
	"trefoil/undercloud/server"
	"trefoil/undercloud/store/sqlite"
)

// undercloud is everything that runs in the process.
type undercloud struct {
	cfg *config.Service
	log *slog.Logger
	key secret.Key
	bareMetal

	identity *identity.Service
	images   *image.Service
	network  *network.Service
	compute  *compute.Service
	stacks   *stacks
}

func (u *undercloud) path(name string) string { return filepath.Join(u.cfg.StateDir, name) }

// serve runs until ctx ends.
func serve(ctx context.Context, configFile string, logw io.Writer) error {
	configFile, err := filepath.Abs(configFile)
	if err != nil {
		return fmt.Errorf("find the configuration: %w", err)
	}
	self := install.NewProcess("", filepath.Dir(configFile), nil)
	self.Config = configFile
	var cfg *config.Service
	if err := self.Announce(func() (err error) { cfg, err = config.LoadService(configFile); return err }); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(logw, &slog.HandlerOptions{Level: level(cfg.Debug)}))
	u := &undercloud{cfg: cfg, log: log}
	// Bridge, addresses and NAT do not survive a reboot.
	if err := install.EnsureNetwork(ctx, cfg, os.Getenv(configRootEnv)); err != nil {
		return err
	}
	if err := u.open(ctx); err != nil {
		return err
	}
	defer u.db.Close()
	p := newProgram(log)
	if err := u.mount(p.srv, p.starting); err != nil {
		return err
	}
	p.boot, p.start, p.stop, p.guard = u.boot.Run, u.start, u.stop, u.guard
	return p.run(ctx, "the undercloud", "identity", cfg.AuthURL())
}

func level(debug bool) slog.Level {
	if debug {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// open makes every part; nothing runs yet.
func (u *undercloud) open(ctx context.Context) error {
	var err error
	if u.key, err = secret.LoadKey(u.path("key")); err != nil {
		return err
	}
	if u.db, err = sqlite.Open(ctx, u.path("undercloud.db")); err != nil {
		return err
	}
	u.jobs = durable.New(durable.Config{Path: u.path("jobs.db"), Log: u.log})
	u.identity = identity.New(identity.Config{Key: u.key, AuthURL: u.cfg.AuthURL(), PublicURL: u.cfg.PublicURL("identity"),
		Catalog: identity.DefaultCatalog(u.cfg.URL, u.cfg.PublicURL),
		Users:   []identity.User{{Name: "admin", Password: u.cfg.AdminPassword, Projects: []string{"admin", "service"}}}, Revocations: sqlite.NewRevocations(u.db),
		TTL: time.Duration(u.cfg.TokenLifetime) * time.Second, Log: u.log})
	if err := u.identity.Open(u.path("people.json")); err != nil {
		return err
	}
	if u.images, err = image.New(ctx, image.Config{Store: sqlite.NewImages(u.db), Dir: u.path("images"), Log: u.log}); err != nil {
		return err
	}
	u.network = network.New(network.Config{Store: sqlite.NewNetworks(u.db), Reserved: u.reserved(), Log: u.log})
	u.compute = compute.New(compute.Config{Store: sqlite.NewCompute(u.db), Servers: &compute.Nodes{Store: u.db, Network: u.network, Images: u.images}, Hostname: u.cfg.Hostname, Log: u.log})
	if err := u.openBareMetal(); err != nil {
		return err
	}
	u.stacks, err = newStacks(u)
	return err
}

// reserved are the undercloud's own addresses: no node gets them.
func (u *undercloud) reserved() []netip.Addr {
	out := []netip.Addr{u.cfg.LocalIP.Addr()}
	for _, h := range []string{u.cfg.PublicHost, u.cfg.AdminHost} {
		if a, err := netip.ParseAddr(h); err == nil {
			out = append(out, a)
		}
	}
	return out
}

func (u *undercloud) openBareMetal() error {
	sub := u.cfg.Local()
	discovery := ""
	if u.cfg.NodeDiscovery {
		discovery = u.cfg.DiscoveryDefaultDriver
		if known := slices.Sorted(maps.Keys(hardware(nil))); !slices.Contains(known, discovery) {
			return errs.New(errs.Invalid, "discovery_default_driver of undercloud.conf is %q; expected one of %s", discovery, strings.Join(known, ", "))
		}
	}
	var nets []netip.Prefix
	for _, s := range u.cfg.Subnets {
		nets = append(nets, s.CIDR)
	}
	return u.bareMetal.open(u.cfg.StateDir, &netboot.Config{HTTPURL: "http://" + u.cfg.Addr("httpboot"),
		Interface: u.cfg.Bridge, Address: u.cfg.LocalIP, Start: sub.InspectionStart, End: sub.InspectionEnd, Gateway: sub.Gateway,
		DNS: u.cfg.Nameservers, MTU: u.cfg.LocalMTU}, imagecache.FetchConfig{}, conductor.Config{Images: u.images,
		Drivers: hardware(consoles(u.cfg.LocalIP.Addr())), AgentNets: nets, DiscoveryDriver: discovery,
		APIURL: "http://" + u.cfg.Addr("baremetal"), Host: u.cfg.Hostname, ResourceClass: "baremetal", CleanOnProvide: u.cfg.CleanNodes, Log: u.log,
		OnEvent: func(h ironic.HistoryEntry) {
			if err := deploy.Relay(context.Background(), u.db, h.NodeUUID, h.Event, time.Now()); err != nil {
				u.log.Warn("a node's event did not reach its stack", "node", h.NodeUUID, "error", err)
			}
		}})
}

// certificate is the public endpoints' side of TLS, nil where they have none. Our own
// certificate is made anew when it has less than a year left.
func (u *undercloud) certificate() (*tls.Config, error) {
	path := u.cfg.ServiceCertificate
	switch {
	case len(u.cfg.TLSPorts) == 0:
		return nil, nil
	case path == "":
		dir := certificate.Dir(u.cfg.StateDir)
		if _, err := (certificate.Maker{Rand: rand.Reader, Now: time.Now}).Renew(dir, u.cfg.TLSHosts()); err != nil {
			return nil, err
		}
		path = certificate.Service(dir)
	}
	return server.LoadTLS(path, path, u.log)
}

// mount puts every API on its address, and on the public one where there is TLS.
func (u *undercloud) mount(srv *server.Server, ready func() error) error {
	secure, err := u.certificate()
	if err != nil {
		return err
	}
	add := func(name string, h http.Handler) {
		srv.Add(name, u.cfg.Addr(name), h)
		if u.cfg.TLSPorts[name] != 0 {
			srv.AddService(server.Service{Name: name + "_tls", Addr: u.cfg.TLSAddr(name), Handler: h, TLS: secure})
		}
	}
	add("identity", srv.Health(u.identity.Handler(), ready))
	guard := func(h http.Handler) http.Handler { return u.identity.Middleware(h) }
	add("baremetal", u.api(func(h http.Handler) http.Handler { return u.identity.Authenticated(h) }, u.cfg.Audit, u.log))
	add("introspection", u.introspection(guard, u.cfg.Audit, u.log))
	add("image", u.identity.Middleware(u.images.Handler(), "/", "/versions"))
	add("network", u.identity.Middleware(u.network.Handler(), "/"))
	add("compute", u.identity.Middleware(u.compute.Handler(), "/", "/v2.1", "/v2.1/"))
	add("orchestration", stackapi.New(stackapi.Config{Store: u.db, Service: u.stacks.service, Documents: deploy.Documents{Plans: u.stacks.plans}, Plan: u.stacks.plans.Of, Health: u.stacks.engine.Health, Report: u.report,
		Host: u.cfg.Hostname, Version: version, Auth: guard, Log: u.log}))
	add("httpboot", u.boot.Handler())
	return nil
}

// start begins the work: jobs first (they were all registered), then nodes and stacks.
func (u *undercloud) start(ctx context.Context) error {
	if err := u.bareMetal.start(ctx); err != nil {
		return err
	}
	return u.stacks.service.Resume(ctx)
}
