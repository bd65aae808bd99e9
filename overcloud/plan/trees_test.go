package plan_test

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ulikunitz/xz"

	"trefoil/overcloud/plan"
)

// realTree unpacks one of TripleO's trees, which are kept beside the project
// (TREFOIL_THT, default ../../../shared/data/tht) and never in it.
func realTree(t testing.TB, name string) fs.FS {
	t.Helper()
	dir := os.Getenv("TREFOIL_THT")
	if dir == "" {
		dir = "../../../shared/data/tht"
	}
	f, err := os.Open(path.Join(dir, name+".tar.xz"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("TripleO's %s tree is not at %s: set TREFOIL_THT; the project's own tree is still tested", name, dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	x, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{}
	for r := tar.NewReader(x); ; {
		h, err := r.Next()
		if err == io.EOF {
			return tree
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		tree[path.Clean(h.Name)] = &fstest.MapFile{Data: data}
	}
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
