package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"trefoil/internal/errs"
)

// PCIAlias names a kind of PCI device; nodes get a capability of that name with how
// many they have.
type PCIAlias struct {
	Vendor  string `json:"vendor_id"`
	Product string `json:"product_id"`
	Name    string `json:"name"`
}

// ParsePCIAliases reads Ironic's pci_device_alias: JSON objects, one after another, each
// {"vendor_id": "1234", "product_id": "5678", "name": "pci_dev1"}.
func ParsePCIAliases(s string) ([]PCIAlias, error) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.DisallowUnknownFields()
	var out []PCIAlias
	for {
		var a PCIAlias
		err := dec.Decode(&a)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err == nil && (a.Vendor == "" || a.Product == "" || a.Name == "") {
			err = errors.New("expected vendor_id, product_id and name")
		}
		if err == nil && strings.ContainsAny(a.Name, ",: ") {
			err = fmt.Errorf("name %q holds a comma, colon or blank", a.Name)
		}
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "alias %d of PCI devices", len(out)+1)
		}
		out = append(out, a)
	}
}

// PCICapabilities counts the devices that aliases name among those that a ramdisk sent
// as pci_devices. Devices that a node has none of are left out.
func PCICapabilities(pluginData map[string]any, aliases []PCIAlias) map[string]string {
	counts := map[string]int{}
	devices, _ := pluginData["pci_devices"].([]any)
	for _, item := range devices {
		d, _ := item.(map[string]any)
		for _, a := range aliases {
			if d["vendor_id"] == any(a.Vendor) && d["product_id"] == any(a.Product) {
				counts[a.Name]++
			}
		}
	}
	out := map[string]string{}
	for name, n := range counts {
		out[name] = strconv.Itoa(n)
	}
	return out
}
