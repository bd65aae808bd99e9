package plan_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
)

// generate makes missing passwords, others at each call of it.
func generate(seed byte) func(map[string]string) (map[string]string, error) {
	random := rand.NewChaCha8([32]byte{seed})
	return func(have map[string]string) (map[string]string, error) { return plan.GeneratePasswords(have, random) }
}

func TestRotateChangesWhatIsNamedAndNothingElse(t *testing.T) {
	have, _ := generate(1)(map[string]string{"Custom": "x"})
	kept := maps.Clone(have)
	got, names, err := plan.Rotate(have, []string{"NovaPassword", "AdminPassword", "NovaPassword"}, generate(2))
	if err != nil || !slices.Equal(names, []string{"AdminPassword", "NovaPassword"}) {
		t.Fatalf("%v %v", names, err)
	}
	for k := range have {
		if changed := got[k] != have[k]; changed != slices.Contains(names, k) {
			t.Errorf("%s: changed is %v", k, changed)
		}
	}
	if !maps.Equal(have, kept) || len(got) != len(have) {
		t.Error("what was given was changed, or something is missing")
	}
	all, names, err := plan.Rotate(have, nil, generate(3))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{plan.SeedName, "CephClusterFSID", "CephAdminKey", "NovaLibvirtSecretUUID", "KeystoneCredential0", "KeystoneFernetKey0", "KeystoneFernetKeys", "RabbitPassword", "Custom"} {
		if all[k] != have[k] || slices.Contains(names, k) {
			t.Errorf("%s was rotated with all", k)
		}
	}
	if all["GlancePassword"] == have["GlancePassword"] || len(names) < 50 {
		t.Errorf("all are %v", names)
	}
}

func TestRotateSaysWhyNot(t *testing.T) {
	have, _ := generate(1)(map[string]string{"Custom": "x"})
	_, _, err := plan.Rotate(have, []string{"AdminPassword", "CephClusterFSID", "NovaPasword", "Custom", "KeystoneCredential0", plan.SeedName, "CephMonKey"}, generate(2))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"CephClusterFSID is not rotated: it is the Ceph cluster's identity", `no password is called NovaPasword; did you mean "NovaPassword"?`,
		"Custom is not rotated: it was given", "KeystoneCredential0 is not rotated: stored credentials are encrypted with it", plan.SeedName + " is not rotated", "ceph auth must get the new one first"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

// The key that was staged signs next: every node knew it before it was used.
func TestFernetKeysShift(t *testing.T) {
	have, _ := generate(1)(nil)
	for round := range 6 {
		next, _, err := plan.Rotate(have, []string{plan.FernetKeys}, generate(byte(2+round)))
		if err != nil {
			t.Fatal(err)
		}
		if next["KeystoneFernetKey1"] != have["KeystoneFernetKey0"] || next["KeystoneFernetKey0"] == have["KeystoneFernetKey0"] {
			t.Fatal("the staged key does not sign next, or none is staged")
		}
		keys := map[string]struct{ Content string }{}
		if err := json.Unmarshal([]byte(next[plan.FernetKeys]), &keys); err != nil {
			t.Fatal(err)
		}
		at := func(i int) string { return keys[fmt.Sprintf("/etc/keystone/fernet-keys/%d", i)].Content }
		if at(0) != next["KeystoneFernetKey0"] || at(round+2) != next["KeystoneFernetKey1"] || at(round+1) != have["KeystoneFernetKey1"] || len(keys) != min(5, round+3) {
			t.Fatalf("round %d: %d keys, staged, signing and former: %v %v %v", round, len(keys),
				at(0) == next["KeystoneFernetKey0"], at(round+2) == next["KeystoneFernetKey1"], at(round+1) == have["KeystoneFernetKey1"])
		}
		have = next
	}
	have[plan.FernetKeys] = "x"
	if _, _, err := plan.Rotate(have, []string{plan.FernetKeys}, generate(9)); err == nil || strings.Contains(err.Error(), have["KeystoneFernetKey0"]) {
		t.Errorf("keys of a wrong form: %v", err)
	}
}

// changedResources are the resources that differ, as "role step key".
func changedResources(t *testing.T, before, after plan.Config) []string {
	t.Helper()
	seen := map[string]bool{}
	for node, docs := range before {
		for i, d := range docs {
			old := map[string]bool{} // several services may write the same file
			for _, r := range d.Resources {
				old[resource.Sum([]resource.Resource{r})] = true
			}
			for _, r := range after[node][i].Resources {
				if !old[resource.Sum([]resource.Resource{r})] {
					seen[fmt.Sprintf("%s %d %s", d.Role, d.Step, r.Key())] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// A rotated password reaches what holds it, on the roles that have it, and no more.
func TestRotatedPasswordChangesOnlyWhatHoldsIt(t *testing.T) {
	before, err := build(t, article(t)).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	o := article(t)
	o.Passwords["KeystonePassword"] = "new"
	after, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	got, want := changedResources(t, before, after), []string{"Controller 3 file:/etc/keystone/keystone.conf", "Controller 3 mysql_user:keystone"}
	if !slices.Equal(got, want) {
		t.Errorf("changed %q, want %q", got, want)
	}
}

// A parameter of compute nodes changes nothing elsewhere.
func TestComputeParameterChangesComputesOnly(t *testing.T) {
	before, err := build(t, article(t)).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	o := article(t)
	o.Parameters["NovaComputeLibvirtType"] = "kvm"
	after, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	got := changedResources(t, before, after)
	for _, at := range got {
		if !strings.HasPrefix(at, "Compute ") {
			t.Errorf("changed: %s", at)
		}
	}
	for node, docs := range before {
		for i, d := range docs {
			if d.Role != "Compute" && d.Hash != after[node][i].Hash {
				t.Errorf("%s step %d would be applied again", node, d.Step)
			}
		}
	}
	if len(got) == 0 {
		t.Error("the computes do not change")
	}
}

// holders are the files of a machine that hold a text, and users of its database, with the
// step of each.
func holders(docs []resource.Document, secret string) (files map[string]int, users map[string]int) {
	files, users = map[string]int{}, map[string]int{}
	for _, d := range docs {
		for _, r := range d.Resources {
			if r.File != nil && strings.Contains(r.File.Content, secret) {
				files[r.Key()+" of "+r.Service] = d.Step
			}
			if r.MySQLUser != nil && r.MySQLUser.Password == secret {
				users[r.Key()] = d.Step
			}
		}
	}
	return files, users
}

// TestRotatedPasswordsAreInTheDatabaseBeforeTheyAreUsed: for every password that rotates,
// the database has it before a service starts with it, and every service that has it in a
// file starts anew, when Keystone has it too.
func TestRotatedPasswordsAreInTheDatabaseBeforeTheyAreUsed(t *testing.T) {
	o, nodes := controllers(t, 3)
	p := build(t, o)
	cfg, err := p.Configure(nodes)
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := p.KeystoneResources(nodes)
	if err != nil {
		t.Fatal(err)
	}
	early := []string{"neutron-rpc-server"} // asks Keystone only when a port changes
	held := 0
	for _, name := range plan.Rotatable() {
		secret := "<" + name + ">"
		if name == "MigrationSshKey" {
			continue // sshd reads its files anew at each login
		}
		inKeystone := slices.ContainsFunc(catalog, func(r plan.KeystoneResource) bool {
			return slices.ContainsFunc(r.Users, func(u plan.KeystoneUser) bool { return u.Password == secret })
		})
		_, users := holders(cfg["overcloud-controller-0"], secret)
		for _, n := range nodes {
			files, _ := holders(cfg[n.Name], secret)
			held += len(files)
			for file, step := range files {
				key, service, _ := strings.Cut(file, " of ")
				unit, at := restarted(cfg[n.Name], key, service)
				switch {
				case unit == "":
					t.Errorf("%s: %s is in %s, and no unit of %s starts anew for it", n.Name, name, key, service)
				case inKeystone && at <= plan.CatalogStep && !slices.Contains(early, unit):
					t.Errorf("%s: %s starts with %s in step %d, before Keystone has it", n.Name, unit, name, at)
				}
				for user, made := range users {
					if made > step || made > at || made == at && user != "mysql_user:keystone" {
						t.Errorf("%s: %s starts with %s in step %d, and %s has it in step %d", n.Name, unit, name, at, user, made)
					}
				}
			}
		}
	}
	if held < 40 {
		t.Errorf("only %d files hold passwords", held)
	}
}

// restarted is the first unit of a service that starts anew for a file, and its step.
func restarted(docs []resource.Document, key, service string) (string, int) {
	for _, d := range docs {
		for _, r := range d.Resources {
			if r.Unit != nil && r.Service == service && slices.ContainsFunc(r.Unit.RestartOn, func(p string) bool { return resource.Matches(p, key) }) {
				return r.Unit.Name, d.Step
			}
		}
	}
	return "", 0
}
