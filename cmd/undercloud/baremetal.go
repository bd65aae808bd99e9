package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"

	"trefoil/ironic/api"
	"trefoil/ironic/audit"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"
	"trefoil/ironic/driver/ipmi"
	inspectapi "trefoil/ironic/inspect/api"
	"trefoil/undercloud/config"
	"trefoil/undercloud/identity"
	"trefoil/undercloud/imagecache"
	"trefoil/undercloud/jobs/durable"
	"trefoil/undercloud/netboot"
	"trefoil/undercloud/payloads"
	"trefoil/undercloud/store/sqlite"
)

// bareMetal are the parts that manage machines: the same in the undercloud and in
// the standalone service, over the same files.
type bareMetal struct {
	db        *sqlite.DB
	jobs      *durable.Runner
	boot      *netboot.Service // nil: no machine boots from the network
	guard     *conductor.URLGuard
	conductor *conductor.Conductor
}

// hardware are the hardware types by name.
func hardware(consoles *ipmi.Consoles) map[string]driver.Driver {
	return map[string]driver.Driver{ipmi.Name: &ipmi.Driver{Consoles: consoles}, fake.Name: &fake.Driver{}}
}

// open makes the parts in the state directory, over db and jobs; nothing runs yet.
// boot is nil where no machine boots from the network; then images are not served.
func (b *bareMetal) open(dir string, boot *netboot.Config, fetch imagecache.FetchConfig, cfg conductor.Config) error {
	if b.guard == nil {
		b.guard = &conductor.URLGuard{}
	}
	b.guard.Private = append(b.guard.Private, dir)
	cfg.Store, cfg.Jobs, cfg.URLs = b.db, b.jobs, b.guard
	cfg.Payloads = &payloads.Dir{Path: filepath.Join(dir, "inspection")}
	if boot != nil {
		var err error
		boot.Dir, boot.ImageDir, boot.Log = filepath.Join(dir, "netboot"), filepath.Join(dir, "imagecache"), cfg.Log
		if cfg.DiscoveryDriver != "" {
			boot.Unknown = func(mac string) (driver.BootEntry, bool) {
				return b.conductor.UnknownMachine(context.Background(), mac)
			}
		}
		if b.boot, err = netboot.New(*boot); err != nil {
			return err
		}
		cache, err := imagecache.New(imagecache.Config{Dir: boot.ImageDir, BaseURL: boot.HTTPURL, Log: cfg.Log})
		if err != nil {
			return err
		}
		cfg.NetBoot, cfg.ImageCache, fetch.InUse = b.boot, cache, b.boot.Uses
	}
	fetch.Dir, fetch.Guard, fetch.Log = filepath.Join(dir, "fetched"), b.guard, cfg.Log
	fetcher, err := imagecache.NewFetcher(fetch)
	if err != nil {
		return err
	}
	cfg.Fetcher = fetcher
	b.conductor = conductor.New(cfg)
	return nil
}

// api is the bare-metal API; auth may be nil: then everybody may do everything.
func (b *bareMetal) api(auth func(http.Handler) http.Handler, section config.Audit, log *slog.Logger) http.Handler {
	cfg := api.Config{Store: b.db, Conductor: b.conductor, Auth: auth, Log: log}
	if auth != nil {
		cfg.Caller = identity.Caller
	}
	if !section.Off {
		cfg.Audit, cfg.AuditIgnore = log, section.Ignore
	}
	return api.New(cfg)
}

// introspection is the introspection API; auth may be nil.
func (b *bareMetal) introspection(auth func(http.Handler) http.Handler, section config.Audit, log *slog.Logger) http.Handler {
	cfg := inspectapi.Config{Store: b.db, Conductor: b.conductor, Auth: auth, Log: log}
	if auth != nil {
		cfg.Caller = identity.Caller
	}
	if !section.Off {
		cfg.Audit = audit.Log{To: log, Ignore: section.Ignore}
	}
	return inspectapi.New(cfg)
}

// start begins the work: jobs first (they were all registered), then nodes.
func (b *bareMetal) start(ctx context.Context) error {
	if err := b.jobs.Start(ctx); err != nil {
		return fmt.Errorf("start jobs: %w", err)
	}
	if err := b.conductor.Start(ctx); err != nil {
		return fmt.Errorf("start conductor: %w", err)
	}
	return nil
}

func (b *bareMetal) stop(ctx context.Context) error {
	return errors.Join(b.jobs.Stop(ctx), b.conductor.Stop(ctx))
}
