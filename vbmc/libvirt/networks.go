package libvirt

import (
	"context"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// Network is one virtual network of libvirt.
type Network struct {
	Name   string
	UUID   UUID
	Active bool
}

// Networks lists all networks, active or not.
func (c *Conn) Networks(ctx context.Context) ([]Network, error) {
	return invoke(ctx, c, "list networks", c.call, func(l *golibvirt.Libvirt) ([]Network, error) {
		nets, _, err := l.ConnectListAllNetworks(1, 0)
		if err != nil {
			return nil, err
		}
		out := make([]Network, 0, len(nets))
		for _, n := range nets {
			on, err := l.NetworkIsActive(n)
			if err != nil {
				return nil, err
			}
			out = append(out, Network{Name: n.Name, UUID: UUID(n.UUID), Active: on != 0})
		}
		return out, nil
	})
}

// LookupNetwork finds a network by name.
func (c *Conn) LookupNetwork(ctx context.Context, name string) (Network, error) {
	return invoke(ctx, c, fmt.Sprintf("look up network %q", name), c.call, func(l *golibvirt.Libvirt) (Network, error) {
		n, err := l.NetworkLookupByName(name)
		if err != nil {
			return Network{}, err
		}
		on, err := l.NetworkIsActive(n)
		return Network{Name: n.Name, UUID: UUID(n.UUID), Active: on != 0}, err
	})
}

// DefineNetwork stores a network's description.
func (c *Conn) DefineNetwork(ctx context.Context, xml string) (Network, error) {
	return invoke(ctx, c, "define network", c.call, func(l *golibvirt.Libvirt) (Network, error) {
		n, err := l.NetworkDefineXML(xml)
		return Network{Name: n.Name, UUID: UUID(n.UUID)}, err
	})
}

// NetworkXML returns a network's description.
func (c *Conn) NetworkXML(ctx context.Context, name string) (string, error) {
	return invoke(ctx, c, fmt.Sprintf("read XML of network %q", name), c.call, func(l *golibvirt.Libvirt) (string, error) {
		n, err := l.NetworkLookupByName(name)
		if err != nil {
			return "", err
		}
		return l.NetworkGetXMLDesc(n, 0)
	})
}

// StartNetwork brings a defined network up. IsInvalidOperation when it is up already.
func (c *Conn) StartNetwork(ctx context.Context, name string) error {
	return c.onNetwork(ctx, "start", name, (*golibvirt.Libvirt).NetworkCreate)
}

// DestroyNetwork takes a network down. IsInvalidOperation when it is down already.
func (c *Conn) DestroyNetwork(ctx context.Context, name string) error {
	return c.onNetwork(ctx, "destroy", name, (*golibvirt.Libvirt).NetworkDestroy)
}

// UndefineNetwork removes a network's description.
func (c *Conn) UndefineNetwork(ctx context.Context, name string) error {
	return c.onNetwork(ctx, "undefine", name, (*golibvirt.Libvirt).NetworkUndefine)
}

// SetNetworkAutostart chooses whether libvirtd starts the network when it starts.
func (c *Conn) SetNetworkAutostart(ctx context.Context, name string, on bool) error {
	return c.onNetwork(ctx, "set autostart of", name, func(l *golibvirt.Libvirt, n golibvirt.Network) error {
		return l.NetworkSetAutostart(n, boolInt(on))
	})
}

func (c *Conn) onNetwork(ctx context.Context, verb, name string, f func(*golibvirt.Libvirt, golibvirt.Network) error) error {
	return do(ctx, c, fmt.Sprintf("%s network %q", verb, name), c.slow, func(l *golibvirt.Libvirt) error {
		n, err := l.NetworkLookupByName(name)
		if err != nil {
			return err
		}
		return f(l, n)
	})
}
