package diff_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/diff"
	"trefoil/templates"
)

// marker is what every secret of the tests looks like.
const marker = "Zq9secret"

// passwords are markers with the password's name.
func passwords(t testing.TB) map[string]string {
	t.Helper()
	made, err := plan.GeneratePasswords(nil, rand.NewChaCha8([32]byte{}))
	if err != nil {
		t.Fatal(err)
	}
	for k := range made {
		made[k] = marker + k
	}
	made["CephClusterFSID"], made["NovaLibvirtSecretUUID"] = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
	made["MigrationSshKey"] = `{"private_key": "` + marker + `MigrationSshKey", "public_key": "ssh-ed25519 AAAA migration"}`
	return made
}

// scenario is a deployed plan with its machines, and the change of it.
type scenario struct {
	tree    fs.FS
	options plan.Options
	count   map[string]int
}

// article is the deployment of the article.
func article(t testing.TB, change func(*scenario)) scenario {
	t.Helper()
	s := scenario{tree: templates.FS, count: map[string]int{"Controller": 1, "Compute": 2, "CephStorage": 2}, options: plan.Options{
		Flavors:    map[string]string{"Controller": "control", "Compute": "compute", "CephStorage": "ceph-storage"},
		Parameters: map[string]any{"NovaComputeLibvirtType": "qemu"},
		Passwords:  passwords(t),
	}}
	change(&s)
	return s
}

func same(*scenario) {}

// without takes a role out of the tree's roles.
func (s *scenario) without(t testing.TB, name string) {
	t.Helper()
	data, err := fs.ReadFile(s.tree, "roles_data.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, r := range strings.Split("\n"+string(data), "\n- name: ")[1:] {
		if !strings.HasPrefix(r, name+"\n") {
			kept = append(kept, "- name: "+r)
		}
	}
	s.options.Roles = plan.File{Name: "roles.yaml", Data: []byte(strings.Join(kept, "\n"))}
	delete(s.count, name)
	delete(s.options.Flavors, name)
}

// environment is the text of an environment that is given.
func (s *scenario) environment(text string) {
	s.options.Environments = append(s.options.Environments, plan.File{Name: "/home/stack/site.yaml", Data: []byte(text)})
}

// side makes the plan and imagines its machines.
func (s scenario) side(t testing.TB) diff.Side {
	t.Helper()
	s.options.Counts = s.count
	p, err := plan.Build(context.Background(), s.tree, s.options)
	if err != nil {
		t.Fatal(err)
	}
	side := diff.Side{Plan: p}
	for i, r := range p.Roles {
		for j := range r.Count {
			side.Machines = append(side.Machines, diff.Machine{Machine: fmt.Sprintf("node-%d-%d", i, j), Flavor: r.Flavor, Node: plan.Node{
				Name: strings.NewReplacer("%stackname%", "overcloud", "%index%", fmt.Sprint(j)).Replace(r.HostnameFormat),
				Role: r.Name, Index: j, Address: fmt.Sprintf("192.168.24.%d", 10+10*i+j), UUID: fmt.Sprintf("00000000-0000-0000-0000-%06d%06d", i, j)}})
		}
	}
	return side
}

// deployed is the side with all its steps applied.
func deployed(t testing.TB, side diff.Side) diff.Side {
	t.Helper()
	var nodes []plan.Node
	for _, m := range side.Machines {
		nodes = append(nodes, m.Node)
	}
	cfg, err := side.Plan.Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	side.Applied = map[string]map[int]string{}
	for name, docs := range cfg {
		side.Applied[name] = map[int]string{}
		for _, d := range docs {
			side.Applied[name][d.Step] = d.Hash
		}
	}
	return side
}

// fresh takes the addresses from the machines that were not there before.
func fresh(after diff.Side, before diff.Side) diff.Side {
	known := map[string]bool{}
	for _, m := range before.Machines {
		known[m.Name] = true
	}
	for i := range after.Machines {
		if !known[after.Machines[i].Name] {
			after.Machines[i].Address = ""
		}
	}
	return after
}

func compare(t testing.TB, before, after diff.Side) *diff.Diff {
	t.Helper()
	d, err := diff.Compare(before, fresh(after, before))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// written is both forms; neither holds a secret.
func written(t testing.TB, d *diff.Diff) (text, object string) {
	t.Helper()
	var a, b bytes.Buffer
	if err := d.Text(&a); err != nil {
		t.Fatal(err)
	}
	if err := d.JSON(&b); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{a.String(), b.String()} {
		if i := strings.Index(s, marker); i >= 0 {
			t.Errorf("a secret is shown: …%s…", s[max(0, i-200):min(len(s), i+100)])
		}
	}
	return a.String(), b.String()
}

func TestGoldens(t *testing.T) {
	one := func(n int) func(*scenario) {
		return func(s *scenario) { s.count = map[string]int{"Controller": 1, "Compute": n, "CephStorage": 2} }
	}
	env := func(text string) func(*scenario) { return func(s *scenario) { s.environment(text) } }
	mini := func(change func(*scenario)) func(*scenario) {
		return func(s *scenario) { tripleo(t, s); change(s) }
	}
	for _, c := range []struct {
		name          string
		before, after func(*scenario)
	}{
		{"same", same, same},
		{"compute-more", same, one(3)},
		{"compute-less", same, one(1)},
		{"parameter", same, env("parameter_defaults:\n  NtpServer: [ntp.example.org]\n  NovaComputeLibvirtTyp: kvm\n")},
		{"password", same, env("parameter_defaults:\n  AdminPassword: " + marker + "Other3\n  KeystonePassword: " + marker + "Other\n  RabbitPassword: " + marker + "Other2\n")},
		{"service-none", same, env("resource_registry:\n  OS::TripleO::Services::Timezone: OS::Heat::None\n")},
		{"role-gone", same, func(s *scenario) { s.without(t, "CephStorage") }},
		{"role-new", func(s *scenario) { s.without(t, "CephStorage") }, same},
		{"tripleo-same", mini(same), mini(same)},
		{"tripleo-parameter", mini(same), mini(env("parameter_defaults:\n  Debug: true\n  Color: {front: green, back: white}\n  OldName: x\n"))},
		{"tripleo-password", mini(same), mini(env("parameter_defaults:\n  WebPassword: " + marker + "Other\n"))},
		{"tripleo-network-dropped", mini(same), mini(func(s *scenario) { s.options.Networks = plan.File{Name: "network_data.yaml", Data: []byte("[]\n")} })},
		{"tripleo-subnet", mini(same), mini(env("parameter_defaults:\n  StorageNetCidr: 172.18.0.0/24\n  StorageAllocationPools: [{start: 172.18.0.4, end: 172.18.0.90}]\n"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := deployed(t, article(t, c.before).side(t))
			d := compare(t, before, article(t, c.after).side(t))
			if d.Changes != !strings.HasSuffix(c.name, "same") {
				t.Errorf("changes: %v", d.Changes)
			}
			text, _ := written(t, d)
			golden.Check(t, c.name+".txt", text)
		})
	}
}

func TestFirstDeployment(t *testing.T) {
	d := compare(t, diff.Side{}, article(t, func(s *scenario) {
		s.environment("parameter_defaults:\n  NtpServer: [ntp.example.org]\n  KeystonePassword: " + marker + "Mine\n  NovaComputeLibvirtTyp: kvm\n")
	}).side(t))
	if !d.Changes || d.Action != "create" {
		t.Errorf("changes %v, action %s", d.Changes, d.Action)
	}
	text, object := written(t, d)
	golden.Check(t, "first.txt", text)
	golden.Check(t, "first.json", object)
}

// A list that is null would break a program that goes through it.
func TestJSONHasNoNullLists(t *testing.T) {
	side := article(t, same).side(t)
	_, object := written(t, compare(t, deployed(t, side), side))
	var all map[string]any
	if err := json.Unmarshal([]byte(object), &all); err != nil {
		t.Fatal(err)
	}
	for k, v := range all {
		if v == nil {
			t.Errorf("%s is null", k)
		}
	}
	golden.Check(t, "same.json", object)
}

func TestNotApplied(t *testing.T) {
	side := deployed(t, article(t, same).side(t))
	side.Applied["overcloud-controller-0"][3] = "of another plan"
	for step := range plan.Steps {
		delete(side.Applied["overcloud-novacompute-0"], step+1)
		delete(side.Applied["overcloud-novacompute-1"], step+1)
	}
	d := compare(t, side, side)
	if !d.Changes {
		t.Error("nothing would change, although steps were not applied")
	}
	text, _ := written(t, d)
	golden.Check(t, "not-applied.txt", text)
}

// tripleo puts TripleO's shape in the place of our own tree.
func tripleo(t testing.TB, s *scenario) {
	t.Helper()
	s.tree, s.count, s.options.Flavors, s.options.Parameters = os.DirFS("testdata/tree"), map[string]int{"App": 2}, nil, nil
	s.options.Passwords["WebPassword"] = marker + "Web"
}

// What is deployed and cannot be configured any more must not stop its cure.
func TestBrokenOldSideLeavesTheMachines(t *testing.T) {
	side := article(t, same).side(t)
	before := deployed(t, side)
	before.Machines = append(slices.Clone(before.Machines), before.Machines[0])
	d := compare(t, before, side)
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "only machines are compared") || !strings.Contains(d.Notes[0], "given twice") || len(d.Nodes) != 0 {
		t.Errorf("notes %q, nodes %v", d.Notes, d.Nodes)
	}
}

// TestWarningsThatAreFindingsStandThereAlone: everything a plan warns of is in the object once.
func TestWarningsThatAreFindingsStandThereAlone(t *testing.T) {
	f := plan.Finding{Kind: plan.Unused, Parameter: "NovaPasswort", Where: "my.yaml:2"}
	d, err := diff.Compare(diff.Side{}, diff.Side{Plan: &plan.Plan{Stack: "overcloud", Findings: []plan.Finding{f}, Warnings: []string{f.String(), "VLANs lead nowhere"}}})
	if err != nil || len(d.Findings) != 1 || !slices.Equal(d.Warnings, []string{"VLANs lead nowhere"}) {
		t.Errorf("got %+v, %v", d, err)
	}
}
