//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
)

// introspects types commands of the real client of introspection. Rules need no machine: what the
// client does with one is tested in ironic/conductor.
func introspects(t *testing.T, client *openstackclient.Client, url string, login ...string) {
	t.Helper()
	const rule = "aaaaaaaa-0000-4000-8000-000000000001"
	text := `[{"uuid": "` + rule + `", "description": "rack", "conditions": [], "actions": [{"action": "set-attribute", "path": "/extra/rack", "value": "b7"}]}]`
	if err := os.WriteFile(filepath.Join(client.Home, "rules.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command, want string
		exit          int
	}{
		{"rule import rules.json", rule, 0},
		{"rule list -f value", rule + " rack", 0},
		{"rule show " + rule, "'path': '/extra/rack'", 0},
		{"list", "", 0},
		{"status nobody", "was not found", 1},
		{"rule delete " + rule, "", 0},
		{"rule list -f value", "", 0},
	} {
		out, exit := introspection(t, client, url, login, c.command)
		if exit != c.exit || !strings.Contains(out, c.want) || c.command == "rule list -f value" && c.want == "" && strings.TrimSpace(out) != "" {
			t.Errorf("openstack baremetal introspection %s: exit code %d, expected %d with %q:\n%s", c.command, exit, c.exit, c.want, out)
		}
	}
}

// introspection types one of them. Without an URL the catalog leads to the service.
func introspection(t *testing.T, client *openstackclient.Client, url string, login []string, command string) (string, int) {
	t.Helper()
	var args []string
	if url != "" {
		args, login = []string{"--inspector-url", url}, append(login, "OS_ENDPOINT="+url)
	}
	return client.Combined(t, login, append(append(args, "baremetal", "introspection"), strings.Fields(command)...)...)
}

func TestRealClientOfIntrospection(t *testing.T) {
	openstackclient.NeedsIntrospection(t)
	client := openstackclient.Start(t)
	t.Run("without authentication", func(t *testing.T) {
		s := begin(t, conf(t, filepath.Join(t.TempDir(), "state"), ""))
		introspects(t, client, s.introspection, "OS_AUTH_TYPE=none")
	})
	t.Run("with a password", func(t *testing.T) {
		dir := t.TempDir()
		s := begin(t, conf(t, filepath.Join(dir, "state"), withPassword(t, dir, "admin")))
		introspects(t, client, s.introspection, "OS_AUTH_TYPE=http_basic", "OS_USERNAME=admin", "OS_PASSWORD=secret")
		if out, exit := introspection(t, client, s.introspection, []string{"OS_AUTH_TYPE=http_basic", "OS_USERNAME=admin", "OS_PASSWORD=wrong"}, "list"); exit == 0 || !strings.Contains(out, "Incorrect username or password") && !strings.Contains(out, "401") {
			t.Errorf("a wrong password: exit code %d\n%s", exit, out)
		}
	})
	t.Run("with a token of Keystone", func(t *testing.T) {
		k := startKeystone(t)
		k.person("ironic", "hunter2", "service", "service")
		k.person("bob", "bobs", "alpha", "reader")
		s := begin(t, keystoneConf(t, k.url, ""))
		k.endpoint("baremetal-introspection", s.introspection)
		introspects(t, client, "", "OS_AUTH_URL="+k.url+"/v3", "OS_USERNAME=admin", "OS_PASSWORD="+adminPassword, "OS_USER_DOMAIN_ID=default", "OS_SYSTEM_SCOPE=all")
		bob := []string{"OS_AUTH_URL=" + k.url + "/v3", "OS_USERNAME=bob", "OS_PASSWORD=bobs", "OS_USER_DOMAIN_ID=default", "OS_PROJECT_NAME=alpha", "OS_PROJECT_DOMAIN_ID=default"}
		if out, exit := introspection(t, client, "", bob, "rule purge"); exit == 0 || !strings.Contains(out, "not authorized") {
			t.Errorf("a reader: exit code %d\n%s", exit, out)
		}
	})
}
