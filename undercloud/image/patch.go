package image

import (
	"net/http"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
)

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// patch applies a JSON patch of add, replace and remove to fields and properties.
func (s *Service) patch(w http.ResponseWriter, r *http.Request) error {
	if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/openstack-images-v2") {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return nil
	}
	var ops []operation
	if err := jsonbody.List(r, maxBody, &ops); err != nil {
		return err
	}
	old, err := s.get(r)
	if err != nil {
		return err
	}
	i, err := s.cfg.Store.UpdateImage(r.Context(), old.ID, func(i *Image) error {
		for _, op := range ops {
			if err := i.apply(op); err != nil {
				return err
			}
		}
		i.UpdatedAt = s.cfg.Now().UTC()
		return i.check()
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, i.view())
	return nil
}

func (i *Image) apply(op operation) error {
	key, ok := strings.CutPrefix(op.Path, "/")
	if !ok || key == "" || strings.Contains(key, "/") {
		return errs.New(errs.Invalid, "Invalid path '%s' in the patch; expected /NAME", op.Path)
	}
	key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
	_, isProperty := i.Properties[key]
	_, isField := (&Image{}).view()[key]
	switch op.Op {
	case "add":
	case "replace":
		if !isField && !isProperty {
			return errs.New(errs.Conflict, "Property %s does not exist.", key)
		}
	case "remove":
		if isField {
			return errs.New(errs.Forbidden, "Property %s may not be removed.", key)
		}
		if !isProperty {
			return errs.New(errs.Conflict, "Property %s does not exist.", key)
		}
		delete(i.Properties, key)
		return nil
	default:
		return errs.New(errs.Invalid, "Invalid operation '%s'; expected add, replace or remove", op.Op)
	}
	if (key == "disk_format" || key == "container_format") && i.Status == Active && op.Value != i.view()[key] {
		return errs.New(errs.Forbidden, "Attribute '%s' cannot be changed once the image has data.", key)
	}
	return i.set(key, op.Value, false)
}
