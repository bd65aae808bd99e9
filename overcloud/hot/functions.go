package hot

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/yaql"
)

// Bounds of one value, so that no template costs gigabytes.
const (
	maxString = 16 << 20
	// bytesPerStep is how much text counts as one step of work.
	bytesPerStep = 1000
	maxRepeat    = 100_000
)

// call is one function at its place; fail names the place.
type call struct {
	name    string
	from    Origin
	version string // date of the template's version
	scope   Scope
}

func (c call) fail(format string, args ...any) error {
	return at(c.from, "%s: %s", c.name, fmt.Sprintf(format, args...))
}

// simple is a function that sees only its evaluated argument.
type simple func(c call, arg any) (any, error)

// simpleFunction finds one by name; nil if there is none.
func simpleFunction(name string) simple {
	switch name {
	case "get_file":
		return getFile
	case "equals":
		return equals
	case "str_replace", "str_replace_strict", "str_replace_vstrict":
		return strReplace
	case "str_split":
		return strSplit
	case "list_join":
		return listJoin
	case "list_concat", "list_concat_unique":
		return listConcat
	case "map_merge":
		return mapMerge
	case "map_replace":
		return mapReplace
	case "make_url":
		return makeURL
	case "repeat":
		return repeat
	case "filter":
		return filter
	case "contains":
		return contains
	case "digest":
		return digest
	case "yaql":
		return callYAQL
	case "resource_facade":
		return resourceFacade
	}
	return nil
}

// functionNames are all functions of HOT.
func functionNames() []string {
	return strings.Fields(`get_param get_attr get_resource get_file str_replace str_replace_strict str_replace_vstrict
		str_split list_join list_concat list_concat_unique map_merge map_replace make_url repeat filter contains digest
		yaql resource_facade if equals not and or`)
}

// funcExpr is a call of a simple function.
type funcExpr struct {
	name    string
	from    Origin
	version string
	arg     Expr
	call    simple
}

func (e funcExpr) eval(s Scope) (any, error) {
	if err := s.Step(1); err != nil {
		return nil, err
	}
	arg, err := Eval(e.arg, s)
	if err != nil {
		return nil, err
	}
	return e.call(call{e.name, e.from, e.version, s}, arg)
}

// pathExpr is a name with keys, the argument of get_param and get_attr.
type pathExpr struct {
	function string
	from     Origin
	version  string
	arg      Expr
	name     string // if fixed
	keys     []any
	fixed    bool
}

// splitPath takes an argument apart; problem is "" or what is wrong with it.
func splitPath(v any) (name string, keys []any, problem string) {
	l, ok := v.([]any)
	if !ok {
		l = []any{v}
	}
	if len(l) == 0 {
		return "", nil, "expected a name, got an empty list"
	}
	name, ok = l[0].(string)
	if !ok || name == "" && len(l) == 1 {
		return "", nil, "expected a name, got " + kind(l[0])
	}
	return name, l[1:], ""
}

func (e pathExpr) split(s Scope) (string, []any, error) {
	if e.fixed {
		return e.name, e.keys, nil
	}
	v, err := Eval(e.arg, s)
	if err != nil {
		return "", nil, err
	}
	name, keys, problem := splitPath(v)
	if problem != "" {
		return "", nil, at(e.from, "%s: %s", e.function, problem)
	}
	return name, keys, nil
}

type getParam pathExpr

func (e getParam) eval(s Scope) (any, error) {
	name, keys, err := pathExpr(e).split(s)
	if err != nil {
		return nil, err
	}
	v, ok := s.Param(name)
	if !ok {
		return nil, at(e.from, "get_param: the template has no parameter %q", name)
	}
	for _, k := range keys {
		if v, ok = into(v, k, true); !ok {
			return "", nil // as Heat: a missing path is empty
		}
	}
	return v, nil
}

type getAttr pathExpr

func (e getAttr) eval(s Scope) (any, error) {
	name, keys, err := pathExpr(e).split(s)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 && e.version < allAttrsSince {
		return nil, at(e.from, "get_attr: all attributes at once need heat_template_version %s or later; expected a resource and an attribute", sinceText(allAttrsSince))
	}
	return s.Attr(name, keys, e.from)
}

// Walk follows keys and indexes into a value, as get_attr does; ok is false where
// the path leaves it.
func Walk(v any, keys []any) (found any, ok bool) {
	for _, k := range keys {
		if v, ok = into(v, k, false); !ok {
			return nil, false
		}
	}
	return v, true
}

// into takes one step: a key of a map, an item of a list or a letter of text,
// from the end where the index is negative. textIndex: an index may be text, as
// get_param takes it.
func into(v, key any, textIndex bool) (any, bool) {
	if m, ok := v.(map[string]any); ok {
		k, isText := key.(string)
		found, has := m[k]
		return found, isText && has
	}
	if _, isText := key.(string); isText && !textIndex {
		return nil, false
	}
	if _, isFloat := key.(float64); isFloat {
		return nil, false
	}
	i, ok := index(key)
	if !ok {
		return nil, false
	}
	switch t := v.(type) {
	case []any:
		if i < 0 {
			i += len(t)
		}
		if i >= 0 && i < len(t) {
			return t[i], true
		}
	case string:
		letters := []rune(t)
		if i < 0 {
			i += len(letters)
		}
		if i >= 0 && i < len(letters) {
			return string(letters[i]), true
		}
	}
	return nil, false
}

type getResource struct {
	arg  Expr
	from Origin
}

func (e getResource) eval(s Scope) (any, error) {
	v, err := Eval(e.arg, s)
	if err != nil {
		return nil, err
	}
	return s.Ref(String(v), e.from)
}

type choice struct{ cond, yes, no Expr }

func (e choice) eval(s Scope) (any, error) {
	ok, err := Holds(e.cond, s)
	switch {
	case err != nil:
		return nil, err
	case ok:
		return e.yes.eval(s)
	}
	return e.no.eval(s)
}

type negation struct{ cond Expr }

func (e negation) eval(s Scope) (any, error) {
	ok, err := Holds(e.cond, s)
	return !ok, err
}

type junction struct {
	list []Expr
	any  bool // or
}

func (e junction) eval(s Scope) (any, error) {
	for _, c := range e.list {
		ok, err := Holds(c, s)
		if err != nil || ok == e.any {
			return ok, err
		}
	}
	return !e.any, nil
}

func getFile(c call, arg any) (any, error) {
	name, ok := arg.(string)
	if !ok {
		return nil, c.fail("expected the name of a file, got %s", kind(arg))
	}
	if !path.IsAbs(name) && !strings.Contains(name, "://") {
		name = path.Join(path.Dir(c.from.File), name)
	}
	data, err := c.scope.File(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, c.fail("%s not found", name)
	}
	if err != nil {
		return nil, err
	}
	if len(data) > maxString {
		return nil, c.fail("%s is larger than %d bytes", name, maxString)
	}
	if err := c.scope.Step(len(data) / bytesPerStep); err != nil {
		return nil, err
	}
	return string(data), nil
}

// listArg is an argument that must be a list of at least n.
func listArg(c call, arg any, n int, of string) ([]any, error) {
	l, ok := arg.([]any)
	if !ok {
		return nil, c.fail("expected a list of %s, got %s", of, kind(arg))
	}
	if len(l) < n {
		return nil, c.fail("expected a list of %s, got %d values", of, len(l))
	}
	return l, nil
}

// mapArg is an argument that must be a map with only the given keys. Those that
// end with a question mark may be left out.
func mapArg(c call, arg any, keys ...string) (map[string]any, error) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = strings.TrimSuffix(k, "?")
	}
	m, ok := arg.(map[string]any)
	if !ok {
		return nil, c.fail("expected a map with %s, got %s", strings.Join(names, ", "), kind(arg))
	}
	for _, k := range sortedKeys(m) {
		if !slices.Contains(names, k) {
			return nil, c.fail("unknown argument %q%s", k, nearest.Hint(k, names))
		}
	}
	for i, k := range keys {
		if _, has := m[k]; !has && names[i] == k {
			return nil, c.fail("argument %s is missing", k)
		}
	}
	return m, nil
}

func equals(c call, arg any) (any, error) {
	l, err := listArg(c, arg, 2, "two values")
	if err != nil {
		return nil, err
	}
	if len(l) > 2 {
		return nil, c.fail("expected two values, got %d", len(l))
	}
	return Same(l[0], l[1]), nil
}

// callYAQL evaluates an expression over data, as Heat does: $ is a map with data.
func callYAQL(c call, arg any) (any, error) {
	m, err := mapArg(c, arg, "expression", "data?")
	if err != nil {
		return nil, err
	}
	text, ok := m["expression"].(string)
	if !ok {
		return nil, c.fail("expression must be text, got %s", kind(m["expression"]))
	}
	e, err := yaql.Parse(text)
	if err != nil {
		return nil, c.fail("%v", err)
	}
	return runYAQL(c, arg, e)
}

// runYAQL evaluates a parsed expression.
func runYAQL(c call, arg any, e *yaql.Expression) (any, error) {
	m, err := mapArg(c, arg, "expression", "data?")
	if err != nil {
		return nil, err
	}
	data, given := m["data"]
	if !given {
		data = map[string]any{}
	}
	v, err := e.Eval(map[string]any{"data": data}, yaql.Limits{Step: c.scope.Step})
	if failed := (*yaql.Error)(nil); err != nil && !errors.As(err, &failed) {
		return nil, err // the scope's own: too many steps, or cancelled
	}
	if err != nil {
		return nil, c.fail("%v", err)
	}
	return v, nil
}

// facades are what resource_facade can ask of the resource that a nested stack stands for.
var facades = []string{"metadata", "deletion_policy", "update_policy"}

func resourceFacade(c call, arg any) (any, error) {
	v, err := c.scope.Facade(String(arg))
	if err != nil {
		return nil, c.fail("%v", err)
	}
	return v, nil
}

// at makes an error with a place.
func at(o Origin, format string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, "%s: %s", o, fmt.Sprintf(format, args...))
}

// At makes an error of bad input with the place that it stands in.
func At(o Origin, format string, args ...any) *errs.Error { return at(o, format, args...) }
