// Package realtree opens TripleO's own template trees for tests. They are kept
// beside the project (TREFOIL_THT, else shared/data/tht beside it) and never in it.
package realtree

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"testing"
	"testing/fstest"

	"github.com/ulikunitz/xz"
)

// where the trees are, seen from a package that is two or three folders deep.
func where() string {
	const there = "/shared/data/tht"
	if dir := os.Getenv("TREFOIL_THT"); dir != "" {
		return dir
	}
	if _, err := os.Stat("../../../.." + there); err == nil {
		return "../../../.." + there
	}
	return "../../.." + there
}

// Open unpacks the tree of a release, queens or wallaby, into memory. Where it
// is not there the test is skipped and says so.
func Open(t testing.TB, release string) fstest.MapFS {
	t.Helper()
	dir := where()
	f, err := os.Open(path.Join(dir, release+".tar.xz"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("TripleO's %s tree is not at %s: set TREFOIL_THT; the corpus of our own (overcloud/plan/testdata/corpus) is still tested", release, dir)
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
