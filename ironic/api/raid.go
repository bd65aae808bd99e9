package api

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"

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
		return mayPatch(row, nil, s.conductor.Host())
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
	roots := 0
	for i, d := range disks {
		disk, ok := d.(map[string]any)
		if !ok {
			return schemaError("raid", "logical_disks", d, "'object'")
		}
		if err := checkDisk(disk); err != nil {
			return inDisk(i, err)
		}
		if disk["is_root_volume"] == true {
			roots++
		}
	}
	if roots > 1 {
		return badRequest("Raid config cannot have more than one root volume. %d root volumes were specified", roots)
	}
	return nil
}

// inDisk says in the hint of a refusal which disk it is about.
func inDisk(i int, err error) error {
	var refusal *apiError
	if !errors.As(err, &refusal) {
		return err
	}
	if refusal.hint != "" {
		return refusal.hinting("logical_disks[%d]: %s", i, refusal.hint)
	}
	return refusal.hinting("see logical_disks[%d]", i)
}

// checkDisk looks at the members of a logical disk.
func checkDisk(disk map[string]any) error {
	for name := range disk {
		if known := diskMembers().names(); !slices.Contains(known, name) {
			return unexpected("raid", name, known)
		}
	}
	for _, name := range []string{"raid_level", "size_gb"} {
		if _, given := disk[name]; !given {
			return badRequest("Schema error for raid: '%s' is a required property", name)
		}
	}
	for _, c := range []struct {
		name    string
		choices []string
	}{{"raid_level", raidLevels()}, {"disk_type", []string{"hdd", "ssd"}}, {"interface_type", []string{"sata", "scsi", "sas"}}} {
		if v, given := disk[c.name]; given {
			if err := checkWord(c.name, v, c.choices); err != nil {
				return err
			}
		}
	}
	size, isNumber := disk["size_gb"].(float64)
	if disk["size_gb"] != "MAX" && (!isNumber || size < 1 || size != math.Trunc(size)) {
		return badRequest("Schema error for raid: size_gb %s is neither a whole number of GiB from 1 on nor 'MAX'", ironic.PyRepr(disk["size_gb"]))
	}
	return checkDiskMembers(disk)
}

func raidLevels() []string { return []string{"JBOD", "0", "1", "2", "5", "6", "1+0", "5+0", "6+0"} }

// checkWord wants one of some words, which a number is not.
func checkWord(name string, v any, choices []string) error {
	word, ok := v.(string)
	switch quoted := "['" + strings.Join(choices, "', '") + "']"; {
	case !ok:
		return schemaError("raid", name, v, "'string'").hinting("%s is a text, one of %s", name, quoted)
	case !slices.Contains(choices, word):
		return badRequest("Schema error for raid: %s is not one of %s", ironic.PyRepr(v), quoted).hinting("%s", name)
	}
	return nil
}

// checkDiskMembers looks at what a logical disk need not have.
func checkDiskMembers(disk map[string]any) error {
	for _, name := range []string{"is_root_volume", "share_physical_disks"} { // "yes" is none in this schema
		v, given := disk[name]
		if _, ok := v.(bool); given && !ok {
			return schemaError("raid", name, v, "'boolean'")
		}
	}
	for name, k := range map[string]kind{"controller": anyText, "volume_name": anyText, "number_of_physical_disks": integer} {
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
