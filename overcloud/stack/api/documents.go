package api

import (
	"context"
	"net/http"
	"sort"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// descriptions keeps the description of each stack's last action: making one
// costs a plan, and clients that follow a deployment look every second.
type descriptions struct {
	make Documents
	gone func(ctx context.Context, id string) bool // the stack is deleted
	now  func() time.Time

	mu   sync.Mutex
	made map[string]*described // by stack id
}

// described is the description of one stack. Who holds turn may look and change.
type described struct {
	turn       chan struct{} // holds one value while somebody has it
	generation int
	made       bool
	d          *stack.Description
	err        error
	at         time.Time
}

// retryAfter is how long an error is told without trying again: its cause may lie
// outside the stack (a full disk), so that it passes.
const retryAfter = 30 * time.Second

func newDescriptions(d Documents, gone func(context.Context, string) bool) *descriptions {
	return &descriptions{make: d, gone: gone, now: time.Now, made: map[string]*described{}}
}

// get makes the description, or tells why there is none. Calls for one stack wait
// for one another, as long as ctx lets them; those for others do not.
func (c *descriptions) get(ctx context.Context, s *stack.Stack) (*stack.Description, error) {
	if c.make == nil {
		return nil, errs.New(errs.NotFound, "this service keeps no templates")
	}
	e := c.entry(ctx, s.ID)
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if e.made && e.generation == s.Generation && (e.err == nil || c.now().Sub(e.at) < retryAfter) {
		return e.d, e.err
	}
	d, err := c.make.Describe(ctx, s)
	if ctx.Err() == nil {
		e.made, e.generation, e.d, e.err, e.at = true, s.Generation, d, err, c.now()
	}
	return d, err
}

// entry is a stack's own. Before there is one more, those of deleted stacks go.
func (c *descriptions) entry(ctx context.Context, id string) *described {
	c.mu.Lock()
	e := c.made[id]
	var others []string
	if e == nil {
		for other := range c.made {
			others = append(others, other)
		}
		e = &described{turn: make(chan struct{}, 1)}
		c.made[id] = e
	}
	c.mu.Unlock()
	for _, other := range others {
		if c.gone(ctx, other) {
			c.mu.Lock()
			delete(c.made, other)
			c.mu.Unlock()
		}
	}
	return e
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
	w.Header().Set("Cache-Control", "no-store") // what people wrote is in them
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
