package networkd_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/internal/yaml"
	"trefoil/overcloud/apply/networkd"
	"trefoil/overcloud/resource"
)

func nics() []networkd.NIC {
	list := []networkd.NIC{{Name: "ens10", MAC: "52:54:00:00:00:10"}, {Name: "ens3", MAC: "52:54:00:00:00:03"}, {Name: "eth1", MAC: "52:54:00:00:00:01"}}
	networkd.Order(list)
	return list
}

// TestGoldens: testdata/*.yaml are network_configs, *.txt what becomes of them.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			res, err := networkd.Render(read(t, f), nics())
			if err != nil {
				fmt.Fprintln(&b, err)
			} else {
				for _, n := range slices.Sorted(maps.Keys(res.Files)) {
					fmt.Fprintf(&b, "=== %s\n%s", n, res.Files[n])
				}
				same := func(a, b networkd.Bridge) bool {
					return a.Name == b.Name && a.MAC == b.MAC && slices.EqualFunc(a.Ports, b.Ports, networkd.Port.Equal)
				}
				if kept := networkd.Bridges(res.Files); !slices.EqualFunc(kept, res.Bridges, same) {
					t.Errorf("%+v is kept as %+v", res.Bridges, kept)
				}
				fmt.Fprintf(&b, "=== addresses %s\n", strings.Join(res.Addresses, " "))
			}
			golden.Check(t, name+".txt", b.String())
		})
	}
}

func read(t *testing.T, file string) []resource.NetObject {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(file, data, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"step": 1, "resources": []any{map[string]any{"type": "network_config", "network_config": map[string]any{"network_config": v}}}})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := resource.Decode(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return doc.Resources[0].NetworkConfig.Objects
}

func TestOrder(t *testing.T) {
	var got []string
	for _, n := range nics() {
		got = append(got, n.Name)
	}
	if s := strings.Join(got, " "); s != "eth1 ens3 ens10" {
		t.Error(s)
	}
}
