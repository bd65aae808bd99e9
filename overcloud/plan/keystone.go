package plan

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// KeystoneResource is what a service wants to be in the Keystone of the deployed
// cloud: an entry of role_data's keystone_resources, as TripleO's Wallaby has them.
type KeystoneResource struct {
	Name      string            `json:"name"`                // of the service: nova
	Service   string            `json:"service,omitempty"`   // its type, compute; empty: users and the like only
	Region    string            `json:"region,omitempty"`    // of the endpoints
	Endpoints map[string]string `json:"endpoints,omitempty"` // URL by interface: public, internal, admin
	Users     []KeystoneUser    `json:"users,omitempty"`
	Roles     []string          `json:"roles,omitempty"`    // that are to exist besides
	Domains   []string          `json:"domains,omitempty"`  // likewise
	Projects  []string          `json:"projects,omitempty"` // likewise, in the default domain
}

// KeystoneUser is a user that a service logs in as.
type KeystoneUser struct {
	Name     string   `json:"name"`
	Password string   `json:"password"`          // secret
	Domain   string   `json:"domain,omitempty"`  // empty: Default. Otherwise the roles are the domain's
	Project  string   `json:"project,omitempty"` // that the roles are on; empty with a domain
	Roles    []string `json:"roles"`
}

// Of Keystone's own, as TripleO uses them.
const (
	serviceProject = "service" // service users live in it
	adminRole      = "admin"   // a service user has it unless its roles are given
)

// KeystoneResources are those of all services of the roles that have machines,
// each once, in the order of their names, with the machines' names filled in.
func (p *Plan) KeystoneResources(nodes []Node) ([]KeystoneResource, error) {
	c, err := newConfigurer(p, nodes)
	if err != nil {
		return nil, err
	}
	type source struct {
		KeystoneResource
		service *ServiceData
	}
	found := map[string]source{}
	for i := range c.nodes {
		role := c.roles[c.nodes[i].Role]
		for s := range role.Data {
			svc := &role.Data[s]
			for _, r := range svc.Keystone {
				if err := fill(reflect.ValueOf(&r).Elem(), c.everywhere()); err != nil {
					return nil, fmt.Errorf("service %s (%s): keystone_resources %s: %w", svc.Name, svc.Template, r.Name, err)
				}
				if before, twice := found[r.Name]; twice && !reflect.DeepEqual(before.KeystoneResource, r) {
					return nil, errs.New(errs.Invalid, "keystone_resources %s: services %s (%s) and %s (%s) say different things of it",
						r.Name, before.service.Name, before.service.Template, svc.Name, svc.Template)
				}
				found[r.Name] = source{r, svc}
			}
		}
	}
	var out []KeystoneResource
	for _, name := range sortedKeys(found) {
		if problem := found[name].KeystoneResource.wrong(); problem != "" {
			return nil, errs.New(errs.Invalid, "service %s (%s): keystone_resources %s: %s", found[name].service.Name, found[name].service.Template, name, problem)
		}
		out = append(out, found[name].KeystoneResource)
	}
	return out, onePassword(out)
}

// wrong says what is wrong with a resource whose names are filled in, or "".
func (r KeystoneResource) wrong() string {
	for _, kind := range sortedKeys(r.Endpoints) {
		// Behind the host Keystone's own placeholders may stand, %(project_id)s, which no URL may hold.
		scheme, rest, _ := strings.Cut(r.Endpoints[kind], "://")
		host, _, _ := strings.Cut(rest, "/")
		u, err := url.Parse(scheme + "://" + host)
		if err != nil || scheme != "http" && scheme != "https" || u.Hostname() == "" || strings.ContainsAny(rest, " \t\n") {
			return fmt.Sprintf("endpoints.%s must be a URL that begins with http:// or https:// and a host, not %q", kind, r.Endpoints[kind])
		}
	}
	return ""
}

// onePassword refuses a user to whom two entries give different passwords: the
// services would lock one another out, at every deployment anew.
func onePassword(all []KeystoneResource) error {
	type key struct{ domain, name string }
	has := map[key]string{}
	by := map[key]string{}
	for _, r := range all {
		for _, u := range r.Users {
			k := key{u.Domain, u.Name}
			if old, known := has[k]; known && old != u.Password {
				return errs.New(errs.Invalid, "keystone_resources %s and %s give user %s different passwords", by[k], r.Name, u.Name)
			}
			has[k], by[k] = u.Password, r.Name
		}
	}
	return nil
}

// keystoneReader reads keystone_resources. The first mistake stays in problem.
type keystoneReader struct{ problem string }

// parseKeystone reads role_data's keystone_resources. What is wrong comes back as a
// sentence that begins with the key, and "" if nothing is.
func parseKeystone(v any) ([]KeystoneResource, string) {
	if v == nil {
		return nil, ""
	}
	rd := &keystoneReader{}
	entries := rd.mapping("keystone_resources", v)
	var out []KeystoneResource
	for _, name := range sortedKeys(entries) {
		out = append(out, rd.resource(name, entries[name]))
	}
	return out, rd.problem
}

func (rd *keystoneReader) resource(name string, v any) KeystoneResource {
	at := "keystone_resources." + name
	m := rd.mapping(at, v, "service", "region", "endpoints", "users", "roles", "domains", "project")
	r := KeystoneResource{Name: name, Service: rd.text(at+".service", m["service"]), Region: rd.text(at+".region", m["region"]),
		Roles: rd.texts(at+".roles", m["roles"]), Domains: rd.texts(at+".domains", m["domains"])}
	if project := rd.text(at+".project", m["project"]); project != "" {
		r.Projects = []string{project}
	}
	endpoints := rd.mapping(at+".endpoints", m["endpoints"], "public", "internal", "admin")
	for _, kind := range sortedKeys(endpoints) {
		if r.Endpoints == nil {
			r.Endpoints = map[string]string{}
		}
		where := at + ".endpoints." + kind
		r.Endpoints[kind] = rd.needed(where, "a URL", endpoints[kind])
	}
	if len(endpoints) > 0 {
		rd.needed(at+".service", "the service's type in the catalog, as compute is Nova's", m["service"])
		rd.needed(at+".region", "the region of the endpoints", m["region"])
	}
	users := rd.mapping(at+".users", m["users"])
	for _, key := range sortedKeys(users) {
		r.Users = append(r.Users, rd.user(at+".users."+key, key, users[key]))
	}
	return r
}

func (rd *keystoneReader) user(at, key string, v any) KeystoneUser {
	m := rd.mapping(at, v, "name", "password", "roles", "domain", "project")
	u := KeystoneUser{Name: key, Password: rd.needed(at+".password", "a password", m["password"]),
		Domain: rd.text(at+".domain", m["domain"]), Project: rd.text(at+".project", m["project"]), Roles: rd.texts(at+".roles", m["roles"])}
	if name := rd.text(at+".name", m["name"]); name != "" {
		u.Name = name
	}
	if u.Domain == "" && u.Project == "" {
		u.Project = serviceProject
	}
	if len(u.Roles) == 0 {
		u.Roles = []string{adminRole}
	}
	return u
}

func (rd *keystoneReader) fail(format string, args ...any) {
	if rd.problem == "" {
		rd.problem = fmt.Sprintf(format, args...)
	}
}

// mapping is v as a map that has no keys but those, if any are named.
func (rd *keystoneReader) mapping(at string, v any, keys ...string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		rd.fail("%s must be a map", at)
	}
	for _, k := range sortedKeys(m) {
		if len(keys) > 0 && !slices.Contains(keys, k) {
			rd.fail("%s has an unknown key %q%s; expected %s", at, k, nearest.Hint(k, keys), strings.Join(slices.Sorted(slices.Values(keys)), ", "))
		}
	}
	return m
}

// text is v as a text. The value is not told: it may be a password.
func (rd *keystoneReader) text(at string, v any) string {
	switch v.(type) {
	case nil:
		return ""
	case map[string]any, []any, bool:
		rd.fail("%s must be a text", at)
		return ""
	}
	return hot.String(v)
}

func (rd *keystoneReader) needed(at, what string, v any) string {
	s := rd.text(at, v)
	if s == "" {
		rd.fail("%s is missing: expected %s", at, what)
	}
	return s
}

func (rd *keystoneReader) texts(at string, v any) []string {
	list, ok := v.([]any)
	if !ok && v != nil {
		rd.fail("%s must be a list of names", at)
	}
	var out []string
	for i, e := range list {
		out = append(out, rd.needed(fmt.Sprintf("%s[%d]", at, i), "a name", e))
	}
	return out
}

// keystonePasswords are those of the users of all services.
func (p *Plan) keystonePasswords() []string {
	set := map[string]bool{}
	for _, r := range p.Roles {
		for _, d := range r.Data {
			for _, k := range d.Keystone {
				for _, u := range k.Users {
					set[u.Password] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}
