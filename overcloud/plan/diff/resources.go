package diff

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
)

// resources compares what each machine that stays must do, step by step. Changes
// that are the same on several machines are told once.
func (c *comparison) resources(d *Diff) {
	for step := range plan.Steps {
		var g groups[Resource]
		for _, name := range c.stay {
			a, b := document(c.old, name, step), document(c.new, name, step)
			if a.Hash == b.Hash {
				continue
			}
			changes := c.document(a.Resources, b.Resources)
			if len(changes) == 0 {
				changes = []Resource{{Change: Changed, Key: "order", Fields: []Field{}, Diff: []string{}, Secret: []string{}}}
			}
			for _, r := range changes {
				r.Step = step + 1
				g.add(r, func(r *Resource) { r.Nodes = append(r.Nodes, name) })
			}
		}
		d.Resources = append(d.Resources, g.list...)
	}
}

func document(cfg plan.Config, name string, step int) resource.Document {
	if docs := cfg[name]; step < len(docs) {
		return docs[step]
	}
	return resource.Document{Hash: resource.Sum([]resource.Resource{})}
}

// groups gathers equal changes: of what is added twice, only the names grow.
type groups[T any] struct {
	list []T
	at   map[string]int
}

func (g *groups[T]) add(x T, grow func(*T)) {
	key, err := json.Marshal(x)
	if err != nil { // texts, numbers and lists of them cannot fail to encode
		key = []byte(fmt.Sprint(len(g.list)))
	}
	i, known := g.at[string(key)]
	if !known {
		if g.at == nil {
			g.at = map[string]int{}
		}
		i = len(g.list)
		g.at[string(key)] = i
		g.list = append(g.list, x)
	}
	grow(&g.list[i])
}

// keyed is a resource with a key that is its own: waits and units may come again.
type keyed struct {
	key string
	r   resource.Resource
}

func keys(list []resource.Resource) []keyed {
	seen := map[string]int{}
	out := make([]keyed, len(list))
	for i, r := range list {
		key := r.Key()
		if seen[key]++; seen[key] > 1 {
			key = fmt.Sprintf("%s (%d)", key, seen[key])
		}
		out[i] = keyed{key, r}
	}
	return out
}

// document compares the resources of one step of one machine.
func (c *comparison) document(a, b []resource.Resource) []Resource {
	var out []Resource
	old, now := keys(a), keys(b)
	find := func(list []keyed, key string) *resource.Resource {
		if i := slices.IndexFunc(list, func(k keyed) bool { return k.key == key }); i >= 0 {
			return &list[i].r
		}
		return nil
	}
	for _, k := range now {
		was := find(old, k.key)
		switch {
		case was == nil:
			out = append(out, c.resource(Added, k.key, resource.Resource{}, k.r))
		case resource.Sum([]resource.Resource{*was}) != resource.Sum([]resource.Resource{k.r}):
			out = append(out, c.resource(Changed, k.key, *was, k.r))
		}
	}
	for _, k := range old {
		if find(now, k.key) == nil {
			r := c.resource(Removed, k.key, k.r, resource.Resource{})
			r.Service = k.r.Service
			out = append(out, r)
		}
	}
	return out
}

// resource compares two of the same key; an empty one is none.
func (c *comparison) resource(ch Change, key string, a, b resource.Resource) Resource {
	x := Resource{Change: ch, Key: c.secrets.shown(key), Service: b.Service, Fields: []Field{}, Diff: []string{}, Secret: []string{}}
	if ch == Removed {
		return x
	}
	old, now := parts(a), parts(b)
	secret := secretParts(a, b)
	if ch == Changed && a.Service != b.Service {
		old["service"], now["service"] = a.Service, b.Service
	}
	for _, name := range union(old, now) {
		switch {
		case same(old[name], now[name]):
		case slices.ContainsFunc(secret, func(s string) bool { return name == s || strings.HasPrefix(name, s+".") }):
			x.Secret = append(x.Secret, name)
		case name == "content":
			x.Diff = unified(c.secrets.tokened(text(old[name])), c.secrets.tokened(text(now[name])))
		case ch == Changed || name != "path" && name != "name":
			x.Fields = append(x.Fields, Field{name, c.secrets.shownValue(old[name]), c.secrets.shownValue(now[name])})
		}
	}
	return x
}

func text(v any) string { s, _ := v.(string); return s }

// secretParts names the fields that are never shown.
func secretParts(list ...resource.Resource) []string {
	var out []string
	for _, r := range list {
		switch {
		case r.File != nil && r.File.Secret:
			out = append(out, "content")
		case r.MySQLUser != nil, r.KeystoneBootstrap != nil:
			out = append(out, "password")
		case r.Exec != nil:
			out = append(out, "env")
		}
	}
	return out
}

// parts are a resource's fields by name; those of a map each by itself: env.HOME.
func parts(r resource.Resource) map[string]any {
	out := map[string]any{}
	data, err := json.Marshal(r)
	var all map[string]any
	if err != nil || json.Unmarshal(data, &all) != nil {
		return out
	}
	fields, _ := all[r.Type].(map[string]any)
	for k, v := range fields {
		m, ok := v.(map[string]any)
		if !ok {
			out[k] = v
		}
		for inner, e := range m {
			out[k+"."+inner] = e
		}
	}
	return out
}

// notApplied compares the hashes of what was applied with the deployed plan's.
func (c *comparison) notApplied(d *Diff) {
	for step := 1; step <= plan.Steps; step++ {
		var g groups[NotApplied]
		for _, name := range c.stay {
			doc := document(c.old, name, step-1)
			applied := c.before.Applied[name][step]
			if len(doc.Resources) == 0 || applied == doc.Hash {
				continue
			}
			why := "an earlier configuration is applied"
			if applied == "" {
				why = "never applied"
			}
			g.add(NotApplied{Step: step, Why: why}, func(n *NotApplied) { n.Nodes = append(n.Nodes, name) })
		}
		d.NotApplied = append(d.NotApplied, g.list...)
	}
}
