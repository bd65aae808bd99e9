package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// host runs nova-compute.
type host struct{ name, zone string }

// service is a row of Nova's and Cinder's os-services.
type service struct {
	Binary, Host, State, Status, Zone string
}

// computeServices finds the hosts that servers may run on.
func (k *Check) computeServices(ctx context.Context) (string, error) {
	services, err := listed[service](ctx, k.compute, "os-services", "services")
	if err != nil {
		return "", err
	}
	hypervisors, err := listed[struct {
		Service struct{ Host string }
	}](ctx, k.compute, "os-hypervisors/detail", "hypervisors")
	if err != nil {
		return "", err
	}
	mapped := map[string]bool{}
	for _, h := range hypervisors {
		mapped[h.Service.Host] = true
	}
	var down, unmapped []string
	for _, s := range services {
		switch {
		case s.Status != "enabled":
		case s.State != "up":
			down = append(down, s.Binary+" on "+s.Host)
		case s.Binary == "nova-compute" && !mapped[s.Host]:
			unmapped = append(unmapped, s.Host)
		case s.Binary == "nova-compute":
			k.hosts = append(k.hosts, host{s.Host, s.Zone})
		}
	}
	slices.SortFunc(k.hosts, func(a, b host) int { return cmp.Compare(a.name, b.name) })
	switch {
	case len(down) > 0:
		return "", errs.New(errs.Unavailable, "down: %s", strings.Join(down, ", ")).WithHint("openstack compute service list; the service's log on that host, in /var/log/nova")
	case len(unmapped) > 0:
		return "", errs.New(errs.Unavailable, "nova-compute is up, but no hypervisor is known: %s", strings.Join(unmapped, ", ")).
			WithHint("the host is in no cell yet: wait for the scheduler's discovery, or nova-manage cell_v2 discover_hosts")
	case len(k.hosts) == 0:
		return "", errs.New(errs.NotFound, "no nova-compute is enabled and up").WithHint("openstack compute service list; deploy a role with nova-compute")
	}
	names := make([]string, len(k.hosts))
	for i, h := range k.hosts {
		names[i] = h.name
	}
	return fmt.Sprintf("%d services up, servers may run on %s", len(services), strings.Join(names, ", ")), nil
}

// networkAgents wants every agent of Neutron alive.
func (k *Check) networkAgents(ctx context.Context) (string, error) {
	agents, err := listed[struct {
		Type  string `json:"agent_type"`
		Host  string `json:"host"`
		Alive bool   `json:"alive"`
		Up    bool   `json:"admin_state_up"`
	}](ctx, k.network, "agents", "agents")
	if err != nil {
		return "", err
	}
	var dead []string
	for _, a := range agents {
		if a.Up && !a.Alive {
			dead = append(dead, a.Type+" on "+a.Host)
		}
	}
	switch {
	case len(dead) > 0:
		return "", errs.New(errs.Unavailable, "no heartbeat from: %s", strings.Join(dead, ", ")).WithHint("openstack network agent list; the agent's log on that host, in /var/log/neutron")
	case len(agents) == 0:
		return "", errs.New(errs.NotFound, "Neutron knows no agent").WithHint("the agents' logs on the nodes, in /var/log/neutron: do they reach RabbitMQ?")
	}
	return fmt.Sprintf("%d agents alive", len(agents)), nil
}

// volumeServices wants cinder's services up, one cinder-volume at least.
func (k *Check) volumeServices(ctx context.Context) (string, error) {
	if k.volumeWhy != nil {
		return "", k.volumeWhy
	}
	services, err := listed[service](ctx, k.volume, "os-services", "services")
	if err != nil {
		return "", err
	}
	var down []string
	backends := 0
	for _, s := range services {
		if s.Status == "enabled" && s.State != "up" {
			down = append(down, s.Binary+" on "+s.Host)
		}
		if s.Binary == "cinder-volume" && s.State == "up" {
			backends++
		}
	}
	switch {
	case len(down) > 0:
		return "", errs.New(errs.Unavailable, "down: %s", strings.Join(down, ", ")).WithHint("openstack volume service list; the service's log on that host, in /var/log/cinder")
	case backends == 0:
		return "", errs.New(errs.NotFound, "no cinder-volume is up").WithHint("openstack volume service list; is there a backend (LVM, RBD) on a node?")
	}
	return fmt.Sprintf("%d services up", len(services)), nil
}
