package api

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trefoil/ironic"
)

// Versions of what every list and answer understands.
const (
	sinceFields = 8
	sinceDetail = 43 // as a parameter; paths that end in it were there before
)

// maxLimit is the longest page, as Ironic's [api]max_limit.
const maxLimit = 1000

// maxFields is how many names the parameter fields may have: several times what any resource has.
const maxFields = 500

// listQuery is what every list understands.
type listQuery struct {
	limit   int // 0: not given
	marker  string
	sortKey string
	sortDir string
	fields  []string // nil: not given
	detail  bool
	filters url.Values // all other parameters, still to be checked
}

// listQuery reads the common parameters of a list.
func (c *call) listQuery() (*listQuery, error) {
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("Malformed query string.")
	}
	l := &listQuery{sortKey: "id", sortDir: "asc", filters: url.Values{}}
	for name, values := range q {
		if len(values) > 1 && name != "fields" {
			return nil, badRequest("Parameter %s was given more than once.", name)
		}
		if err := l.take(name, strings.Join(values, ",")); err != nil {
			return nil, err
		}
	}
	if l.fields != nil && l.detail {
		return nil, errFieldsOfDetail()
	}
	return l, nil
}

// collectionQuery is listQuery for lists that have a path of their own with all
// fields; detail says that this is it.
func (c *call) collectionQuery(detail bool) (*listQuery, error) {
	l, err := c.listQuery()
	switch {
	case err != nil:
		return nil, err
	case l.fields != nil && c.version < sinceFields:
		return nil, tooNew("the parameter fields", sinceFields, c.version)
	case l.detail && c.version < sinceDetail:
		return nil, tooNew("the parameter detail", sinceDetail, c.version)
	case l.fields != nil && detail:
		return nil, errFieldsOfDetail()
	}
	l.detail = l.detail || detail
	return l, nil
}

// plainQuery is collectionQuery of a list that has no filters.
func (c *call) plainQuery(detail bool) (*listQuery, error) {
	l, err := c.collectionQuery(detail)
	if err != nil {
		return nil, err
	}
	for name := range l.filters {
		return nil, badRequest("Unexpected arguments: %s", name).choosing(name, filterNames[struct{}](nil, c.version))
	}
	return l, nil
}

func errFieldsOfDetail() error {
	return badRequest("Can't fetch a subset of fields with 'detail' set")
}

func (l *listQuery) take(name, value string) error {
	switch name {
	case "limit":
		n, err := strconv.Atoi(value)
		if err != nil {
			return badRequest("Invalid value '%s' for limit: expected a number", value)
		}
		if n <= 0 {
			return badRequest("Limit must be positive")
		}
		l.limit = n
	case "marker":
		if !ironic.IsUUID(value) {
			return badRequest("Expected UUID for %s: %s", name, value)
		}
		l.marker = value
	case "sort_key":
		l.sortKey = value
	case "sort_dir":
		if value != "asc" && value != "desc" {
			return badRequest("Invalid sort direction: %s. Acceptable values are 'asc' or 'desc'", value)
		}
		l.sortDir = value
	case "fields":
		if n := strings.Count(value, ",") + 1; n > maxFields {
			return badRequest("The parameter fields has %d names; at most %d are taken", n, maxFields)
		}
		l.fields = []string{}
		for _, f := range strings.Split(value, ",") {
			if f = strings.TrimSpace(f); f != "" && !slices.Contains(l.fields, f) {
				l.fields = append(l.fields, f)
			}
		}
	case "detail":
		b, err := queryBool(name, value)
		if err != nil {
			return err
		}
		l.detail = *b
	default:
		l.filters.Set(name, value)
	}
	return nil
}

// pageLimit is how many members an answer has at most.
func (l *listQuery) pageLimit() int {
	if l.limit == 0 || l.limit > maxLimit {
		return maxLimit
	}
	return l.limit
}

// paged sorts items by the table's field and cuts out the page behind the
// marker; an unknown marker is not there, as with lists of nodes.
func paged[R any](c *call, t table[R], l *listQuery, items []R) (page []R, more bool, err error) {
	if l.sortKey != "id" {
		if err := t.sortable(l.sortKey, c.version); err != nil {
			return nil, false, err
		}
		f := t.find(l.sortKey)
		slices.SortStableFunc(items, func(a, b R) int { return compareValues(f.get(c, a), f.get(c, b)) })
	}
	if l.sortDir == "desc" {
		slices.Reverse(items)
	}
	if l.marker != "" {
		i := slices.IndexFunc(items, func(r R) bool { return t.uuid(r) == l.marker })
		if i < 0 {
			return nil, false, clientError(http.StatusNotFound, "The marker %s could not be found in this list.", l.marker)
		}
		items = items[i+1:]
	}
	limit := l.pageLimit()
	if len(items) >= limit {
		return items[:limit], true, nil
	}
	return items, false, nil
}

// compareValues orders what fields show: null first, then false before true,
// then texts; numbers by themselves.
func compareValues(a, b any) int {
	if x, ok := a.(int); ok {
		if y, ok := b.(int); ok {
			return cmp.Compare(x, y)
		}
	}
	rank := func(v any) (int, string) {
		switch x := v.(type) {
		case nil:
			return 0, ""
		case bool:
			return 1, strconv.FormatBool(x)
		case int:
			return 2, fmt.Sprintf("%011d", x)
		case string:
			return 2, x
		case time.Time:
			return 2, timeText(x)
		}
		return 3, ""
	}
	ra, sa := rank(a)
	rb, sb := rank(b)
	return cmp.Or(cmp.Compare(ra, rb), cmp.Compare(sa, sb))
}

// next is the link to the following page. Parameters stand in Ironic's order.
func (c *call) next(path string, l *listQuery, fields []string, last string) string {
	var b strings.Builder
	b.WriteString(c.base() + "/v1/" + path + "?sort_key=" + url.QueryEscape(l.sortKey) + "&sort_dir=" + l.sortDir)
	names := make([]string, 0, len(l.filters))
	for name := range l.filters {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString("&" + url.QueryEscape(name) + "=" + url.QueryEscape(l.filters.Get(name)))
	}
	if fields != nil {
		b.WriteString("&fields=" + strings.Join(fields, ","))
	}
	if l.detail && !strings.HasSuffix(path, "/detail") {
		b.WriteString("&detail=True")
	}
	b.WriteString("&limit=" + strconv.Itoa(l.pageLimit()) + "&marker=" + last)
	return b.String()
}

// columns are the fields to show, nil for all.
func columns[R any](c *call, t table[R], l *listQuery, defaults []string) ([]string, error) {
	names := l.fields
	if names == nil && !l.detail {
		names = defaults
	}
	return names, t.check(names, c.version)
}

// sendPage renders the page that fetch reads out of the store: of a list that grows.
func sendPage[R any](c *call, t table[R], name, path string, l *listQuery, defaults []string, fetch func(ironic.Page) ([]R, error)) error {
	names, err := columns(c, t, l, defaults)
	if err != nil {
		return err
	}
	page, err := pageOf(c, t, l)
	if err != nil {
		return err
	}
	rows, err := fetch(page)
	if err != nil {
		return err
	}
	return sendRows(c, t, name, path, l, names, rows, len(rows) >= page.Limit)
}

// pageOf is the page of the store's that a list asks for.
func pageOf[R any](c *call, t table[R], l *listQuery) (ironic.Page, error) {
	page := ironic.Page{Limit: l.pageLimit(), Marker: l.marker, Desc: l.sortDir == "desc"}
	if l.sortKey == "id" {
		return page, nil
	}
	page.SortKey = l.sortKey
	return page, t.sortable(l.sortKey, c.version)
}

// sendList renders a page of items, which are the whole of a list that stays short.
func sendList[R any](c *call, t table[R], name, path string, l *listQuery, defaults []string, items []R) error {
	names, err := columns(c, t, l, defaults)
	if err != nil {
		return err
	}
	page, more, err := paged(c, t, l, items)
	if err != nil {
		return err
	}
	return sendRows(c, t, name, path, l, names, page, more)
}

func sendRows[R any](c *call, t table[R], name, path string, l *listQuery, names []string, page []R, more bool) error {
	fields := len(names)
	if names == nil {
		fields = len(t)
	}
	row := make(object, 0, fields+1)                         // one at a time is there as an object
	body := make([]byte, 0, 4<<10+len(page)*(100+48*fields)) // a guess: a whole node is about 2.6 KB
	body = append(body, `{"`+name+`":[`...)
	var err error
	for i, r := range page {
		if i > 0 {
			body = append(body, ',')
		}
		row = t.render(row[:0], c, r, names, false)
		if body, err = appendObject(body, row); err != nil {
			return fmt.Errorf("encode %s %s: %w", name, t.uuid(r), err)
		}
	}
	last := ""
	if more && len(page) > 0 {
		last = t.uuid(page[len(page)-1])
	}
	return c.endPage(body, path, l, names, last)
}

// endPage sends the body of a page that has its rows. last is the uuid of the last one if others may come
// behind it.
func (c *call) endPage(body []byte, path string, l *listQuery, names []string, last string) (err error) {
	body = append(body, ']')
	if last != "" {
		if body, err = appendString(append(body, `,"next":`...), c.next(path, l, names, last)); err != nil {
			return fmt.Errorf("encode the link to the next page of %s: %w", path, err)
		}
	}
	return c.raw(http.StatusOK, append(body, '}'))
}
