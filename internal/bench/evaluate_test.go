//go:build bench

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/realtree"
	"trefoil/templates"
)

// planned is a tree with what a plan of it is made for. It goes to a process of
// its own through the environment, so that its memory is that of one plan.
type planned struct {
	Name         string
	Dir          string
	Networks     string
	Environments []string
	Images       bool             // with the images of containers that the deployer gives TripleO's trees
	Counts       []map[string]int // one process for each
}

// planEnv holds one planned with one Counts, as JSON.
const planEnv = "TREFOIL_BENCH_PLAN"

// cost is what the process tells of itself.
type cost struct {
	Mallocs, Bytes uint64
	Machines       int
}

// makePlan is the process: from the files of a tree to a plan, once.
func makePlan() error {
	var p planned
	if err := json.Unmarshal([]byte(os.Getenv(planEnv)), &p); err != nil {
		return fmt.Errorf("read %s: %w", planEnv, err)
	}
	passwords, err := plan.GeneratePasswords(nil, rand.NewChaCha8([32]byte{1}))
	if err != nil {
		return err
	}
	o := plan.Options{Counts: p.Counts[0], Passwords: passwords, Networks: plan.File{Name: p.Networks}}
	for _, e := range p.Environments {
		o.Environments = append(o.Environments, plan.File{Name: e})
	}
	if p.Images {
		const name = "environments/container-images.yaml"
		data, err := fs.ReadFile(templates.FS, name)
		if err != nil {
			return err
		}
		o.Base = []plan.File{{Name: name, Data: data}}
	}
	made, err := plan.Build(context.Background(), realtree.WithScripts(os.DirFS(p.Dir)), o)
	if err != nil {
		return err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return json.NewEncoder(os.Stdout).Encode(cost{m.Mallocs, m.TotalAlloc, len(made.Servers)})
}

// evaluated are the plans that are measured: Queens and Wallaby where they are,
// else the corpus of our own; and our own tree.
func evaluated(t *testing.T, trees []corpus) []planned {
	var out []planned
	for _, c := range trees {
		p := planned{Name: c.name, Dir: c.dir, Networks: c.networks, Images: true, Counts: []map[string]int{
			{"Controller": 1, "Compute": 2, "CephStorage": 2}, {"Controller": 3, "Compute": 50, "CephStorage": 10}}}
		switch c.name {
		case "queens":
			p.Environments = []string{"environments/network-isolation.yaml", "environments/ceph-ansible/ceph-ansible.yaml"}
		case "wallaby":
			p.Networks, p.Counts = "network_data_default.yaml", []map[string]int{nil}
		case ownTree:
			p.Images = false
		case ownCorpus:
			p.Images, p.Environments = false, []string{"environments/network-isolation.yaml"}
			p.Counts = []map[string]int{{"Controller": 2, "Compute": 3}, {"Controller": 3, "Compute": 60}}
		}
		out = append(out, p)
	}
	if !slices.ContainsFunc(trees, func(c corpus) bool { return c.name == ownTree }) {
		own := evaluated(t, []corpus{ourTree(t)})
		out = append(out, own...)
	}
	return out
}

// evaluateRows measures one tree: a whole process from its start to its end.
func evaluateRows(t *testing.T, p planned) []Row {
	t.Helper()
	peak, costs := make([]float64, len(p.Counts)), make([]cost, len(p.Counts))
	var measure []func() float64 // in turns, so that the ratio meets the same load
	for i, counts := range p.Counts {
		one := p
		one.Counts = []map[string]int{counts}
		measure = append(measure, func() float64 {
			var s float64
			s, peak[i], costs[i] = planProcess(t, one)
			return 1000 * s
		})
	}
	ms := rounds(3, measure...)
	var sizes []string
	var mallocs, mb []float64
	for _, c := range costs {
		sizes = append(sizes, fmt.Sprint(c.Machines))
		mallocs, mb = append(mallocs, float64(c.Mallocs)/1e6), append(mb, float64(c.Bytes)/1e6)
	}
	what := fmt.Sprintf("plan of %s, %s machines", p.Name, strings.Join(sizes, " / "))
	note := "render and evaluate, a whole process"
	if len(p.Environments) > 0 {
		note += "; network isolation"
	}
	if p.Name == "queens" {
		note += ", ceph-ansible; aim: 2 s or less"
	}
	if len(ms) > 1 {
		note += fmt.Sprintf("; the second is %s× the first (aim: 1.5× or less)", number(ms[1]/ms[0]))
	}
	return []Row{
		{What: what, Series: series(ms, "ms"), Note: note},
		{What: "the same: peak memory", Series: series(peak, "MiB"), Note: "resident, of the process; aim: 300 MiB or less"},
		{What: "the same: allocations", Series: series(mallocs, "million"), Note: "of together " + series(mb, "MB")},
	}
}

// planProcess makes a plan in a process of its own: seconds, peak MiB, and what it tells.
func planProcess(t *testing.T, p planned) (seconds, peak float64, c cost) {
	t.Helper()
	spec, err := json.Marshal(p)
	must(t, err)
	cmd := again(rolePlan)
	cmd.Env = append(cmd.Env, planEnv+"="+string(spec))
	var out strings.Builder
	cmd.Stdout = &out
	seconds = took(func() { must(t, cmd.Run()) })
	must(t, json.Unmarshal([]byte(out.String()), &c))
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok || c.Machines == 0 {
		t.Fatalf("plan of %s: %d machines, resources %v", p.Name, c.Machines, usage)
	}
	return seconds, float64(usage.Maxrss) / 1024, c
}

// ourTree is the tree of templates that this program brings.
func ourTree(t *testing.T) corpus {
	t.Helper()
	c := corpus{name: ownTree, dir: filepath.Join(t.TempDir(), "tree"), roles: "roles_data.yaml", networks: "network_data.yaml"}
	must(t, os.CopyFS(c.dir, templates.FS))
	return c
}
