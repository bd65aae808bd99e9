package plan_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"trefoil/overcloud/hot"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack/eval"
)

// TestTreesEvaluateAsHeatDoes: everything that the evaluation of TripleO's trees,
// and of the corpus, gives (parameters, properties and outputs of every stack, role data, endpoints,
// deployments) has the checksum of what the real Heat made of it
// (testdata/heatwhole.py writes testdata/heat-CASE.sha256). With HEAT_DUMP=DIR
// what the script needs, and the values themselves, are written into DIR.
func TestTreesEvaluateAsHeatDoes(t *testing.T) {
	for _, name := range []string{"queens", "queens-isolated", "wallaby", "corpus", "corpus-subnets"} {
		t.Run(name, func(t *testing.T) {
			tree, o := heatCase(t, name)
			ev, root, err := plan.Evaluate(context.Background(), tree, o)
			if err != nil {
				t.Fatal(err)
			}
			w := newWhole(ev)
			w.all(t, root)
			if dir := os.Getenv("HEAT_DUMP"); dir != "" {
				w.dump(t, filepath.Join(dir, name), o)
			}
			want, err := os.ReadFile("testdata/heat-" + name + ".sha256")
			if err != nil {
				t.Fatal(err)
			}
			if d := w.differences(string(want)); len(d) > 0 {
				t.Errorf("%d of %d items differ from the real Heat's: HEAT_DUMP=DIR and testdata/heatwhole.py show how\n%s", len(d), len(w.items), strings.Join(d[:min(len(d), 20)], "\n"))
			}
		})
	}
}

// heatCase is a tree with the options that it is planned with.
func heatCase(t testing.TB, name string) (fs.FS, plan.Options) {
	t.Helper()
	switch name {
	case "corpus", "corpus-subnets":
		return corpusCase(t, name)
	case "wallaby":
		o := realOptions(t, nil)
		o.Networks = plan.File{Name: "network_data_default.yaml"}
		return scripted(t, "wallaby"), o
	case "queens-isolated":
		return scripted(t, "queens"), realOptions(t, articleCounts(), isolated()...)
	}
	return scripted(t, "queens"), realOptions(t, articleCounts())
}

// whole collects everything that an evaluated root stack says, as canonical JSON.
type whole struct {
	ev      *eval.Evaluator
	items   map[string]string
	planned map[string]map[string]any // what a cloud would know, by path
}

func newWhole(ev *eval.Evaluator) *whole {
	return &whole{ev: ev, items: map[string]string{}, planned: map[string]map[string]any{}}
}

func (w *whole) add(name string, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	w.items[name] = strings.TrimSpace(b.String())
}

func (w *whole) all(t *testing.T, root *eval.Stack) {
	t.Helper()
	w.plan(root, root.Name)
	for name, v := range outputs(t, root) {
		w.add("output "+name, v)
		m, _ := v.(map[string]any)
		for k, e := range m {
			switch name {
			case "EndpointMap":
				w.add("EndpointMap "+k, e)
			case "RoleData":
				w.add("RoleData "+k, e)
				for key, x := range e.(map[string]any) {
					w.add("RoleData "+k+" "+key, x)
				}
			}
		}
	}
	for _, r := range enabled(root) {
		w.add("resource "+r.Name, properties(r))
	}
	w.stack(t, root, root.Name)
}

// plan remembers what was planned of the resources that a cloud would make.
func (w *whole) plan(s *eval.Stack, path string) {
	for _, r := range enabled(s) {
		p := path + "." + r.Name
		if names := planned(r.Target); names != nil {
			w.planned[p] = map[string]any{}
			for _, n := range names {
				w.planned[p][n], _ = s.Attr(r.Name, []any{n}, hot.Origin{})
			}
		}
		below(r, p, w.plan)
	}
}

// planned are the attributes of a built-in type that the planner makes.
func planned(typ string) []string {
	switch typ {
	case "OS::Heat::RandomString":
		return []string{"value"}
	case "OS::Heat::DeployedServer":
		return strings.Fields("name networks addresses")
	case "OS::Nova::Server":
		return strings.Fields("name networks addresses first_address accessIPv4 instance_name")
	case "OS::Neutron::Net":
		return strings.Fields("name subnets")
	case "OS::Neutron::Subnet":
		return strings.Fields("cidr gateway_ip ip_version name network_id allocation_pools host_routes dns_nameservers")
	case "OS::Neutron::Port":
		return strings.Fields("fixed_ips subnets network network_id mac_address name status admin_state_up device_id device_owner")
	}
	return nil
}

// below visits the nested stacks of a resource with the paths that Heat's stacks
// would have; a shared resource has the path of the stack that it stands in.
func below(r *eval.Resource, path string, visit func(*eval.Stack, string)) {
	for i, m := range r.Members {
		switch {
		case m == nil, m.Template().IsSingle(): // with Heat a member of a built-in type has no stack
		case hot.IsFile(r.Target):
			visit(m, path)
		case r.Indexes != nil:
			visit(m, path+"."+strconv.Itoa(r.Indexes[i]))
		default:
			visit(m, path+"."+strconv.Itoa(i))
		}
	}
}

// stack adds a stack and those below it.
func (w *whole) stack(t *testing.T, s *eval.Stack, path string) {
	t.Helper()
	out := outputs(t, s)
	resources := map[string]any{}
	for _, r := range enabled(s) {
		p := path + "." + r.Name
		resources[r.Name] = properties(r)
		w.deployment(r, p)
		below(r, p, func(m *eval.Stack, p string) { w.stack(t, m, p) })
	}
	w.add("stack "+path, map[string]any{"parameters": s.Parameters, "outputs": out, "resources": resources})
	if d, ok := out["role_data"].(map[string]any); ok && len(d) > 0 && strings.Contains(path, "ServiceChain") {
		name := hot.String(d["service_name"])
		if d["service_name"] == nil {
			name = "None"
		}
		w.add("service "+path+" "+name, d)
	}
}

func (w *whole) deployment(r *eval.Resource, path string) {
	if !strings.Contains(r.Type, "Deployment") || r.Properties["server"] == nil && r.Properties["servers"] == nil {
		return
	}
	p := r.Properties
	servers := p["servers"]
	if m, ok := servers.(map[string]any); !ok || len(m) == 0 {
		servers = p["server"]
	}
	var c map[string]any
	if r := w.ev.Identified(hot.String(p["config"])); r != nil {
		c = r.Properties
	}
	w.add("deployment "+path, map[string]any{"servers": servers, "inputs": p["input_values"], "name": p["name"],
		"config": c["config"], "group": c["group"], "options": c["options"]})
}

func enabled(s *eval.Stack) []*eval.Resource {
	var out []*eval.Resource
	for _, r := range s.Resources() {
		if !r.Skipped {
			out = append(out, r)
		}
	}
	return out
}

// properties are those of a resource; null where it is OS::Heat::None.
func properties(r *eval.Resource) any {
	if r.Target == "OS::Heat::None" {
		return nil
	}
	return r.Properties
}

func outputs(t *testing.T, s *eval.Stack) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, o := range s.Template().Outputs {
		v, err := s.Output(o.Name)
		if err != nil {
			t.Fatal(err)
		}
		out[o.Name] = v
	}
	return out
}

// differences compares the checksums with those of a golden file.
func (w *whole) differences(golden string) []string {
	var out []string
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(golden), "\n") {
		sum, name, _ := strings.Cut(line, "  ")
		seen[name] = true
		v, ok := w.items[name]
		got := sha256.Sum256([]byte(v))
		switch {
		case !ok:
			out = append(out, "missing: "+name)
		case hex.EncodeToString(got[:]) != sum:
			out = append(out, "differs: "+name)
		}
	}
	for name := range w.items {
		if !seen[name] {
			out = append(out, "not in Heat: "+name)
		}
	}
	sort.Strings(out)
	return out
}

// dump writes what heatwhole.py needs to plan the same, and our own values.
func (w *whole) dump(t *testing.T, prefix string, o plan.Options) {
	t.Helper()
	defaults := map[string]any{"StackAction": "CREATE", "RootStackName": "overcloud", "CtlplaneNetworkAttributes": plan.CtlplaneAttributes()}
	for k, v := range o.Passwords {
		if k != plan.SeedName {
			defaults[k] = v
		}
	}
	for k, v := range o.Counts {
		defaults[k+"Count"] = v
	}
	base, environments := []map[string]string{}, []string{}
	for _, f := range o.Base {
		base = append(base, map[string]string{"name": f.Name, "data": string(f.Data)})
	}
	for _, f := range o.Environments {
		environments = append(environments, f.Name)
	}
	for name, v := range map[string]any{"given": map[string]any{"base": base, "defaults": defaults, "environments": environments, "planned": w.planned}, "ours": w.items} {
		data, err := json.Marshal(v)
		if err = errors.Join(err, os.MkdirAll(filepath.Dir(prefix), 0o755)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s-%s.json", prefix, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
