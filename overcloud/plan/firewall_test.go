package plan_test

import (
	"context"
	"io/fs"
	"os/exec"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
	"trefoil/templates"
)

// walled is the article's deployment with the firewall on every role.
func walled(t *testing.T, parameters string) plan.Options {
	t.Helper()
	roles, err := fs.ReadFile(templates.FS, "roles_data.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const kernel, wall = "    - OS::TripleO::Services::Kernel\n", "    - OS::TripleO::Services::TripleoFirewall\n"
	text := string(roles)
	if !strings.Contains(text, wall) {
		text = strings.ReplaceAll(text, kernel, kernel+wall)
	}
	o := article(t)
	o.Roles = plan.File{Name: "roles_data.yaml", Data: []byte(text)}
	o.Environments = append(o.Environments, plan.File{Name: "wall.yaml", Data: []byte("parameter_defaults:\n" + parameters)})
	return o
}

// ruleset is what the firewall's file of a machine holds; "" without one.
func ruleset(t *testing.T, o plan.Options, machine string) string {
	t.Helper()
	cfg, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cfg[machine][0].Resources {
		if r.File != nil && r.File.Path == "/etc/tripleo-firewall.nft" {
			return r.File.Content
		}
	}
	return ""
}

func TestFirewallOfARole(t *testing.T) {
	o := walled(t, "  ExtraFirewallRules:\n    301 my agent: {dport: 9100, proto: tcp, source: '%{node.address}/24'}\n")
	got := ruleset(t, o, "overcloud-controller-0")
	golden.Check(t, "firewall.txt", got)
	for _, machine := range machines {
		text := ruleset(t, o, machine.Name)
		if !strings.Contains(text, `tcp dport 22 accept comment "003 accept ssh"`) {
			t.Errorf("%s: SSH is locked out:\n%s", machine.Name, text)
		}
		nftTakes(t, text)
	}
}

// nftTakes asks nft whether it would load a text twice in a row: in a network
// namespace of its own, so that nothing of this machine changes.
func nftTakes(t *testing.T, text string) {
	t.Helper()
	nft, err := exec.LookPath("nft")
	if err != nil {
		return
	}
	cmd := exec.Command("unshare", "-rn", "sh", "-c", `cat >"$1" && "$2" -f "$1" && "$2" -f "$1" && "$2" list table inet tripleo`, "sh", t.TempDir()+"/x.nft", nft)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil && (strings.Contains(string(out), "not permitted") || strings.Contains(string(out), "unshare")) {
		t.Skipf("no namespace can be made here: %s", out)
	}
	if err != nil || strings.Count(string(out), "chain input") != 1 {
		t.Errorf("nft: %v\n%s\nof\n%s", err, out, text)
	}
}

func TestFirewallMayBeSwitchedOff(t *testing.T) {
	o := walled(t, "  ManageFirewall: false\n")
	if text := ruleset(t, o, "overcloud-controller-0"); text != "" {
		t.Errorf("got\n%s", text)
	}
	cfg, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cfg["overcloud-controller-0"][0].Resources {
		if r.Unit != nil && r.Unit.Name == "tripleo-firewall" && r.Unit.State == "stopped" {
			return
		}
	}
	t.Error("the unit is not stopped")
}

func TestFirewallRuleThatCannotBeIsNamedBeforeAnythingIsDone(t *testing.T) {
	o := walled(t, "  ExtraFirewallRules:\n    301 my agent: {dprt: 9100}\n")
	_, err := plan.Build(context.Background(), templates.FS, o)
	for _, want := range []string{"service tripleo_firewall", "tripleo-firewall-baremetal.yaml", `"301 my agent"`, `unknown key "dprt"; did you mean "dport"?`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
}

// TestOpenDatabaseClusterIsWarnedOf: whoever joins is given all data.
func TestOpenDatabaseClusterIsWarnedOf(t *testing.T) {
	for name, c := range map[string]struct {
		parameters, environment string
		controllers             int
		warned                  bool
	}{
		"a firewall":          {"  ManageFirewall: true\n", "", 3, false},
		"it is switched off":  {"  ManageFirewall: false\n", "", 3, true},
		"there is none":       {"  ManageFirewall: true\n", "resource_registry: {OS::TripleO::Services::TripleoFirewall: OS::Heat::None}\n", 3, true},
		"one controller":      {"  ManageFirewall: false\n", "", 1, false},
		"one that is to grow": {"  ManageFirewall: false\n  EnableHighAvailability: 'true'\n", "", 1, true},
	} {
		o := walled(t, c.parameters)
		o.Counts["Controller"], o.Parameters["NtpServer"] = c.controllers, []any{"ntp.example.com"}
		if c.environment != "" {
			o.Environments = append(o.Environments, plan.File{Name: "/home/stack/none.yaml", Data: []byte(c.environment)})
		}
		all := strings.Join(build(t, o).Warnings, "\n")
		if strings.Contains(all, "role Controller: the ports of its database cluster (4444, 4567, 4568) are open") != c.warned {
			t.Errorf("%s: %s", name, all)
		}
	}
}
