package image

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
)

const maxPage = 1000

func (s *Service) list(w http.ResponseWriter, r *http.Request) error {
	all, err := s.cfg.Store.Images(r.Context())
	if err != nil {
		return err
	}
	q := r.URL.Query()
	kept := slices.DeleteFunc(all, func(i *Image) bool { return !i.matches(q) })
	if err := order(kept, q); err != nil {
		return err
	}
	limit, err := number(r, "limit", 25)
	if err != nil {
		return err
	}
	page, more, err := paginate(kept, q.Get("marker"), min(limit, maxPage))
	if err != nil {
		return err
	}
	views := []map[string]any{}
	for _, i := range page {
		views = append(views, i.view())
	}
	out := map[string]any{"images": views, "first": "/v2/images", "schema": "/v2/schemas/images"}
	if more {
		q.Set("marker", page[len(page)-1].ID)
		out["next"] = "/v2/images?" + q.Encode()
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// matches tells whether the image has every value that the query asks for.
func (i *Image) matches(q url.Values) bool {
	if q.Get("os_hidden") == "" && i.Hidden {
		return false
	}
	view := i.view()
	for key, want := range q {
		switch key {
		case "limit", "marker", "sort", "sort_key", "sort_dir", "member_status":
			continue
		case "visibility":
			if want[0] == "all" {
				continue
			}
		case "tag":
			if !slices.Contains(i.Tags, want[0]) {
				return false
			}
			continue
		case "size_min", "size_max":
			n, err := strconv.ParseInt(want[0], 10, 64)
			if err == nil && (key == "size_min" && i.Size < n || key == "size_max" && i.Size > n) {
				return false
			}
			continue
		}
		got := fmt.Sprint(view[key])
		if in, ok := strings.CutPrefix(want[0], "in:"); ok {
			if !slices.Contains(strings.Split(in, ","), got) {
				return false
			}
		} else if !strings.EqualFold(got, want[0]) || key == "name" && got != want[0] {
			return false
		}
	}
	return true
}

// order sorts as Glance does: newest first unless the query says otherwise.
func order(list []*Image, q url.Values) error {
	spec := q.Get("sort")
	if spec == "" {
		spec = cmp.Or(q.Get("sort_key"), "created_at") + ":" + cmp.Or(q.Get("sort_dir"), "desc")
	}
	slices.Reverse(list) // newest first, and stays so among equals
	keys := strings.Split(spec, ",")
	for _, k := range keys {
		name, dir, _ := strings.Cut(k, ":")
		if _, ok := (&Image{}).view()[name]; !ok || dir != "" && dir != "asc" && dir != "desc" {
			return errs.New(errs.Invalid, "cannot sort by %q; expected KEY:asc or KEY:desc", k)
		}
	}
	slices.SortStableFunc(list, func(a, b *Image) int {
		va, vb := a.view(), b.view()
		for _, k := range keys {
			name, dir, _ := strings.Cut(k, ":")
			c := compare(va[name], vb[name])
			if dir != "asc" {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return nil
}

func compare(a, b any) int {
	x, okx := a.(int64)
	y, oky := b.(int64)
	if okx && oky {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func paginate(list []*Image, marker string, limit int) (page []*Image, more bool, err error) {
	if marker != "" {
		at := slices.IndexFunc(list, func(i *Image) bool { return i.ID == marker })
		if at < 0 {
			return nil, false, errs.New(errs.Invalid, "Invalid marker: image %s could not be found", marker)
		}
		list = list[at+1:]
	}
	if len(list) > limit && limit > 0 {
		return list[:limit], true, nil
	}
	return list, false, nil
}
