package yaql_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"trefoil/internal/yaml"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/realtree"
	"trefoil/overcloud/yaql"
)

// TestEveryExpressionOfTheTreesIsInTheCorpus: each expression of each template
// of both trees, those that Jinja makes included, parses and stands in trees.txt.
func TestEveryExpressionOfTheTreesIsInTheCorpus(t *testing.T) {
	corpus := map[string]bool{}
	for _, c := range goldenCases(t, "trees.txt") {
		corpus[c.expression] = true
	}
	for name, networks := range map[string]string{"queens": "network_data.yaml", "wallaby": "network_data_default.yaml"} {
		t.Run(name, func(t *testing.T) {
			found := map[string]bool{}
			for file, data := range rendered(t, realtree.Open(t, name), networks) {
				if !strings.Contains(string(data), "yaql") {
					continue
				}
				n, err := yaml.Parse(file, data)
				if err != nil {
					t.Fatal(err)
				}
				expressions(n, found)
			}
			for x := range found {
				if _, err := yaql.Parse(x); err != nil {
					t.Error(err)
				}
				if !corpus[x] {
					t.Errorf("not in testdata/trees.txt: %s", x)
				}
			}
			if len(found) < 70 {
				t.Errorf("only %d expressions found", len(found))
			}
		})
	}
}

// rendered is the tree's own YAML files and those that Jinja makes.
func rendered(t *testing.T, tree fs.FS, networks string) map[string][]byte {
	t.Helper()
	read := func(name string) plan.File {
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			t.Fatal(err)
		}
		return plan.File{Name: name, Data: data}
	}
	out, err := plan.Render(context.Background(), tree, read("roles_data.yaml"), read(networks))
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(tree, ".", func(name string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".yaml") && !strings.HasSuffix(name, ".j2.yaml") && !strings.HasPrefix(name, "releasenotes/") {
			out[name] = read(name).Data
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// expressions collects the value of each yaql: {expression: …}.
func expressions(n *yaml.Node, found map[string]bool) {
	for i, c := range n.Content {
		expressions(c, found)
		if c.Value != "yaql" || i+1 >= len(n.Content) {
			continue
		}
		args := n.Content[i+1].Content
		for j := 0; j+1 < len(args); j += 2 {
			if args[j].Value == "expression" {
				found[strings.TrimRight(args[j+1].Value, "\n")] = true
			}
		}
	}
}
