package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sort"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"trefoil/internal/jsonbody"
	"trefoil/ironic"
)

// operation is one step of a JSON patch (RFC 6902) in the subset that Ironic takes.
type operation struct {
	op, path string
	value    any
	raw      json.RawMessage // the step alone, for the library
	hasValue bool
}

// String is the step as Python prints it, for messages.
func (o operation) String() string {
	out := "{'op': " + ironic.PyRepr(o.op) + ", 'path': " + ironic.PyRepr(o.path)
	if o.hasValue {
		v := ironic.MaskValue("value", o.value, neverShown()...)
		words := strings.Split(o.path, "/")
		hidden := func(name string) bool { return slices.Contains(words, name) }
		if ironic.Secret(o.path) || hidden("actions") || slices.ContainsFunc(neverShown(), hidden) {
			v = masked
		}
		out += ", 'value': " + ironic.PyRepr(v)
	}
	return out + "}"
}

// maxOperations bounds a patch: one may go over a whole document.
const maxOperations = 1000

// operations reads the body of a PATCH.
func (c *call) operations() ([]operation, error) {
	data, err := c.exactBody(bodyLimit)
	if err != nil {
		return nil, err
	}
	return parseOperations(data)
}

func parseOperations(data []byte) ([]operation, error) {
	var steps []json.RawMessage
	if err := json.Unmarshal(data, &steps); err != nil || steps == nil {
		return nil, badRequest("Schema error for patch: expected a list of operations")
	}
	if len(steps) > maxOperations {
		return nil, badRequest("Schema error for patch: it has %d operations; at most %d are taken at a time", len(steps), maxOperations)
	}
	ops := make([]operation, 0, len(steps))
	for _, raw := range steps {
		o, err := parseOperation(raw)
		if err != nil {
			return nil, err
		}
		ops = append(ops, o)
	}
	return ops, nil
}

func parseOperation(raw json.RawMessage) (operation, error) {
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		return operation{}, badRequest("Schema error for patch: each operation must be an object")
	}
	if err := only("patch", m, "op", "path", "value"); err != nil {
		return operation{}, err
	}
	o := operation{}
	var err error
	if o.op, err = text("patch", m, "op"); err != nil {
		return o, err
	}
	if o.path, err = text("patch", m, "path"); err != nil {
		return o, err
	}
	o.value, o.hasValue = m["value"]
	switch {
	case o.op != "add" && o.op != "remove" && o.op != "replace":
		return o, badRequest("Schema error for patch: '%s' is not one of ['add', 'remove', 'replace']", o.op)
	case !strings.HasPrefix(o.path, "/") || o.path == "/" || strings.Contains(o.path, "//"):
		return o, badRequest("Schema error for patch: '%s' is not a path such as /extra/key", o.path)
	case o.op != "remove" && !o.hasValue:
		return o, badRequest("Schema error for patch: 'value' is required by %s of %s", o.op, o.path)
	}
	// Written anew: members given twice could mean one thing here and another to the library.
	clean := map[string]any{"op": o.op, "path": o.path}
	if o.hasValue {
		clean["value"] = o.value
	}
	if o.op == "remove" && strings.Count(o.path, "/") == 1 { // roots are in each document, and may only be set
		clean = map[string]any{"op": "replace", "path": o.path, "value": nil}
	}
	if o.raw, err = json.Marshal(clean); err != nil {
		return o, badRequest("Schema error for patch: %s", err)
	}
	return o, nil
}

// patched applies ops to the writable fields of r, one after another, and sets
// those that changed. It returns the names of the changed fields.
func patched[R any](t table[R], resource string, ops []operation, version int, r R) (map[string]bool, error) {
	before, err := t.document(r)
	if err != nil {
		return nil, err
	}
	for _, o := range ops {
		if err := t.checkPatchPath(o.path, version); err != nil {
			return nil, err
		}
	}
	doc, err := apply(ops, before)
	if err != nil {
		return nil, err
	}
	// Operations nest what no body may; the database could store such a row, and list none.
	if jsonbody.Depth(doc) > maxDepth {
		return nil, badRequest("The patched %s would be nested deeper than %d levels.", resource, maxDepth)
	}
	var old, fresh map[string]any
	if err := json.Unmarshal(before, &old); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(doc, &fresh); err != nil {
		return nil, err
	}
	return t.assign(resource, old, fresh, r)
}

// patch answers a PATCH of what find looks for. check, if there is one, judges a draft,
// told what changed; then update does the same to the row, which may have moved on: check
// is asked again, in the transaction that writes it.
func patch[T any](c *call, t table[*T], resource string, find func(*call) (*T, error),
	check func(row, draft *T, changed map[string]bool) error,
	update func(ctx context.Context, uuid string, change func(*T) error) (*T, error)) error {
	ops, err := c.operations()
	if err != nil {
		return err
	}
	row, err := find(c)
	if err != nil {
		return err
	}
	draft := *row
	changed, err := patched(t, resource, ops, c.version, &draft)
	if err != nil {
		return err
	}
	if check != nil {
		if err := check(row, &draft, changed); err != nil {
			return err
		}
	}
	saved, err := update(c.ctx(), t.uuid(row), func(row *T) error {
		was := *row
		changed, err := patched(t, resource, ops, c.version, row)
		if err != nil || check == nil {
			return err
		}
		return check(&was, row, changed)
	})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, t.object(c, saved, nil))
}

// document is the unmasked object that patches apply to.
func (t table[R]) document(r R) ([]byte, error) {
	var o object
	for i := range t {
		if f := &t[i]; f.patch {
			o = append(o, pair{f.name, f.stored(r)})
		}
	}
	return appendJSON(nil, o)
}

// stored is the value as it is kept; get may mask.
func (f *field[R]) stored(r R) any {
	if f.unmasked != nil {
		return f.unmasked(r)
	}
	return f.get(nil, r)
}

// assign sets every field whose value differs. A field that was removed
// becomes null.
func (t table[R]) assign(resource string, old, fresh map[string]any, r R) (map[string]bool, error) {
	changed := map[string]bool{}
	for i := range t {
		f := &t[i]
		if !f.patch || reflect.DeepEqual(old[f.name], fresh[f.name]) {
			continue
		}
		v := fresh[f.name]
		if _, text := v.(string); !text && f.kind != objects { // those keep theirs by what they do
			v = keptSecret(v, old[f.name])
		}
		if v == nil && f.kind == flag && f.parse == nil {
			v = false
		}
		clean, err := f.clean(resource, v)
		if err != nil {
			return nil, err
		}
		f.set(r, clean)
		changed[f.name] = true
	}
	return changed, nil
}

// apply runs operations one after another. All at once, for each run reads and writes the whole document; the one
// that cannot be is looked for where there is one.
func apply(ops []operation, doc []byte) ([]byte, error) {
	out, err := run(ops, doc)
	if err == nil {
		return out, nil
	}
	bad := sort.Search(len(ops), func(i int) bool {
		_, err := run(ops[:i+1], doc)
		return err != nil
	})
	if bad == len(ops) {
		return nil, fmt.Errorf("apply a patch: %w", err)
	}
	_, err = run(ops[:bad+1], doc)
	return nil, ops[bad].failed(ops[bad].reason(err))
}

func run(ops []operation, doc []byte) ([]byte, error) {
	steps := make([]json.RawMessage, len(ops))
	for i, o := range ops {
		steps[i] = o.raw
	}
	raw, err := json.Marshal(steps)
	if err != nil {
		return nil, err
	}
	p, err := jsonpatch.DecodePatch(raw)
	if err != nil {
		return nil, err
	}
	opts := jsonpatch.NewApplyOptions()
	opts.AllowMissingPathOnRemove = false
	opts.EnsurePathExistsOnAdd = false
	opts.SupportNegativeIndices = false
	return p.ApplyWithOptions(doc, opts)
}

func (o operation) failed(reason string) error {
	return badRequest("Couldn't apply patch '%s'. Reason: %s", clipped(o.String()), clipped(reason))
}

// reason says why in the words clients know from Ironic.
func (o operation) reason(err error) string {
	last := o.path[strings.LastIndexByte(o.path, '/')+1:]
	last = strings.NewReplacer("~1", "/", "~0", "~").Replace(last)
	switch o.op {
	case "remove":
		return "can't remove a non-existent object '" + last + "'"
	case "replace":
		return "can't replace a non-existent object '" + last + "'"
	}
	return "the path does not exist: " + err.Error()
}
