package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
	"trefoil/overcloud/plan"
)

// Plan is what a deployment is to be, kept under a name whether or not it is
// deployed. A stack of the same name has a copy of what its last action was given.
type Plan struct {
	Name      string
	Input     Input
	Passwords map[string]string // secret; made once, kept as long as the plan
	Given     bool              // the passwords are the user's: none is generated
	Version   int               // grows with each change
	CreatedAt time.Time
	UpdatedAt *time.Time
}

// Stack is the plan as a stack that does not exist yet.
func (p *Plan) Stack() *Stack {
	return &Stack{Name: p.Name, Action: Create, Input: p.Input, Passwords: p.Passwords, Generation: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
}

// PlanStore keeps plans. Safe for concurrent use; each method is one transaction.
// Unknown plans give errs.NotFound, a second plan of a name errs.Conflict.
type PlanStore interface {
	CreatePlan(ctx context.Context, p *Plan) error
	Plan(ctx context.Context, name string) (*Plan, error)
	// Plans lists all by name, without their Input and Passwords.
	Plans(ctx context.Context) ([]*Plan, error)
	// UpdatePlan reads, lets change edit, and writes back in one transaction.
	UpdatePlan(ctx context.Context, name string, change func(*Plan) error) (*Plan, error)
	DeletePlan(ctx context.Context, name string) error
}

var planName = regexp.MustCompile(`^[a-zA-Z0-9-]+$`)

// NewPlan is what a plan is created of.
type NewPlan struct {
	Name      string            `json:"name"`
	Input     Input             `json:"input"`
	Passwords map[string]string `json:"passwords,omitempty"` // that exist already, from an exported plan
	Given     bool              `json:"given_passwords"`     // generate none
}

// CreatePlan checks a plan and keeps it. A plan that does not render is refused
// and nothing is kept. The strings are warnings.
func (v *Service) CreatePlan(ctx context.Context, n NewPlan) (*Plan, []string, error) {
	if !planName.MatchString(n.Name) {
		return nil, nil, errs.New(errs.Invalid, "Unable to create plan. The plan name must only contain letters, numbers or dashes").
			WithHint("%q has something else", n.Name)
	}
	if _, err := v.Store.Plan(ctx, n.Name); err == nil {
		return nil, nil, errs.New(errs.Conflict, "Unable to create plan. A container with the name %s already exists.", n.Name).
			WithHint("openstack overcloud deploy --update-plan-only changes it; openstack overcloud plan delete %s removes it", n.Name)
	} else if !errs.Is(err, errs.NotFound) {
		return nil, nil, err
	}
	p := &Plan{Name: n.Name, Input: n.Input, Passwords: n.Passwords, Given: n.Given, Version: 1, CreatedAt: v.Now()}
	if err := v.complete(p); err != nil {
		return nil, nil, err
	}
	made, err := v.Check(ctx, p.Stack())
	if err != nil {
		return nil, nil, err
	}
	return p, made.Warnings, v.Store.CreatePlan(ctx, p)
}

// complete makes the passwords that a plan lacks. The seed of random texts is made
// even where the passwords are all given: without it they could be guessed.
func (v *Service) complete(p *Plan) error {
	made, err := v.Passwords(p.Passwords)
	if err != nil {
		return err
	}
	if p.Given {
		made = maps.Clone(made)
		maps.DeleteFunc(made, func(name, _ string) bool {
			_, given := p.Passwords[name]
			return !given && name != plan.SeedName
		})
	}
	p.Passwords = made
	return nil
}

// keep writes a plan that has been checked down, new or with a new content.
func (v *Service) keep(ctx context.Context, p *Plan, in Input, isNew bool) error {
	if isNew {
		p.Input = in
		return v.Store.CreatePlan(ctx, p)
	}
	now, err := v.changePlan(ctx, p.Name, func(old *Plan) { old.Input, old.Passwords = in, p.Passwords })
	if err == nil {
		*p = *now
	}
	return err
}

// changePlan edits a plan as a new version of it.
func (v *Service) changePlan(ctx context.Context, name string, change func(*Plan)) (*Plan, error) {
	return v.Store.UpdatePlan(ctx, name, func(p *Plan) error {
		change(p)
		now := v.Now()
		p.Version++
		p.UpdatedAt = &now
		return nil
	})
}

// UpdatePlan gives the plan of that name a new content, or creates it, and
// deploys nothing. The strings are warnings.
func (v *Service) UpdatePlan(ctx context.Context, name string, in Input) (*Plan, []string, error) {
	if !planName.MatchString(name) {
		return nil, nil, errs.New(errs.Invalid, "the plan name %q is not valid: letters, digits and -", name)
	}
	p, err := v.Store.Plan(ctx, name)
	isNew := errs.Is(err, errs.NotFound)
	switch {
	case isNew:
		p = &Plan{Name: name, Version: 1, CreatedAt: v.Now()}
	case err != nil:
		return nil, nil, err
	}
	if err := v.complete(p); err != nil {
		return nil, nil, err
	}
	trial := p.Stack()
	trial.Input = in
	made, err := v.Check(ctx, trial)
	if err != nil {
		return nil, nil, err
	}
	return p, made.Warnings, v.keep(ctx, p, in, isNew)
}

// Plan finds a plan; where there is none the nearest name is told.
func (v *Service) Plan(ctx context.Context, name string) (*Plan, error) {
	p, err := v.Store.Plan(ctx, name)
	if !errs.Is(err, errs.NotFound) {
		return p, err
	}
	all, lerr := v.Store.Plans(ctx)
	if lerr != nil {
		return nil, lerr
	}
	known := make([]string, len(all))
	for i, x := range all {
		known[i] = x.Name
	}
	return nil, errs.New(errs.NotFound, "the plan %s could not be found%s", name, nearest.Hint(name, known)).WithHint("openstack overcloud plan list")
}

// DeletePlan forgets a plan that has no stack.
func (v *Service) DeletePlan(ctx context.Context, name string) error {
	if _, err := v.Plan(ctx, name); err != nil {
		return err
	}
	switch _, err := v.Store.Stack(ctx, name); {
	case err == nil:
		return errs.New(errs.Conflict, "Cannot delete a plan that has an associated stack.").WithHint("openstack overcloud delete %s removes both", name)
	case !errs.Is(err, errs.NotFound):
		return err
	}
	return v.Store.DeletePlan(ctx, name)
}

// DeployPlan creates the stack of a plan, or updates it.
func (v *Service) DeployPlan(ctx context.Context, name string, timeoutMins int) (*Stack, error) {
	p, err := v.Plan(ctx, name)
	if err != nil {
		return nil, err
	}
	s, err := v.Store.Stack(ctx, name)
	if errs.Is(err, errs.NotFound) {
		return v.Create(ctx, name, timeoutMins, p.Input)
	}
	if err != nil {
		return nil, err
	}
	return s, v.Update(ctx, s.ID, timeoutMins, p.Input)
}

// SetParameters lays the parameters of a file over a plan's. Every one is checked
// against the plan's templates; where one is refused, none is set. The strings are
// warnings, such as a name that no template has.
func (v *Service) SetParameters(ctx context.Context, name, file string, content []byte) ([]string, error) {
	params, env, err := ParseParameters(file, content)
	if err != nil {
		return nil, err
	}
	p, err := v.Plan(ctx, name)
	if err != nil {
		return nil, err
	}
	// The file goes in as an environment of the lowest rank, for its name and lines
	// to stand in what is told; then its values take their place in the plan.
	trial := *p.Stack()
	key := "/parameters/" + path.Base(file)
	trial.Input.merge(params)
	trial.Input.Parameters = without(trial.Input.Parameters, params)
	trial.Input.Environments = append([]string{key}, trial.Input.Environments...)
	trial.Input.Files = copied(trial.Input.Files)
	trial.Input.Files[key] = env
	made, err := v.Check(ctx, &trial)
	if err != nil {
		return nil, renamed(err, key, file)
	}
	var warnings []string
	for _, w := range made.Warnings {
		if strings.HasPrefix(w, key+":") {
			warnings = append(warnings, strings.ReplaceAll(w, key, file))
		}
	}
	_, err = v.changePlan(ctx, name, func(p *Plan) { p.Input.merge(params) })
	return warnings, err
}

// renamed is err with a file's own name for the one that it went by.
func renamed(err error, key, file string) error {
	var e *errs.Error
	if !errors.As(err, &e) {
		return err
	}
	return &errs.Error{Code: e.Code, Msg: strings.ReplaceAll(err.Error(), key, file), Hint: errs.HintOf(err)}
}

// ParseParameters reads a map of parameters, or an environment with
// parameter_defaults, and writes it as an environment that has every parameter in
// the line where the file has it.
func ParseParameters(file string, content []byte) (map[string]any, string, error) {
	if !strings.HasSuffix(file, ".json") && !strings.HasSuffix(file, ".yaml") {
		return nil, "", errs.New(errs.Invalid, "Invalid file extension for %s, must be json or yaml", file)
	}
	root, err := yaml.Parse(file, content)
	if err != nil {
		return nil, "", err
	}
	if root == nil || root.Kind != yaml.MappingNode {
		return nil, "", errs.New(errs.Invalid, "%s: expected a map of parameters, or parameter_defaults with one", file)
	}
	if left := maxValues; !bounded(root, 0, &left) {
		return nil, "", errs.New(errs.Invalid, "%s: more than %d values or %d levels deep, aliases followed", file, maxValues, maxDepth)
	}
	at := root
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "parameter_defaults" {
			at = root.Content[i+1]
		}
	}
	if at.Kind != yaml.MappingNode {
		return nil, "", errs.New(errs.Invalid, "%s:%d: parameter_defaults must be a map", file, at.Line)
	}
	params := map[string]any{}
	var env bytes.Buffer
	env.WriteString("{parameter_defaults: {")
	line := 1
	for i := 0; i+1 < len(at.Content); i += 2 {
		k, value := at.Content[i], document(at.Content[i+1])
		if _, twice := params[k.Value]; twice {
			return nil, "", errs.New(errs.Invalid, "%s:%d: parameter %s is given twice", file, k.Line, k.Value)
		}
		params[k.Value] = value
		name, _ := json.Marshal(k.Value) // text always marshals
		text, err := json.Marshal(value)
		if err != nil {
			return nil, "", errs.New(errs.Invalid, "%s:%d: parameter %s: %v", file, k.Line, k.Value, err)
		}
		for ; line < k.Line; line++ {
			env.WriteByte('\n')
		}
		fmt.Fprintf(&env, "%s: %s, ", name, text)
	}
	env.WriteString("}}\n")
	return params, env.String(), nil
}

// merge lays parameters over those of a plan. A count or a flavor that came from a
// flag gives way to one that is set now.
func (in *Input) merge(params map[string]any) {
	in.Parameters, in.Counts, in.Flavors = copied(in.Parameters), copied(in.Counts), copied(in.Flavors)
	for k, value := range params {
		in.Parameters[k] = value
		if role, ok := strings.CutSuffix(k, "Count"); ok {
			delete(in.Counts, role)
		}
		if role, ok := strings.CutSuffix(strings.TrimPrefix(k, "Overcloud"), "Flavor"); ok {
			delete(in.Flavors, role)
		}
	}
}

func copied[V any](m map[string]V) map[string]V {
	out := make(map[string]V, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func without(m, drop map[string]any) map[string]any {
	out := copied(m)
	for k := range drop {
		delete(out, k)
	}
	return out
}

// UnmarshalJSON keeps whole numbers whole: templates tell 3 from 3.0.
func (in *Input) UnmarshalJSON(data []byte) error {
	type plain Input
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode((*plain)(in)); err != nil {
		return err
	}
	for k, v := range in.Parameters {
		in.Parameters[k] = numbers(v)
	}
	return nil
}

func numbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return int(n)
		}
		f, _ := x.Float64() // the decoder has seen that it is a number
		return f
	case []any:
		for i := range x {
			x[i] = numbers(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = numbers(x[k])
		}
	}
	return v
}
