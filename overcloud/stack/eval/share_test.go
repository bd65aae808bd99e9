package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing"

	"trefoil/overcloud/hot"
)

// TestSharingIsInvisible: random small trees of nested stacks, groups and chains
// come out the same when every stack is evaluated for itself.
func TestSharingIsInvisible(t *testing.T) {
	shared, failed := 0, 0
	for seed := range uint64(200) {
		g := generator{Rand: rand.New(rand.NewPCG(seed, 7))}
		files := g.files()
		with, n := evaluateAll(t, context.Background(), files)
		without, none := evaluateAll(t, Alone(context.Background()), files)
		if with != without {
			t.Fatalf("seed %d:\n shared %s\n  alone %s", seed, with, without)
		}
		if none != 0 {
			t.Fatalf("seed %d: %d resources are shared although nothing may be", seed, none)
		}
		shared += n
		if with[0] != '{' {
			failed++
		}
	}
	if shared < 1000 || failed > 80 { // some ask for a resource that is left out
		t.Errorf("%d resources were shared and %d of 200 trees failed: the trees prove too little", shared, failed)
	}
}

// evaluateAll returns all that an evaluation gives as JSON, or its error, and how
// many resources stand in a stack that did not make them.
func evaluateAll(t *testing.T, ctx context.Context, files map[string]string) (string, int) {
	t.Helper()
	ev := &Evaluator{Env: hot.NewEnvironment(), Root: "stack", Subnets: []Subnet{{Network: "ctlplane", Name: "s", CIDR: "192.0.2.0/24"}},
		Read: func(name string) ([]byte, error) {
			if s, ok := files[name]; ok {
				return []byte(s), nil
			}
			return nil, fs.ErrNotExist
		}}
	root, err := ev.Stack(ctx, "t0.yaml", nil)
	if err != nil {
		return err.Error(), 0
	}
	shared := 0
	data, err := json.Marshal(said(root, &shared))
	if err != nil {
		t.Fatal(err)
	}
	return string(data), shared
}

// said is everything that a stack and those below it say.
func said(s *Stack, shared *int) map[string]any {
	resources, outputs := map[string]any{}, map[string]any{}
	for _, r := range s.Resources() {
		if r.stack != s {
			*shared++
		}
		var below []any
		for _, m := range r.Members {
			if m != nil {
				below = append(below, said(m, shared))
			}
		}
		resources[r.Name] = []any{r.Skipped, r.Target, r.Properties, below}
	}
	for _, o := range s.t.Outputs {
		outputs[o.Name], _ = s.Output(o.Name)
	}
	return map[string]any{"parameters": s.Parameters, "resources": resources, "outputs": outputs}
}

// generator makes templates that call those of the next level.
type generator struct {
	*rand.Rand
	level      int
	resources  []string          // of the template that is being made, so far
	attributes map[string]string // one that each of them has
}

const levels = 3

func (g *generator) files() map[string]string {
	files := map[string]string{}
	for g.level = range levels {
		for _, suffix := range []string{"", "b"} {
			data, _ := json.Marshal(g.template())
			files[fmt.Sprintf("t%d%s.yaml", g.level, suffix)] = string(data)
		}
	}
	return files
}

func (g *generator) template() map[string]any {
	g.resources, g.attributes = nil, map[string]string{}
	parameters := map[string]any{
		"Text": map[string]any{"type": "string", "default": "text"}, "Map": map[string]any{"type": "json", "default": map[string]any{"a": 1}},
		"Number": map[string]any{"type": "number", "default": 1}, "Flag": map[string]any{"type": "boolean", "default": true}}
	conditions := map[string]any{"flag": map[string]any{"equals": []any{get("param", "Flag"), true}}, "one": map[string]any{"equals": []any{get("param", "Number"), 1}}, "not": map[string]any{"not": "one"}}
	resources := map[string]any{}
	for i := range 2 + g.IntN(5) {
		name := fmt.Sprintf("R%d", i)
		r := g.resource()
		if g.IntN(25) == 0 { // most templates that ask for what may be absent are refused
			r["condition"] = g.pick("flag", "one", "not")
		}
		resources[name] = r
		g.resources = append(g.resources, name)
		if g.attributes[name] = attributeOf(r["type"].(string)); g.attributes[name] == "" {
			g.attributes[name] = g.pick("out", "other")
		}
	}
	outputs := map[string]any{"out": map[string]any{"value": g.value(3)}, "other": map[string]any{"value": g.value(2)}}
	if g.IntN(3) == 0 {
		outputs["OS::stack_id"] = map[string]any{"value": get("resource", g.resources[0])}
	}
	return map[string]any{"heat_template_version": "wallaby", "parameters": parameters, "conditions": conditions, "resources": resources, "outputs": outputs}
}

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

func get(what string, args ...any) any {
	if len(args) == 1 {
		return map[string]any{"get_" + what: args[0]}
	}
	return map[string]any{"get_" + what: args}
}

func (g *generator) resource() map[string]any {
	kind := g.IntN(8)
	if g.level+1 >= levels && kind > 3 {
		kind = g.IntN(4)
	}
	nested := func() string { return fmt.Sprintf("t%d%s.yaml", g.level+1, g.pick("", "b")) }
	typ, props := "OS::Heat::Value", map[string]any{"value": g.value(3)}
	switch kind {
	case 1:
		typ, props = "OS::Heat::RandomString", map[string]any{"length": 8}
	case 2:
		typ, props = "OS::Heat::SoftwareConfig", map[string]any{"config": g.value(2)}
	case 3:
		typ, props = "OS::Nova::Server", map[string]any{"name": g.text(), "networks": []any{map[string]any{"network": "ctlplane"}}}
	case 4, 5:
		typ, props = nested(), g.arguments("")
	case 6:
		typ = "OS::Heat::ResourceGroup"
		props = map[string]any{"count": g.IntN(4), "resource_def": map[string]any{"type": nested(), "properties": g.arguments("%index%")}}
	case 7:
		typ = "OS::Heat::ResourceChain"
		props = map[string]any{"resources": []any{nested(), "OS::Heat::None", nested()}, "resource_properties": g.arguments("")}
	}
	return map[string]any{"type": typ, "properties": props}
}

// attributeOf is an attribute of a built-in type; none where it is an output.
func attributeOf(typ string) string {
	return map[string]string{"OS::Heat::Value": "value", "OS::Heat::RandomString": "value", "OS::Heat::SoftwareConfig": "config", "OS::Nova::Server": "networks"}[typ]
}

// arguments are parameters of a nested stack; index may stand in one of them.
func (g *generator) arguments(index string) map[string]any {
	all := map[string]any{"Text": g.text(), "Map": map[string]any{"k": g.value(2)}, "Number": g.IntN(3), "Flag": get("param", "Flag")}
	if index != "" {
		all["Text"] = g.pick("same", "n"+index)
	}
	for _, name := range sortedKeys(all) {
		if g.IntN(3) == 0 {
			delete(all, name)
		}
	}
	return all
}

// text is an expression that gives a text.
func (g *generator) text() any {
	switch g.IntN(4) {
	case 0:
		return get("param", "OS::stack_name")
	case 1:
		return map[string]any{"str_replace": map[string]any{"template": "<X>", "params": map[string]any{"X": g.value(1)}}}
	case 2:
		return get("param", "Text")
	}
	return g.pick("a", "b")
}

// value is any expression.
func (g *generator) value(depth int) any {
	n := 9
	if depth == 0 {
		n = 5
	}
	switch g.IntN(n) {
	case 0:
		return g.IntN(10)
	case 1:
		return get("param", g.pick("Text", "Map", "Number", "Flag"))
	case 2:
		return g.reference()
	case 3:
		return g.text()
	case 4:
		return get("param", "Map", "a")
	case 5:
		return []any{g.value(depth - 1), g.value(depth - 1)}
	case 6:
		return map[string]any{"x": g.value(depth - 1), "y": g.value(depth - 1)}
	case 7:
		return map[string]any{"if": []any{g.pick("flag", "one", "not"), g.value(depth - 1), g.value(depth - 1)}}
	}
	return map[string]any{"yaql": map[string]any{"expression": "list($.data)", "data": g.value(depth - 1)}}
}

// reference is to a resource that stands earlier in the template.
func (g *generator) reference() any {
	if len(g.resources) == 0 {
		return "none"
	}
	name := g.resources[g.IntN(len(g.resources))]
	if g.IntN(3) == 0 {
		return get("resource", name)
	}
	return get("attr", name, g.attributes[name])
}
