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
