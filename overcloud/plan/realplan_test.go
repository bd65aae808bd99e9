package plan_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"trefoil/overcloud/plan"
	"trefoil/templates"
)

// withScripts gives the engine a marker for every script that a get_file of the
// tree names and that is not there: only the tree's YAML and j2 files are kept.
func withScripts(tree fs.FS) fs.FS { return scripted{tree} }

type scripted struct{ fs.FS }

func (s scripted) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err == nil || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".j2") {
		return f, err
	}
	m := fstest.MapFS{name: {Data: []byte("<" + name + ">")}}
	return m.Open(name)
}

func queens(t testing.TB, environments ...string) (*plan.Plan, error) {
	t.Helper()
	o := plan.Options{
		Counts:    map[string]int{"Controller": 1, "Compute": 2, "CephStorage": 2},
		Passwords: realPasswords(t),
		Base:      []plan.File{images(t)},
	}
	for _, e := range environments {
		o.Environments = append(o.Environments, plan.File{Name: e})
	}
	return plan.Build(context.Background(), withScripts(realTree(t, "queens")), o)
}

// realPasswords are generated ones from a fixed source.
func realPasswords(t testing.TB) map[string]string {
	t.Helper()
	made, err := plan.GeneratePasswords(nil, rand.NewChaCha8([32]byte{7}))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func images(t testing.TB) plan.File {
	t.Helper()
	const name = "environments/container-images.yaml"
	data, err := fs.ReadFile(templates.FS, name)
	if err != nil {
		t.Fatal(err)
	}
	return plan.File{Name: name, Data: data}
}

func TestQueensPlans(t *testing.T) {
	p, err := queens(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Servers {
		t.Log(s.Name, s.Role, s.Index, s.Networks, s.ID)
	}
	for _, w := range p.Warnings {
		t.Log(w)
	}
	for _, d := range p.Deployments {
		t.Log(d.Path, d.Name, d.Group, d.Servers)
	}
}

func wallaby(t testing.TB, environments ...string) (*plan.Plan, error) {
	t.Helper()
	tree := withScripts(realTree(t, "wallaby"))
	nets, err := fs.ReadFile(tree, "network_data_default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	o := plan.Options{Passwords: realPasswords(t), Base: []plan.File{images(t)}, Networks: plan.File{Name: "network_data_default.yaml", Data: nets}}
	for _, e := range environments {
		o.Environments = append(o.Environments, plan.File{Name: e})
	}
	return plan.Build(context.Background(), tree, o)
}

func TestWallabyPlans(t *testing.T) {
	p, err := wallaby(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Servers {
		t.Log(s.Name, s.Role, s.Index, s.Networks, s.ID)
	}
	for _, w := range p.Warnings {
		t.Log(w)
	}
	for _, d := range p.Deployments {
		t.Log(d.Path, d.Name, d.Group, d.Servers)
	}
}

func TestQueensIsolatedPlans(t *testing.T) {
	p, err := queens(t, "environments/network-isolation.yaml", "environments/ceph-ansible/ceph-ansible.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Servers {
		t.Log(s.Name, s.Role, s.Index, s.Networks, s.ID)
	}
	t.Log(p.Outputs["VipMap"])
	t.Log(p.Outputs["KeystoneURL"])
}

func BenchmarkPlanQueens(b *testing.B) {
	tree := withScripts(realTree(b, "queens"))
	for _, n := range []int{2, 50} {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			o := plan.Options{Counts: map[string]int{"Controller": 1, "Compute": n, "CephStorage": 2}, Passwords: realPasswords(b), Base: []plan.File{images(b)}}
			if n > 2 {
				o.Counts = map[string]int{"Controller": 3, "Compute": 50, "CephStorage": 10}
			}
			o.Environments = []plan.File{{Name: "environments/network-isolation.yaml"}, {Name: "environments/ceph-ansible/ceph-ansible.yaml"}}
			for b.Loop() {
				if _, err := plan.Build(context.Background(), tree, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
