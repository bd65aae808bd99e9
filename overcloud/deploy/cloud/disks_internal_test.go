package cloud

import (
	"encoding/json"
	"fmt"
	"testing"
)

// The disk of the image holds no data of others, and without it nothing can be said.
func TestDataDisksOfAnIntrospection(t *testing.T) {
	for body, want := range map[string]string{
		`{"inventory": {"disks": [{"name": "/dev/vda", "size": 10}, {"name": "/dev/vdb", "size": 20}]}, "root_disk": {"name": "/dev/vda", "size": 10}}`: "map[/dev/vdb:20]",
		`{"inventory": {"disks": [{"name": "/dev/vda", "size": 10}]}, "root_disk": {"name": "/dev/vda", "size": 10}}`:                                   "map[] false",
		`{"inventory": {"disks": [{"name": "/dev/vda", "size": 10}]}}`:                                                                                  "map[] true",
	} {
		var d inspected
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			t.Fatal(err)
		}
		disks := d.dataDisks()
		got := fmt.Sprint(disks)
		if len(disks) == 0 {
			got += fmt.Sprint(" ", disks == nil)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}
