package eval_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/stack/eval"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata")

// files is a tree in memory.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	if s, ok := f[name]; ok {
		return []byte(s), nil
	}
	return nil, fs.ErrNotExist
}

// ctlplane is the one network that exists before any template.
var ctlplane = eval.Subnet{Network: "ctlplane", Name: "ctlplane-subnet", CIDR: "192.0.2.0/24", Gateway: "192.0.2.1",
	Pools: []eval.Pool{{Start: "192.0.2.10", End: "192.0.2.20"}}}

// evaluator reads env.yaml, if there is one, and knows identifiers by path.
func evaluator(t testing.TB, tree files) *eval.Evaluator {
	t.Helper()
	env, err := hot.ParseEnvironment("env.yaml", []byte(tree["env.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	return &eval.Evaluator{Read: tree.read, Env: env, Root: "top", Subnets: []eval.Subnet{ctlplane},
		ID: func(path string) string { return "id:" + path }}
}

// TestCases runs every case of testdata: files, then what root.yaml's outputs
// are, or what is wrong; -update rewrites the latter.
func TestCases(t *testing.T) {
	names, err := fs.Glob(os.DirFS("testdata"), "*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile("testdata/" + name)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split("\n"+string(data), "\n=== ")
			out := strings.TrimPrefix(parts[0], "\n")
			for _, c := range parts[1:] {
				title, rest, _ := strings.Cut(c, "\n")
				body, want, ok := strings.Cut(rest, "\n---\n")
				if !ok {
					t.Fatalf("case %q has no line ---", title)
				}
				got := run(t, caseFiles(body))
				if got != strings.TrimSuffix(want, "\n")+"\n" && !*update {
					t.Errorf("%s:\n got %s\nwant %s", title, got, want)
				}
				out += "\n=== " + title + "\n" + body + "\n---\n" + got
			}
			if *update {
				if err := os.WriteFile("testdata/"+name, []byte(strings.TrimPrefix(out, "\n")), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// caseFiles are those of a case, each behind a line "-- name". What stands before
// the first is root.yaml. Templates need not say their version.
func caseFiles(body string) files {
	tree := files{}
	name := "root.yaml"
	for _, line := range strings.Split(body, "\n") {
		if n, ok := strings.CutPrefix(line, "-- "); ok {
			name = n
			continue
		}
		tree[name] += line + "\n"
	}
	for n, text := range tree {
		if n != "env.yaml" && strings.HasSuffix(n, ".yaml") && !strings.Contains(text, "heat_template_version") {
			tree[n] = "heat_template_version: wallaby\n" + text
		}
	}
	return tree
}

// run evaluates and says what came out, one line an output.
func run(t *testing.T, tree files) string {
	t.Helper()
	ev := evaluator(t, tree)
	s, err := ev.Stack(context.Background(), "root.yaml", nil)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	for _, o := range s.Template().Outputs {
		v, err := s.Output(o.Name)
		if err != nil {
			t.Fatal(err)
		}
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s = %s\n", o.Name, j)
	}
	for _, w := range ev.Warnings() {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

func mustStack(t *testing.T, tree files) (*eval.Evaluator, *eval.Stack) {
	t.Helper()
	ev := evaluator(t, tree)
	s, err := ev.Stack(context.Background(), "root.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	return ev, s
}

const farm = `
resources:
  Group:
    type: OS::Heat::ResourceGroup
    properties:
      count: %d
      resource_def: {type: member.yaml, properties: {Index: '%%index%%', Data: {big: ['1', '2', '3']}}}
outputs: {names: {value: {get_attr: [Group, name]}}}
-- member.yaml
parameters: {Index: {type: string}, Data: {type: json}}
resources:
  Heavy: {type: heavy.yaml, properties: {Data: {get_param: Data}}}
  Server: {type: 'OS::Nova::Server', properties: {name: {str_replace: {template: node-N, params: {N: {get_param: Index}}}}, networks: [{network: ctlplane}]}}
outputs:
  name: {value: {list_join: [' ', [{get_attr: [Server, name]}, {get_attr: [Heavy, sum]}]]}}
-- heavy.yaml
parameters: {Data: {type: json}}
resources:
%s
outputs: {sum: {value: {get_attr: [V0, value]}}}
`

// TestMachinesShareWhatDoesNotDiffer: the second machine of a role costs a
// fraction of the first, because what does not depend on its index is shared.
func TestMachinesShareWhatDoesNotDiffer(t *testing.T) {
	var values strings.Builder
	for i := range 500 {
		fmt.Fprintf(&values, "  V%d: {type: 'OS::Heat::Value', properties: {value: {list_join: [',', {get_param: [Data, big]}]}}}\n", i)
	}
	steps := func(n int) int {
		tree := caseFiles(fmt.Sprintf(strings.TrimPrefix(farm, "\n"), n, values.String()))
		ctx := &counting{Context: context.Background()}
		ev := evaluator(t, tree)
		ev.Subnets[0].Pools = nil
		s, err := ev.Stack(ctx, "root.yaml", nil)
		if err != nil {
			t.Fatal(err)
		}
		names, _ := s.Output("names")
		if list := names.([]any); len(list) != n || list[n-1] != fmt.Sprintf("node-%d 1,2,3", n-1) {
			t.Fatalf("names are %v", names)
		}
		return ev.Steps()
	}
	one, many := steps(1), steps(101)
	if each := (many - one) / 100; each > one/5 {
		t.Errorf("the first machine takes %d steps, each further one %d", one, each)
	}
}

type counting struct{ context.Context }

func TestACancelledEvaluationEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	tree := caseFiles(fmt.Sprintf(strings.TrimPrefix(farm, "\n"), 5000, "  V0: {type: 'OS::Heat::Value', properties: {value: x}}"))
	ev := evaluator(t, tree)
	ev.Subnets[0].CIDR, ev.Subnets[0].Pools = "10.0.0.0/8", nil
	if _, err := ev.Stack(ctx, "root.yaml", nil); err != context.Canceled {
		t.Fatalf("got %v", err)
	}
}

// TestSameTreeSameResult: identifiers, addresses and random texts included.
func TestSameTreeSameResult(t *testing.T) {
	tree := caseFiles(fmt.Sprintf(strings.TrimPrefix(farm, "\n"), 5, "  V0: {type: 'OS::Heat::RandomString'}"))
	a, b := run(t, tree), run(t, tree)
	if a != b {
		t.Fatalf("%s\n%s", a, b)
	}
}

// TestKnownAddressesAreKept: a port keeps the address it had, and nobody else gets it.
func TestKnownAddressesAreKept(t *testing.T) {
	tree := caseFiles(fmt.Sprintf(strings.TrimPrefix(farm, "\n"), 2, "  V0: {type: 'OS::Heat::Value', properties: {value: x}}"))
	ev := evaluator(t, tree)
	ev.Addresses = map[string]string{"top.Group.1.Server/ctlplane": "192.0.2.10"}
	if _, err := ev.Stack(context.Background(), "root.yaml", nil); err != nil {
		t.Fatal(err)
	}
	got := ev.Planned()
	if got["top.Group.1.Server/ctlplane"] != "192.0.2.10" || got["top.Group.0.Server/ctlplane"] != "192.0.2.11" {
		t.Fatalf("got %v", got)
	}
}

func TestResourcesTellWhatTheyAre(t *testing.T) {
	_, s := mustStack(t, caseFiles(fmt.Sprintf(strings.TrimPrefix(farm, "\n"), 2, "  V0: {type: 'OS::Heat::Value', properties: {value: x}}")))
	g := s.Resources()[0]
	if g.Path() != "top.Group" || len(g.Members) != 2 || g.Members[1].Name != "top.Group.1" || g.Origin().String() != "root.yaml:3" {
		t.Errorf("group %s with %d members at %s", g.Path(), len(g.Members), g.Origin())
	}
	server, err := g.Members[1].Resource("Server")
	if err != nil || server.Path() != "top.Group.1.Server" || server.ID() != "id:top.Group.1.Server" {
		t.Errorf("server %v %v", server, err)
	}
}

func TestErrorsAreOfBadInput(t *testing.T) {
	ev := evaluator(t, caseFiles("resources: {A: {type: 'Nobody::Knows'}}\noutputs: {}"))
	_, err := ev.Stack(context.Background(), "root.yaml", nil)
	if errs.CodeOf(err) != errs.Invalid {
		t.Fatalf("got %v", err)
	}
}

// FuzzStack: whatever a template says, evaluation ends and does not panic.
func FuzzStack(f *testing.F) {
	for _, name := range []string{"attributes.txt", "group.txt", "network.txt", "nested.txt", "share.txt", "value.txt"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		cases := strings.Split(string(data), "\n=== ")
		sort.Strings(cases)
		for _, c := range cases {
			body, _, _ := strings.Cut(c, "\n---\n")
			_, body, _ = strings.Cut(body, "\n")
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body string) {
		tree := caseFiles(body)
		env, err := hot.ParseEnvironment("env.yaml", []byte(tree["env.yaml"]))
		if err != nil {
			return
		}
		ev := &eval.Evaluator{Read: tree.read, Env: env, Root: "top", Subnets: []eval.Subnet{ctlplane}}
		_, _ = ev.Stack(context.Background(), "root.yaml", nil)
	})
}
