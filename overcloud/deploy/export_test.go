package deploy_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
	"trefoil/templates"
)

func somePlan(t *testing.T) *stack.Plan {
	t.Helper()
	tree, err := deploy.PackTree(templates.FS, nil)
	if err != nil {
		t.Fatal(err)
	}
	passwords, err := plan.GeneratePasswords(nil, strings.NewReader(strings.Repeat("0123456789abcdef", 4096)))
	if err != nil {
		t.Fatal(err)
	}
	return &stack.Plan{Name: "cloud", CreatedAt: time.Date(2020, 8, 14, 0, 0, 0, 0, time.UTC), Version: 1, Passwords: passwords, Input: stack.Input{Tree: tree,
		Files:        map[string]string{"/home/stack/mine.yaml": "parameter_defaults:\n  CloudName: mine.example.com\n"},
		Environments: []string{"/home/stack/mine.yaml"}, Counts: map[string]int{"Compute": 2}, Parameters: map[string]any{"NtpServer": []any{"192.0.2.1"}}}}
}

func unpacked(t *testing.T, data []byte) (files map[string]string, modes map[string]int64) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files, modes = map[string]string{}, map[string]int64{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files, modes
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name], modes[h.Name] = string(text), h.Mode
	}
}

// A plan that is exported and created again from its archive is the same plan.
func TestExportAndBack(t *testing.T) {
	p := somePlan(t)
	data, err := deploy.Export(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := deploy.Export(t.Context(), p); err != nil || !bytes.Equal(data, again) {
		t.Errorf("the same plan gives other bytes (%v)", err)
	}
	files, modes := unpacked(t, data)
	for name, want := range map[string]string{"overcloud.yaml": "heat_template_version", "overcloud.j2.yaml": "{%", "user-files/home/stack/mine.yaml": "mine.example.com",
		deploy.PlanEnvironment: p.Passwords["AdminPassword"]} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s: no %q in %.200q", name, want, files[name])
		}
	}
	if modes[deploy.PlanEnvironment] != 0o600 || modes["user-files/home/stack/mine.yaml"] != 0o600 || modes["overcloud.yaml"] != 0o644 {
		t.Errorf("modes %o %o", modes[deploy.PlanEnvironment], modes["overcloud.yaml"])
	}

	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	in := stack.Input{}
	if in.Tree, err = deploy.PackTree(tree, nil); err != nil {
		t.Fatal(err)
	}
	passwords, err := deploy.TakeOwn(&in)
	if err != nil || !maps.Equal(passwords, p.Passwords) {
		t.Errorf("passwords %d of %d, %v", len(passwords), len(p.Passwords), err)
	}
	z, err := zip.NewReader(bytes.NewReader(in.Tree), int64(len(in.Tree)))
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := fs.ReadFile(z, deploy.PlanEnvironment); err != nil || strings.Contains(string(rest), "assword") {
		t.Errorf("the tree keeps passwords: %v %s", err, rest)
	}
	build := func(s *stack.Stack) *plan.Plan {
		t.Helper()
		made, err := deploy.PlanOf(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	before, after := build(p.Stack()), build(&stack.Stack{Name: "cloud", Action: stack.Create, Input: in, Passwords: passwords})
	if got := after.Parameters["CloudName"]; got != "mine.example.com" {
		t.Errorf("CloudName %v", got)
	}
	i := slices.IndexFunc(after.Roles, func(r plan.Role) bool { return r.Name == "Compute" })
	if after.Roles[i].Count != 2 || !bytes.Equal(before.RootTemplate, after.RootTemplate) {
		t.Errorf("%d machines; template the same: %v", after.Roles[i].Count, bytes.Equal(before.RootTemplate, after.RootTemplate))
	}
}

// What competes for a parameter does so in the same order in a plan that is created
// again, and all that was given comes back as it was given.
func TestExportAndBackWhole(t *testing.T) {
	p := somePlan(t)
	in := &p.Input
	in.Files = map[string]string{
		"/home/stack/mine.yaml": "resource_registry:\n  OS::TripleO::Services::Ntp: services/none.yaml\n  OS::TripleO::Services::Mine: /home/stack/services/none.yaml\n" +
			"parameter_defaults:\n  CloudName: mine.example.com\n  NtpServer: [192.0.2.2]\n  ComputeCount: 3\n  AdminPassword: of-the-environment\n  CloudNmae: misspelt\n",
		"/home/stack/services/none.yaml": "heat_template_version: queens\nparameters: {DefaultPasswords: {type: json, default: {}}, EndpointMap: {type: json, default: {}}, CephBackend: {type: boolean, default: false}, RoleName: {type: string, default: ''}, RoleParameters: {type: json, default: {}}, ServiceNetMap: {type: json, default: {}}, ServiceData: {type: json, default: {}}}\noutputs: {role_data: {value: {service_name: mine}}}\n",
		"/home/stack/machines.yaml":      "- {name: Controller, count: 1}\n- {name: Compute, count: 2}\n",
	}
	in.Environments = []string{"/home/stack/mine.yaml"}
	in.BaremetalFile, in.SSHKeys = "/home/stack/machines.yaml", "ssh-ed25519 BBBB me"
	in.Counts, in.Flavors = map[string]int{"Compute": 2, "Controller": 1}, map[string]string{"Compute": "large"}
	in.Parameters = map[string]any{"NtpServer": []any{"192.0.2.1"}, "CloudName": "flag.example.com", "AdminPassword": "of-the-flag"}
	data, err := deploy.Export(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := unpacked(t, data)
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	again := *p
	again.Input = stack.Input{}
	if again.Input.Tree, err = deploy.PackTree(tree, nil); err != nil {
		t.Fatal(err)
	}
	if again.Passwords, err = deploy.TakeOwn(&again.Input); err != nil {
		t.Fatal(err)
	}
	given, back := p.Input, again.Input
	given.Tree, back.Tree = nil, nil
	if !reflect.DeepEqual(given, back) {
		t.Errorf("given %+v\n back %+v", given, back)
	}
	var made [2]*plan.Plan
	for i, x := range []*stack.Plan{p, &again} {
		if made[i], err = deploy.PlanOf(t.Context(), x.Stack()); err != nil {
			t.Fatal(err)
		}
	}
	for what, same := range map[string]bool{
		"parameters": reflect.DeepEqual(made[0].Parameters, made[1].Parameters), "registry": reflect.DeepEqual(made[0].Registry, made[1].Registry),
		"warnings": slices.Equal(made[0].Warnings, made[1].Warnings), "given": slices.Equal(made[0].Given, made[1].Given),
		"passwords": maps.Equal(made[0].Passwords, made[1].Passwords), "roles": reflect.DeepEqual(made[0].Roles, made[1].Roles),
		"root template": bytes.Equal(made[0].RootTemplate, made[1].RootTemplate),
	} {
		if !same {
			t.Errorf("other %s", what)
		}
	}
	if !slices.ContainsFunc(made[1].Warnings, func(w string) bool { return strings.Contains(w, "/home/stack/mine.yaml:9: ") }) {
		t.Errorf("the misspelt parameter is not told: %q", made[1].Warnings)
	}
	if data, err = deploy.Export(t.Context(), &again); err != nil {
		t.Fatal(err)
	}
	second, _ := unpacked(t, data)
	if !maps.Equal(files, second) {
		t.Errorf("a second export is another:\n%s", second[deploy.PlanEnvironment])
	}
}

// Files show no secret, wherever it stands.
func TestFilesHideSecrets(t *testing.T) {
	p := somePlan(t)
	tree, err := deploy.PackTree(templates.FS, map[string][]byte{"environments/mine.yaml": []byte("parameter_defaults: {AdminPassword: in-the-tree}\n"),
		"extra/note.yaml": []byte("# the password is in-the-tree, beside " + p.Passwords["SnmpdReadonlyUserPassword"] + "\n")})
	if err != nil {
		t.Fatal(err)
	}
	p.Input.Tree, p.Input.BaremetalFile = tree, "/home/stack/machines.yaml"
	p.Input.Environments = append(p.Input.Environments, "environments/mine.yaml")
	p.Input.Files["/home/stack/machines.yaml"] = "- {name: Controller, count: 1, defaults: {config_drive: {cloud_config: {password: of-a-machine}}}}\n"
	p.Input.Files["/home/stack/script.sh"] = "echo " + p.Passwords["AdminPassword"] + " in-the-tree\n"
	files, err := deploy.Documents{}.Files(t.Context(), p.Stack())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		for _, secret := range []string{"in-the-tree", "of-a-machine", p.Passwords["SnmpdReadonlyUserPassword"]} {
			if secret != "" && strings.Contains(text, secret) {
				t.Errorf("%s shows %q", name, secret)
			}
		}
	}
	if files["extra/note.yaml"] == "" || !strings.Contains(files["/home/stack/script.sh"], stack.Hidden) || files["environments/mine.yaml"] != "" {
		t.Errorf("%d files, %q", len(files), files["/home/stack/script.sh"])
	}
}

// The sizes that an archive claims may be such that their sum is small.
func TestTreesThatAreTooLarge(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"a.yaml", "b.yaml"} {
		if _, err := z.CreateRaw(&zip.FileHeader{Name: name, UncompressedSize64: 1 << 63}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := deploy.PlanOf(t.Context(), &stack.Stack{Name: "cloud", Input: stack.Input{Tree: b.Bytes()}})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "more than 67108864 bytes") {
		t.Errorf("%v", err)
	}
}

func TestDocuments(t *testing.T) {
	p := somePlan(t)
	d, err := deploy.Documents{}.Describe(t.Context(), p.Stack())
	if err != nil {
		t.Fatal(err)
	}
	env := d.Environment["parameter_defaults"].(map[string]any)
	if d.Template["heat_template_version"] == nil || env["CloudName"] != "mine.example.com" || env["AdminPassword"] != stack.Hidden ||
		d.Passwords["AdminPassword"] != p.Passwords["AdminPassword"] || d.Outputs["KeystoneURL"] == "" {
		t.Errorf("%v %v", env["CloudName"], env["AdminPassword"])
	}
	if registry := d.Environment["resource_registry"].(map[string]string); len(registry) == 0 {
		t.Error("no registry")
	}
	files, err := deploy.Documents{}.Files(t.Context(), p.Stack())
	if err != nil || files["overcloud.yaml"] == "" || files["/home/stack/mine.yaml"] != "" || files[deploy.PlanEnvironment] != "" {
		t.Errorf("%d files, %v", len(files), err)
	}
	if _, err := (deploy.Documents{}).Describe(t.Context(), &stack.Stack{Name: "x"}); err == nil {
		t.Error("a stack without a tree is described")
	}
}
