package catalog

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/session"
)

// mark is the attribute of what was made here; its value is the stack's name.
// Keystone keeps attributes that it does not know.
const mark = "trefoil_stack"

// atOnce is how many calls are made side by side: Keystone has few processes.
const atOnce = 4

// defaultDomain is the id of the domain Default, which every Keystone has.
const defaultDomain = "default"

// serviceProject is where service users live; it is made even if no user asks for it.
const serviceProject = "service"

// standardRoles are made even if no user has them.
var standardRoles = []string{"admin", "member", "reader", "service"}

// item is anything that Keystone lists.
type item struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	DomainID  string `json:"domain_id"`
	Type      string `json:"type"`
	Interface string `json:"interface"`
	RegionID  string `json:"region_id"`
	ServiceID string `json:"service_id"`
	URL       string `json:"url"`
	Enabled   *bool  `json:"enabled"`
	Mark      string `json:"trefoil_stack"`
}

// run is one pass over one Keystone.
type run struct {
	want    Want
	api     *gophercloud.ServiceClient
	mu      sync.Mutex // guards changes and what is listed
	changes *[]string

	roles, projects, domains, users, services, endpoints []item
	granted                                              map[grant]bool
}

// task is a call or a few that belong together.
type task func(ctx context.Context) error

// ensure goes from what depends on nothing to what depends on all. Every stage
// ends before the next begins.
func (r *run) ensure(ctx context.Context) error {
	stages := []func() []task{r.look, r.domainsAndRoles, r.projectsUsersServices, r.endpointsAndGrants, r.leftovers}
	for _, stage := range stages {
		if err := sideBySide(ctx, stage()); err != nil {
			return err
		}
	}
	return nil
}

// look lists what is there.
func (r *run) look() []task {
	var tasks []task
	for path, into := range map[string]*[]item{"roles": &r.roles, "projects": &r.projects, "domains": &r.domains,
		"users": &r.users, "services": &r.services, "endpoints": &r.endpoints} {
		tasks = append(tasks, func(ctx context.Context) (err error) {
			*into, err = list[item](ctx, r.api, path, path)
			return err
		})
	}
	return tasks
}

// list reads a whole list. Keystone gives it in one page.
func list[T any](ctx context.Context, api *gophercloud.ServiceClient, path, key string) ([]T, error) {
	var answer map[string]any
	var result gophercloud.Result
	_, result.Err = api.Get(ctx, api.ServiceURL(path), &answer, nil)
	result.Body = answer
	var out []T
	err := result.ExtractIntoSlicePtr(&out, key)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", key, session.Explain(err))
	}
	return out, nil
}

// create makes one thing (kind: role; plural: roles) and remembers it in into.
func (r *run) create(ctx context.Context, kind, plural, name string, body map[string]any, into *[]item) error {
	body[mark] = r.want.Stack
	var answer map[string]item
	_, err := r.api.Post(ctx, r.api.ServiceURL(plural), map[string]any{kind: body}, &answer, &gophercloud.RequestOpts{OkCodes: []int{201}})
	if err != nil {
		return fmt.Errorf("create %s %s: %w", kind, name, session.Explain(err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	*into = append(*into, answer[kind])
	*r.changes = append(*r.changes, "created "+kind+" "+name)
	return nil
}

// update changes attributes of one thing; what says what is done, without secrets.
func (r *run) update(ctx context.Context, kind, plural, id, what string, body map[string]any) error {
	_, err := r.api.Patch(ctx, r.api.ServiceURL(plural, id), map[string]any{kind: body}, nil, &gophercloud.RequestOpts{OkCodes: []int{200}})
	if err != nil {
		return fmt.Errorf("%s: %w", what, session.Explain(err))
	}
	r.tell(what)
	return nil
}

func (r *run) tell(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*r.changes = append(*r.changes, what)
}

// missing are tasks that make what wanted names and list does not have.
func (r *run) missing(wanted []string, kind, plural string, into *[]item, body func(name string) map[string]any) []task {
	var tasks []task
	slices.Sort(wanted)
	for _, name := range slices.Compact(wanted) {
		if find(*into, func(i item) bool { return i.Name == name }) == nil {
			tasks = append(tasks, func(ctx context.Context) error { return r.create(ctx, kind, plural, name, body(name), into) })
		}
	}
	return tasks
}

// find is the first of list that is so, or nil.
func find(list []item, is func(item) bool) *item {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return &list[i]
	}
	return nil
}

// idOf is the id of the first of list that is so, or "".
func idOf(list []item, is func(item) bool) string {
	if i := find(list, is); i != nil {
		return i.ID
	}
	return ""
}

// named is the id of the thing with that name, or "".
func named(list []item, name string) string {
	return idOf(list, func(i item) bool { return i.Name == name })
}

// userID is the id of a user, or "" if there is none yet.
func (r *run) userID(u plan.KeystoneUser) string {
	domain := r.domain(u.Domain)
	return idOf(r.users, func(i item) bool { return i.Name == u.Name && i.DomainID == domain })
}

// serviceID is the id of an entry of the catalog, or "" if there is none yet.
func (r *run) serviceID(res plan.KeystoneResource) string {
	return idOf(r.services, func(i item) bool { return i.Name == res.Name && i.Type == res.Service })
}

// domain is the id of a domain; "" names Default.
func (r *run) domain(name string) string {
	if name == "" {
		return defaultDomain
	}
	return named(r.domains, name)
}

// users are those of all services, each once.
func (w Want) users() []plan.KeystoneUser {
	var out []plan.KeystoneUser
	for _, res := range w.Resources {
		for _, u := range res.Users {
			same := func(o plan.KeystoneUser) bool { return o.Name == u.Name && o.Domain == u.Domain }
			if i := slices.IndexFunc(out, same); i >= 0 {
				out[i].Roles = slices.Concat(out[i].Roles, u.Roles)
				continue
			}
			out = append(out, u)
		}
	}
	return out
}

// sideBySide runs tasks, a few at a time, and returns the first error. After it no
// further task is begun.
func sideBySide(ctx context.Context, tasks []task) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan task)
	var wg sync.WaitGroup
	for range min(atOnce, len(tasks)) {
		wg.Go(func() {
			for t := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := t(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, t := range tasks {
		next <- t
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}
