package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io/fs"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
	"trefoil/templates"
)

// containerImages is the environment that TripleO's own trees need of the deployer:
// names of container images for those who have prepared none.
const containerImages = "environments/container-images.yaml"

// MaxTree is the largest template tree that is unpacked, in bytes.
const MaxTree = 64 << 20

// PackTree makes the zip that a stack's input carries.
func PackTree(tree fs.FS) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := z.AddFS(tree); err != nil {
		return nil, fmt.Errorf("pack templates: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack templates: %w", err)
	}
	return b.Bytes(), nil
}

// PlanOf makes the plan of a stack. It is a Planner.
func PlanOf(ctx context.Context, s *stack.Stack) (*plan.Plan, error) {
	tree, o, err := given(s)
	if err != nil {
		return nil, err
	}
	return plan.Build(ctx, tree, o)
}

// given unpacks what a stack was asked to be.
func given(s *stack.Stack) (fs.FS, plan.Options, error) {
	tree, err := unpack(s.Input.Tree)
	if err != nil {
		return nil, plan.Options{}, err
	}
	images, err := fs.ReadFile(templates.FS, containerImages)
	if err != nil {
		return nil, plan.Options{}, fmt.Errorf("read %s: %w", containerImages, err)
	}
	o := plan.Options{Stack: s.Name, Action: s.Action, Files: map[string][]byte{}, Counts: s.Input.Counts, Flavors: s.Input.Flavors,
		Parameters: s.Input.Parameters, Passwords: s.Passwords, Base: []plan.File{{Name: containerImages, Data: images}}}
	for name, text := range s.Input.Files {
		o.Files[name] = []byte(text)
	}
	file := func(name string) (plan.File, error) {
		if name == "" {
			return plan.File{}, nil
		}
		if text, ok := s.Input.Files[name]; ok {
			return plan.File{Name: name, Data: []byte(text)}, nil
		}
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			return plan.File{}, errs.Wrap(errs.NotFound, err, "%s is neither in the template tree nor among the files sent", name)
		}
		return plan.File{Name: name, Data: data}, nil
	}
	if o.Roles, err = file(s.Input.RolesFile); err != nil {
		return nil, o, err
	}
	if o.Networks, err = file(s.Input.NetworksFile); err != nil {
		return nil, o, err
	}
	for _, e := range s.Input.Environments {
		f, err := file(e)
		if err != nil {
			return nil, o, err
		}
		o.Environments = append(o.Environments, f)
	}
	return tree, o, nil
}

// unpack opens a zipped tree that is not too large.
func unpack(packed []byte) (*zip.Reader, error) {
	tree, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "read the template tree")
	}
	total := uint64(0)
	for _, f := range tree.File {
		total += f.UncompressedSize64
	}
	if total > MaxTree {
		return nil, errs.New(errs.Invalid, "the template tree holds %d bytes, more than %d", total, MaxTree)
	}
	return tree, nil
}
