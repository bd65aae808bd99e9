package api

import (
	"math"
	"net/http"
	"slices"

	"trefoil/ironic"
)

// putRAID keeps the wanted RAID layout for the next cleaning.
func (s *server) putRAID(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	if err := checkRAID(body); err != nil {
		return err
	}
	n, err := c.node()
	if err != nil {
		return err
	}
	if kind := n.Interfaces["raid"]; kind == "" || kind == "no-raid" {
		return clientError(http.StatusNotFound, "Driver %s does not support raid (disabled or not implemented).", n.Driver)
	}
	_, err = s.store.UpdateNode(c.ctx(), n.UUID, func(row *ironic.Node) error {
		row.TargetRaidConfig = body
		return mayPatch(row, nil)
	})
	if err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

// checkRAID wants what Ironic's schema wants: logical disks, each with a size and a level.
func checkRAID(body map[string]any) error {
	if len(body) == 0 {
		return nil // forgets the layout
	}
	if err := only("raid", body, "logical_disks"); err != nil {
		return err
	}
	disks, ok := body["logical_disks"].([]any)
	if !ok || len(disks) == 0 {
		return badRequest("Schema error for raid: 'logical_disks' must be a list of at least one disk")
	}
	for i, d := range disks {
		disk, _ := d.(map[string]any)
		if err := checkDisk(i, disk); err != nil {
			return err
		}
		size, isNumber := disk["size_gb"].(float64)
		if disk["size_gb"] != "MAX" && (!isNumber || size < 1 || size != math.Trunc(size)) {
			return badRequest("Schema error for raid: size_gb of disk %d is neither a whole number of GiB from 1 on nor \"MAX\"", i)
		}
	}
	return nil
}

// checkDisk looks at the members of a logical disk but its size.
func checkDisk(i int, disk map[string]any) error {
	if err := only("raid", disk, diskMembers().names()...); err != nil {
		return err
	}
	for _, c := range []struct {
		name     string
		choices  []string
		required bool
	}{
		{"raid_level", []string{"JBOD", "0", "1", "2", "5", "6", "1+0", "5+0", "6+0"}, true},
		{"disk_type", []string{"hdd", "ssd"}, false},
		{"interface_type", []string{"sata", "scsi", "sas"}, false},
	} {
		word, _ := disk[c.name].(string)
		if _, given := disk[c.name]; (given || c.required) && !slices.Contains(c.choices, word) {
			return badRequest("Schema error for raid: %s of disk %d is not one of %v", c.name, i, c.choices)
		}
	}
	for name, k := range map[string]kind{"controller": anyText, "volume_name": anyText, "is_root_volume": flag,
		"share_physical_disks": flag, "number_of_physical_disks": integer} {
		if v, given := disk[name]; given {
			if _, err := k.check("raid", name, v); err != nil {
				return err
			}
		}
	}
	if _, list := disk["physical_disks"].([]any); disk["physical_disks"] != nil && !list {
		return schemaError("raid", "physical_disks", disk["physical_disks"], "'array'")
	}
	return nil
}

// raidProperties explains the members of a logical disk that checkRAID knows.
func (s *server) raidProperties(c *call) error {
	if _, err := s.driver(c); err != nil {
		return err
	}
	return c.json(http.StatusOK, diskMembers())
}

// diskMembers are what a logical disk may have, as Ironic's schema says.
func diskMembers() object {
	return object{
		{"controller", "The RAID controller to use. Optional."},
		{"disk_type", "hdd or ssd. Optional."},
		{"interface_type", "sata, scsi or sas. Optional."},
		{"is_root_volume", "Whether this is the disk that the instance boots from; at most one can be. Optional."},
		{"number_of_physical_disks", "How many disks to use; as few as the level needs where it is not given. Optional."},
		{"physical_disks", "The disks to use, as the controller names them. Optional."},
		{"raid_level", "One of JBOD, 0, 1, 2, 5, 6, 1+0, 5+0, 6+0. Required."},
		{"share_physical_disks", "Whether other logical disks may use the same physical ones. Optional."},
		{"size_gb", "Size in GiB, or MAX for what is left. Required."},
		{"volume_name", "Optional."},
	}
}
