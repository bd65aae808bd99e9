package policy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/golden"
)

// implied are a role and those that it implies in Keystone.
func implied(role string) []string {
	chain := []string{"admin", "manager", "member", "reader"}
	if i := slices.Index(chain, role); i >= 0 {
		return chain[i:]
	}
	return []string{role}
}

const (
	alpha = "project-alpha"
	beta  = "project-beta"
)

// callers are all kinds of people there are, seen from a node that alpha owns and beta leases.
func callers() []struct {
	name string
	Caller
} {
	var out []struct {
		name string
		Caller
	}
	for _, where := range []struct {
		name string
		Caller
	}{{"system", Caller{System: true}}, {"owner", Caller{ProjectID: alpha}}, {"lessee", Caller{ProjectID: beta}}, {"other", Caller{ProjectID: "project-gamma"}}} {
		for _, role := range roles() {
			c := where.Caller
			c.Roles = implied(role)
			out = append(out, struct {
				name string
				Caller
			}{where.name + " " + role, c})
		}
	}
	return out
}

// The golden is Ironic's: testdata/golden.py makes it of the check strings of
// ironic/common/policy.py. After -update run it; it must change nothing.
func TestWhoMayDoWhat(t *testing.T) {
	s := New()
	target := Target{Owner: alpha, Lessee: beta}
	var b strings.Builder
	for _, r := range table() {
		var may []string
		for _, c := range callers() {
			if s.Allows(r.name, c.Caller, target) {
				may = append(may, c.name)
			}
		}
		b.WriteString(r.name + ": " + strings.Join(may, ", ") + "\n")
	}
	golden.Check(t, "who.txt", b.String())
}

func TestTheDocsHaveTheTable(t *testing.T) {
	path, err := filepath.Abs("../../docs/roles.md")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table of ironic/policy: go test ./ironic/policy -update -->\n", "<!-- end of the table -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("docs/roles.md has no place for the table")
	}
	golden.Check(t, path, before+begin+Markdown()+end+after)
}

func TestWhoHasEverything(t *testing.T) {
	s := New()
	all := Caller{System: true, Roles: implied("admin")}
	for _, r := range table() {
		own := strings.HasSuffix(r.name, ":self_owned_node") // the policy without the suffix is enough
		if r.who != nobody && !own && !s.Allows(r.name, all, Target{}) {
			t.Errorf("an administrator of the system does not satisfy %s", r.name)
		}
	}
	for _, c := range callers() {
		if got, want := c.Everything(), c.name == "system admin"; got != want {
			t.Errorf("%s has everything: %v", c.name, got)
		}
	}
}

func TestNobodysNodeIsNobodysOwn(t *testing.T) {
	nobodys := Caller{Roles: implied("admin")} // a token for a domain has no project either
	if New().Allows("baremetal:node:get", nobodys, Target{}) {
		t.Error("who has no project is taken for the owner of a node without one")
	}
	if (Caller{}).Everything() {
		t.Error("the zero caller has everything")
	}
}

func TestNamesThatStandForMany(t *testing.T) {
	s := New()
	lessee := Caller{ProjectID: beta, Roles: implied("admin")}
	target := Target{Owner: alpha, Lessee: beta}
	for name, want := range map[string]bool{"baremetal:node:update*": true, "baremetal:node:delete*": false, "baremetal:none*": false, "baremetal:none": false} {
		if got := s.Allows(name, lessee, target); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, want := range map[string]bool{"baremetal:node:update*": true, "baremetal:node:get": true, "baremetal:none*": false, "baremetal:none": false} {
		if got := s.Known(name); got != want {
			t.Errorf("%s is known: %v", name, got)
		}
	}
}

func TestEachPolicyStandsInTheTableOnce(t *testing.T) {
	if got, want := len(New().rules), len(table()); got != want {
		t.Errorf("%d names in %d lines", got, want)
	}
}
