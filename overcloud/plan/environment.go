package plan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/overcloud/hot"
)

// environment merges everything that sets parameters and the registry.
func (b *builder) environment() error {
	base, err := b.baseEnvironments()
	if err != nil {
		return err
	}
	b.env.Type = b.parameterTypes()
	for _, f := range append(slices.Clone(b.o.Base), base...) {
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
	for _, k := range sortedKeys(b.o.Parameters) {
		b.env.SetDefault(k, b.o.Parameters[k], "command line")
		b.given = append(b.given, given{k, hot.Origin{File: "command line"}})
	}
	if err := b.countsAndFlavors(); err != nil {
		return err
	}
	if err := b.vips(); err != nil {
		return err
	}
	for _, f := range b.o.Environments {
		e, err := b.lay(f)
		if err != nil {
			return err
		}
		for _, k := range append(sortedKeys(e.Defaults), sortedKeys(e.Parameters)...) {
			b.given = append(b.given, given{k, e.Origins[k]})
		}
	}
	return b.env.Check()
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

// baseEnvironments are those of plan-environment.yaml, else the usual registry.
func (b *builder) baseEnvironments() ([]File, error) {
	data, err := b.read("plan-environment.yaml")
	if errors.Is(err, fs.ErrNotExist) { // Wallaby has none
		for _, name := range []string{"overcloud-resource-registry.yaml", "overcloud-resource-registry-puppet.yaml"} {
			if _, err := b.read(name); err == nil {
				return []File{{Name: name}}, nil
			}
		}
		return nil, errs.New(errs.NotFound, "neither plan-environment.yaml nor overcloud-resource-registry.yaml is in the template tree").
			WithHint("give --templates a directory with TripleO's layout")
	}
	if err != nil {
		return nil, fmt.Errorf("read plan-environment.yaml: %w", err)
	}
	var pe struct {
		Environments []struct {
			Path string `yaml:"path"`
		} `yaml:"environments"`
	}
	if err := yaml.Unmarshal("plan-environment.yaml", data, &pe); err != nil {
		return nil, err
	}
	var out []File
	for _, e := range pe.Environments {
		out = append(out, File{Name: e.Path})
	}
	return out, nil
}

func (b *builder) countsAndFlavors() error {
	set := func(role, param string, v any) error {
		known := slices.ContainsFunc(b.roles.roles, func(r roleDef) bool { return r.Name == role })
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
