package manager

import (
	"context"
	"errors"
	"fmt"
	"os"

	"trefoil/internal/errs"
)

// AutoPort asks Add for the first free port.
const AutoPort = -1

// Add stores a new BMC after checking domain and port, which may be AutoPort. It returns what was stored.
func (m *Manager) Add(ctx context.Context, c Config) (Config, error) {
	if err := validateNew(c); err != nil {
		return c, err
	}
	if err := m.machines.Check(ctx, c.LibvirtURI, c.Domain)[c.Domain]; err != nil {
		return c, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.configuredPorts()
	if err != nil {
		return c, err
	}
	return m.add(p, c, firstPort)
}

func validateNew(c Config) error {
	if c.Port == AutoPort {
		c.Port = firstPort
	}
	return c.Validate()
}

// Added is one line of AddAll's answer.
type Added struct {
	Config
	Err error
}

// AddAll makes a BMC for every domain of a hypervisor that has none, each with a
// port of its own; the rest of c holds for all of them. It goes on after a failure.
func (m *Manager) AddAll(ctx context.Context, c Config) ([]Added, error) {
	c.Domain, c.Port = "all", AutoPort // a name that passes
	if err := validateNew(c); err != nil {
		return nil, err
	}
	names, err := m.machines.List(ctx, c.LibvirtURI)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.configuredPorts()
	if err != nil {
		return nil, err
	}
	var out []Added
	from := firstPort
	for _, name := range names {
		c.Domain, c.Port = name, AutoPort
		a := Added{Config: c}
		if has, err := m.store.has(name); has {
			continue
		} else if err != nil {
			a.Err = err
			out = append(out, a)
			continue
		}
		if a.Err = validateNew(c); a.Err == nil {
			a.Config, a.Err = m.add(p, c, from)
			from = max(from, a.Port) // what is below is taken
		}
		out = append(out, a)
	}
	return out, nil
}

// add stores a BMC whose domain exists; without a port it gets the first free one
// of from and above. m.mu is held.
func (m *Manager) add(p ports, c Config, from int) (Config, error) {
	c.Active = false
	dir := m.store.dir(c.Domain)
	// The file counts: a directory without one was left by an add that was killed.
	if has, err := m.store.has(c.Domain); err != nil {
		return c, err
	} else if has {
		return c, errs.New(errs.Conflict, "[Errno 17] File exists: '%s'", dir).
			WithHint("domain %s has a vBMC already; see: vbmc show %s", c.Domain, c.Domain)
	}
	if c.Port == AutoPort {
		if err := m.choose(p, &c, from); err != nil {
			return c, err
		}
	} else if err := m.portFree(p, c); err != nil {
		return c, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return c, fmt.Errorf("make directory of domain %s: %w", c.Domain, err)
	}
	// Boot state of a domain that was there before must not become the new one's.
	if err := m.store.clear(c.Domain); err != nil {
		return c, err
	}
	err := m.store.save(c.Domain, c)
	if err == nil {
		err = m.store.disk.settle(m.store.root)
	}
	if err != nil {
		return c, errors.Join(err, m.store.remove(c.Domain))
	}
	p.take(c)
	return c, nil
}
