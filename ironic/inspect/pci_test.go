package inspect

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestPCIDevicesAreCounted(t *testing.T) {
	aliases, err := ParsePCIAliases("{\"vendor_id\": \"1234\", \"product_id\": \"5678\", \"name\": \"gpu\"}\n{\"vendor_id\": \"8086\", \"product_id\": \"0001\", \"name\": \"nic\"}")
	if err != nil || len(aliases) != 2 {
		t.Fatalf("%v %v", aliases, err)
	}
	var data map[string]any
	if err := json.Unmarshal([]byte(`{"pci_devices":[{"vendor_id":"1234","product_id":"5678"},{"vendor_id":"1234","product_id":"5678"},
		{"vendor_id":"1234","product_id":"0001"},{"vendor_id":8086},7,null]}`), &data); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(PCICapabilities(data, aliases)); got != "map[gpu:2]" {
		t.Errorf("%s", got)
	}
	if got := PCICapabilities(nil, aliases); len(got) != 0 {
		t.Errorf("%v", got)
	}
	for text, words := range map[string]string{
		`{"vendor_id":"1","product_id":"2"}`:                            "alias 1 of PCI devices: expected vendor_id, product_id and name",
		`{"vendor_id":"1","product_id":"2","name":"a","count":3}`:       `unknown field "count"`,
		`{"vendor_id":"1","product_id":"2","name":"a:b"}`:               `name "a:b"`,
		`{"vendor_id":"1","product_id":"2","name":"a"} {"vendor_id":1}`: "alias 2",
		`gpu`: "alias 1",
	} {
		if _, err := ParsePCIAliases(text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
