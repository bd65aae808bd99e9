package yaql_test

import (
	"fmt"
	"testing"

	"trefoil/overcloud/yaql"
)

// services is role data as a controller has it: 60 services, each with tasks,
// settings of other services and configuration files.
func services() []any {
	var out []any
	for i := range 60 {
		name := fmt.Sprintf("service_%d", i)
		var tasks []any
		for j := range 8 {
			tasks = append(tasks, map[string]any{"name": fmt.Sprintf("task %d of %d", j, i%20), "when": []any{"step|int == 1", "enabled|bool"}, "command": map[string]any{"cmd": "systemctl stop " + name}})
		}
		out = append(out, map[string]any{
			"service_name":            name,
			"upgrade_tasks":           tasks,
			"service_config_settings": map[string]any{fmt.Sprintf("target_%d", i%10): map[string]any{name + "::a": i, name + "::hosts": []any{"a", "b", name}}},
			"docker_puppet_tasks":     map[string]any{fmt.Sprintf("step_%d", i%5): map[string]any{"config_volume": name}},
		}, nil)
	}
	return out
}

// BenchmarkTrees parses and evaluates the heavy expressions of the trees.
func BenchmarkTrees(b *testing.B) {
	all := services()
	hosts := make([]any, 63)
	for i := range hosts {
		hosts[i] = map[string]any{"step_1": []any{fmt.Sprintf("overcloud-novacompute-%d.internalapi.localdomain", i)}}
	}
	for _, bb := range []struct {
		name, expression string
		data             any
	}{
		{"tasks", "coalesce($.data, []).where($ != null).select($.get('upgrade_tasks')).where($ != null).flatten().distinct()", all},
		{"merge", "coalesce($.data.role_data, []).where($ != null).select($.get('service_config_settings')).where($ != null).reduce($1.mergeWith($2), {})", map[string]any{"role_data": all}},
		{"puppet tasks", "dict(coalesce($.data, []).where($ != null).select([$.get('docker_puppet_tasks'), $.get('service_name')]).where($[0] != null).select([$[0], dict($[0].keys().zip(dict(service_name=>$[1]).repeat(len($[0].keys()))))]).select($[0].mergeWith($[1])).selectMany($.items()).groupBy($[0], $[1]))", all},
		{"hosts", "dict($.data.l.where($ != null).selectMany($.items()).groupBy($[0], $[1]).select([$[0], $[1].flatten()]))", map[string]any{"l": hosts}},
		{"image tag", `concat($.data.rightSplit(separator => ":", maxSplits => 1)[0], ":pcmklatest")`, "registry.local:8787/ns/img:tag"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := evaluate(bb.expression, bb.data, yaql.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
