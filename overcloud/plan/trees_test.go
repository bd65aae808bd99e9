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

// realTree opens one of TripleO's trees, or skips the test.
func realTree(t testing.TB, name string) fs.FS {
	t.Helper()
	return realtree.Open(t, name)
}

// TestRealTreesRenderAsPythonDoes: every file that the default roles and
// networks give has the checksum of what Debian's python3-jinja2 made of it
// (testdata/trees.py writes testdata/NAME.sha256).
func TestRealTreesRenderAsPythonDoes(t *testing.T) {
	for name, networks := range map[string]string{"queens": "network_data.yaml", "wallaby": "network_data_default.yaml"} {
		t.Run(name, func(t *testing.T) {
			tree := realTree(t, name)
			read := func(n string) plan.File {
				data, err := fs.ReadFile(tree, n)
				if err != nil {
					t.Fatal(err)
				}
				return plan.File{Name: n, Data: data}
			}
			out, err := plan.Render(context.Background(), tree, read("roles_data.yaml"), read(networks))
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for n, data := range out {
				sum := sha256.Sum256(data)
				lines = append(lines, fmt.Sprintf("%s  %s\n", hex.EncodeToString(sum[:]), n))
			}
			sort.Slice(lines, func(i, j int) bool { return lines[i][66:] < lines[j][66:] })
			want, err := os.ReadFile("testdata/" + name + ".sha256")
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
