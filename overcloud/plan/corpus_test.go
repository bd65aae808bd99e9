package plan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"testing"

	"trefoil/internal/golden"
	"trefoil/overcloud/plan"
)

// corpusCase is the corpus with what it is planned with: five machines on
// networks of their own in Queens' form, or machines that are there already and
// networks in Wallaby's form.
func corpusCase(t testing.TB, name string) (fs.FS, plan.Options) {
	t.Helper()
	o := realOptions(t, map[string]int{"Controller": 2, "Compute": 3}, "environments/settings.yaml",
		"environments/hooks.yaml", "environments/nulls.yaml", "environments/merge-one.yaml", "environments/merge-two.yaml")
	o.Base = nil
	o.Environments = append(o.Environments, plan.File{Name: "environments/network-isolation.yaml"})
	if name == "corpus-subnets" {
		o.Networks = plan.File{Name: "network_data_subnets.yaml"}
		o.Environments = append(o.Environments, plan.File{Name: "environments/deployed-server.yaml"})
	}
	return realTree(t, corpusTree), o
}

// TestCorpusPlans: what becomes of the corpus, as a person reads it, and all
// outputs of its root stack.
func TestCorpusPlans(t *testing.T) {
	for _, name := range []string{"corpus", "corpus-subnets"} {
		t.Run(name, func(t *testing.T) {
			tree, o := corpusCase(t, name)
			p, err := plan.Build(context.Background(), tree, o)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, name+"-plan.txt", summary(p)+"\noutputs\n"+readable(t, p.Outputs))
		})
	}
}

// readable is JSON with sorted keys, one value a line.
func readable(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
