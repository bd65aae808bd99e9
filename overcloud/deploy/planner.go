package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/eval"
	"trefoil/templates"
)

// containerImages is the environment that TripleO's own trees need of the deployer:
// names of container images for those who have prepared none.
const containerImages = "environments/container-images.yaml"

// MaxTree is the largest template tree that is unpacked, in bytes.
const MaxTree = 64 << 20

// PackTree makes the zip that a stack's input carries: all files of the tree
// but hidden ones (.git), those of over instead of what the tree has there.
func PackTree(tree fs.FS, over map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name string, data []byte) error {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		hidden := name != "." && strings.HasPrefix(path.Base(name), ".")
		switch _, replaced := over[name]; {
		case err != nil:
			return err
		case d.IsDir() && hidden:
			return fs.SkipDir
		case d.IsDir() || hidden || replaced:
			return nil
		}
		st, err := fs.Stat(tree, name) // a link may lead to a file, or to a directory that is left out
		if err != nil || !st.Mode().IsRegular() {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return add(name, data)
	})
	for _, name := range slices.Sorted(maps.Keys(over)) {
		if err == nil {
			err = add(name, over[name])
		}
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pack templates: %w", err)
	}
	return b.Bytes(), nil
}

// PlanOf makes the plan of a stack. It is a Planner that knows nothing of the
// provisioning network.
func PlanOf(ctx context.Context, s *stack.Stack, there ...plan.Node) (*plan.Plan, error) {
	return Plans{}.Of(ctx, s, there...)
}

// Plans makes plans. Safe for concurrent use.
type Plans struct {
	Ctlplane eval.Subnet   // the provisioning network; empty: TripleO's default
	Leaves   []eval.Subnet // its subnets behind routers
	Sketch   int           // of the machines of a role one is planned, where there are more in all; 0: all
}

// Of makes the plan of a stack. It is a Planner.
func (w Plans) Of(ctx context.Context, s *stack.Stack, there ...plan.Node) (*plan.Plan, error) {
	machines, err := Machines(s)
	if err != nil {
		return nil, err
	}
	if s.Input.Only != "" || onlyMachines(s) {
		return w.machinesOnly(s, machines, there)
	}
	tree, o, err := given(s)
	if err != nil {
		return nil, err
	}
	o.Ctlplane, o.Leaves, o.Sketch = w.Ctlplane, w.Leaves, w.Sketch
	o.Machines, o.AddressHeld, o.Fixed = there, addressHeld(s, there), fixed(s, machines)
	if machines == nil {
		return plan.Build(ctx, tree, o)
	}
	if err := settle(tree, o, s, machines); err != nil {
		return nil, err
	}
	f, err := counted(s, machines)
	if err != nil {
		return nil, err
	}
	o.Environments = append(o.Environments, f)
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
		Removed: s.Input.Removed, Parameters: s.Input.Parameters, Passwords: s.Passwords, Addresses: s.Addresses, Base: []plan.File{{Name: containerImages, Data: images}}}
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
	if o.VIPs, err = file(s.Input.VIPFile); err != nil {
		return nil, o, err
	}
	for _, e := range s.Input.Environments {
		f := plan.File{Name: e} // without text: of the tree, or made by one of its templates
		if text, ok := s.Input.Files[e]; ok {
			f.Data = []byte(text)
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
	left := uint64(MaxTree)
	for _, f := range tree.File { // a sum could wrap: the sizes are what the archive claims
		if f.UncompressedSize64 > left {
			return nil, errs.New(errs.Invalid, "the template tree holds more than %d bytes: %s is the file that goes beyond", MaxTree, f.Name)
		}
		left -= f.UncompressedSize64
	}
	return tree, nil
}
