package compute

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
)

func (s *Service) serverRoutes(mux *http.ServeMux) {
	s.route(mux, "GET /v2.1/servers", s.listServers(false))
	s.route(mux, "GET /v2.1/servers/detail", s.listServers(true))
	s.route(mux, "GET /v2.1/servers/{id}", s.showServer)
	for _, verb := range []string{"POST /v2.1/servers", "DELETE /v2.1/servers/{id}", "PUT /v2.1/servers/{id}", "POST /v2.1/servers/{id}/action"} {
		s.route(mux, verb, func(http.ResponseWriter, *http.Request) error {
			return errs.New(errs.Forbidden, "Servers of the undercloud are bare-metal nodes; use openstack overcloud deploy or openstack baremetal node.")
		})
	}
}

func (s *Service) listServers(detail bool) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		list, err := s.cfg.Servers.Servers(r.Context())
		if err != nil {
			return err
		}
		q := r.URL.Query()
		list = slices.DeleteFunc(list, func(v Server) bool {
			return !strings.Contains(v.Name, strings.Trim(q.Get("name"), "^$")) ||
				q.Get("status") != "" && !strings.EqualFold(q.Get("status"), v.Status)
		})
		// Newest first is Nova's order.
		slices.SortStableFunc(list, func(a, b Server) int { return b.CreatedAt.Compare(a.CreatedAt) })
		list, next, err := page(r, list, func(v Server) string { return v.ID })
		if err != nil {
			return err
		}
		flavors, err := s.flavorIDs(r)
		if err != nil {
			return err
		}
		out := []any{}
		for _, v := range list {
			if !detail {
				out = append(out, map[string]any{"id": v.ID, "name": v.Name, "links": selfLinks(r, "servers", v.ID)})
				continue
			}
			out = append(out, s.serverView(r, v, flavors))
		}
		writeJSON(w, http.StatusOK, cut("servers", out, next))
		return nil
	}
}

func (s *Service) showServer(w http.ResponseWriter, r *http.Request) error {
	list, err := s.cfg.Servers.Servers(r.Context())
	if err != nil {
		return err
	}
	flavors, err := s.flavorIDs(r)
	if err != nil {
		return err
	}
	for _, v := range list {
		if v.ID == r.PathValue("id") {
			writeJSON(w, http.StatusOK, map[string]any{"server": s.serverView(r, v, flavors)})
			return nil
		}
	}
	return errs.New(errs.NotFound, "Instance %s could not be found.", r.PathValue("id"))
}

// flavorIDs maps names to ids: servers refer to a flavor by its id.
func (s *Service) flavorIDs(r *http.Request) (map[string]string, error) {
	all, err := s.cfg.Store.Flavors(r.Context())
	ids := map[string]string{}
	for _, f := range all {
		ids[f.Name] = f.ID
	}
	return ids, err
}

func (s *Service) serverView(r *http.Request, v Server, flavors map[string]string) map[string]any {
	flavor := flavors[v.FlavorName]
	if flavor == "" {
		flavor = v.FlavorName // deleted since: its name is all that is known
	}
	out := map[string]any{"id": v.ID, "name": v.Name, "status": v.Status, "tenant_id": v.ProjectID,
		"user_id": caller(r).UserID, "addresses": addressView(v), "links": selfLinks(r, "servers", v.ID),
		"flavor": map[string]any{"id": flavor, "links": selfLinks(r, "flavors", flavor)[1:]},
		"image":  "", "key_name": orNull(v.KeyName), "metadata": map[string]any{}, "hostId": v.NodeUUID,
		"created": v.CreatedAt.UTC().Format(time.RFC3339), "updated": v.UpdatedAt.UTC().Format(time.RFC3339),
		"config_drive": "True", "accessIPv4": "", "accessIPv6": "", "progress": 0, "security_groups": []any{},
		"OS-DCF:diskConfig": "MANUAL", "OS-EXT-AZ:availability_zone": "nova",
		"OS-EXT-SRV-ATTR:host": s.cfg.Hostname, "OS-EXT-SRV-ATTR:hypervisor_hostname": v.NodeUUID,
		"OS-EXT-SRV-ATTR:instance_name": v.Name, "OS-EXT-STS:power_state": v.PowerState,
		"OS-EXT-STS:task_state": orNull(v.TaskState), "OS-EXT-STS:vm_state": vmState(v.Status),
		"OS-SRV-USG:launched_at": nil, "OS-SRV-USG:terminated_at": nil,
		"os-extended-volumes:volumes_attached": []any{}}
	if v.ProjectID == "" {
		out["tenant_id"] = caller(r).ProjectID
	}
	if v.ImageID != "" {
		out["image"] = map[string]any{"id": v.ImageID, "links": selfLinks(r, "images", v.ImageID)[1:]}
	}
	if v.Status == "ACTIVE" || v.Status == "SHUTOFF" {
		out["OS-SRV-USG:launched_at"] = v.UpdatedAt.UTC().Format("2006-01-02T15:04:05.000000")
	}
	if v.Fault != "" {
		out["fault"] = map[string]any{"code": http.StatusInternalServerError, "message": v.Fault,
			"created": v.UpdatedAt.UTC().Format(time.RFC3339)}
	}
	return out
}

func vmState(status string) string {
	switch status {
	case "BUILD":
		return "building"
	case "SHUTOFF":
		return "stopped"
	}
	return strings.ToLower(status)
}

func addressView(v Server) map[string]any {
	out := map[string]any{}
	for net, list := range v.Addresses {
		var addrs []any
		for _, a := range list {
			version := 4
			if strings.Contains(a.IP, ":") {
				version = 6
			}
			addrs = append(addrs, map[string]any{"addr": a.IP, "version": version,
				"OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": a.MAC})
		}
		out[net] = addrs
	}
	return out
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
