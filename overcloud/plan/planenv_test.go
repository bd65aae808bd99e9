package plan_test

import (
	"context"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"trefoil/overcloud/plan"
	"trefoil/templates"
)

// withPlanEnvironment is our tree with another plan environment.
func withPlanEnvironment(t *testing.T, text string) fs.FS {
	t.Helper()
	tree := fstest.MapFS{}
	err := fs.WalkDir(templates.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(templates.FS, name)
		tree[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	tree["plan-environment.yaml"] = &fstest.MapFile{Data: []byte(text)}
	return tree
}

const planEnv = `version: 1.0
name: overcloud
environments:
  - path: environments/services-without-template.yaml
  - path: overcloud-resource-registry.yaml
  - data: "parameter_defaults: {TimeZone: Europe/Rome, MemcachedMaxMemory: 9}"
passwords: {AdminPassword: of-the-plan}
derived_parameters: {TimeZone: Europe/Paris, MysqlMaxConnections: 77}
parameter_defaults: {MysqlMaxConnections: 78}
`

// TestPlanEnvironmentPrecedence: environments below passwords below derived below
// the plan's own parameters below -e, as tripleo-common merged them.
func TestPlanEnvironmentPrecedence(t *testing.T) {
	p, err := plan.Build(context.Background(), withPlanEnvironment(t, planEnv), article(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"MemcachedMaxMemory": 9, "TimeZone": "Europe/Paris", "MysqlMaxConnections": 78, "AdminPassword": "of-the-plan"} {
		if p.Parameters[name] != want {
			t.Errorf("%s is %v, want %v", name, p.Parameters[name], want)
		}
	}
	o := article(t)
	o.Environments = []plan.File{{Name: "e.yaml", Data: []byte("parameter_defaults: {MysqlMaxConnections: 79}\n")}}
	if p, err = plan.Build(context.Background(), withPlanEnvironment(t, planEnv), o); err != nil || p.Parameters["MysqlMaxConnections"] != 79 {
		t.Errorf("-e does not win: %v %v", p, err)
	}
}

func TestPlanEnvironmentMistakesAllAtOnce(t *testing.T) {
	_, err := plan.Build(context.Background(), withPlanEnvironment(t, "enviroments: []\nenvironments:\n  - paht: x\n  - {}\n"), article(t))
	for _, want := range []string{`plan-environment.yaml:1: unknown key "enviroments"; did you mean "environments"?`,
		`plan-environment.yaml:3: environments: unknown key "paht"; did you mean "path"?`, `plan-environment.yaml:4: environments: each must have a path, or data`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

// TestTheSectionParameters: what stands there is of the root template, is shown,
// and is told where services would not see it.
func TestTheSectionParameters(t *testing.T) {
	o := article(t)
	o.Environments = []plan.File{{Name: "e.yaml", Data: []byte("parameters:\n  AdminPassword: of-root\n  ComputeCount: 5\n")}}
	p, err := plan.Build(context.Background(), templates.FS, o)
	if err != nil {
		t.Fatal(err)
	}
	if p.Parameters["AdminPassword"] != "of-root" || p.Roles[1].Count != 5 || p.Passwords["AdminPassword"] != "<AdminPassword>" {
		t.Errorf("got %v, %d machines, password %s", p.Parameters["AdminPassword"], p.Roles[1].Count, p.Passwords["AdminPassword"])
	}
	want := "e.yaml:2: AdminPassword stands in the section parameters, which only overcloud.yaml reads; services read parameter_defaults"
	if len(p.Warnings) != 1 || p.Warnings[0] != want {
		t.Errorf("warnings %q", p.Warnings)
	}
}

// TestRandomTextsNeedASeed: what could be guessed is not deployed.
func TestRandomTextsNeedASeed(t *testing.T) {
	o := realOptions(t, articleCounts())
	if p, err := plan.Build(context.Background(), scripted(t, "queens"), o); err != nil || p.Unseeded {
		t.Fatal("a plan with a seed says that it has none", err)
	}
	delete(o.Passwords, plan.SeedName)
	p, err := plan.Build(context.Background(), scripted(t, "queens"), o)
	if err != nil || !p.Unseeded || !strings.Contains(p.Deployable().Error(), plan.SeedName) {
		t.Fatal("a plan whose random texts can be guessed may be deployed", err)
	}
}

// TestWhatChangesNothingIsTold: a mistyped type of a registry, a service template
// without role_data, a parameter where nobody reads it.
func TestWhatChangesNothingIsTold(t *testing.T) {
	o := article(t)
	o.Files = map[string][]byte{"/home/stack/s.yaml": []byte("heat_template_version: queens\nparameters:\n  ServiceNetMap: {type: json}\n  EndpointMap: {type: json}\n  CephBackend: {type: boolean}\n  DefaultPasswords: {type: json}\n  RoleName: {type: string}\n  RoleParameters: {type: json}\noutputs: {role_dat: {value: x}}\n")}
	o.Environments = []plan.File{{Name: "/home/stack/e.yaml", Data: []byte("resource_registry:\n  OS::TripleO::Services::Keystne: OS::Heat::None\n  OS::TripleO::Services::Ntp: s.yaml\nparameters:\n  TimeZone: x\n")}}
	p, err := plan.Build(context.Background(), templates.FS, o)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(p.Warnings, "\n")
	for _, want := range []string{
		`/home/stack/e.yaml:2: resource_registry OS::TripleO::Services::Keystne: no template asks for this type; did you mean "OS::TripleO::Services::Keystone"?`,
		"/home/stack/s.yaml: no output role_data: the service does nothing",
		"/home/stack/e.yaml:5: TimeZone stands in the section parameters, which only overcloud.yaml reads; services read parameter_defaults",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%s\nwant %s", all, want)
		}
	}
}

func TestRoleNamesAreNames(t *testing.T) {
	for _, name := range []string{"../../etc/x", "/abs", "A B", "a\x1b[31m"} {
		o := article(t)
		o.Roles = plan.File{Name: "r.yaml", Data: []byte("- name: " + strconv.Quote(name) + "\n")}
		if _, err := plan.Build(context.Background(), templates.FS, o); err == nil || !strings.HasPrefix(err.Error(), "r.yaml:1: role ") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
