package plan_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/realtree"
)

// corpusTree is a small tree of our own, with every construct of TripleO's: the
// tests of the corpus run where TripleO's trees are not there, too.
const corpusTree = "corpus"

// realTree opens one of TripleO's trees, or skips the test; the corpus is always there.
func realTree(t testing.TB, name string) fs.FS {
	t.Helper()
	if name == corpusTree {
		return os.DirFS("testdata/" + corpusTree)
	}
	return realtree.Open(t, name)
}

// treeSet is a line of testdata/trees.txt: a tree with roles and networks.
type treeSet struct{ name, tree, roles, networks string }

func treeSets(t testing.TB) []treeSet {
	t.Helper()
	data, err := os.ReadFile("testdata/trees.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []treeSet
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 4 && f[0] != "#" {
			out = append(out, treeSet{f[0], f[1], f[2], f[3]})
		}
	}
	return out
}

// files reads the set's roles and networks from its tree.
func (s treeSet) files(t testing.TB, tree fs.FS) (roles, networks plan.File) {
	t.Helper()
	read := func(n string) plan.File {
		var data []byte
		var err error
		if own, ok := strings.CutPrefix(n, "./"); ok {
			data, err = os.ReadFile("testdata/" + own)
		} else {
			data, err = fs.ReadFile(tree, n)
		}
		if err != nil {
			t.Fatal(err)
		}
		return plan.File{Name: n, Data: data}
	}
	if strings.HasSuffix(s.roles, ".yaml") {
		return read(s.roles), read(s.networks)
	}
	roles.Name = s.roles
	for _, name := range strings.Split(s.roles, ",") {
		roles.Data = append(append(roles.Data, read("roles/"+name+".yaml").Data...), '\n')
	}
	return roles, read(s.networks)
}

// TestRealTreesRenderAsPythonDoes: every file that each set of testdata/trees.txt
// gives has the checksum of what Debian's python3-jinja2 made of it
// (testdata/trees.py writes testdata/NAME.sha256).
func TestRealTreesRenderAsPythonDoes(t *testing.T) {
	trees := map[string]fs.FS{}
	for _, set := range treeSets(t) {
		t.Run(set.name, func(t *testing.T) {
			if trees[set.tree] == nil {
				trees[set.tree] = realTree(t, set.tree)
			}
			roles, networks := set.files(t, trees[set.tree])
			out, err := plan.Render(context.Background(), trees[set.tree], roles, networks)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for n, data := range out {
				sum := sha256.Sum256(data)
				lines = append(lines, fmt.Sprintf("%s  %s\n", hex.EncodeToString(sum[:]), n))
			}
			sort.Slice(lines, func(i, j int) bool { return lines[i][66:] < lines[j][66:] })
			want, err := os.ReadFile("testdata/" + set.name + ".sha256")
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(lines, ""); got != string(want) {
				t.Fatal(firstDifference(got, string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d files, want %d", len(g)-1, len(w)-1)
}

func BenchmarkRenderQueens(b *testing.B) {
	tree := realTree(b, "queens")
	roles, _ := fs.ReadFile(tree, "roles_data.yaml")
	nets, _ := fs.ReadFile(tree, "network_data.yaml")
	for b.Loop() {
		if _, err := plan.Render(context.Background(), tree, plan.File{Name: "r", Data: roles}, plan.File{Name: "n", Data: nets}); err != nil {
			b.Fatal(err)
		}
	}
}
