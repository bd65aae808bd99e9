package diff_test

import (
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/diff"
	"trefoil/overcloud/plan/realtree"
	"trefoil/templates"
)

func queens(t testing.TB, tree fs.FS, passwords map[string]string, environments ...string) diff.Side {
	t.Helper()
	const images = "environments/container-images.yaml"
	data, err := fs.ReadFile(templates.FS, images)
	if err != nil {
		t.Fatal(err)
	}
	s := scenario{tree: tree, count: map[string]int{"Controller": 1, "Compute": 2, "CephStorage": 2},
		options: plan.Options{Passwords: passwords, Base: []plan.File{{Name: images, Data: data}}}}
	for i, e := range environments {
		if strings.HasPrefix(e, "environments/") {
			s.options.Environments = append(s.options.Environments, plan.File{Name: e})
		} else {
			s.options.Environments = append(s.options.Environments, plan.File{Name: "/home/stack/" + string(rune('a'+i)) + ".yaml", Data: []byte(e)})
		}
	}
	return s.side(t)
}

// marked are passwords of the right form, each with the marker in it.
func marked(t testing.TB, salt string) map[string]string {
	t.Helper()
	made, err := plan.GeneratePasswords(nil, rand.NewChaCha8([32]byte{}))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range made {
		text := marker + salt + k
		switch {
		case strings.HasPrefix(v, "{"):
			made[k] = `{"private_key": "` + text + `line1\n` + text + `line2\n", "public_key": "` + text + `"}`
		case strings.HasSuffix(v, "=="): // a Ceph key
			made[k] = (text + strings.Repeat("x", 40))[:38] + "=="
		case len(v) == 32 || len(v) == 4096:
			made[k] = (text + strings.Repeat("y", len(v)))[:len(v)]
		default:
			made[k] = text
		}
	}
	return made
}

func TestQueens(t *testing.T) {
	tree := realtree.WithScripts(realtree.Open(t, "queens"))
	plain := deployed(t, queens(t, tree, marked(t, "")))

	t.Run("the same input twice shows nothing", func(t *testing.T) {
		d := compare(t, plain, queens(t, tree, marked(t, "")))
		if text, _ := written(t, d); d.Changes {
			t.Errorf("it shows\n%s", text)
		}
	})

	t.Run("network isolation", func(t *testing.T) {
		d := compare(t, plain, queens(t, tree, marked(t, ""), "environments/network-isolation.yaml"))
		written(t, d)
		var nets []string
		for _, n := range d.Networks {
			if n.Change != diff.Added || len(n.Subnets) != 1 {
				t.Errorf("network %+v", n)
			}
			nets = append(nets, n.Name)
		}
		slices.Sort(nets)
		if got := strings.Join(nets, " "); got != "external internal_api management storage storage_mgmt tenant" {
			t.Errorf("networks added: %s", got)
		}
		want := diff.Address{Of: "overcloud-novacompute-1", Network: "internal_api", Old: "192.168.24.21", New: "172.16.2.7"}
		if !slices.Contains(d.Addresses, want) {
			t.Errorf("%+v is not among %+v", want, d.Addresses)
		}
		if !slices.ContainsFunc(d.Registry, func(m diff.Mapping) bool {
			return m.Type == "OS::TripleO::Controller::Ports::TenantPort" && m.Old == "network/ports/noop.yaml" && m.New == "network/ports/tenant.yaml"
		}) {
			t.Errorf("registry: %+v", d.Registry)
		}
		for _, a := range d.Addresses {
			if a.Network == "ctlplane" {
				t.Errorf("the ctlplane address moves: %+v", a)
			}
		}
	})

	t.Run("passwords and a parameter", func(t *testing.T) {
		after := queens(t, tree, marked(t, "N"), `parameter_defaults:
  Debug: true
  AdminEmail: `+marker+`AdminEmail
  ExtraConfig: {'keystone::roles::admin::password': `+marker+`NAdminPassword, 'mine::token': abc}
  KeystoneDebgu: true
  NovaComputeSchedulerHints: {}
`)
		d := compare(t, plain, after)
		text, object := written(t, d)
		for _, s := range slices.Concat(plain.Plan.Secrets, after.Plan.Secrets) {
			if strings.Contains(text+object, s) {
				t.Errorf("a random text is shown: %s", s)
			}
		}
		for _, p := range d.Parameters {
			if p.Name == "KeystonePassword" && (p.Old != diff.Hidden || p.New != diff.Hidden || !p.Hidden) {
				t.Errorf("%+v", p)
			}
			if p.Name == "KeystoneDebgu" {
				t.Errorf("a parameter that no template declares: %+v", p)
			}
		}
		var findings []string
		for _, f := range d.Findings {
			findings = append(findings, f.Kind+" "+f.Parameter+" "+f.Nearest)
		}
		if got := strings.Join(findings, ", "); got != "unused KeystoneDebgu KeystoneDebug, deprecated NovaComputeSchedulerHints " {
			t.Errorf("findings: %s", got)
		}
		if !slices.ContainsFunc(d.Tasks, func(x diff.Task) bool {
			return x.Service == "keystone" && x.Key == "config_settings" && slices.ContainsFunc(x.Diff, func(l string) bool { return l == "+keystone::debug: true" })
		}) {
			t.Error("config_settings of keystone do not show that Debug is true")
		}
	})
}
