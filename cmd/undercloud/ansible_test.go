//go:build ansible && e2e

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// playbooks runs Ansible with OpenStack's collection and SDK, as scripts/collection laid
// them out, against a service that asks for a password.
type playbooks struct {
	t   *testing.T
	env []string
}

func newPlaybooks(t *testing.T, url string) *playbooks {
	t.Helper()
	lib := os.Getenv("TREFOIL_ANSIBLE")
	if _, err := os.Stat(filepath.Join(lib, "ansible_collections/openstack/cloud")); lib == "" || err != nil {
		t.Fatalf("TREFOIL_ANSIBLE=%q has no collection openstack.cloud; make ansible fetches it", lib)
	}
	home := t.TempDir()
	clouds := filepath.Join(home, "clouds.yaml")
	text := "clouds: {trefoil: {auth_type: http_basic, auth: {username: admin, password: secret}, baremetal_endpoint_override: '" + url + "'}}\n"
	if err := os.WriteFile(clouds, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &playbooks{t: t, env: append(os.Environ(), "HOME="+home, "OS_CLIENT_CONFIG_FILE="+clouds, "PYTHONPATH="+lib, "ANSIBLE_COLLECTIONS_PATH="+lib,
		"ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3", "ANSIBLE_PIPELINING=true", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCALHOST_WARNING=false")}
}

var recap = regexp.MustCompile(`(?m)^localhost +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=0 `)

// run plays a book, and looks that so many of its tasks were done and so many changed something.
func (p *playbooks) run(book, ok, changed string, flags ...string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "ansible-playbook", append([]string{"-i", "localhost,", "-c", "local", "testdata/ansible/" + book}, flags...)...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	m := recap.FindSubmatch(out)
	if err != nil || m == nil || string(m[1]) != ok || string(m[2]) != changed {
		p.t.Fatalf("%s: %v; expected ok=%s changed=%s and nothing failed:\n%s", book, err, ok, changed, out)
	}
}

// TestAnsiblesCollection: what the collection's modules make is there, and what is as
// they want it they leave alone.
func TestAnsiblesCollection(t *testing.T) {
	dir := t.TempDir()
	s := begin(t, conf(t, filepath.Join(dir, "state"), withPassword(t, dir, "admin")))
	p := newPlaybooks(t, s.url)
	p.run("create.yaml", "6", "3")
	p.run("create.yaml", "3", "0", "--skip-tags", "look")
	p.run("deploy.yaml", "2", "2")
	s.holds("active", "power on", "http://192.0.2.1/cloud.img")
	p.run("deploy.yaml", "1", "0", "--skip-tags", "inspect")
	p.run("undeploy.yaml", "4", "4")
	s.holds("available", "power off", nil)
	p.run("delete.yaml", "3", "3")
	p.run("delete.yaml", "3", "0")
	for _, path := range []string{"/v1/nodes/n1", "/v1/deploy_templates/CUSTOM_QUICK"} {
		if code, answer := s.ask("GET", path, "", "Authorization", "Basic YWRtaW46c2VjcmV0"); code != 404 {
			t.Errorf("%s: %d %s", path, code, answer)
		}
	}
}

// holds looks at the node that the playbooks made.
func (s *aService) holds(state, power string, image any) {
	s.t.Helper()
	var n struct {
		State    string         `json:"provision_state"`
		Power    string         `json:"power_state"`
		Instance map[string]any `json:"instance_info"`
	}
	code, answer := s.ask("GET", "/v1/nodes/n1", "", "Authorization", "Basic YWRtaW46c2VjcmV0")
	if err := json.Unmarshal([]byte(answer), &n); err != nil || code != 200 {
		s.t.Fatalf("%d %s (%v)", code, answer, err)
	}
	if n.State != state || n.Power != power || n.Instance["image_source"] != image {
		s.t.Errorf("node is %q, %q, image %v; expected %q, %q, %v", n.State, n.Power, n.Instance["image_source"], state, power, image)
	}
}
