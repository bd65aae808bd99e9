package plan_test

import (
	"context"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/diff"
	"trefoil/templates"
)

// withKeystone is the article's plan where the service ntp, which all roles run,
// says these keystone_resources.
func withKeystone(t *testing.T, resources string) (*plan.Plan, error) {
	t.Helper()
	const file, behind = "deployment/time/ntp.yaml", "      service_name: ntp\n"
	own, err := fs.ReadFile(templates.FS, file)
	if err != nil || !strings.Contains(string(own), behind) {
		t.Fatalf("%s has no line %q: %v", file, behind, err)
	}
	text := strings.Replace(string(own), behind, behind+"      keystone_resources:\n"+resources, 1)
	return plan.Build(context.Background(), overlay(t, map[string]string{file: text}), article(t))
}

func TestKeystoneResources(t *testing.T) {
	p, err := withKeystone(t, `
        acme:
          service: compute
          region: regionOne
          endpoints: {public: 'http://%{cloud.address}:8774/v2.1', internal: 'http://%{keystone_bootstrap_ip}:8776/%(project_id)s'}
          users:
            acme: {password: literal-password, roles: [admin, service]}
            acme_admin: {name: na, password: another-password, domain: compute}
          roles: [creator]
        abba:
          users: {abba: {password: 123456789}}
`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.KeystoneResources(machines)
	if err != nil {
		t.Fatal(err)
	}
	got = slices.DeleteFunc(got, func(r plan.KeystoneResource) bool { return r.Name != "acme" && r.Name != "abba" })
	slices.SortFunc(got, func(a, b plan.KeystoneResource) int { return strings.Compare(a.Name, b.Name) })
	want := []plan.KeystoneResource{
		{Name: "abba", Users: []plan.KeystoneUser{{Name: "abba", Password: "123456789", Project: "service", Roles: []string{"admin"}}}},
		{Name: "acme", Service: "compute", Region: "regionOne",
			Endpoints: map[string]string{"public": "http://192.168.255.15:8774/v2.1", "internal": "http://192.168.255.15:8776/%(project_id)s"},
			Users: []plan.KeystoneUser{{Name: "acme", Password: "literal-password", Project: "service", Roles: []string{"admin", "service"}},
				{Name: "na", Password: "another-password", Domain: "compute", Roles: []string{"admin"}}},
			Roles: []string{"creator"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, secret := range []string{"literal-password", "another-password", "123456789"} {
		if !slices.Contains(diff.SecretTexts(p), secret) {
			t.Errorf("the password %s is not hidden", secret)
		}
	}
	if none, err := p.KeystoneResources(nil); err != nil || len(none) > 0 {
		t.Errorf("without machines: %v %v", none, err)
	}
}

func TestKeystoneResourcesMistakes(t *testing.T) {
	for _, c := range []struct{ name, resources, says string }{
		{"no map", "        [acme]\n", "keystone_resources must be a map"},
		{"unknown key", "        acme: {servce: compute}\n", `keystone_resources.acme has an unknown key "servce"; did you mean "service"?`},
		{"unknown interface", "        acme: {service: compute, region: r, endpoints: {puplic: 'http://a'}}\n", `keystone_resources.acme.endpoints has an unknown key "puplic"`},
		{"endpoints of no service", "        acme: {region: r, endpoints: {public: 'http://a'}}\n", "keystone_resources.acme.service is missing"},
		{"endpoints of no region", "        acme: {service: compute, endpoints: {public: 'http://a'}}\n", "keystone_resources.acme.region is missing"},
		{"endpoint that is empty", "        acme: {service: compute, region: r, endpoints: {public: ''}}\n", "keystone_resources.acme.endpoints.public is missing"},
		{"no URL", "        acme: {service: compute, region: r, endpoints: {public: 'ftp://a/'}}\n", "endpoints.public must be a URL"},
		{"URL without a host", "        acme: {service: compute, region: r, endpoints: {public: 'http://:80/'}}\n", "endpoints.public must be a URL"},
		{"unknown name of a machine", "        acme: {service: compute, region: r, endpoints: {public: 'http://%{cloud.adress}/'}}\n", "%{cloud.adress} means nothing here"},
		{"user without a password", "        acme: {users: {acme: {roles: [admin]}}}\n", "keystone_resources.acme.users.acme.password is missing"},
		{"password that is a list", "        acme: {users: {acme: {password: [geheim]}}}\n", "keystone_resources.acme.users.acme.password must be a text"},
		{"roles that are a text", "        acme: {users: {acme: {password: geheim, roles: admin}}}\n", "keystone_resources.acme.users.acme.roles must be a list"},
		{"two passwords", "        a: {users: {acme: {password: geheim}}}\n        b: {users: {acme: {password: geheim2}}}\n", "a and b give user acme different passwords"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := withKeystone(t, c.resources)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v\nwant %s", err, c.says)
			}
			if strings.Contains(err.Error(), "geheim") {
				t.Errorf("a password is told: %v", err)
			}
			if c.name != "two passwords" && !strings.Contains(err.Error(), "deployment/time/ntp.yaml") {
				t.Errorf("the template is not named: %v", err)
			}
		})
	}
}
