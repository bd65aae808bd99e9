package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"trefoil/internal/servicemanager"
	"trefoil/ironic/conductor"
	"trefoil/undercloud/server"
)

// program is what the undercloud and the standalone service do alike: listen, take
// work up, serve until the end, put work down.
type program struct {
	log               *slog.Logger
	srv               *server.Server
	guard             *conductor.URLGuard // learns which ports are this program's own
	boot, start, stop func(context.Context) error

	ready atomic.Bool
}

func newProgram(log *slog.Logger) *program {
	p := &program{log: log, srv: server.New(log)}
	p.srv.Stranger = inventoryPost
	return p
}

// inventoryPost tells the one request that carries megabytes and no credentials: a ramdisk's inventory
// with its logs, to the bare-metal or the introspection API.
func inventoryPost(r *http.Request) bool {
	path := strings.TrimRight(r.URL.Path, "/")
	return r.Method == http.MethodPost && (path == "/v1/continue_inspection" || path == "/v1/continue")
}

// starting says why the service is not ready, nil when it is.
func (p *program) starting() error {
	if !p.ready.Load() {
		return errors.New("starting or stopping: jobs and nodes are being taken up or put down")
	}
	return nil
}

// run lives until ctx ends or a part fails. attrs are told when all is ready, with
// the address of each service.
func (p *program) run(ctx context.Context, name string, attrs ...any) error {
	listeners, err := p.srv.Listen(ctx)
	if err != nil {
		return err
	}
	for i, l := range listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			p.guard.Ports = append(p.guard.Ports, a.AddrPort().Port())
			attrs = append(attrs, p.srv.Names()[i]+"_listens", a.String())
		}
	}
	err = lifecycle{
		serve: func(ctx context.Context) error { return p.srv.Run(ctx, listeners) },
		boot: func(ctx context.Context) error {
			if err := p.boot(ctx); err != nil {
				return fmt.Errorf("network boot: %w", err)
			}
			return nil
		},
		start: p.start, stop: p.stop,
		ready: func(is bool) {
			p.ready.Store(is)
			if is {
				p.log.Info(name+" is ready", append(attrs, "version", version, "pid", os.Getpid())...)
				if err := servicemanager.Notify(os.Getenv("NOTIFY_SOCKET"), "READY=1"); err != nil {
					p.log.Warn(err.Error())
				}
			}
		},
	}.run(ctx)
	p.log.Info(name + " is stopped")
	return err
}
