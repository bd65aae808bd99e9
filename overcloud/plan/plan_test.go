package plan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"testing"
	"testing/fstest"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/templates"
)

var update = flag.Bool("update", false, "rewrite testdata")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := path.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s:%d differs (go test -update rewrites it):\n got %q\nwant %q", file, i+1, g[i], append(w, "")[min(i, len(w))])
		}
	}
	t.Fatalf("%s: %d lines, got %d", file, len(w), len(g))
}

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
	{Name: "overcloud-novacompute-1", Role: "Compute", Index: 1, Address: "192.168.255.26"},
	{Name: "overcloud-controller-0", Role: "Controller", Index: 0, Address: "192.168.255.15"},
	{Name: "overcloud-cephstorage-1", Role: "CephStorage", Index: 1, Address: "192.168.255.34"},
	{Name: "overcloud-novacompute-0", Role: "Compute", Index: 0, Address: "192.168.255.19"},
	{Name: "overcloud-cephstorage-0", Role: "CephStorage", Index: 0, Address: "192.168.255.44"},
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
	golden(t, "plan.txt", b.String())
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
	golden(t, "config.txt", b.String())
}

func TestRenderedTree(t *testing.T) {
	read := func(name string) plan.File {
		data, err := fs.ReadFile(templates.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		return plan.File{Name: name, Data: data}
	}
	out, err := plan.Render(context.Background(), templates.FS, read("roles_data.yaml"), read("network_data.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for n := range out {
		names = append(names, n)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "=== %s\n%s\n", n, out[n])
	}
	golden(t, "rendered.txt", b.String())
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
// names (step 1) and the tunnels (step 4) of the others, and nothing else.
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
			want := step == 1 || step == 4 && m.Role != "CephStorage"
			if changed != want {
				t.Errorf("%s step %d: changed is %v, want %v", m.Name, step, changed, want)
			}
		}
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
				data, _ := json.Marshal(r)
				if m := secret.FindString(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(data))); m != "" {
					t.Errorf("%s step %d: %s shows in %s", d.Node, d.Step, m, data)
				}
			}
		}
	}
}

// overlay is the default tree with some files replaced.
func overlay(t testing.TB, files map[string]string) fs.FS {
	t.Helper()
	m := fstest.MapFS{}
	err := fs.WalkDir(templates.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(templates.FS, name)
		m[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

const service = "heat_template_version: queens\nparameters:\n  ServiceNetMap: {type: json, default: {}}\n  EndpointMap: {type: json, default: {}}\n" +
	"  DefaultPasswords: {type: json, default: {}}\n  RoleName: {type: string, default: ''}\n  RoleParameters: {type: json, default: {}}\noutputs:\n  role_data:\n    value:\n"

func TestMistakesAreNamed(t *testing.T) {
	kernel := func(text string) map[string]string {
		return map[string]string{"deployment/kernel/kernel.yaml": service + text}
	}
	role := func(text string) plan.Options {
		return plan.Options{Roles: plan.File{Name: "my_roles.yaml", Data: []byte(text)}}
	}
	tests := []struct {
		name  string
		files map[string]string
		o     plan.Options
	}{
		{"service that nobody knows", nil, role("- name: Controller\n  tags: [primary, controller]\n  ServicesDefault:\n    - OS::TripleO::Services::Kernel\n    - OS::TripleO::Services::Keyston\n")},
		{"unknown key of a role", nil, role("- name: Controller\n  CountDefalt: 1\n")},
		{"role without a name", nil, role("- CountDefault: 1\n")},
		{"role given twice", nil, role("- name: A\n- name: A\n")},
		{"roles file that is no list", nil, role("name: A\n")},
		{"unknown function in a service", kernel("      service_name: kernel\n      summary: {list_jion: ['', []]}\n"), plan.Options{}},
		{"unknown parameter in a service", kernel("      service_name: kernel\n      summary: {get_param: RoleNam}\n"), plan.Options{}},
		{"unknown key of role_data", kernel("      service_name: kernel\n      step_configs: {}\n"), plan.Options{}},
		{"unknown step", kernel("      service_name: kernel\n      step_config: {step_6: []}\n"), plan.Options{}},
		{"unknown resource", kernel("      service_name: kernel\n      step_config: {step_1: [{fiel: {path: /a}}]}\n"), plan.Options{}},
		{"unknown field of a resource", kernel("      service_name: kernel\n      step_config: {step_1: [{file: {pth: /a}}]}\n"), plan.Options{}},
		{"number where a text is wanted", kernel("      service_name: kernel\n      step_config: {step_1: [{file: {path: /a, mode: 0644}}]}\n"), plan.Options{}},
		{"resource that cannot be", kernel("      service_name: kernel\n      step_config: {step_1: [{file: {path: a/b}}]}\n"), plan.Options{}},
		{"unknown name of a machine", kernel("      service_name: kernel\n      step_config: {step_1: [{file: {path: /a, content: '%{node.adress}'}}]}\n"), plan.Options{}},
		{"broken Jinja", map[string]string{"overcloud.j2.yaml": "a:\n{% for role in roles %}\n"}, plan.Options{}},
		{"undefined in Jinja", map[string]string{"overcloud.j2.yaml": "{{ role.name }}\n"}, plan.Options{}},
		{"unknown key of an environment", nil, plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("parameter_default: {A: 1}\n")}}}},
		{"value that a parameter refuses", nil, plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  NovaComputeLibvirtType: xen\n")}}}},
		{"registry with a missing template", nil, plan.Options{Environments: []plan.File{{Name: "my.yaml", Data: []byte("resource_registry:\n  OS::TripleO::Services::Kernel: gone.yaml\n")}}}},
		{"scale of a role that is not there", nil, plan.Options{Counts: map[string]int{"BlockStorage": 1}}},
		{"names that clash", nil, plan.Options{Counts: map[string]int{"Compute": 2}, Parameters: map[string]any{"ComputeHostnameFormat": "compute"}}},
	}
	var b strings.Builder
	for _, tt := range tests {
		tt.o.Passwords = passwords(t)
		_, err := plan.Build(context.Background(), overlay(t, tt.files), tt.o)
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		if errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%s: code is %s", tt.name, errs.CodeOf(err))
		}
		fmt.Fprintf(&b, "=== %s\n%s\n", tt.name, err)
		if h := errs.HintOf(err); h != "" {
			fmt.Fprintf(&b, "hint: %s\n", h)
		}
		b.WriteString("\n")
	}
	golden(t, "errors.txt", b.String())
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

func TestServicesWithoutTemplateAreLeftOutWithAWarning(t *testing.T) {
	o := article(t)
	o.Roles = plan.File{Name: "theirs.yaml", Data: []byte("- name: Controller\n  tags: [primary, controller]\n  ServicesDefault: ['OS::TripleO::Services::HorizonX', 'OS::TripleO::Services::Horizon', 'OS::TripleO::Services::Kernel']\n- name: Compute\n- name: CephStorage\n")}
	_, err := plan.Build(context.Background(), templates.FS, o)
	if err == nil || !strings.Contains(err.Error(), "theirs.yaml:3: role Controller: unknown service") {
		t.Fatalf("got %v", err)
	}
	o.Roles.Data = bytes.ReplaceAll(o.Roles.Data, []byte("'OS::TripleO::Services::HorizonX', "), nil)
	want := []string{"theirs.yaml: role Controller: 1 services have no template yet and are left out: Horizon"}
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

func TestPasswordsAreKept(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	first, err := plan.GeneratePasswords(map[string]string{"AdminPassword": "mine", "Custom": "kept"}, random)
	if err != nil {
		t.Fatal(err)
	}
	second, err := plan.GeneratePasswords(first, random)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Fatalf("passwords changed at the second call (%v)", err)
	}
	if first["AdminPassword"] != "mine" || first["Custom"] != "kept" {
		t.Fatal("a given password was replaced")
	}
	seen := map[string]string{}
	for k, v := range first {
		if other, dup := seen[v]; dup {
			t.Errorf("%s and %s are the same", k, other)
		}
		seen[v] = k
	}
	for k, want := range map[string]string{"MysqlRootPassword": `^[A-Za-z0-9]{25}$`, "KeystoneFernetKey0": `^[A-Za-z0-9_-]{43}=$`,
		"CephMonKey": `^AQAAAAAAAAAAABAA[A-Za-z0-9+/=]{24}$`, "CephClusterFSID": `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`} {
		if !regexp.MustCompile(want).MatchString(first[k]) {
			t.Errorf("%s is not of the form %s", k, want)
		}
	}
	if _, err := plan.GeneratePasswords(nil, bytes.NewReader(nil)); err == nil {
		t.Error("no error although there was no randomness")
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

func TestTemplatesOfTheOldKindGetTheRolesName(t *testing.T) {
	tree := fstest.MapFS{
		"old.role.j2.yaml":                      {Data: []byte("{{role}} {{disable_constraints}}")},
		"new.role.j2.yaml":                      {Data: []byte("{{role.name}}")},
		"network/config/x/nic.role.j2.yaml":     {Data: []byte("{{role.name}}")},
		"network/ports/port_v6.network.j2.yaml": {Data: []byte("{{network.name_lower}}")},
		"network/network.network.j2.yaml":       {Data: []byte("{{network.name}}")},
		"skipped.j2.yaml":                       {Data: []byte("x")},
		"j2_excludes.yaml":                      {Data: []byte("name: [skipped.yaml]")},
		"with.j2.yaml":                          {Data: []byte("{% include 'sub/part.j2' %}")},
		"sub/part.j2":                           {Data: []byte("{{roles|length}}{{networks|length}}")},
	}
	roles := plan.File{Name: "r", Data: []byte("- name: Ctrl\n  disable_constraints: true\n  deprecated_nic_config_name: c.yaml\n- name: Comp\n")}
	nets := plan.File{Name: "n", Data: []byte("- name: Internal\n- name: Unused\n  enabled: false\n")}
	out, err := plan.Render(context.Background(), tree, roles, nets)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"ctrl-old.yaml": "Ctrl True", "comp-old.yaml": "Comp None", "ctrl-new.yaml": "Ctrl", "comp-new.yaml": "Comp",
		"network/config/x/c.yaml": "Ctrl", "network/config/x/comp.yaml": "Comp",
		"network/ports/internal_v6.yaml": "internal", "network/internal.yaml": "Internal", "with.yaml": "22",
	}
	got := map[string]string{}
	for n, b := range out {
		got[n] = string(b)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %q", got)
	}
}
