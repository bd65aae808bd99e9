package scaledown

import (
	"context"
	"fmt"
	"slices"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/services"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/agents"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceproviders"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// Forget has everything of a machine leave the catalog. The machine must be off: a
// service that runs registers again. sql is for what no API deletes; nil: there is no way
// to the database. left tells what stays, and how to remove it.
func (c *Cloud) Forget(ctx context.Context, machine string, sql SQL) (left []string, err error) {
	volumes := func(ctx context.Context, machine string) ([]string, error) { return c.forgetVolumes(ctx, machine, sql) }
	for _, forget := range []func(context.Context, string) ([]string, error){c.forgetCompute, c.forgetProviders, c.forgetAgents, volumes} {
		more, err := forget(ctx, machine)
		left = append(left, more...)
		if err != nil {
			return left, err
		}
	}
	return left, nil
}

// gone is nil for what was deleted already, by an earlier run for example.
func gone(err error) error {
	if err = session.Explain(err); errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// forgetCompute deletes Nova's services; with nova-compute its hypervisor goes.
func (c *Cloud) forgetCompute(ctx context.Context, machine string) ([]string, error) {
	all, err := c.computeServices(ctx, []string{machine})
	if err != nil {
		return nil, err
	}
	var left []string
	for _, s := range all {
		err := gone(services.Delete(ctx, c.compute, s.ID).ExtractErr())
		switch {
		case errs.Is(err, errs.Conflict): // forced: its servers can be evacuated only as long as it is known
			left = append(left, fmt.Sprintf("%s on %s stays in the catalog, disabled: %v; openstack server delete or nova evacuate its servers, then openstack compute service delete %s", s.Binary, s.Host, err, s.ID))
		case err != nil:
			return left, fmt.Errorf("delete %s on %s: %w", s.Binary, s.Host, err)
		}
	}
	return left, nil
}

// forgetProviders deletes what Nova may have left of the machine in Placement.
func (c *Cloud) forgetProviders(ctx context.Context, machine string) ([]string, error) {
	if c.placement == nil {
		return nil, nil
	}
	pages, err := resourceproviders.List(c.placement, nil).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("list resource providers: %w", session.Explain(err))
	}
	all, err := resourceproviders.ExtractResourceProviders(pages)
	if err != nil {
		return nil, fmt.Errorf("read resource providers: %w", err)
	}
	var left []string
	for _, p := range all {
		if !on(p.Name, machine) {
			continue
		}
		err := gone(resourceproviders.Delete(ctx, c.placement, p.UUID).ExtractErr())
		switch {
		case errs.Is(err, errs.Conflict):
			left = append(left, fmt.Sprintf("the resource provider %s has allocations and stays: openstack resource provider delete %s once its servers are gone", p.Name, p.UUID))
		case err != nil:
			return left, fmt.Errorf("delete resource provider %s: %w", p.Name, err)
		}
	}
	return left, nil
}

func (c *Cloud) agents(ctx context.Context, machines []string) ([]agents.Agent, error) {
	if c.network == nil {
		return nil, nil
	}
	pages, err := agents.List(c.network, nil).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("list network agents: %w", session.Explain(err))
	}
	all, err := agents.ExtractAgents(pages)
	if err != nil {
		return nil, fmt.Errorf("read network agents: %w", err)
	}
	return slices.DeleteFunc(all, func(a agents.Agent) bool {
		_, ours := onAny(a.Host, machines)
		return !ours
	}), nil
}

func (c *Cloud) forgetAgents(ctx context.Context, machine string) ([]string, error) {
	all, err := c.agents(ctx, []string{machine})
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if err := gone(agents.Delete(ctx, c.network, a.ID).ExtractErr()); err != nil {
			return nil, fmt.Errorf("delete %s on %s: %w", a.Binary, a.Host, err)
		}
	}
	return nil, nil
}

// routersOn are the routers of the machines' L3 agents: their traffic ends with them.
func (c *Cloud) routersOn(ctx context.Context, machines []string) ([]Blocker, error) {
	all, err := c.agents(ctx, machines)
	if err != nil {
		return nil, err
	}
	var out []Blocker
	for _, a := range all {
		if a.Binary != "neutron-l3-agent" {
			continue
		}
		list, err := agents.ListL3Routers(ctx, c.network, a.ID).Extract()
		if err != nil {
			return nil, fmt.Errorf("list routers on %s: %w", a.Host, session.Explain(err))
		}
		if len(list) == 0 {
			continue
		}
		machine, _ := onAny(a.Host, machines)
		b := Blocker{Machine: machine, What: "routers", Cure: fmt.Sprintf("with the overcloud's rc file, for each: openstack network agent remove router --l3 %s ID; openstack network agent add router --l3 OTHER ID", a.ID)}
		for _, r := range list {
			b.Names = append(b.Names, fmt.Sprintf("%s (%s)", r.Name, r.ID))
		}
		out = append(out, b)
	}
	return out, nil
}
