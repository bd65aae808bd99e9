package plan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/templates"
)

// passwords are readable ones: each is its own name in brackets.
func passwords(t testing.TB) map[string]string {
	t.Helper()
	made, err := plan.GeneratePasswords(nil, rand.NewChaCha8([32]byte{}))
	if err != nil {
		t.Fatal(err)
	}
	for k := range made {
		made[k] = "<" + k + ">"
	}
	made["MigrationSshKey"] = `{"private_key": "<MigrationSshKey>", "public_key": "ssh-ed25519 AAAA migration"}`
	for i, k := range []string{"CephClusterFSID", "NovaLibvirtSecretUUID"} { // no secrets, and they must look as they do
		made[k] = fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", i+1)
	}
	made["MigrationSshKey"] = `{"private_key": "<MigrationSshKey>", "public_key": "ssh-ed25519 public"}`
	return made
}

// article are the options of the article's deploy.
func article(t testing.TB) plan.Options {
	return plan.Options{
		Stack:      "overcloud",
		Counts:     map[string]int{"Controller": 1, "Compute": 2, "CephStorage": 2},
		Flavors:    map[string]string{"Controller": "control", "Compute": "compute", "CephStorage": "ceph-storage"},
		Parameters: map[string]any{"NovaComputeLibvirtType": "qemu"},
		Passwords:  passwords(t),
	}
}

// machines are those of the article.
var machines = []plan.Node{
	{Name: "overcloud-novacompute-1", Role: "Compute", Index: 1, Address: "192.168.255.26", HostKey: "ssh-ed25519 AAAA-of-novacompute-1 deployer"},
	{Name: "overcloud-controller-0", Role: "Controller", Index: 0, Address: "192.168.255.15", HostKey: "ssh-ed25519 AAAA-of-controller-0 deployer"},
	{Name: "overcloud-cephstorage-1", Role: "CephStorage", Index: 1, Address: "192.168.255.34", HostKey: "ssh-ed25519 AAAA-of-cephstorage-1 deployer"},
	{Name: "overcloud-novacompute-0", Role: "Compute", Index: 0, Address: "192.168.255.19", HostKey: "ssh-ed25519 AAAA-of-novacompute-0 deployer"},
	{Name: "overcloud-cephstorage-0", Role: "CephStorage", Index: 0, Address: "192.168.255.44", HostKey: "ssh-ed25519 AAAA-of-cephstorage-0 deployer"},
}

func build(t testing.TB, o plan.Options) *plan.Plan {
	t.Helper()
	p, err := plan.Build(context.Background(), templates.FS, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanOfTheArticle(t *testing.T) {
	p := build(t, article(t))
	var b strings.Builder
	fmt.Fprintf(&b, "stack %s, domain %s\n", p.Stack, p.CloudDomain)
	for _, r := range p.Roles {
		fmt.Fprintf(&b, "\nrole %s: %d machines, flavor %s, image %s, names %s, server resource %s, tags %v\n",
			r.Name, r.Count, r.Flavor, r.Image, r.HostnameFormat, r.ServerResource, r.Tags)
		fmt.Fprintf(&b, "  packages: %s\n", strings.Join(r.Packages, " "))
		for _, s := range r.Services {
			fmt.Fprintf(&b, "  service: %s\n", s)
		}
		for _, s := range r.Summary {
			fmt.Fprintf(&b, "  - %s\n", s)
		}
	}
	out, err := p.OutputsFor(machines)
	if err != nil {
		t.Fatal(err)
	}
	j, _ := json.MarshalIndent(out, "", "  ")
	fmt.Fprintf(&b, "\noutputs: %s\nwarnings: %q\n", j, p.Warnings)
	golden.Check(t, "plan.txt", b.String())
}

// describe writes a resource for people: its key, then its fields; texts as they are.
func describe(b *strings.Builder, r resource.Resource) {
	fmt.Fprintf(b, "  %s (%s)", r.Key(), r.Service)
	data, _ := json.Marshal(r)
	var all map[string]any
	_ = json.Unmarshal(data, &all)
	fields, _ := all[r.Type].(map[string]any)
	var names []string
	for k := range fields {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		if s, ok := fields[k].(string); ok && strings.Contains(s, "\n") {
			continue
		}
		v, _ := json.Marshal(fields[k])
		v = bytes.ReplaceAll(bytes.ReplaceAll(v, []byte(`\u003c`), []byte("<")), []byte(`\u003e`), []byte(">"))
		if k != "path" && k != "name" {
			fmt.Fprintf(b, " %s=%s", k, v)
		}
	}
	b.WriteByte('\n')
	if r.File != nil && strings.Contains(r.File.Content, "\n") {
		for _, l := range strings.Split(strings.TrimSuffix(r.File.Content, "\n"), "\n") {
			b.WriteString("      | " + l + "\n")
		}
	}
}

func TestConfigOfTheArticle(t *testing.T) {
	cfg, err := build(t, article(t)).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, m := range machines {
		for _, d := range cfg[m.Name] {
			fmt.Fprintf(&b, "%s step %d, %s of %s:\n", d.Node, d.Step, d.Role, d.Stack)
			for _, r := range d.Resources {
				describe(&b, r)
			}
		}
		b.WriteString("\n")
	}
	golden.Check(t, "config.txt", b.String())
}

func TestSameInputGivesTheSamePlanAndHashes(t *testing.T) {
	a, b := build(t, article(t)), build(t, article(t))
	if !reflect.DeepEqual(a, b) {
		t.Fatal("two plans of the same input differ")
	}
	first, err := a.Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	turned := append([]plan.Node(nil), machines...)
	turned[0], turned[4] = turned[4], turned[0]
	second, err := b.Configure(turned)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Fatal("the order in which machines are given changes what they do")
	}
}

// TestPlanSurvivesJSON: a plan is checkpointed as JSON between build and configure.
func TestPlanSurvivesJSON(t *testing.T) {
	p := build(t, article(t))
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back plan.Plan
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	want, _ := p.Configure(machines)
	got, err := back.Configure(machines)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("the plan that came back from JSON configures differently (%v)", err)
	}
}

// TestScaleUpTouchesOnlyWhatMustChange: one more compute node changes the
// names (step 1) of the others, what the first controller waits for at the end (step 5), and nothing else.
func TestScaleUpTouchesOnlyWhatMustChange(t *testing.T) {
	before, err := build(t, article(t)).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	o := article(t)
	o.Counts["Compute"] = 3
	more := append(append([]plan.Node(nil), machines...),
		plan.Node{Name: "overcloud-novacompute-2", Role: "Compute", Index: 2, Address: "192.168.255.50"})
	after, err := build(t, o).Configure(more)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range machines {
		for step := 1; step <= plan.Steps; step++ {
			changed := before[m.Name][step-1].Hash != after[m.Name][step-1].Hash
			want := step == 1 || step == 5 && m.Role == "Controller"
			if changed != want {
				t.Errorf("%s step %d: changed is %v, want %v", m.Name, step, changed, want)
			}
		}
	}
}

// A sign of life is as old as the cloud itself lets it be before a service counts as dead: who
// has services report more seldom has them awaited longer.
func TestSignsOfLifeMayBeAsOldAsTheCloudLetsThem(t *testing.T) {
	o := article(t)
	windows := map[string]int{"Nova": 181, "Neutron": 301, "Cinder": 121}
	o.Parameters["NovaServiceDownTime"], o.Parameters["NeutronAgentDownTime"], o.Parameters["CinderServiceDownTime"] = windows["Nova"], windows["Neutron"], windows["Cinder"]
	cfg, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, d := range cfg["overcloud-controller-0"] {
		for _, r := range d.Resources {
			if r.Wait == nil || !strings.Contains(r.Wait.SQL, "UTC_TIMESTAMP()") {
				continue
			}
			for project, window := range windows {
				if strings.HasPrefix(r.Service, strings.ToLower(project)) {
					seen[project]++
					if want := fmt.Sprintf("UTC_TIMESTAMP() - INTERVAL %d SECOND", window); !strings.Contains(r.Wait.SQL, want) {
						t.Errorf("%s of %s has not %s:\n%s", r.Key(), r.Service, want, r.Wait.SQL)
					}
				}
			}
		}
	}
	if seen["Nova"] != 3 || seen["Neutron"] != 1 || seen["Cinder"] != 2 {
		t.Errorf("waits for signs of life: %v", seen)
	}
}

// TestNoSecretOnACommandLine: passwords stand in files marked secret, in
// environments and in database users, and nowhere else.
func TestNoSecretOnACommandLine(t *testing.T) {
	o := article(t)
	cfg, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	secret := regexp.MustCompile(`<[A-Z][A-Za-z0-9]+>`)
	for _, docs := range cfg {
		for _, d := range docs {
			for _, r := range d.Resources {
				if r.File != nil && r.File.Secret {
					r.File = nil
				}
				if r.Exec != nil {
					e := *r.Exec
					e.Env, r.Exec = nil, &e
				}
				if r.MySQLUser != nil {
					r.MySQLUser = nil
				}
				if r.KeystoneBootstrap != nil {
					k := *r.KeystoneBootstrap
					k.Password, r.KeystoneBootstrap = "", &k
				}
				data, _ := json.Marshal(r)
				if m := secret.FindString(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(data))); m != "" {
					t.Errorf("%s step %d: %s shows in %s", d.Node, d.Step, m, data)
				}
			}
		}
	}
}

func TestMisspeltParameterIsToldWithTheNearest(t *testing.T) {
	o := article(t)
	o.Environments = []plan.File{{Name: "/home/stack/my.yaml", Data: []byte("parameter_defaults:\n  NtpServer: [a]\n  KeystonePaswordHashRounds: 4\n  Zzz: 1\n")}}
	p := build(t, o)
	want := []string{
		`/home/stack/my.yaml:3: parameter KeystonePaswordHashRounds is not used by any template; did you mean "KeystonePasswordHashRounds"?`,
		`/home/stack/my.yaml:4: parameter Zzz is not used by any template`,
	}
	if !reflect.DeepEqual(p.Warnings, want) {
		t.Fatalf("got %q", p.Warnings)
	}
}

func TestParametersOfOneRoleThatNoTemplateTakes(t *testing.T) {
	o := realOptions(t, nil)
	o.Environments = []plan.File{{Name: "/home/stack/my.yaml", Data: []byte("parameter_defaults:\n  ComputeParameters: {NovaReservedHostMemry: 4096, TunedProfileName: x, CephOsdPercentageMi: 1, NtpServer: a}\n" +
		"  ControllerParameters: {NovaReservedHostMemory: 1}\n  DockerNobodyImage: x\n")}}
	p, err := plan.Build(context.Background(), scripted(t, "queens"), o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`/home/stack/my.yaml:2: parameter ComputeParameters CephOsdPercentageMi is not used by any template`,
		`/home/stack/my.yaml:2: parameter ComputeParameters NovaReservedHostMemry is not used by any template; did you mean "NovaReservedHostMemory"?`,
		`/home/stack/my.yaml:2: ComputeParameters NtpServer is not supported as a role-specific input: it changes nothing there; under parameter_defaults it is that of all roles`,
		`/home/stack/my.yaml:3: ControllerParameters NovaReservedHostMemory is not supported as a role-specific input: no service of role Controller takes it`,
	}
	var got []string
	for _, f := range p.Findings {
		got = append(got, f.String())
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %q", got)
	}
}

func TestServicesWithoutTemplateAreLeftOutWithAWarning(t *testing.T) {
	o := article(t)
	o.Roles = plan.File{Name: "theirs.yaml", Data: []byte("- name: Controller\n  tags: [primary, controller]\n  ServicesDefault: ['OS::TripleO::Services::HeatApiX', 'OS::TripleO::Services::HeatApi', 'OS::TripleO::Services::Kernel']\n- name: Compute\n- name: CephStorage\n")}
	_, err := plan.Build(context.Background(), templates.FS, o)
	if err == nil || !strings.Contains(err.Error(), "theirs.yaml:3: role Controller: unknown service") {
		t.Fatalf("got %v", err)
	}
	o.Roles.Data = bytes.ReplaceAll(o.Roles.Data, []byte("'OS::TripleO::Services::HeatApiX', "), nil)
	want := []string{"theirs.yaml: role Controller: 1 services have no template yet and are left out: HeatApi"}
	if got := build(t, o).Warnings; !reflect.DeepEqual(got[:1], want) {
		t.Fatalf("got %q", got)
	}
}

func TestPrecedenceOfParameters(t *testing.T) {
	o := article(t)
	o.Parameters["TimeZone"] = "Europe/Rome"
	o.Environments = []plan.File{
		{Name: "a.yaml", Data: []byte("parameter_defaults: {ComputeCount: 7, TimeZone: Europe/Paris, AdminPassword: mine}\n")},
		{Name: plan.TreePath + "environments/lab.yaml"},
		{Name: "b.yaml", Data: []byte("parameter_defaults: {TimeZone: Asia/Tokyo}\nresource_registry: {'OS::TripleO::Services::Ntp': 'OS::Heat::None'}\n")},
	}
	p := build(t, o)
	if p.Roles[1].Count != 7 || p.Parameters["TimeZone"] != "Asia/Tokyo" || p.Parameters["AdminPassword"] != "mine" {
		t.Fatalf("got %d machines, time zone %v, password %v", p.Roles[1].Count, p.Parameters["TimeZone"], p.Parameters["AdminPassword"])
	}
	if p.Passwords["AdminPassword"] != "mine" || !slices.Contains(p.Hidden, "AdminPassword") {
		t.Fatal("the password of an environment did not take effect, or is not hidden")
	}
	if p.Parameters["KeystonePasswordHashRounds"] != 4 {
		t.Fatal("an environment of the tree, named by its full path, was not read")
	}
	if all := strings.Join(p.Roles[0].Summary, "\n"); strings.Contains(all, "chrony") || !strings.Contains(all, "time zone Asia/Tokyo") {
		t.Fatalf("the registry or the parameter did not reach the services:\n%s", all)
	}
}

func TestCountsDefaultToTheRoles(t *testing.T) {
	p := build(t, plan.Options{Passwords: passwords(t)})
	for i, want := range []int{1, 1, 0} {
		if p.Roles[i].Count != want || p.Roles[i].Flavor != "baremetal" {
			t.Errorf("%s: %d of flavor %s, want %d of baremetal", p.Roles[i].Name, p.Roles[i].Count, p.Roles[i].Flavor, want)
		}
	}
}

func TestMachinesThatCannotBe(t *testing.T) {
	p := build(t, article(t))
	for name, nodes := range map[string][]plan.Node{
		"unknown role": {{Name: "a", Role: "Nova", Address: "192.0.2.1"}},
		"bad address":  {{Name: "a", Role: "Compute", Address: "192.0.2.1/24"}},
		"same name":    {{Name: "a", Role: "Compute", Address: "192.0.2.1"}, {Name: "a", Role: "Compute", Index: 1, Address: "192.0.2.2"}},
	} {
		if _, err := p.Configure(nodes); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestServicesMayStandInAnyOrder: TripleO's role files list them by name, so
// Keystone comes before the database it needs.
func TestServicesMayStandInAnyOrder(t *testing.T) {
	cfg, err := build(t, article(t)).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	ready := map[string]int{}
	for _, d := range cfg["overcloud-controller-0"] {
		for _, r := range d.Resources {
			if r.Wait != nil {
				ready[r.Service] = d.Step
			}
			if (r.MySQLDatabase != nil || r.MySQLUser != nil || r.KeystoneBootstrap != nil) && (ready["mysql"] == 0 || ready["mysql"] == d.Step) {
				t.Errorf("%s stands in step %d, in which or after which the database becomes ready", r.Key(), d.Step)
			}
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, compute := range []int{2, 60} {
		b.Run(fmt.Sprintf("%dnodes", compute+3), func(b *testing.B) {
			o := article(b)
			o.Counts["Compute"] = compute
			nodes := append([]plan.Node(nil), machines[1], machines[2], machines[4])
			for i := range compute {
				nodes = append(nodes, plan.Node{Name: fmt.Sprintf("compute-%d", i), Role: "Compute", Index: i, Address: fmt.Sprintf("192.168.254.%d", i+1)})
			}
			for b.Loop() {
				if _, err := build(b, o).Configure(nodes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
