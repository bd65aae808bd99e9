package network

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
)

// kind is a sort of resource with what is special about it; the five verbs are the same for all.
type kind struct {
	singular, plural, title string
	views                   func(tx Tx) ([]map[string]any, error)
	create                  func(tx Tx, r *http.Request) (id string, err error)
	update                  func(tx Tx, id string, r *http.Request) error
	drop                    func(tx Tx, id string) error
	setTags                 func(tx Tx, id string, tags []string) error
}

func (s *Service) kinds() []kind {
	return []kind{
		{"network", "networks", "Network", networkViews, s.createNetwork, s.updateNetwork, dropNetwork, s.tagNetwork},
		{"subnet", "subnets", "Subnet", subnetViews, s.createSubnet, s.updateSubnet, dropSubnet, s.tagSubnet},
		{"port", "ports", "Port", portViews, s.createPortFrom, s.updatePortFrom, Tx.DropPort, s.tagPort},
	}
}

func (s *Service) list(k kind) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		kept := []map[string]any{}
		err := s.cfg.Store.View(r.Context(), func(tx Tx) error {
			all, err := k.views(tx)
			for _, v := range all {
				if matches(v, r.URL.Query()) {
					kept = append(kept, v)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, map[string]any{k.plural: kept})
		return nil
	}
}

// matches compares a query with a view. Several values of one key are alternatives.
func matches(view map[string]any, q url.Values) bool {
	for key, wants := range q {
		switch key {
		case "fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse":
			continue
		case "fixed_ips":
			for _, want := range wants { // fixed_ips=ip_address=192.0.2.5: all must hold
				if !holds(view, want) {
					return false
				}
			}
			continue
		case "tags":
			tags, _ := view["tags"].([]string)
			for _, want := range strings.Split(strings.Join(wants, ","), ",") {
				if !slices.Contains(tags, want) {
					return false
				}
			}
			continue
		}
		got := fmt.Sprint(view[key])
		if !slices.ContainsFunc(wants, func(want string) bool {
			return got == want || strings.EqualFold(got, want) && (got == "true" || got == "false" || key == "mac_address")
		}) {
			return false
		}
	}
	return true
}

func holds(view map[string]any, want string) bool {
	key, value, _ := strings.Cut(want, "=")
	ips, _ := view["fixed_ips"].([]FixedIP)
	return slices.ContainsFunc(ips, func(f FixedIP) bool {
		return key == "ip_address" && f.Address == value || key == "subnet_id" && f.SubnetID == value ||
			key == "ip_address_substr" && strings.Contains(f.Address, value)
	})
}

// one reads the thing back in the same transaction.
func (k kind) one(tx Tx, id string) (map[string]any, error) {
	all, err := k.views(tx)
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		if v["id"] == id {
			return v, nil
		}
	}
	return nil, errs.New(errs.NotFound, "%s %s could not be found.", k.title, id)
}

func (s *Service) create(k kind) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var out map[string]any
		err := s.cfg.Store.Update(r.Context(), func(tx Tx) error {
			id, err := k.create(tx, r)
			if err == nil {
				out, err = k.one(tx, id)
			}
			return err
		})
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusCreated, map[string]any{k.singular: out})
		return nil
	}
}

func (s *Service) show(k kind) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var out map[string]any
		err := s.cfg.Store.View(r.Context(), func(tx Tx) (err error) { out, err = k.one(tx, r.PathValue("id")); return err })
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, map[string]any{k.singular: out})
		return nil
	}
}

func (s *Service) update(k kind) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var out map[string]any
		err := s.cfg.Store.Update(r.Context(), func(tx Tx) error {
			err := k.update(tx, r.PathValue("id"), r)
			if err == nil {
				out, err = k.one(tx, r.PathValue("id"))
			}
			return err
		})
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, map[string]any{k.singular: out})
		return nil
	}
}

func (s *Service) remove(k kind) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("id")
		err := s.cfg.Store.Update(r.Context(), func(tx Tx) error {
			if _, err := k.one(tx, id); err != nil {
				return err
			}
			return k.drop(tx, id)
		})
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

func (s *Service) tags(k kind) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var body struct {
			Tags []string `json:"tags"`
		}
		if err := jsonbody.Object(r, maxBody, &body); err != nil {
			return err
		}
		if body.Tags == nil {
			return errs.New(errs.Invalid, "Invalid tags body: expected tags, a list of texts")
		}
		err := s.cfg.Store.Update(r.Context(), func(tx Tx) error { return k.setTags(tx, r.PathValue("id"), body.Tags) })
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, map[string]any{"tags": body.Tags})
		return nil
	}
}
