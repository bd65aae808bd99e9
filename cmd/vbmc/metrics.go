package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"trefoil/vbmc/manager"
)

// collector asks the manager when Prometheus asks: idle BMCs cost nothing.
type collector struct {
	stats func() []manager.BMCStats
	up    *prometheus.Desc
	gauge map[string]*prometheus.Desc
	count map[string]*prometheus.Desc
}

func newCollector(stats func() []manager.BMCStats) *collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("vbmc_"+name, help, []string{"domain"}, nil)
	}
	return &collector{
		stats: stats, up: desc("up", "1 while the BMC of an active domain listens."),
		gauge: map[string]*prometheus.Desc{
			"sessions":  desc("sessions", "Open sessions."),
			"half_open": desc("half_open_sessions", "Sessions whose login is not finished."),
			"sol":       desc("sol_active", "1 while serial over LAN is in use."),
		},
		count: map[string]*prometheus.Desc{
			"logins":   desc("logins_total", "Sessions that were opened."),
			"refused":  desc("logins_refused_total", "Logins with a wrong name, password or role."),
			"commands": desc("commands_total", "Commands that were answered."),
			"packets":  desc("packets_total", "Datagrams that came in."),
			"dropped":  desc("packets_dropped_total", "Datagrams without an answer because something was wrong with them."),
		},
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.up
	for _, m := range []map[string]*prometheus.Desc{c.gauge, c.count} {
		for _, d := range m {
			out <- d
		}
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	flag := map[bool]float64{true: 1}
	for _, s := range c.stats() {
		gauge := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.Domain)
		}
		gauge(c.up, flag[s.Running])
		if !s.Running {
			continue
		}
		gauge(c.gauge["sessions"], float64(s.Sessions))
		gauge(c.gauge["half_open"], float64(s.HalfOpen))
		gauge(c.gauge["sol"], flag[s.SOL])
		for name, v := range map[string]uint64{"logins": s.Logins, "refused": s.Refused, "commands": s.Commands, "packets": s.Packets, "dropped": s.Dropped} {
			out <- prometheus.MustNewConstMetric(c.count[name], prometheus.CounterValue, float64(v), s.Domain)
		}
	}
}

// serveMetrics answers /metrics at addr until ctx ends. An address that cannot be
// had ends the start of the daemon: nobody notices missing metrics later.
func serveMetrics(ctx context.Context, addr string, m *manager.Manager, log *slog.Logger) (stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(newCollector(m.Stats))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "reason", err)
		}
	}()
	log.Info("metrics are served", "address", "http://"+l.Addr().String()+"/metrics")
	return func() { srv.Close() }, nil
}
