package libvirt

import (
	"context"
	"errors"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// How the statistics are kept: one call renews those of all domains that somebody
// asked for lately.
const (
	statsEvery = 10 * time.Second
	statsKept  = time.Minute
)

// statsNoWait leaves out domains that are busy instead of waiting for them.
const statsNoWait = 1 << 29

// Stats are the statistics of a running domain.
type Stats struct {
	At         time.Time
	CPU        time.Duration // consumed since its start
	VCPUs      int
	MemoryMax  uint64 // bytes
	MemoryUsed uint64 // bytes; 0: not known
}

// errNoStats is the cause until the first statistics are there.
var errNoStats = errors.New("statistics are being read, ask again")

type meter struct {
	mu    sync.Mutex
	busy  bool
	last  time.Time
	asked map[string]time.Time
	stats map[string]Stats
}

// Usage answers from memory; asking renews the statistics in the background. Only
// for connections made by Open. Until a running domain's first statistics are
// there the error is an UnavailableError.
func (c *Conn) Usage(name string) (Stats, error) {
	if _, err := c.Cached(name); err != nil {
		return Stats{}, err
	}
	m, now := &c.meter, time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked == nil {
		m.asked = map[string]time.Time{}
	}
	m.asked[name] = now
	st, ok := m.stats[name]
	pause := statsEvery
	if !ok {
		pause = statsEvery / 10 // a domain that is new among those asked for
	}
	if !m.busy && now.Sub(m.last) >= pause {
		m.busy = true
		go c.renewStats()
	}
	if !ok {
		return Stats{}, &UnavailableError{URI: c.uri, Op: "read statistics", Err: errNoStats}
	}
	return st, nil
}

func (c *Conn) renewStats() {
	all, err := invoke(context.Background(), c, "read statistics", c.call, func(l *golibvirt.Libvirt) ([]golibvirt.DomainStatsRecord, error) {
		groups := golibvirt.DomainStatsCPUTotal | golibvirt.DomainStatsBalloon | golibvirt.DomainStatsVCPU
		asked := c.metered()
		if len(asked) == 0 { // an empty list would mean all domains
			return nil, nil
		}
		return l.ConnectGetAllDomainStats(asked, uint32(groups), statsNoWait)
	})
	now := time.Now()
	m := &c.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy, m.last = false, now
	if err != nil {
		c.log.Debug("no statistics", "uri", c.uri, "reason", err)
		return
	}
	m.stats = make(map[string]Stats, len(all))
	for _, r := range all {
		st := readStats(r.Params)
		st.At = now
		m.stats[r.Dom.Name] = st
	}
}

// metered lists the domains that somebody asked for in the last minute.
func (c *Conn) metered() []golibvirt.Domain {
	m, now := &c.meter, time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []golibvirt.Domain
	for name, at := range m.asked {
		d, err := c.Cached(name)
		if err != nil || now.Sub(at) > statsKept {
			delete(m.asked, name)
			continue
		}
		out = append(out, golibvirt.Domain{Name: name, UUID: golibvirt.UUID(d.UUID), ID: -1})
	}
	return out
}

// readStats picks what is of use (virConnectGetAllDomainStats). balloon.available
// and unused come from the guest's driver; without it there is what the process
// holds.
func readStats(params []golibvirt.TypedParam) Stats {
	v := map[string]uint64{}
	for _, p := range params {
		switch n := p.Value.I.(type) {
		case uint64:
			v[p.Field] = n
		case uint32:
			v[p.Field] = uint64(n)
		}
	}
	st := Stats{
		CPU:   time.Duration(v["cpu.time"]),
		VCPUs: int(v["vcpu.current"]), MemoryMax: v["balloon.maximum"] << 10,
	}
	switch {
	case v["balloon.available"] > v["balloon.unused"] && v["balloon.unused"] > 0:
		st.MemoryUsed = (v["balloon.available"] - v["balloon.unused"]) << 10
	case v["balloon.rss"] > 0:
		st.MemoryUsed = min(v["balloon.rss"]<<10, st.MemoryMax)
	}
	return st
}
