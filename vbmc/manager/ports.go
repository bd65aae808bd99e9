package manager

import (
	"errors"
	"net"
	"syscall"

	"trefoil/internal/errs"
	"trefoil/vbmc/ipmi"
)

// firstPort is where ports of BMCs begin that nobody chose: 623 is one machine's,
// the documentation of virtualbmc counts from here.
const firstPort = 6230

// listen opens the port, or says who has it.
func (m *Manager) listen(c Config) (*net.UDPConn, error) {
	conn, err := ipmi.Listen(c.Address, c.Port)
	if err == nil {
		return conn, nil
	}
	e := errs.Wrap(errs.Conflict, err, "vBMC of domain %s cannot listen on port %d of %s", c.Domain, c.Port, c.Address)
	if notHere(err) {
		return nil, e.WithHint("%s", hintNotHere(c))
	}
	if other := m.holder(c); other != "" {
		return nil, e.WithHint("the vBMC of domain %s has this port", other)
	}
	return nil, e.WithHint("see who has it: ss -lunp 'sport = :%d'", c.Port)
}

func inUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// notHere tells that nobody can listen on the address, whatever the port.
func notHere(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }

func hintNotHere(c Config) string {
	return c.Address + " is not an address of this machine; give one of those that 'ip address' shows with --address"
}

// holder names the running BMC that stands in c's way.
func (m *Manager) holder(c Config) string {
	for name, in := range m.running {
		if name != c.Domain && in.config.overlaps(c) {
			return name
		}
	}
	return ""
}

// ports are the configured BMCs by port, so that adding many compares each with
// those of its port only.
type ports map[int][]Config

// configuredPorts gathers the ports of all BMCs. m.mu is held.
func (m *Manager) configuredPorts() (ports, error) {
	p := ports{}
	err := m.store.each(func(name string, s stamp, err error) {
		if c, err := m.loadEach(name, s, err); err == nil || c.Port != 0 { // one that runs has its port
			c.Domain = name
			p.take(c)
		}
	})
	return p, err
}

func (p ports) take(c Config) { p[c.Port] = append(p[c.Port], c) }

// holder names the other BMC that is configured for c's port.
func (p ports) holder(c Config) string {
	for _, o := range p[c.Port] {
		if o.Domain != c.Domain && o.overlaps(c) {
			return o.Domain
		}
	}
	return ""
}

// portFree refuses a port that another BMC is configured for or that somebody
// else has open. virtualbmc notices neither. m.mu is held.
func (m *Manager) portFree(p ports, c Config) error {
	if name := p.holder(c); name != "" {
		return errs.New(errs.Conflict, "port %d of %s is taken by the vBMC of domain %s", c.Port, c.Address, name).
			WithHint("choose another one with --port, or let it be chosen: --port auto")
	}
	conn, err := m.listen(c)
	if err != nil {
		return err
	}
	return conn.Close()
}

// portFreeFor is portFree for a BMC that exists; its own socket is not in its way.
func (m *Manager) portFreeFor(name string, c Config) error {
	p, err := m.configuredPorts()
	if err != nil {
		return err
	}
	c.Domain = name
	if in := m.running[name]; in != nil && in.config.overlaps(c) {
		if other := p.holder(c); other == "" {
			return nil
		}
	}
	return m.portFree(p, c)
}

// choose gives c the first free port of from and above, by configuration and by
// trying. m.mu is held.
func (m *Manager) choose(p ports, c *Config, from int) error {
	for c.Port = from; c.Port <= 65535; c.Port++ {
		if p.holder(*c) != "" {
			continue
		}
		conn, err := ipmi.Listen(c.Address, c.Port)
		if err == nil {
			return conn.Close()
		}
		if inUse(err) {
			continue
		}
		e := errs.Wrap(errs.Conflict, err, "vBMC of domain %s cannot listen on %s", c.Domain, c.Address)
		if notHere(err) {
			return e.WithHint("%s", hintNotHere(*c))
		}
		return e
	}
	return errs.New(errs.Conflict, "no UDP port from %d on is free on %s", from, c.Address)
}
