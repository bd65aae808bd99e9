package dhcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// declineTime is how long an address stays unused after a client found it taken.
const declineTime = 10 * time.Minute

// lease ties an address to a MAC. A declined address has no MAC.
type lease struct {
	MAC     string    `json:"mac"`
	Expires time.Time `json:"expires"`
}

// Leases is the table of addresses, one writer to one file. Every change is on
// disk before it is told to a client. Safe for concurrent use.
type Leases struct {
	path       string
	start, end netip.Addr
	reserved   netip.Addr

	mu   sync.Mutex
	byIP map[netip.Addr]lease
}

// LoadLeases reads the file, which need not exist. Leases outside the range are
// forgotten: the operator moved it.
func LoadLeases(path string, start, end, reserved netip.Addr) (*Leases, error) {
	l := &Leases{path: path, start: start, end: end, reserved: reserved, byIP: map[netip.Addr]lease{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read dhcp leases: %w", err)
	}
	all := map[netip.Addr]lease{}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("read dhcp leases %s: %w", path, err)
	}
	for ip, le := range all {
		if !ip.Less(start) && !end.Less(ip) && ip != reserved {
			l.byIP[ip] = le
		}
	}
	return l, nil
}

// Acquire returns the address of a MAC, the same for as long as the range is
// not exhausted, and prolongs it. Errors: the range is full, the file cannot be written.
func (l *Leases) Acquire(mac string, now time.Time, ttl time.Duration) (netip.Addr, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ip, ok := l.find(mac)
	if ok && l.byIP[ip].Expires.Sub(now) >= ttl {
		return ip, nil // no write for each of a firmware's retries; the client never holds more than ttl
	}
	if !ok {
		if ip, ok = l.free(now); !ok {
			return netip.Addr{}, fmt.Errorf("all addresses from %s to %s are leased: widen inspection_iprange", l.start, l.end)
		}
	}
	old, had := l.byIP[ip]
	// Half as long again, so that a client told "ttl" now and not written above is still covered.
	l.byIP[ip] = lease{MAC: mac, Expires: now.Add(ttl + ttl/2)}
	if err := l.save(); err != nil {
		if delete(l.byIP, ip); had {
			l.byIP[ip] = old
		}
		return netip.Addr{}, err
	}
	return ip, nil
}

// Decline takes an address out of use for a while, when it was this MAC's.
func (l *Leases) Decline(mac string, ip netip.Addr, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if le, ok := l.byIP[ip]; !ok || le.MAC != mac {
		return nil
	}
	l.byIP[ip] = lease{Expires: now.Add(declineTime)}
	return l.save()
}

func (l *Leases) find(mac string) (netip.Addr, bool) {
	for ip, le := range l.byIP {
		if le.MAC == mac {
			return ip, true
		}
	}
	return netip.Addr{}, false
}

// free prefers an address that nobody ever had, then the one expired longest ago.
func (l *Leases) free(now time.Time) (netip.Addr, bool) {
	var oldest netip.Addr
	for ip := l.start; !l.end.Less(ip) && ip.IsValid(); ip = ip.Next() {
		if ip == l.reserved {
			continue
		}
		le, used := l.byIP[ip]
		if !used {
			return ip, true
		}
		if le.Expires.Before(now) && (!oldest.IsValid() || le.Expires.Before(l.byIP[oldest].Expires)) {
			oldest = ip
		}
	}
	return oldest, oldest.IsValid()
}

func (l *Leases) save() error {
	data, err := json.MarshalIndent(l.byIP, "", " ")
	if err != nil {
		return fmt.Errorf("encode dhcp leases: %w", err)
	}
	return writeFile(l.path, data)
}

// writeFile replaces a file so that a crash leaves the old or the new one.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".leases-*")
	if err != nil {
		return fmt.Errorf("write dhcp leases: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write dhcp leases: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write dhcp leases: %w", err)
	}
	return nil
}
