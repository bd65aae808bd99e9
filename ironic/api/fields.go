package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// field is one line of a resource's table: what it is called, since when, how
// it is read and whether clients may write it. R is the resource.
type field[R any] struct {
	name  string
	since int // minor version
	get   func(c *call, r R) any
	// unmasked is the value as stored, where get hides something. get must take
	// a nil call where there is no unmasked and patch is set.
	unmasked func(r R) any
	// set takes a value that has passed kind; nil: read only.
	set     func(r R, v any)
	kind    kind
	longest int // characters of a text; 0: as many as its kind takes
	// parse takes the place of kind for a value of another shape.
	parse    func(resource string, v any) (any, error)
	initial  bool // may stand in the body of POST
	patch    bool // may be changed by PATCH
	noSort   bool // cannot be a sort key
	onDemand bool // not part of a whole answer unless it stands alone (node show) or is asked for
}

// clean returns the value in the type that set expects, or the refusal.
func (f *field[R]) clean(resource string, v any) (any, error) {
	if f.parse != nil {
		return f.parse(resource, v)
	}
	if s, ok := v.(string); ok && f.longest > 0 && len([]rune(s)) > f.longest {
		return nil, tooLong(resource, f.name, f.longest)
	}
	return f.kind.check(resource, f.name, v)
}

// show answers a GET of one resource, which find looks for.
func (t table[R]) show(c *call, find func(*call) (R, error)) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	if l.fields != nil && c.version < sinceFields {
		return tooNew("the parameter fields", sinceFields, c.version)
	}
	if err := t.check(l.fields, c.version); err != nil {
		return err
	}
	r, err := find(c)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, t.object(c, r, l.fields))
}

// making is what a POST makes: a row that has what it has before the body is read.
type making[T any] struct {
	resource, path string
	row            *T
	needs          []string           // members that the body must have
	check          func(row *T) error // may be nil; told when the row has its UUID
	store          func(ctx context.Context, row *T) error
}

// create answers a POST of a resource.
func create[T any](c *call, t table[*T], m making[T]) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	if err := required(m.resource, body, m.needs...); err != nil {
		return err
	}
	if err := t.fill(m.resource, body, c.version, m.row); err != nil {
		return err
	}
	if t.uuid(m.row) == "" {
		t.find("uuid").set(m.row, uuid.NewString())
	}
	if m.check != nil {
		if err := m.check(m.row); err != nil {
			return err
		}
	}
	if err := m.store(c.ctx(), m.row); err != nil {
		return err
	}
	return t.created(c, m.path, m.row)
}

// created answers a POST; path is that of the collection.
func (t table[R]) created(c *call, path string, r R) error {
	c.w.Header().Set("Location", c.base()+"/v1/"+path+"/"+t.uuid(r))
	return c.json(http.StatusCreated, t.object(c, r, nil))
}

// remove answers DELETE of the resource that find looks for.
func (t table[R]) remove(c *call, find func(*call) (R, error), drop func(ctx context.Context, uuid string) error) error {
	r, err := find(c)
	if err != nil {
		return err
	}
	if err := drop(c.ctx(), t.uuid(r)); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

// uuid names a resource.
func (t table[R]) uuid(r R) string { return t.find("uuid").get(nil, r).(string) }

// timeField shows a time. Answers to POST and PATCH have whole seconds, as Ironic's.
func timeField[R any](name string, since int, get func(r R) *time.Time) field[R] {
	return field[R]{name: name, since: since, get: func(c *call, r R) any {
		t := get(r)
		if t != nil && (c.r.Method == http.MethodPost || c.r.Method == http.MethodPatch) {
			whole := t.Truncate(time.Second)
			t = &whole
		}
		return timeOrNull(t)
	}}
}

// table is all the fields of a resource in the order of answers.
type table[R any] []field[R]

func (t table[R]) find(name string) *field[R] {
	for i := range t {
		if t[i].name == name {
			return &t[i]
		}
	}
	return nil
}

// object is the answer for one resource.
func (t table[R]) object(c *call, r R, names []string) object {
	return t.render(make(object, 0, len(t)), c, r, names, true)
}

// render adds the answer for one resource to out. names nil means all that the
// version knows; links are always there.
func (t table[R]) render(out object, c *call, r R, names []string, single bool) object {
	for i := range t {
		f := &t[i]
		if f.since > c.version || !wanted(f, names, single) {
			continue
		}
		out = append(out, pair{f.name, f.get(c, r)})
	}
	return out
}

func wanted[R any](f *field[R], names []string, single bool) bool {
	if f.name == "links" {
		return true
	}
	if names == nil {
		return single || !f.onDemand
	}
	for _, n := range names {
		if n == f.name {
			return true
		}
	}
	return false
}

// check refuses names that are unknown (400) or newer than the version (406).
// Ironic 21.4 answers unknown ones with 500; we do better on purpose.
func (t table[R]) check(names []string, version int) error {
	var bad []string
	for _, name := range names {
		f := t.find(name)
		if f == nil {
			bad = append(bad, name)
		} else if f.since > version {
			return tooNew("the field "+name, f.since, version)
		}
	}
	if bad != nil {
		return badRequest("Field(s) \"%s\" are not valid. Valid fields are: %s",
			clipped(strings.Join(bad, ", ")), strings.Join(t.names(version), ", "))
	}
	return nil
}

func (t table[R]) names(version int) []string {
	return t.namesOf(version, func(*field[R]) bool { return true })
}

// namesOf are the fields that a version knows and that are as asked for.
func (t table[R]) namesOf(version int, such func(*field[R]) bool) []string {
	var out []string
	for i := range t {
		if t[i].since <= version && such(&t[i]) {
			out = append(out, t[i].name)
		}
	}
	return out
}

// sortable refuses sort keys that are no column.
func (t table[R]) sortable(key string, version int) error {
	f := t.find(key)
	if f == nil || f.noSort {
		return badRequest("The sort_key value \"%s\" is an invalid field for sorting", key).
			choosing(key, t.namesOf(version, func(f *field[R]) bool { return !f.noSort }))
	}
	if f.since > version {
		return tooNew("the sort_key "+key, f.since, version)
	}
	return nil
}

// fill checks the body of a POST against the table and sets the fields of r.
func (t table[R]) fill(resource string, body map[string]any, version int, r R) error {
	for name, v := range body {
		f := t.find(name)
		if f == nil || !f.initial {
			return unexpected(resource, name, t.fillable(version))
		}
		if f.since > version {
			return tooNew("the field "+name, f.since, version)
		}
		clean, err := f.clean(resource, v)
		if err != nil {
			return err
		}
		f.set(r, clean)
	}
	return nil
}

// fillable names what POST may give.
func (t table[R]) fillable(version int) []string {
	return t.namesOf(version, func(f *field[R]) bool { return f.initial })
}

// patchable names what PATCH may change, sorted.
func (t table[R]) patchable(version int) []string {
	out := t.namesOf(version, func(f *field[R]) bool { return f.patch })
	sortStrings(out)
	return out
}

// checkPatchPath refuses a root that is not on the whitelist or too new.
func (t table[R]) checkPatchPath(path string, version int) error {
	root, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	f := t.find(root)
	if f == nil || !f.patch {
		return clientError(http.StatusBadRequest, "Cannot patch %s. Only the following can be updated: %s",
			clipped(path), strings.Join(t.patchable(version), ", "))
	}
	if f.since > version {
		return tooNew("the field "+root, f.since, version)
	}
	return nil
}
