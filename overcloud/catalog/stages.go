package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/session"
)

// grant is a role that a user has on a project or a domain.
type grant struct{ user, role, on string }

// domainsAndRoles makes what depends on nothing, and reads who has which role where
// service users live.
func (r *run) domainsAndRoles() []task {
	roles, domains := slices.Clone(standardRoles), []string{}
	projects := []string{serviceProject}
	for _, res := range r.want.Resources {
		roles = append(roles, res.Roles...)
		domains = append(domains, res.Domains...)
		projects = append(projects, res.Projects...)
	}
	for _, u := range r.want.users() {
		roles = append(roles, u.Roles...)
		if u.Domain != "" {
			domains = append(domains, u.Domain)
		}
		if u.Project != "" && u.Domain == "" {
			projects = append(projects, u.Project)
		}
	}
	r.granted = map[grant]bool{}
	plain := func(name string) map[string]any { return map[string]any{"name": name} }
	tasks := r.missing(roles, "role", "roles", &r.roles, plain)
	tasks = append(tasks, r.missing(domains, "domain", "domains", &r.domains, plain)...)
	r.projects = slices.DeleteFunc(r.projects, func(p item) bool { return p.DomainID != defaultDomain })
	for _, p := range r.projects {
		if slices.Contains(projects, p.Name) {
			tasks = append(tasks, r.readGrants("scope.project.id", p.ID))
		}
	}
	for _, d := range r.domains {
		if slices.Contains(domains, d.Name) {
			tasks = append(tasks, r.readGrants("scope.domain.id", d.ID))
		}
	}
	return append(tasks, r.missing(projects, "project", "projects", &r.projects, func(name string) map[string]any {
		return map[string]any{"name": name, "domain_id": defaultDomain, "description": "OpenStack services"}
	})...)
}

func (r *run) readGrants(scope, id string) task {
	return func(ctx context.Context) error {
		type ref struct{ ID string }
		type assignment struct{ Role, User ref }
		all, err := list[assignment](ctx, r.api, "role_assignments?"+scope+"="+id, "role_assignments")
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, a := range all {
			r.granted[grant{a.User.ID, a.Role.ID, id}] = true
		}
		return err
	}
}

// projectsUsersServices makes users and services, and sets passwords that are not right.
func (r *run) projectsUsersServices() []task {
	var tasks []task
	for _, u := range r.want.users() {
		tasks = append(tasks, r.user(u))
	}
	for _, res := range r.want.Resources {
		if res.Service != "" && r.serviceID(res) == "" {
			tasks = append(tasks, func(ctx context.Context) error {
				return r.create(ctx, "service", "services", res.Name, map[string]any{"name": res.Name, "type": res.Service,
					"description": "OpenStack " + res.Service + " service"}, &r.services)
			})
		}
	}
	return tasks
}

// user makes a user, or corrects the one there is.
func (r *run) user(u plan.KeystoneUser) task {
	id, domain := r.userID(u), r.domain(u.Domain)
	return func(ctx context.Context) error {
		if id == "" {
			return r.create(ctx, "user", "users", u.Name, map[string]any{"name": u.Name, "domain_id": domain, "password": u.Password, "enabled": true}, &r.users)
		}
		right, err := r.right(ctx, id, u.Password)
		if err != nil || right {
			return err
		}
		return r.update(ctx, "user", "users", id, "set the password of user "+u.Name, map[string]any{"password": u.Password, "enabled": true})
	}
}

// right tells whether a user can log in with a password. A password is never set
// when it is right: that would end all tokens of the service.
func (r *run) right(ctx context.Context, id, password string) (bool, error) {
	// A client of its own: the session's would take the refusal for the end of its token.
	alone := &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{HTTPClient: r.api.HTTPClient}, Endpoint: r.api.Endpoint}
	err := tokens.Create(ctx, alone, &tokens.AuthOptions{UserID: id, Password: password}).Err
	switch err = session.Explain(err); {
	case errs.Is(err, errs.Unauthorized):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("log in as user %s: %w", id, err)
	}
	return true, nil
}

// endpointsAndGrants makes endpoints and gives roles.
func (r *run) endpointsAndGrants() []task {
	var tasks []task
	for _, res := range r.want.Resources {
		for kind, url := range res.Endpoints {
			if t := r.endpoint(res, kind, url); t != nil {
				tasks = append(tasks, t)
			}
		}
	}
	done := map[grant]bool{}
	for _, u := range r.want.users() {
		on, path := r.domain(u.Domain), "domains"
		if u.Domain == "" {
			on, path = named(r.projects, u.Project), "projects"
		}
		for _, role := range u.Roles {
			g := grant{r.userID(u), named(r.roles, role), on}
			if r.granted[g] || done[g] {
				continue
			}
			done[g] = true
			tasks = append(tasks, func(ctx context.Context) error {
				_, err := r.api.Put(ctx, r.api.ServiceURL(path, g.on, "users", g.user, "roles", g.role), nil, nil, &gophercloud.RequestOpts{OkCodes: []int{204}})
				if err != nil {
					return fmt.Errorf("give user %s the role %s: %w", u.Name, role, session.Explain(err))
				}
				r.tell(fmt.Sprintf("gave user %s the role %s", u.Name, role))
				return nil
			})
		}
	}
	return tasks
}

// endpoint is what makes one endpoint right, or nil.
func (r *run) endpoint(res plan.KeystoneResource, kind, url string) task {
	service := r.serviceID(res)
	there := find(r.endpoints, isEndpoint(service, kind, res.Region))
	name := res.Name + " " + kind
	switch {
	case there == nil:
		body := map[string]any{"service_id": service, "interface": kind, "region": res.Region, "url": url}
		return func(ctx context.Context) error {
			return r.create(ctx, "endpoint", "endpoints", name, body, &r.endpoints)
		}
	case there.URL != url || there.Enabled != nil && !*there.Enabled:
		return func(ctx context.Context) error {
			return r.update(ctx, "endpoint", "endpoints", there.ID, "set the URL of endpoint "+name, map[string]any{"url": url, "enabled": true})
		}
	}
	return nil
}

func isEndpoint(service, kind, region string) func(item) bool {
	return func(e item) bool { return e.ServiceID == service && e.Interface == kind && e.RegionID == region }
}

// leftovers removes what this stack made and the plan has no longer: endpoints,
// services and users. Roles, projects and domains stay: things of people may be in them.
func (r *run) leftovers() []task {
	var tasks []task
	kept := map[string]bool{}
	for _, res := range r.want.Resources {
		kept[r.serviceID(res)] = true
		for kind := range res.Endpoints {
			kept[idOf(r.endpoints, isEndpoint(r.serviceID(res), kind, res.Region))] = true
		}
	}
	for _, u := range r.want.users() {
		kept[r.userID(u)] = true
	}
	remove := func(kind, plural, id, name string) {
		tasks = append(tasks, func(ctx context.Context) error {
			_, err := r.api.Delete(ctx, r.api.ServiceURL(plural, id), nil)
			if err = session.Explain(err); err != nil && !errs.Is(err, errs.NotFound) { // an endpoint goes with its service
				return fmt.Errorf("delete %s %s: %w", kind, name, err)
			}
			r.tell("deleted " + kind + " " + name)
			return nil
		})
	}
	ours := func(i item) bool { return i.Mark == r.want.Stack && !kept[i.ID] }
	gone := map[string]bool{}
	for _, s := range r.services {
		if ours(s) {
			gone[s.ID] = true
			remove("service", "services", s.ID, s.Name)
		}
	}
	for _, e := range r.endpoints {
		if ours(e) && !gone[e.ServiceID] {
			remove("endpoint", "endpoints", e.ID, strings.Join([]string{e.Interface, e.URL}, " "))
		}
	}
	for _, u := range r.users {
		if ours(u) {
			remove("user", "users", u.ID, u.Name)
		}
	}
	return tasks
}
