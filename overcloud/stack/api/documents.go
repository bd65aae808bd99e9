package api

import (
	"context"
	"net/http"
	"sort"
	"sync"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// descriptions keeps the description of each stack's last action: making one
// costs a plan, and clients that follow a deployment look every second.
type descriptions struct {
	make Documents

	mu   sync.Mutex
	made map[string]described // by stack id
}

type described struct {
	generation int
	d          *stack.Description
	err        error
}

func newDescriptions(d Documents) *descriptions {
	return &descriptions{make: d, made: map[string]described{}}
}

// get makes the description, or tells why there is none. Calls for one stack wait
// for one another.
func (c *descriptions) get(ctx context.Context, s *stack.Stack) (*stack.Description, error) {
	if c.make == nil {
		return nil, errs.New(errs.NotFound, "this service keeps no templates")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if have, ok := c.made[s.ID]; ok && have.generation == s.Generation {
		return have.d, have.err
	}
	d, err := c.make.Describe(ctx, s)
	if ctx.Err() == nil {
		c.made[s.ID] = described{s.Generation, d, err}
	}
	return d, err
}

// of is get for what can do without: nil where there is none.
func (c *descriptions) of(ctx context.Context, s *stack.Stack) *stack.Description {
	d, err := c.get(ctx, s)
	if err != nil {
		return nil
	}
	return d
}

// template serves the rendered root template.
func (v *view) template(w http.ResponseWriter, _ []string) error {
	if v.at.Parent != nil {
		return errs.New(errs.NotFound, "stack %s is nested: only the template of %s is kept", v.at.Name, v.s.Name).WithHint("openstack stack file list %s", v.s.Name)
	}
	d, err := v.described.get(v.r.Context(), v.s)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, d.Template)
	return nil
}

// environment serves what all environments together say; hidden values are masked.
func (v *view) environment(w http.ResponseWriter, _ []string) error {
	d, err := v.described.get(v.r.Context(), v.s)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, d.Environment)
	return nil
}

func (v *view) files(w http.ResponseWriter, _ []string) error {
	if v.Documents == nil {
		return errs.New(errs.NotFound, "this service keeps no templates")
	}
	files, err := v.Documents.Files(v.r.Context(), v.s)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, files)
	return nil
}

func (v *view) snapshots(w http.ResponseWriter, _ []string) error {
	reply(w, http.StatusOK, map[string]any{"snapshots": []any{}})
	return nil
}

// outputNames are those of the deployment; what is nested in it has none.
func (v *view) outputNames() []string {
	var keys []string
	if v.at.Parent == nil {
		for k := range v.s.Outputs {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	return keys
}

func (v *view) output(key string) map[string]any {
	return map[string]any{"output_key": key, "output_value": v.s.Outputs[key], "description": v.outputDescription(key)}
}

func (v *view) outputDescription(key string) string {
	if d := v.described.of(v.r.Context(), v.s); d != nil && d.Outputs[key] != "" {
		return d.Outputs[key]
	}
	return map[string]string{"AdminPassword": "Password of the overcloud's administrator.", "ControllerAddress": "Address of the first controller.",
		"HostsEntry": "Lines for /etc/hosts."}[key]
}

// outputs serves the names, and one output by name: the only way to a secret one.
func (v *view) outputs(w http.ResponseWriter, rest []string) error {
	if len(rest) > 0 {
		if _, ok := v.s.Outputs[rest[0]]; !ok || v.at.Parent != nil {
			return errs.New(errs.NotFound, "Specified output key %s not found.", rest[0])
		}
		reply(w, http.StatusOK, map[string]any{"output": v.output(rest[0])})
		return nil
	}
	out := []any{}
	for _, k := range v.outputNames() {
		out = append(out, map[string]any{"output_key": k, "description": v.outputDescription(k)})
	}
	reply(w, http.StatusOK, map[string]any{"outputs": out})
	return nil
}
