// Package scaledown takes machines out of a deployed cloud, over that cloud's own
// APIs: it tells what still lies on them, keeps new servers away from them, and
// has their services and agents leave the catalog. A service that the cloud does
// not have is passed over.
package scaledown

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/services"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// Blocker is something that would be lost with a machine.
type Blocker struct {
	Machine string   // host name
	What    string   // servers, routers, volumes
	Names   []string // of them, each with its id
	Cure    string   // what to do about it
}

// String is the blocker in one line.
func (b Blocker) String() string {
	const most = 10
	names := b.Names
	if len(names) > most {
		names = append(slices.Clone(names[:most]), fmt.Sprintf("and %d more", len(b.Names)-most))
	}
	return fmt.Sprintf("%d %s on it: %s", len(b.Names), b.What, strings.Join(names, ", "))
}

// answer is how long one request may take: a service that has just started is
// slow under emulation.
const answer = 2 * time.Minute

// computeVersion is the microversion in which a service has a UUID and is
// deleted together with its hypervisor and resource provider (Pike).
const computeVersion = "2.53"

// reason is what a disabled service says, and what Enable knows its own work by.
const reason = "the machine leaves the stack"

// Cloud is a login to a deployed cloud. Its methods are idempotent, and may be
// called for several machines at once.
type Cloud struct {
	compute, network, volume, placement *gophercloud.ServiceClient // nil: the cloud has no such service
}

// Open logs in as admin. keystoneURL ends in a slash, without a version. The error
// is Unavailable where nothing answers.
func Open(ctx context.Context, keystoneURL, adminPassword string) (*Cloud, error) {
	s, err := session.Open(ctx, gophercloud.AuthOptions{IdentityEndpoint: keystoneURL + "v3", Username: "admin", Password: adminPassword, DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}}, gophercloud.EndpointOpts{}, nil,
		session.Options{Timeout: answer, Silent: "openstack overcloud status; systemctl --failed on the controller"})
	if err != nil {
		return nil, err
	}
	c := &Cloud{}
	for _, x := range []struct {
		to   **gophercloud.ServiceClient
		open func() (*gophercloud.ServiceClient, error)
	}{{&c.compute, s.Compute}, {&c.network, s.Network}, {&c.volume, s.BlockStorage}, {&c.placement, s.Placement}} {
		client, err := x.open()
		if err != nil && !errs.Is(err, errs.NotFound) {
			return nil, err
		}
		if err == nil {
			*x.to = client
		}
	}
	if c.compute != nil {
		c.compute.Microversion = computeVersion
	}
	return c, nil
}

// on tells whether a service's host is the machine: its name alone or with a
// domain, and without what Cinder adds of the backend.
func on(host, machine string) bool {
	host, _, _ = strings.Cut(host, "@")
	first, _, _ := strings.Cut(host, ".")
	return strings.EqualFold(host, machine) || strings.EqualFold(first, machine)
}

func onAny(host string, machines []string) (string, bool) {
	i := slices.IndexFunc(machines, func(m string) bool { return on(host, m) })
	if i < 0 {
		return "", false
	}
	return machines[i], true
}

// Blocking tells what would be lost with the machines, given by host name.
func (c *Cloud) Blocking(ctx context.Context, machines []string) ([]Blocker, error) {
	var out []Blocker
	for _, look := range []func(context.Context, []string) ([]Blocker, error){c.serversOn, c.routersOn, c.volumesOn} {
		found, err := look(ctx, machines)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func (c *Cloud) serversOn(ctx context.Context, machines []string) ([]Blocker, error) {
	hosts, err := c.computes(ctx, machines)
	if err != nil {
		return nil, err
	}
	var out []Blocker
	for _, h := range hosts {
		pages, err := servers.List(c.compute, servers.ListOpts{AllTenants: true, Host: h.Host}).AllPages(ctx)
		if err != nil {
			return nil, fmt.Errorf("list servers on %s: %w", h.Host, session.Explain(err))
		}
		all, err := servers.ExtractServers(pages)
		if err != nil {
			return nil, fmt.Errorf("read servers on %s: %w", h.Host, err)
		}
		if len(all) == 0 {
			continue
		}
		machine, _ := onAny(h.Host, machines)
		b := Blocker{Machine: machine, What: "servers", Cure: cureOfServers(h)}
		for _, s := range all {
			b.Names = append(b.Names, fmt.Sprintf("%s (%s)", s.Name, s.ID))
		}
		out = append(out, b)
	}
	return out, nil
}

// cureOfServers says how servers leave a hypervisor; one that is down gives none away.
func cureOfServers(h services.Service) string {
	if h.State == "down" {
		return "its nova-compute is down; with the overcloud's rc file, once the machine is off for certain, for each: openstack server evacuate ID (its disk comes along where it is in Ceph or a volume, and is made anew elsewhere), or openstack server delete ID"
	}
	return "with the overcloud's rc file, for each: openstack server migrate --live-migration ID, or openstack server delete ID"
}

// computes are the nova-compute services of the machines.
func (c *Cloud) computes(ctx context.Context, machines []string) ([]services.Service, error) {
	all, err := c.computeServices(ctx, machines)
	return slices.DeleteFunc(all, func(s services.Service) bool { return s.Binary != "nova-compute" }), err
}

func (c *Cloud) computeServices(ctx context.Context, machines []string) ([]services.Service, error) {
	if c.compute == nil {
		return nil, nil
	}
	pages, err := services.List(c.compute, nil).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("list compute services: %w", session.Explain(err))
	}
	all, err := services.ExtractServices(pages)
	if err != nil {
		return nil, fmt.Errorf("read compute services: %w", err)
	}
	return slices.DeleteFunc(all, func(s services.Service) bool {
		_, ours := onAny(s.Host, machines)
		return !ours
	}), nil
}

// Disable has nothing new scheduled on the machines.
func (c *Cloud) Disable(ctx context.Context, machines []string) error {
	all, err := c.computes(ctx, machines)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Status == string(services.ServiceDisabled) {
			continue // by us, or by the operator: that is left as it is
		}
		_, err := services.Update(ctx, c.compute, s.ID, services.UpdateOpts{Status: services.ServiceDisabled, DisabledReason: reason}).Extract()
		if err != nil {
			return fmt.Errorf("disable nova-compute on %s: %w", s.Host, session.Explain(err))
		}
	}
	return nil
}

// Enable undoes Disable; what somebody else disabled stays so.
func (c *Cloud) Enable(ctx context.Context, machines []string) error {
	all, err := c.computes(ctx, machines)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.DisabledReason != reason {
			continue
		}
		if _, err := services.Update(ctx, c.compute, s.ID, services.UpdateOpts{Status: services.ServiceEnabled}).Extract(); err != nil {
			return fmt.Errorf("enable nova-compute on %s: %w", s.Host, session.Explain(err))
		}
	}
	return nil
}
