package inspectapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
)

// inventory reads what is kept of a node's last successful introspection.
func (s *server) inventory(r *http.Request) (*ironic.Node, *ironic.Inventory, error) {
	n, err := s.node(r)
	if err != nil {
		return nil, nil, err
	}
	inv, err := s.Store.Inventory(r.Context(), n.UUID)
	if errs.Is(err, errs.NotFound) {
		return nil, nil, errs.New(errs.NotFound, "Introspection data not found for node %s", n.UUID)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read inventory: %w", err)
	}
	return n, inv, nil
}

// unprocessed is what the ramdisk sent.
func (s *server) unprocessed(w http.ResponseWriter, r *http.Request) error {
	_, inv, err := s.inventory(r)
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, merged(inv))
}

// data is the same with the inspector's summary on top.
func (s *server) data(w http.ResponseWriter, r *http.Request) error {
	n, inv, err := s.inventory(r)
	if err != nil {
		return err
	}
	out := merged(inv)
	summary, err := summarize(n, inv)
	if err != nil {
		return err
	}
	for k, v := range summary {
		if _, given := out[k]; !given {
			out[k] = v
		}
	}
	return send(w, http.StatusOK, out)
}

func merged(inv *ironic.Inventory) map[string]any {
	out := maps.Clone(inv.PluginData)
	if out == nil {
		out = map[string]any{}
	}
	delete(out, "logs")
	out["inventory"] = inv.Inventory
	return out
}

// nic is an interface in the inspector's short form.
type nic struct {
	IP       string  `json:"ip"`
	MAC      string  `json:"mac"`
	PXE      bool    `json:"pxe"`
	ClientID *string `json:"client_id"`
}

// summarize has the members that the inspector's classic hooks add.
func summarize(n *ironic.Node, inv *ironic.Inventory) (map[string]any, error) {
	raw, err := json.Marshal(inv.Inventory)
	if err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	var parsed agentapi.Inventory
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	boot, _ := inv.PluginData["boot_interface"].(string)
	bootMAC := bootAddress(boot, parsed.Boot.PXEInterface)
	all, macs := map[string]nic{}, []string{}
	for _, i := range parsed.Interfaces {
		if i.MACAddress == "" || i.Name == "lo" {
			continue
		}
		mac := strings.ToLower(i.MACAddress)
		all[i.Name] = nic{IP: i.IPv4Address, MAC: mac, PXE: mac == bootMAC, ClientID: i.ClientID}
		macs = append(macs, mac)
	}
	return map[string]any{
		"cpus": parsed.CPU.Count, "cpu_arch": parsed.CPU.Architecture, "memory_mb": parsed.Memory.PhysicalMB,
		"local_gb": localGB(n, inv), "interfaces": all, "all_interfaces": all, "macs": macs,
		"boot_interface": bootMAC, "ipmi_address": parsed.BMCAddress,
	}, nil
}

// bootAddress understands "01-mac-with-dashes" and a plain MAC address.
func bootAddress(candidates ...string) string {
	for _, text := range candidates {
		mac := strings.ToLower(strings.ReplaceAll(text, "-", ":"))
		if len(mac) == len("01:aa:bb:cc:dd:ee:ff") {
			mac = mac[3:]
		}
		if mac != "" {
			return mac
		}
	}
	return ""
}

// localGB is the size of the root disk less one GiB, as the inspector counts;
// what the node's properties say goes first.
func localGB(n *ironic.Node, inv *ironic.Inventory) int64 {
	switch v := n.Properties["local_gb"].(type) {
	case float64:
		return int64(v)
	case string:
		var gb int64
		if _, err := fmt.Sscan(v, &gb); err == nil {
			return gb
		}
	}
	disk, _ := inv.PluginData["root_disk"].(map[string]any)
	size, _ := disk["size"].(float64)
	return max(0, int64(size)>>30-1)
}
