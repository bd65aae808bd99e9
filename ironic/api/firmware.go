package api

import "slices"

// listFirmware answers with the components whose firmware is known. No driver
// here reads any, so the list is empty, as Ironic's is for its own fake and ipmi.
func (s *server) listFirmware(c *call) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	known := []string{"component", "initial_version", "current_version", "last_version_flashed", "created_at", "updated_at"}
	for _, name := range l.fields {
		if !slices.Contains(known, name) {
			return badRequest("Field(s) \"%s\" are not valid.", name).choosing(name, known)
		}
	}
	return s.emptyOfNode(c, "firmware")
}
