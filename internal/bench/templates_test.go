//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"trefoil/overcloud/plan"
)

// corpus is a template tree in a directory, with the roles and networks that it
// is rendered for. Whoever adds rows for templates starts here.
type corpus struct {
	name            string
	dir             string
	roles, networks string // files of the tree
}

func (c corpus) tree() fs.FS { return os.DirFS(c.dir) }

func (c corpus) file(t *testing.T, name string) plan.File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, name))
	must(t, err)
	return plan.File{Name: name, Data: data}
}

// templateCorpora unpacks TripleO's trees, which are kept beside the project
// (TREFOIL_THT, default ../shared/data/tht); without them it takes our own and
// the corpus that the tests of plans have.
func templateCorpora(t *testing.T) []corpus {
	t.Helper()
	from := os.Getenv("TREFOIL_THT")
	if from == "" {
		from = "../shared/data/tht"
	}
	var out []corpus
	for _, c := range []corpus{
		{name: "queens", roles: "roles_data.yaml", networks: "network_data.yaml"},
		{name: "wallaby", roles: "roles_data.yaml", networks: "network_data_ganesha.yaml"},
	} {
		archive := filepath.Join(from, c.name+".tar.xz")
		if _, err := os.Stat(archive); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		c.dir = t.TempDir()
		shell(t, "tar", "-xJf", archive, "-C", c.dir)
		out = append(out, c)
	}
	if len(out) > 0 {
		return out
	}
	say("templates: TripleO's trees are not at %s (TREFOIL_THT): measuring our own and the tests' corpus, which are small", from)
	return []corpus{ourTree(t), {name: ownCorpus, dir: "overcloud/plan/testdata/corpus", roles: "roles_data.yaml", networks: "network_data.yaml"}}
}

// The trees that are always there.
const (
	ownTree   = "our own tree"
	ownCorpus = "the tests' corpus"
)

// benchTemplates measures the template languages on whole trees.
func benchTemplates(t *testing.T) []Row {
	say("templates: whole trees, beside python3-jinja2")
	var rows []Row
	trees := templateCorpora(t)
	for _, c := range trees {
		rows = append(rows, jinjaRow(t, c))
	}
	say("templates: plans, each in a process of its own")
	for _, p := range evaluated(t, trees) {
		rows = append(rows, evaluateRows(t, p)...)
	}
	return rows
}

// jinjaRow renders a tree with our Jinja and with Python's, from the files to
// the texts: both parse roles, networks and templates each time.
func jinjaRow(t *testing.T, c corpus) Row {
	t.Helper()
	files := 0
	ours := func() float64 {
		return 1000 * took(func() {
			out, err := plan.Render(context.Background(), c.tree(), c.file(t, c.roles), c.file(t, c.networks))
			must(t, err)
			files = len(out)
		})
	}
	peer := func() float64 {
		cmd := exec.Command("/usr/bin/python3", "internal/bench/testdata/jinja_peer.py", "overcloud/plan/testdata", c.dir, c.roles, c.networks)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		must(t, err)
		var seconds float64
		var n int
		if _, err := fmt.Sscan(string(out), &seconds, &n); err != nil || n != files {
			t.Fatalf("python3-jinja2 rendered %q, ours %d files", out, files)
		}
		return 1000 * seconds
	}
	m := rounds(3, ours, peer)
	return Row{What: "Jinja: " + c.name + " rendered", Ours: Figure{m[0], "ms"}, Peer: Figure{m[1], "ms"}, Less: true,
		Note: fmt.Sprintf("%d files, default roles; peer: python3-jinja2, PyYAML, without its start", files)}
}
