package stack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
)

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
	was := p.Version
	in := p.Input
	in.merge(params)
	v.next(p, in)
	return warnings, v.keep(ctx, p, was)
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
	given, err := hot.ParseParameters(file, content)
	if err != nil {
		return nil, "", err
	}
	names := slices.SortedFunc(maps.Keys(given.Defaults), func(a, b string) int {
		return cmp.Or(given.Origins[a].Line-given.Origins[b].Line, strings.Compare(a, b))
	})
	var env bytes.Buffer
	env.WriteString("{parameter_defaults: {")
	line := 1
	for _, k := range names {
		at := given.Origins[k].Line
		name, _ := json.Marshal(k) // text always marshals
		text, err := json.Marshal(exact(given.Defaults[k]))
		if err != nil {
			return nil, "", errs.New(errs.Invalid, "%s:%d: parameter %s: %v", file, at, k, err)
		}
		for ; line < at; line++ {
			env.WriteByte('\n')
		}
		fmt.Fprintf(&env, "%s: %s, ", name, text)
	}
	env.WriteString("}}\n")
	return given.Defaults, env.String(), nil
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
