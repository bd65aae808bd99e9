package plan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
)

// environment merges everything that sets parameters and the registry.
func (b *builder) environment() error {
	base, err := b.baseEnvironments()
	if err != nil {
		return err
	}
	b.env.Type = b.parameterTypes()
	files := slices.Clone(b.o.Base)
	for _, f := range base.Environments {
		if f.Data != nil && f.Path == "" {
			f.Path = fmt.Sprintf("%s:%d", planEnvironment, f.Line)
		}
		files = append(files, File{f.Path, f.Data})
	}
	for _, f := range files {
		if _, err := b.lay(f); err != nil {
			return err
		}
	}
	b.env.SetDefault("StackAction", cmp.Or(b.o.Action, "CREATE"), "the deployer")
	b.env.SetDefault("RootStackName", b.o.Stack, "the deployer")
	b.env.SetDefault("CtlplaneNetworkAttributes", networkAttributes(b.ctlplane()), "the deployer")
	for k, v := range b.o.Passwords {
		if k != SeedName {
			b.env.SetDefault(k, v, "generated passwords")
		}
	}
	for k, v := range base.Passwords {
		b.env.SetDefault(k, v, planEnvironment)
	}
	for _, e := range []*hot.Environment{base.Derived, base.Own} {
		if err := b.env.Merge(e); err != nil {
			return err
		}
	}
	for _, k := range sortedKeys(b.o.Parameters) {
		b.env.SetDefault(k, b.o.Parameters[k], "command line")
		b.given = append(b.given, given{name: k, origin: hot.Origin{File: "command line"}})
	}
	if err := b.countsAndFlavors(); err != nil {
		return err
	}
	if err := b.vips(); err != nil {
		return err
	}
	b.basic = b.env.Types()
	if err := b.operators(); err != nil {
		return err
	}
	if err := b.keepAddress(); err != nil {
		return err
	}
	return b.env.Check()
}

// operators lays the environments of the command line over all others.
func (b *builder) operators() error {
	for _, f := range b.o.Environments {
		e, err := b.lay(f)
		if err != nil {
			return err
		}
		b.mapped = append(b.mapped, e.Registry...)
		for _, k := range sortedKeys(e.Defaults) {
			b.given = append(b.given, given{name: k, origin: e.Origins[k]})
		}
		for _, k := range sortedKeys(e.Parameters) {
			b.given = append(b.given, given{name: k, origin: e.Origins[k], root: true})
		}
	}
	return nil
}

// lay reads one environment and merges it over what is there.
func (b *builder) lay(f File) (*hot.Environment, error) {
	f, err := b.file(f, f.Name)
	if err != nil {
		return nil, err
	}
	e, err := hot.ParseEnvironment(strings.TrimPrefix(f.Name, TreePath), f.Data)
	if err != nil {
		return nil, err
	}
	return e, b.env.Merge(e)
}

const planEnvironment = "plan-environment.yaml"

// baseEnvironments reads plan-environment.yaml, or the tree's registry where there
// is none.
func (b *builder) baseEnvironments() (*hot.PlanEnvironment, error) {
	data, err := b.read(planEnvironment)
	if err == nil {
		return hot.ParsePlanEnvironment(planEnvironment, data)
	}
	if !errors.Is(err, fs.ErrNotExist) { // Wallaby has none
		return nil, fmt.Errorf("read %s: %w", planEnvironment, err)
	}
	for _, name := range []string{"overcloud-resource-registry.yaml", "overcloud-resource-registry-puppet.yaml"} {
		if _, err := b.read(name); err == nil {
			return &hot.PlanEnvironment{Environments: []hot.PlanFile{{Path: name}}, Derived: hot.NewEnvironment(), Own: hot.NewEnvironment()}, nil
		}
	}
	return nil, errs.New(errs.NotFound, "neither %s nor overcloud-resource-registry.yaml is in the template tree", planEnvironment).
		WithHint("give --templates a directory with TripleO's layout")
}

// countsAndFlavors sets what flags say of roles. Of a role that there is not nothing can
// be set, except that it is to have no machines: commands that list all roles do so.
func (b *builder) countsAndFlavors() error {
	set := func(role, param string, v any) error {
		known := slices.ContainsFunc(b.roles.roles, func(r roleDef) bool { return r.Name == role })
		if n, counted := b.o.Counts[role]; !known && counted && n == 0 {
			return nil
		}
		if !known {
			return errs.New(errs.Invalid, "%s: no role %s, although %s is set to %v", b.roles.name, role, param, v).
				WithHint("add the role to the roles file (-r) or leave the flag out")
		}
		b.env.SetDefault(param, v, "command line")
		return nil
	}
	for _, role := range sortedKeys(b.o.Counts) {
		if err := set(role, role+"Count", b.o.Counts[role]); err != nil {
			return err
		}
	}
	for _, role := range sortedKeys(b.o.Flavors) {
		if err := set(role, "Overcloud"+role+"Flavor", b.o.Flavors[role]); err != nil {
			return err
		}
	}
	return nil
}

// effective are the parameters as the root template gets them: what the section
// parameters says of it goes over parameter_defaults.
func (b *builder) effective() map[string]any {
	out := make(map[string]any, len(b.env.Defaults))
	for k, v := range b.env.Defaults {
		out[k] = v
	}
	for k, v := range b.env.Parameters {
		out[k] = v
	}
	return out
}
