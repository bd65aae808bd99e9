package image

import (
	"fmt"
	"iter"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"trefoil/internal/errs"
)

func mapKeys(m map[string]any) iter.Seq[string] { return maps.Keys(m) }

// view is the image as Glance's API shows it: custom properties beside the fields.
func (i *Image) view() map[string]any {
	out := map[string]any{}
	for k, v := range i.Properties {
		out[k] = v
	}
	maps.Copy(out, map[string]any{
		"id": i.ID, "name": orNull(i.Name), "status": i.Status, "visibility": i.Visibility,
		"container_format": orNull(i.ContainerFormat), "disk_format": orNull(i.DiskFormat),
		"owner": orNull(i.Owner), "size": nil, "virtual_size": nil, "checksum": orNull(i.MD5),
		"os_hash_algo": nil, "os_hash_value": orNull(i.SHA512), "os_hidden": i.Hidden,
		"min_disk": i.MinDisk, "min_ram": i.MinRAM, "protected": i.Protected, "tags": i.Tags,
		"created_at": i.CreatedAt.Format(time.RFC3339), "updated_at": i.UpdatedAt.Format(time.RFC3339),
		"self": "/v2/images/" + i.ID, "file": "/v2/images/" + i.ID + "/file", "schema": "/v2/schemas/image",
	})
	if i.Status == Active {
		out["size"], out["os_hash_algo"] = i.Size, "sha512"
	}
	if i.VirtualSize > 0 {
		out["virtual_size"] = i.VirtualSize
	}
	return out
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func readOnly(key string) bool {
	switch key {
	case "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at",
		"self", "file", "schema", "owner", "direct_url", "locations":
		return true
	}
	return false
}

// set gives the image one attribute of a request. A key that is no field is a
// property and must be a text. The id can be chosen only at creation.
func (i *Image) set(key string, value any, creating bool) error {
	bad := func(want string) error {
		return errs.New(errs.Invalid, "Attribute '%s' must be %s, got %v", key, want, value)
	}
	if key == "id" && creating {
		text, ok := value.(string)
		if !ok || uuid.Validate(text) != nil {
			return bad("a UUID")
		}
		i.ID = text
		return nil
	}
	if key == "owner" && creating || key == "owner" && value == i.Owner {
		return nil // always the caller's project
	}
	if readOnly(key) || key == "id" {
		return errs.New(errs.Forbidden, "Attribute '%s' is read-only.", key)
	}
	switch key {
	case "name", "visibility", "container_format", "disk_format":
		text, ok := value.(string)
		if !ok && value != nil {
			return bad("a text")
		}
		*map[string]*string{"name": &i.Name, "visibility": &i.Visibility,
			"container_format": &i.ContainerFormat, "disk_format": &i.DiskFormat}[key] = text
	case "protected", "os_hidden":
		on, ok := value.(bool)
		if !ok {
			return bad("true or false")
		}
		*map[string]*bool{"protected": &i.Protected, "os_hidden": &i.Hidden}[key] = on
	case "min_disk", "min_ram":
		n, ok := value.(float64)
		if !ok || n < 0 || n != float64(int(n)) {
			return bad("a whole number")
		}
		*map[string]*int{"min_disk": &i.MinDisk, "min_ram": &i.MinRAM}[key] = int(n)
	case "tags":
		return i.setTags(value)
	default:
		return i.setProperty(key, value)
	}
	return nil
}

func (i *Image) setTags(value any) error {
	list, ok := value.([]any)
	if !ok {
		return errs.New(errs.Invalid, "Attribute 'tags' must be a list, got %v", value)
	}
	tags := []string{}
	for _, t := range list {
		tags = append(tags, fmt.Sprint(t))
	}
	i.Tags = tags
	return nil
}

func (i *Image) setProperty(key string, value any) error {
	text, ok := value.(string)
	if !ok {
		return errs.New(errs.Invalid, "Property '%s' must be a text, got %v", key, value)
	}
	if i.Properties == nil {
		i.Properties = map[string]string{}
	}
	i.Properties[key] = text
	return nil
}

func (s *Service) schemaOne(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, schema())
}

func (s *Service) schemaMany(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"name": "images", "properties": map[string]any{
		"first": map[string]any{"type": "string"}, "next": map[string]any{"type": "string"},
		"schema": map[string]any{"type": "string"},
		"images": map[string]any{"type": "array", "items": schema()}}})
}

// schema describes an image; clients read from it which attributes are fields.
func schema() map[string]any {
	props := map[string]any{}
	for key := range (&Image{}).view() {
		p := map[string]any{"type": []string{"null", "string"}, "description": ""}
		switch key {
		case "size", "virtual_size", "min_disk", "min_ram":
			p["type"] = []string{"null", "integer"}
		case "protected", "os_hidden":
			p["type"] = "boolean"
		case "tags":
			p = map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
		}
		if readOnly(key) {
			p["readOnly"] = true
		}
		props[key] = p
	}
	return map[string]any{"name": "image", "properties": props, "additionalProperties": map[string]any{"type": "string"}}
}

// number reads a query parameter that must be a natural number.
func number(r *http.Request, key string, otherwise int) (int, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "%s must be a natural number, got %q", key, text)
	}
	return n, nil
}
