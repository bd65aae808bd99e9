package libvirt

import (
	"context"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// UUID is a libvirt object's identity in the byte order of its text form.
type UUID [16]byte

// String prints the usual 8-4-4-4-12 form.
func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// State is a domain's state (virDomainState).
type State int32

// The states, with libvirt's numbers. StateUnknown means that libvirt is away or
// knows no such domain.
const (
	StateUnknown     State = 0
	StateRunning     State = 1
	StateBlocked     State = 2
	StatePaused      State = 3
	StateShutdown    State = 4 // being shut down, still running
	StateShutoff     State = 5
	StateCrashed     State = 6
	StatePMSuspended State = 7
)

func (s State) String() string {
	names := [...]string{"unknown", "running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// Active reports that a process runs the domain: its power is on.
func (s State) Active() bool {
	return s != StateUnknown && s != StateShutoff
}

// Domain is one machine of libvirt.
type Domain struct {
	Name  string
	UUID  UUID
	State State
}

// XMLFlags choose which description DomainXML returns.
type XMLFlags uint32

// Flags of DomainXML.
const (
	XMLLive     XMLFlags = 0
	XMLSecure   XMLFlags = 1 // with passwords; needed before a redefine, or they are lost
	XMLInactive XMLFlags = 2 // the stored definition, also of a running domain
)

// UndefineFlags say what goes away together with a definition.
type UndefineFlags int32

// Flags of UndefineDomain.
const (
	UndefineManagedSave UndefineFlags = 1
	UndefineSnapshots   UndefineFlags = 2
	UndefineNVRAM       UndefineFlags = 4
)

// Domains lists all domains, running or not, in one round trip.
func (c *Conn) Domains(ctx context.Context) ([]Domain, error) {
	return invoke(ctx, c, "list domains", c.call, listDomains)
}

func listDomains(l *golibvirt.Libvirt) ([]Domain, error) {
	recs, err := l.ConnectGetAllDomainStats(nil, uint32(golibvirt.DomainStatsState), 0)
	if err != nil {
		return nil, err
	}
	out := make([]Domain, 0, len(recs))
	for _, r := range recs {
		d := Domain{Name: r.Dom.Name, UUID: UUID(r.Dom.UUID), State: StateShutoff}
		if r.Dom.ID >= 0 {
			d.State = StateRunning
		}
		for _, p := range r.Params {
			if v, ok := p.Value.I.(int32); ok && p.Field == "state.state" {
				d.State = State(v)
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// LookupDomain finds a domain by name and reads its state.
func (c *Conn) LookupDomain(ctx context.Context, name string) (Domain, error) {
	return invoke(ctx, c, fmt.Sprintf("look up domain %q", name), c.call, func(l *golibvirt.Libvirt) (Domain, error) {
		d, err := l.DomainLookupByName(name)
		if err != nil {
			return Domain{}, err
		}
		st, _, err := l.DomainGetState(d, 0)
		return Domain{Name: d.Name, UUID: UUID(d.UUID), State: State(st)}, err
	})
}

// DomainXML returns a domain's description.
func (c *Conn) DomainXML(ctx context.Context, name string, flags XMLFlags) (string, error) {
	return invoke(ctx, c, fmt.Sprintf("read XML of domain %q", name), c.call, func(l *golibvirt.Libvirt) (string, error) {
		d, err := l.DomainLookupByName(name)
		if err != nil {
			return "", err
		}
		return l.DomainGetXMLDesc(d, golibvirt.DomainXMLFlags(flags))
	})
}

// DefineDomain stores a description; a running domain of the same name and UUID
// keeps running with the old one.
func (c *Conn) DefineDomain(ctx context.Context, xml string) (Domain, error) {
	return invoke(ctx, c, "define domain", c.call, func(l *golibvirt.Libvirt) (Domain, error) {
		d, err := l.DomainDefineXMLFlags(xml, 0)
		if err != nil {
			return Domain{}, err
		}
		st, _, err := l.DomainGetState(d, 0)
		return Domain{Name: d.Name, UUID: UUID(d.UUID), State: State(st)}, err
	})
}

// UndefineDomain removes the stored description. A UEFI domain needs UndefineNVRAM.
func (c *Conn) UndefineDomain(ctx context.Context, name string, flags UndefineFlags) error {
	return c.onDomain(ctx, "undefine", name, slowNo, func(l *golibvirt.Libvirt, d golibvirt.Domain) error {
		return l.DomainUndefineFlags(d, golibvirt.DomainUndefineFlagsValues(flags))
	})
}

// CreateDomain starts a defined domain, or goes on with the guest that libvirt saved of
// it (virDomainManagedSave). IsInvalidOperation when it runs already.
func (c *Conn) CreateDomain(ctx context.Context, name string) error {
	return c.onDomain(ctx, "start", name, slowYes, func(l *golibvirt.Libvirt, d golibvirt.Domain) error {
		_, err := l.DomainCreateWithFlags(d, 0)
		return err
	})
}

// DestroyDomain pulls the plug. IsInvalidOperation when it is off already.
func (c *Conn) DestroyDomain(ctx context.Context, name string) error {
	return c.onDomain(ctx, "destroy", name, slowYes, func(l *golibvirt.Libvirt, d golibvirt.Domain) error {
		return l.DomainDestroyFlags(d, 0)
	})
}

// ShutdownDomain asks the guest to go down (ACPI power button) and does not wait.
func (c *Conn) ShutdownDomain(ctx context.Context, name string) error {
	return c.onDomain(ctx, "shut down", name, slowNo, func(l *golibvirt.Libvirt, d golibvirt.Domain) error {
		return l.DomainShutdownFlags(d, 0)
	})
}

// ResetDomain presses the reset button: the process goes on with the same configuration.
func (c *Conn) ResetDomain(ctx context.Context, name string) error {
	return c.onDomain(ctx, "reset", name, slowNo, func(l *golibvirt.Libvirt, d golibvirt.Domain) error {
		return l.DomainReset(d, 0)
	})
}

// InjectNMI sends a non-maskable interrupt, the diagnostic interrupt of IPMI.
func (c *Conn) InjectNMI(ctx context.Context, name string) error {
	return c.onDomain(ctx, "send NMI to", name, slowNo, func(l *golibvirt.Libvirt, d golibvirt.Domain) error {
		return l.DomainInjectNmi(d, 0)
	})
}

// pace says which deadline a domain operation has.
type pace bool

const (
	slowNo  pace = false
	slowYes pace = true
)

func (c *Conn) onDomain(ctx context.Context, verb, name string, p pace, f func(*golibvirt.Libvirt, golibvirt.Domain) error) error {
	limit := c.call
	if p == slowYes {
		limit = c.slow
	}
	return do(ctx, c, fmt.Sprintf("%s domain %q", verb, name), limit, func(l *golibvirt.Libvirt) error {
		d, err := l.DomainLookupByName(name)
		if err != nil {
			return err
		}
		return f(l, d)
	})
}
