package plan_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/realtree"
	"trefoil/templates"
)

// realPasswords are generated ones from a fixed source.
func realPasswords(t testing.TB) map[string]string {
	t.Helper()
	made, err := plan.GeneratePasswords(nil, rand.NewChaCha8([32]byte{7}))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// images is the environment that the deployer gives TripleO's own trees.
func images(t testing.TB) plan.File {
	t.Helper()
	const name = "environments/container-images.yaml"
	data, err := fs.ReadFile(templates.FS, name)
	if err != nil {
		t.Fatal(err)
	}
	return plan.File{Name: name, Data: data}
}

// realOptions are those of a deployment of a tree of TripleO's.
func realOptions(t testing.TB, counts map[string]int, environments ...string) plan.Options {
	o := plan.Options{Counts: counts, Passwords: realPasswords(t), Base: []plan.File{images(t)}}
	for _, e := range environments {
		o.Environments = append(o.Environments, plan.File{Name: e})
	}
	return o
}

// articleCounts are the machines of the article.
func articleCounts() map[string]int {
	return map[string]int{"Controller": 1, "Compute": 2, "CephStorage": 2}
}

// isolated are the environments of a production cloud.
func isolated() []string {
	return []string{"environments/network-isolation.yaml", "environments/ceph-ansible/ceph-ansible.yaml"}
}

func TestQueensPlans(t *testing.T) {
	tree := scripted(t, "queens")
	for name, environments := range map[string][]string{"queens-plan.txt": nil, "queens-isolated-plan.txt": isolated()} {
		p, err := plan.Build(context.Background(), tree, realOptions(t, articleCounts(), environments...))
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name, summary(p))
		if err := p.Deployable(); err == nil || !strings.Contains(err.Error(), "Puppet") {
			t.Errorf("a tree for Puppet can be deployed: %v", err)
		}
	}
}

func TestWallabyPlans(t *testing.T) {
	tree := scripted(t, "wallaby")
	o := realOptions(t, nil)
	o.Networks = plan.File{Name: "network_data_default.yaml"}
	p, err := plan.Build(context.Background(), tree, o)
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "wallaby-plan.txt", summary(p))
}

// scripted is a real tree with a marker for every script that a get_file names:
// only the trees' YAML and j2 files are kept.
func scripted(t testing.TB, name string) fs.FS {
	t.Helper()
	return realtree.WithScripts(realTree(t, name))
}

// summary is what a plan says, without a line of the tree's own text.
func summary(p *plan.Plan) string {
	var b strings.Builder
	for _, r := range p.Roles {
		fmt.Fprintf(&b, "role %s: %d machines, flavor %s, image %s, names %s, tags %v\n", r.Name, r.Count, r.Flavor, r.Image, r.HostnameFormat, r.Tags)
		fmt.Fprintf(&b, "  %d services enabled, %d with role_data, %d config_settings\n", len(r.Services), len(r.Data), size(r.RoleData["config_settings"]))
		for _, k := range []string{"docker_config", "docker_puppet_tasks", "container_puppet_tasks"} {
			if steps := bySteps(r.RoleData[k]); steps != "" {
				fmt.Fprintf(&b, "  %s by step: %s\n", k, steps)
			}
		}
		for _, k := range []string{"host_prep_tasks", "deploy_steps_tasks", "external_deploy_tasks", "update_tasks", "upgrade_tasks", "puppet_config", "kolla_config"} {
			if n := size(r.RoleData[k]); n > 0 {
				fmt.Fprintf(&b, "  %d %s\n", n, k)
			}
		}
	}
	for _, s := range p.Servers {
		fmt.Fprintf(&b, "server %s (%s %d)", s.Name, s.Role, s.Index)
		for _, net := range sortedNames(s.Networks) {
			fmt.Fprintf(&b, " %s=%s", net, s.Networks[net])
		}
		b.WriteByte('\n')
	}
	for _, n := range p.Networks {
		for _, s := range n.Subnets {
			fmt.Fprintf(&b, "network %s: subnet %s %s, pools %v\n", n.Name, s.Name, s.CIDR, s.Pools)
		}
	}
	endpoints, _ := p.Outputs["EndpointMap"].(map[string]any)
	fmt.Fprintf(&b, "%d endpoints\n", len(endpoints))
	for _, name := range []string{"KeystonePublic", "KeystoneInternal", "KeystoneAdmin", "NovaPublic", "NeutronInternal", "GlancePublic", "MysqlInternal"} {
		e, _ := endpoints[name].(map[string]any)
		fmt.Fprintf(&b, "endpoint %s: %v\n", name, e["uri"])
	}
	vips, _ := p.Outputs["VipMap"].(map[string]any)
	for _, net := range sortedNames(vips) {
		if ip, _ := vips[net].(string); ip != "" && !strings.Contains(net, "_subnet") && !strings.Contains(net, "_uri") {
			fmt.Fprintf(&b, "vip %s: %s\n", net, ip)
		}
	}
	for _, d := range p.Deployments {
		fmt.Fprintf(&b, "deployment %s (%s) on %s\n", strings.TrimPrefix(d.Path, "overcloud."), d.Group, strings.Join(d.Servers, " "))
	}
	fmt.Fprintf(&b, "%d outputs, %d registry entries\n", len(p.Outputs), len(p.Registry))
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning %s\n", w)
	}
	return b.String()
}

func size(v any) int {
	switch v := v.(type) {
	case map[string]any:
		return len(v)
	case []any:
		return len(v)
	}
	return 0
}

// bySteps counts the entries of a map of steps.
func bySteps(v any) string {
	m, _ := v.(map[string]any)
	var out []string
	for _, k := range sortedNames(m) {
		if strings.HasPrefix(k, "step_") {
			out = append(out, fmt.Sprintf("%s=%d", k, size(m[k])))
		}
	}
	return strings.Join(out, " ")
}

func sortedNames[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// TestAddressesAreKept: a machine more moves nobody's address when the earlier
// plan's addresses are given.
func TestAddressesAreKept(t *testing.T) {
	tree := scripted(t, "queens")
	before, err := plan.Build(context.Background(), tree, realOptions(t, articleCounts(), isolated()...))
	if err != nil {
		t.Fatal(err)
	}
	counts := articleCounts()
	counts["Controller"] = 3
	o := realOptions(t, counts, isolated()...)
	o.Addresses = before.Addresses
	after, err := plan.Build(context.Background(), tree, o)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, s := range after.Servers {
		for net, ip := range s.Networks {
			if other := seen[ip]; other != "" {
				t.Errorf("%s and %s have %s", s.Name, other, ip)
			}
			seen[ip] = s.Name + " " + net
		}
	}
	for _, s := range before.Servers {
		i := slices.IndexFunc(after.Servers, func(x plan.Server) bool { return x.Name == s.Name })
		if i < 0 || fmt.Sprint(after.Servers[i].Networks) != fmt.Sprint(s.Networks) {
			t.Errorf("%s had %v, and now %v", s.Name, s.Networks, after.Servers[i].Networks)
		}
	}
}

// BenchmarkPlanQueens renders and evaluates the whole tree for 5 and 63 machines,
// with network isolation and Ceph.
func BenchmarkPlanQueens(b *testing.B) {
	tree := scripted(b, "queens")
	for _, counts := range []map[string]int{articleCounts(), {"Controller": 3, "Compute": 50, "CephStorage": 10}} {
		n := 0
		for _, c := range counts {
			n += c
		}
		b.Run(fmt.Sprintf("%dnodes", n), func(b *testing.B) {
			o := realOptions(b, counts, isolated()...)
			for b.Loop() {
				if _, err := plan.Build(context.Background(), tree, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Where Ansible is to run the deployments, a template of the tree stands for each:
// the plan still knows what goes to which machine, and in which order.
func TestDeploymentsForAnsible(t *testing.T) {
	tree := scripted(t, "queens")
	p, err := plan.Build(context.Background(), tree, realOptions(t, map[string]int{"Controller": 1, "Compute": 1}, "environments/config-download-environment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range p.Deployments {
		if slices.Contains(d.Servers, "overcloud-controller-0") {
			got = append(got, d.Name+" "+d.Group)
		}
	}
	want := []string{"NetworkDeployment script", "UpdateDeployment script", "ControllerDeployment hiera", "ControllerHostsDeployment script",
		"ControllerAllNodesDeployment hiera", "ControllerAllNodesValidationDeployment script", "ControllerArtifactsDeploy script"}
	if !slices.Equal(got, want) {
		t.Errorf("deployments of the controller:\n got %q\nwant %q", got, want)
	}
}
