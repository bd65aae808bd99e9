package identity

import (
	"net/http"
	"strings"

	"trefoil/internal/baseurl"
	"trefoil/internal/errs"
)

// rows yields the plural name of a kind and all things of that kind.
type rows = func(*http.Request) (string, []map[string]any)

// list answers a collection; a query like ?name=admin keeps what is equal to it.
func (s *Service) list(all rows) handle {
	return func(w http.ResponseWriter, r *http.Request, _ session) error {
		kind, items := all(r)
		kept := []map[string]any{}
		for _, item := range items {
			if matches(item, r) {
				kept = append(kept, item)
			}
		}
		writeJSON(w, http.StatusOK, map[string]any{kind: kept,
			"links": map[string]any{"self": baseurl.Of(r) + r.URL.Path, "next": nil, "previous": nil}})
		return nil
	}
}

func matches(item map[string]any, r *http.Request) bool {
	for key, want := range r.URL.Query() {
		got, known := item[key]
		if text, ok := got.(string); known && ok && text != want[0] {
			return false
		}
	}
	return true
}

// show answers one thing by its id.
func (s *Service) show(all rows) handle {
	return func(w http.ResponseWriter, r *http.Request, _ session) error {
		kind, items := all(r)
		singular := strings.TrimSuffix(kind, "s")
		for _, item := range items {
			if item["id"] == r.PathValue("id") {
				writeJSON(w, http.StatusOK, map[string]any{singular: item})
				return nil
			}
		}
		return errs.New(errs.NotFound, "Could not find %s: %s.", singular, r.PathValue("id"))
	}
}

// listProjects answers with those that the caller has a role in.
func (s *Service) listProjects(w http.ResponseWriter, r *http.Request, c session) error {
	mine := []map[string]any{}
	for _, p := range s.state.Load().projects {
		if len(c.user.roles[p.ID]) > 0 && !p.disabled {
			mine = append(mine, p.row())
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"projects": mine, "links": map[string]any{"next": nil}})
	return nil
}

func (s *Service) roleRows(*http.Request) (string, []map[string]any) {
	var out []map[string]any
	for _, r := range s.roles {
		out = append(out, map[string]any{"id": r.ID, "name": r.Name, "domain_id": nil, "description": nil, "options": map[string]any{}})
	}
	return "roles", out
}

func (s *Service) domainRows(*http.Request) (string, []map[string]any) {
	return "domains", []map[string]any{{"id": DomainID, "name": DomainName, "enabled": true,
		"description": "The default domain", "tags": []string{}, "options": map[string]any{}}}
}

func (s *Service) regionRows(*http.Request) (string, []map[string]any) {
	return "regions", []map[string]any{{"id": s.cfg.Region, "description": "", "parent_region_id": nil}}
}

func (s *Service) serviceRows(*http.Request) (string, []map[string]any) {
	var out []map[string]any
	for _, e := range s.catalog {
		out = append(out, map[string]any{"id": e.ID, "name": e.Name, "type": e.typ, "enabled": true, "description": ""})
	}
	return "services", out
}

func (s *Service) endpointRows(*http.Request) (string, []map[string]any) {
	var out []map[string]any
	for _, e := range s.catalog {
		for _, iface := range interfaces() {
			out = append(out, map[string]any{"id": s.id("endpoint", e.typ+"/"+iface), "service_id": e.ID, "interface": iface,
				"region": s.cfg.Region, "region_id": s.cfg.Region, "url": e.at(iface), "enabled": true})
		}
	}
	return "endpoints", out
}
