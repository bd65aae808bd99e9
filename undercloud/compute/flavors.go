package compute

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
)

func (s *Service) flavorRoutes(mux *http.ServeMux) {
	s.route(mux, "GET /v2.1/flavors", s.listFlavors(false))
	s.route(mux, "GET /v2.1/flavors/detail", s.listFlavors(true))
	s.route(mux, "POST /v2.1/flavors", s.createFlavor)
	s.route(mux, "GET /v2.1/flavors/{id}", s.withFlavor(func(w http.ResponseWriter, r *http.Request, f *Flavor) error {
		writeJSON(w, http.StatusOK, map[string]any{"flavor": f.view(r)})
		return nil
	}))
	s.route(mux, "DELETE /v2.1/flavors/{id}", s.withFlavor(func(w http.ResponseWriter, r *http.Request, f *Flavor) error {
		w.WriteHeader(http.StatusAccepted)
		return s.cfg.Store.DeleteFlavor(r.Context(), f.ID)
	}))
	s.route(mux, "GET /v2.1/flavors/{id}/os-extra_specs", s.withFlavor(func(w http.ResponseWriter, _ *http.Request, f *Flavor) error {
		writeJSON(w, http.StatusOK, map[string]any{"extra_specs": f.ExtraSpecs})
		return nil
	}))
	s.route(mux, "GET /v2.1/flavors/{id}/os-extra_specs/{key}", s.withFlavor(showSpec))
	s.route(mux, "POST /v2.1/flavors/{id}/os-extra_specs", s.withFlavor(s.addSpecs))
	s.route(mux, "DELETE /v2.1/flavors/{id}/os-extra_specs/{key}", s.withFlavor(s.dropSpec))
}

// withFlavor finds the flavor of the path; only ids count, as in Nova.
func (s *Service) withFlavor(h func(http.ResponseWriter, *http.Request, *Flavor) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		all, err := s.cfg.Store.Flavors(r.Context())
		if err != nil {
			return err
		}
		for _, f := range all {
			if f.ID == r.PathValue("id") {
				return h(w, r, f)
			}
		}
		return errs.New(errs.NotFound, "Flavor %s could not be found.", r.PathValue("id"))
	}
}

func (f *Flavor) view(r *http.Request) map[string]any {
	swap := any("") // Nova's way to write zero
	if f.Swap > 0 {
		swap = f.Swap
	}
	return map[string]any{"id": f.ID, "name": f.Name, "vcpus": f.VCPUs, "ram": f.RAM, "disk": f.Disk, "swap": swap,
		"OS-FLV-EXT-DATA:ephemeral": f.Ephemeral, "OS-FLV-DISABLED:disabled": false, "rxtx_factor": f.RxTxFactor,
		"os-flavor-access:is_public": f.Public, "links": selfLinks(r, "flavors", f.ID)}
}

func (s *Service) listFlavors(detail bool) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		all, err := s.cfg.Store.Flavors(r.Context())
		if err != nil {
			return err
		}
		q := r.URL.Query()
		minRAM, _ := strconv.Atoi(q.Get("minRam"))
		minDisk, _ := strconv.Atoi(q.Get("minDisk"))
		all = slices.DeleteFunc(all, func(f *Flavor) bool { return f.RAM < minRAM || f.Disk < minDisk })
		all, next, err := page(r, all, func(f *Flavor) string { return f.ID })
		if err != nil {
			return err
		}
		out := []any{}
		for _, f := range all {
			v := f.view(r)
			if !detail {
				v = map[string]any{"id": f.ID, "name": f.Name, "links": v["links"]}
			}
			out = append(out, v)
		}
		writeJSON(w, http.StatusOK, cut("flavors", out, next))
		return nil
	}
}

// number accepts 40 and "40": clients send both.
type number float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil && text != "" {
		data = []byte(text)
	}
	return json.Unmarshal(data, (*float64)(n))
}

func (s *Service) createFlavor(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Flavor *struct {
			ID        *string `json:"id"`
			Name      string  `json:"name"`
			RAM       number  `json:"ram"`
			VCPUs     number  `json:"vcpus"`
			Disk      number  `json:"disk"`
			Swap      number  `json:"swap"`
			Ephemeral number  `json:"OS-FLV-EXT-DATA:ephemeral"`
			RxTx      *number `json:"rxtx_factor"`
			Public    *bool   `json:"os-flavor-access:is_public"`
		} `json:"flavor"`
	}
	if err := jsonbody.Object(r, maxBody, &body); err != nil {
		return err
	}
	a := body.Flavor
	if a == nil || a.Name == "" || a.RAM < 1 || a.VCPUs < 1 || a.Disk < 0 {
		return errs.New(errs.Invalid, "Invalid input for flavor: name, ram (MiB, at least 1), vcpus (at least 1) and disk (GiB) are required")
	}
	f := &Flavor{ID: s.cfg.NewID(), Name: a.Name, RAM: int(a.RAM), VCPUs: int(a.VCPUs), Disk: int(a.Disk), Swap: int(a.Swap),
		Ephemeral: int(a.Ephemeral), RxTxFactor: 1, Public: true, ExtraSpecs: map[string]string{}}
	if a.ID != nil && *a.ID != "" && *a.ID != "auto" {
		f.ID = *a.ID
	}
	if a.RxTx != nil {
		f.RxTxFactor = float64(*a.RxTx)
	}
	if a.Public != nil {
		f.Public = *a.Public
	}
	if err := s.cfg.Store.CreateFlavor(r.Context(), f); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"flavor": f.view(r)})
	return nil
}

func showSpec(w http.ResponseWriter, r *http.Request, f *Flavor) error {
	key := r.PathValue("key")
	value, ok := f.ExtraSpecs[key]
	if !ok {
		return errs.New(errs.NotFound, "Flavor %s has no extra specs with key %s.", f.ID, key)
	}
	writeJSON(w, http.StatusOK, map[string]any{key: value})
	return nil
}

func (s *Service) addSpecs(w http.ResponseWriter, r *http.Request, f *Flavor) error {
	var body struct {
		ExtraSpecs map[string]any `json:"extra_specs"`
	}
	if err := jsonbody.Object(r, maxBody, &body); err != nil {
		return err
	}
	if body.ExtraSpecs == nil {
		return errs.New(errs.Invalid, "Invalid input for extra_specs: an object of texts is required")
	}
	specs := map[string]string{}
	for k, v := range body.ExtraSpecs {
		specs[k] = fmt.Sprint(v)
	}
	err := s.cfg.Store.UpdateFlavor(r.Context(), f.ID, func(f *Flavor) error {
		if f.ExtraSpecs == nil {
			f.ExtraSpecs = map[string]string{}
		}
		maps.Copy(f.ExtraSpecs, specs)
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"extra_specs": specs})
	return nil
}

func (s *Service) dropSpec(w http.ResponseWriter, r *http.Request, f *Flavor) error {
	key := r.PathValue("key")
	err := s.cfg.Store.UpdateFlavor(r.Context(), f.ID, func(f *Flavor) error {
		if _, ok := f.ExtraSpecs[key]; !ok {
			return errs.New(errs.NotFound, "Flavor %s has no extra specs with key %s.", f.ID, key)
		}
		delete(f.ExtraSpecs, key)
		return nil
	})
	if err == nil {
		w.WriteHeader(http.StatusOK)
	}
	return err
}
