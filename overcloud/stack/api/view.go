package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"trefoil/internal/baseurl"
	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// view is one request about one stack of a tree: the deployment's own, or one
// nested in it.
type view struct {
	*api
	r    *http.Request
	s    *stack.Stack
	tree *stack.Tree
	at   *stack.Level
}

// find looks for a stack, or a nested one, by name or id.
func (a *api) find(r *http.Request, ident string) (*view, error) {
	ctx := r.Context()
	s, err := a.Store.Stack(ctx, ident)
	if err == nil {
		tree, err := a.tree(ctx, s)
		if err != nil {
			return nil, err
		}
		return &view{a, r, s, tree, tree.Root}, nil
	}
	if !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	all, lerr := a.Store.Stacks(ctx)
	if lerr != nil {
		return nil, lerr
	}
	for _, s := range all {
		tree, terr := a.tree(ctx, s)
		if terr != nil {
			return nil, terr
		}
		if l := tree.Level(ident); l != nil {
			return &view{a, r, s, tree, l}, nil
		}
	}
	return nil, err
}

func (a *api) tree(ctx context.Context, s *stack.Stack) (*stack.Tree, error) {
	rows, err := a.Store.Resources(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return stack.NewTree(s, rows), nil
}

// byName serves /stacks/NAME: clients are sent on to the address with the id, as Heat does.
func (a *api) byName(w http.ResponseWriter, r *http.Request) error {
	v, err := a.find(r, r.PathValue("name"))
	if err != nil {
		return err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return v.serve(w, "", nil)
	}
	at := v.href(v.at)
	if r.URL.RawQuery != "" {
		at += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", at)
	reply(w, http.StatusFound, map[string]any{"code": 302, "title": "Found", "explanation": "The stack is at " + at})
	return nil
}

// byPath serves what is below a stack, with and without the id in the path.
func (a *api) byPath(w http.ResponseWriter, r *http.Request) error {
	parts := strings.Split(strings.Trim(r.PathValue("rest"), "/"), "/")
	ident := r.PathValue("name")
	v, err := a.find(r, ident)
	if err != nil {
		return err
	}
	if parts[0] == v.at.ID {
		parts = parts[1:]
	}
	if len(parts) == 0 {
		return v.serve(w, "", nil)
	}
	return v.serve(w, parts[0], parts[1:])
}

// serve calls what stands at a path below the stack.
func (v *view) serve(w http.ResponseWriter, what string, rest []string) error {
	method := v.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	f, ok := v.below()[method+" "+what]
	if !ok {
		return errs.New(errs.NotFound, "the resource could not be found")
	}
	return f(w, rest)
}

// below is what a stack has, by method and the next part of the path.
func (v *view) below() map[string]func(http.ResponseWriter, []string) error {
	const exported = "what a deployment is made of stands in its plan: openstack overcloud plan export"
	return map[string]func(http.ResponseWriter, []string) error{
		"GET ":            v.show,
		"PUT ":            v.update,
		"PATCH ":          v.update,
		"DELETE ":         v.remove,
		"GET events":      v.events,
		"GET resources":   v.resources,
		"PATCH resources": v.refuse("marking a resource unhealthy", "maintenance of a machine: openstack baremetal node maintenance set"),
		"POST resources":  v.refuse("signalling a resource", "nothing here waits for a signal"),
		"GET outputs":     v.outputs,
		"POST actions":    v.actions,
		"GET template":    v.template,
		"GET environment": v.environment,
		"GET files":       v.files,
		"GET snapshots":   v.snapshots,
		"POST snapshots":  v.refuse("a snapshot", exported),
		"DELETE abandon":  v.refuse("abandoning a stack", exported),
		"GET export":      v.refuse("exporting a stack", exported),
		"PUT preview":     v.preview,
		"PATCH preview":   v.preview,
		"GET nodes":       v.nodes,
		"GET health":      v.health,
		"GET report":      v.report,
		"GET config":      v.config,
		"GET outcome":     v.outcome,
	}
}

func (v *view) refuse(what, instead string) func(http.ResponseWriter, []string) error {
	f := refuse(what, instead)
	return func(w http.ResponseWriter, _ []string) error { return f(w, v.r) }
}

// root refuses what only a whole deployment can do.
func (v *view) root(what string) error {
	if v.at.Parent == nil {
		return nil
	}
	return errs.New(errs.Invalid, "stack %s is a part of stack %s and cannot be %s by itself", v.at.Name, v.s.Name, what)
}

func (v *view) href(l *stack.Level) string { return v.hrefOf(l.Name, l.ID) }

func (v *view) hrefOf(name, id string) string {
	return baseurl.Of(v.r) + "/v1/" + v.r.PathValue("project") + "/stacks/" + name + "/" + id
}

func link(rel, href string) map[string]any { return map[string]any{"rel": rel, "href": href} }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// count reads a query's number; "" is 0.
func (v *view) count(name string) (int, error) {
	text := v.r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "Invalid value %q for %s: expected a number from 0", text, name)
	}
	return n, nil
}

// filter lets through what every given key asks for; a key given more than once
// asks for any of its values.
type filter map[string][]string

// filters takes the known keys of a query.
func (v *view) filters(keys ...string) filter {
	f := filter{}
	for k, vals := range v.r.URL.Query() {
		if slices.Contains(keys, k) {
			f[k] = vals
		}
	}
	return f
}

// pass compares with what a thing is, by key; a status also matches without its action.
func (f filter) pass(is map[string]string) bool {
	for k, wants := range f {
		have := is[k]
		if !slices.ContainsFunc(wants, func(want string) bool {
			return have == want || strings.HasSuffix(k, "status") && strings.HasSuffix(have, "_"+want)
		}) {
			return false
		}
	}
	return true
}

// action and state are the halves of a status.
func action(status string) string { a, _, _ := strings.Cut(status, "_"); return a }
