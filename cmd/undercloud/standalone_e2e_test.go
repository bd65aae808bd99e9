//go:build e2e

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
)

// openstack runs Debian's client against the service.
func (s *aService) openstack(client *openstackclient.Client, command string, auth ...string) (string, int) {
	s.t.Helper()
	args := append([]string{"--os-endpoint", s.url}, auth...)
	return client.Combined(s.t, nil, append(args, strings.Fields(command)...)...)
}

// whole carries a node through its life with the real client.
func whole(t *testing.T, client *openstackclient.Client, s *aService, auth ...string) {
	t.Helper()
	for _, c := range []struct{ command, want string }{
		{"baremetal driver list", "fake-hardware"},
		{"baremetal node create --driver fake-hardware --name n1 -f value -c name", "n1"},
		{"baremetal node manage n1 --wait 60", "Waiting for provision state manageable on node n1"},
		{"baremetal node provide n1 --wait 60", "Waiting for provision state available on node n1"},
		{"baremetal node deploy n1 --wait 60", "Waiting for provision state active on node n1"},
		{"baremetal node list -f value -c Name", "n1"},
		{"baremetal node undeploy n1 --wait 60", "Waiting for provision state available on node n1"},
		{"baremetal conductor list -f value -c Hostname", "one"},
		{"baremetal node delete n1", "Deleted node n1"},
	} {
		out, exit := s.openstack(client, c.command, auth...)
		if exit != 0 || !strings.Contains(out, c.want) {
			t.Errorf("openstack %s: exit code %d, expected %q:\n%s", c.command, exit, c.want, out)
		}
	}
}

func TestRealClientWithoutAuthentication(t *testing.T) {
	s := begin(t, conf(t, filepath.Join(t.TempDir(), "state"), ""))
	whole(t, openstackclient.Start(t), s, "--os-auth-type", "none")
}

func TestRealClientWithAPassword(t *testing.T) {
	dir := t.TempDir()
	s := begin(t, conf(t, filepath.Join(dir, "state"), withPassword(t, dir, "admin")))
	client := openstackclient.Start(t)
	whole(t, client, s, "--os-auth-type", "http_basic", "--os-username", "admin", "--os-password", "secret")
	out, exit := s.openstack(client, "baremetal node list", "--os-auth-type", "http_basic", "--os-username", "admin", "--os-password", "wrong")
	if exit == 0 || !strings.Contains(out, "401") && !strings.Contains(out, "Incorrect username or password") {
		t.Errorf("wrong password: exit code %d: %s", exit, out)
	}
	if out, exit = s.openstack(client, "baremetal node list", "--os-auth-type", "none"); exit == 0 {
		t.Errorf("no password: %s", out)
	}
}

// TestSystemdAcceptsTheStandaloneUnit asks systemd's own checker; it needs no running systemd.
func TestSystemdAcceptsTheStandaloneUnit(t *testing.T) {
	data, err := os.ReadFile("../../examples/undercloud-baremetal.service")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "undercloud-baremetal.service")
	text := strings.ReplaceAll(string(data), "/usr/local/bin/undercloud", "/bin/true")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--recursive-errors=no", path).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
