package compute

import "net/http"

// hostServices are the parts that an undercloud runs, as TripleO's host list
// shows them; here one process is all three.
func hostServices() [][2]string {
	return [][2]string{{"conductor", "internal"}, {"scheduler", "internal"}, {"compute", "nova"}}
}

func (s *Service) hostRoutes(mux *http.ServeMux) {
	s.route(mux, "GET /v2.1/os-hosts", func(w http.ResponseWriter, r *http.Request) error {
		out := []any{}
		for _, h := range hostServices() {
			if zone := r.URL.Query().Get("zone"); zone == "" || zone == h[1] {
				out = append(out, map[string]any{"host_name": s.cfg.Hostname, "service": h[0], "zone": h[1]})
			}
		}
		writeJSON(w, http.StatusOK, map[string]any{"hosts": out})
		return nil
	})
	s.route(mux, "GET /v2.1/os-services", func(w http.ResponseWriter, _ *http.Request) error {
		out := []any{}
		for i, h := range hostServices() {
			out = append(out, map[string]any{"id": i + 1, "binary": "nova-" + h[0], "host": s.cfg.Hostname, "zone": h[1],
				"status": "enabled", "state": "up", "disabled_reason": nil,
				"updated_at": s.cfg.Now().UTC().Format("2006-01-02T15:04:05.000000")})
		}
		writeJSON(w, http.StatusOK, map[string]any{"services": out})
		return nil
	})
	s.route(mux, "GET /v2.1/os-availability-zone", func(w http.ResponseWriter, _ *http.Request) error {
		writeJSON(w, http.StatusOK, map[string]any{"availabilityZoneInfo": []any{
			map[string]any{"zoneName": "nova", "zoneState": map[string]any{"available": true}, "hosts": nil}}})
		return nil
	})
}
