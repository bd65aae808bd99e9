package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// What introspection saw is saved with the summary, or as the ramdisk sent it.
func TestIntrospectionDataSave(t *testing.T) {
	o := newOperator(t)
	n := o.AddNode("storage-1", nil)
	o.want("baremetal introspection data save storage-1", 1, "", "Introspection data not found for node "+n.UUID)
	o.want("baremetal introspection data save nope", 1, "", "nope")
	o.want("baremetal introspection data save", 2, "", "the following arguments are required: NODE")
	o.Inspected("storage-1", map[string]any{"cpu": map[string]any{"count": 4}, "memory": map[string]any{"physical_mb": 2048}}, map[string]any{"root_disk": map[string]any{"name": "/dev/vda"}})
	read := func(data string) map[string]any {
		t.Helper()
		var got map[string]any
		if err := json.Unmarshal([]byte(data), &got); err != nil {
			t.Errorf("%v in %q", err, data)
		}
		return got
	}
	code, out, errw := o.types(t.Context(), "baremetal introspection data save "+n.UUID)
	if got := read(out); code != 0 || errw != "" || got["memory_mb"] != 2048.0 || got["inventory"] == nil || got["root_disk"] == nil {
		t.Errorf("code %d\n%s%s", code, out, errw)
	}
	file := filepath.Join(t.TempDir(), "data.json")
	o.want("baremetal introspection data save --unprocessed storage-1 --file "+file, 0, "", "")
	data, err := os.ReadFile(file)
	if got := read(string(data)); err != nil || got["inventory"] == nil || got["memory_mb"] != nil {
		t.Errorf("%v\n%s", err, data)
	}
}
