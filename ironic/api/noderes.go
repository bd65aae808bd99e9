package api

import (
	"net/http"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

func (s *server) setMaintenance(c *call) error {
	reason, err := c.maintenanceReason()
	if err != nil {
		return err
	}
	return s.maintenance(c, func(n *ironic.Node) { n.Maintenance, n.MaintenanceReason = true, reason })
}

// maintenanceReason reads the body of that request, which may be missing.
func (c *call) maintenanceReason() (string, error) {
	if c.r.ContentLength == 0 {
		return "", nil
	}
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return "", err
	}
	if err := only("body", body, "reason"); err != nil {
		return "", err
	}
	reason, err := anyText.check("body", "reason", body["reason"])
	if err != nil {
		return "", err
	}
	return reason.(string), nil
}

func (s *server) unsetMaintenance(c *call) error {
	return s.maintenance(c, func(n *ironic.Node) { n.Maintenance, n.MaintenanceReason, n.Fault = false, "", "" })
}

func (s *server) maintenance(c *call, change func(*ironic.Node)) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	_, err = s.store.UpdateNode(c.ctx(), n.UUID, func(row *ironic.Node) error { change(row); return nil })
	if err != nil {
		return err
	}
	return c.accepted(c.r.PathValue("node"))
}

func (s *server) getBootDevice(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	device, persistent, err := s.conductor.BootDevice(c.ctx(), n.UUID)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, object{{"boot_device", orNull(device)}, {"persistent", persistent}})
}

func (s *server) putBootDevice(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	if err := only("body", body, "boot_device", "persistent"); err != nil {
		return err
	}
	device, err := text("body", body, "boot_device")
	if err != nil {
		return err
	}
	persistent := false
	if v, given := body["persistent"]; given {
		var ok bool
		if persistent, ok = parseBool(v); !ok {
			return schemaError("body", "persistent", v, "'boolean'")
		}
	}
	n, err := c.node()
	if err != nil {
		return err
	}
	if err := s.conductor.SetBootDevice(c.ctx(), n.UUID, device, persistent); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

func (s *server) supportedBootDevices(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	devices, err := s.conductor.SupportedBootDevices(c.ctx(), n.UUID)
	if err != nil {
		return err
	}
	if devices == nil {
		devices = []string{}
	}
	return c.json(http.StatusOK, object{{"supported_boot_devices", devices}})
}

func checkTrait(resource, name string) error {
	if !ironic.ValidTrait(name) {
		return badRequest("Schema error for %s: '%s' is not valid under any of the given schemas. "+
			"Possible root cause: '%s' does not match '^CUSTOM_[A-Z0-9_]+$'", resource, name, name).
			hinting("a trait is one of %s and then A-Z, 0-9 and _, 255 characters at most; names of your own begin with CUSTOM_", strings.Join(ironic.TraitSpaces(), ", "))
	}
	return nil
}

func (s *server) getTraits(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, object{{"traits", s.nodes.find("traits").get(c, n)}})
}

func (s *server) setTraits(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	if err := only("body", body, "traits"); err != nil {
		return err
	}
	if _, given := body["traits"]; !given {
		return badRequest("A single node trait may be added via PUT /v1/nodes/<node identifier>/traits/<trait> with no body, " +
			"or all node traits may be replaced via PUT /v1/nodes/<node identifier>/traits with the list of traits specified in the request body.")
	}
	list, ok := body["traits"].([]any)
	if !ok {
		return schemaError("body", "traits", body["traits"], "'array'")
	}
	traits := []string{}
	for _, item := range list {
		name, ok := item.(string)
		if !ok {
			return schemaError("body", "traits", item, "'string'")
		}
		if err := checkTrait("body", name); err != nil {
			return err
		}
		traits = append(traits, name)
	}
	return s.changeTraits(c, func([]string) ([]string, error) { return traits, nil })
}

func (s *server) addTrait(c *call) error {
	if c.r.ContentLength > 0 {
		return badRequest("No body should be provided")
	}
	name := c.r.PathValue("trait")
	if err := checkTrait("body", name); err != nil {
		return err
	}
	return s.changeTraits(c, func(have []string) ([]string, error) { return append(slices.Clone(have), name), nil })
}

func (s *server) deleteTraits(c *call) error {
	return s.changeTraits(c, func([]string) ([]string, error) { return nil, nil })
}

func (s *server) deleteTrait(c *call) error {
	name := c.r.PathValue("trait")
	return s.changeTraits(c, func(have []string) ([]string, error) {
		i := slices.Index(have, name)
		if i < 0 {
			return nil, clientError(http.StatusNotFound, "Node %s doesn't have a trait '%s'", c.r.PathValue("node"), name)
		}
		return slices.Delete(slices.Clone(have), i, i+1), nil
	})
}

// changeTraits keeps the list sorted and without doubles.
func (s *server) changeTraits(c *call, change func([]string) ([]string, error)) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	_, err = s.store.UpdateNode(c.ctx(), n.UUID, func(row *ironic.Node) error {
		traits, err := change(row.Traits)
		if err != nil {
			return err
		}
		slices.Sort(traits)
		traits = slices.Compact(traits)
		if len(traits) > ironic.MaxTraits {
			return badRequest("Node %s can not have more than %d traits", row.UUID, ironic.MaxTraits)
		}
		row.Traits = traits
		return nil
	})
	if err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

func (s *server) getInventory(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	inv, err := s.store.Inventory(c.ctx(), n.UUID)
	if errs.Is(err, errs.NotFound) {
		return clientError(http.StatusNotFound, "Node inventory record for node %d could not be found.", n.ID)
	}
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, object{{"inventory", mapOrEmpty(inv.Inventory)}, {"plugin_data", mapOrEmpty(inv.PluginData)}})
}

func (s *server) listBIOS(c *call) error { return s.emptyOfNode(c, "bios") }

// emptyOfNode answers a sub-collection that no driver here fills.
func (s *server) emptyOfNode(c *call, name string) error {
	if _, err := c.node(); err != nil {
		return err
	}
	return c.json(http.StatusOK, object{{name, []any{}}})
}

func (s *server) getBIOS(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	return clientError(http.StatusNotFound, "Node %s doesn't have a BIOS setting '%s'", n.UUID, c.r.PathValue("setting"))
}
