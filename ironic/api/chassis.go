package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// chassisRoutes are the housings of nodes.
func (s *server) chassisRoutes() []route {
	const one = "/v1/chassis/{chassis}"
	return []route{
		{path: "/v1/chassis", methods: methods{"GET": s.listChassis, "POST": s.createChassis,
			"DELETE": missing("chassis_uuid"), "PATCH": missing("chassis_uuid")}},
		{path: "/v1/chassis/detail", methods: methods{"GET": s.listChassisDetail}},
		{path: one, methods: methods{"GET": s.getChassis, "PATCH": s.patchChassis, "DELETE": s.deleteChassis}},
		{path: one + "/nodes", methods: methods{"GET": s.listChassisNodes}},
		{path: one + "/nodes/detail", methods: methods{"GET": s.listChassisNodesDetail}},
	}
}

// chassisTable has every field of a chassis in the order in which Ironic answers.
func chassisTable() table[*ironic.Chassis] {
	type chassis = ironic.Chassis
	return table[*chassis]{
		{name: "uuid", kind: uuidText, initial: true, get: func(_ *call, h *chassis) any { return h.UUID },
			set: func(h *chassis, v any) { h.UUID = strings.ToLower(v.(string)) }},
		timeField("created_at", 0, func(h *chassis) *time.Time { return &h.CreatedAt }),
		timeField("updated_at", 0, func(h *chassis) *time.Time { return h.UpdatedAt }),
		{name: "description", kind: shortText, initial: true, patch: true,
			get: func(_ *call, h *chassis) any { return orNull(h.Description) },
			set: func(h *chassis, v any) { h.Description = v.(string) }},
		{name: "extra", kind: dict, initial: true, patch: true, noSort: true,
			get: func(_ *call, h *chassis) any { return mapOrEmpty(h.Extra) },
			set: func(h *chassis, v any) { h.Extra = v.(map[string]any) }},
		{name: "links", noSort: true, get: func(c *call, h *chassis) any { return c.links("chassis/" + h.UUID) }},
		{name: "nodes", noSort: true, onDemand: true,
			get: func(c *call, h *chassis) any { return c.links("chassis/" + h.UUID + "/nodes") }},
	}
}

// chassisOf finds the chassis of the path.
func (c *call) chassisOf() (*ironic.Chassis, error) {
	ident := c.r.PathValue("chassis")
	if !ironic.IsUUID(ident) {
		return nil, badRequest("Expected a UUID but received %s.", ident)
	}
	h, err := c.s.store.Chassis(c.ctx(), strings.ToLower(ident))
	if errs.Is(err, errs.NotFound) {
		return nil, clientError(http.StatusNotFound, "Chassis %s could not be found.", ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read chassis: %w", err)
	}
	return h, nil
}

func (s *server) listChassis(c *call) error       { return s.sendChassis(c, "chassis", false) }
func (s *server) listChassisDetail(c *call) error { return s.sendChassis(c, "chassis/detail", true) }

func (s *server) sendChassis(c *call, path string, detail bool) error {
	l, err := c.plainQuery(detail)
	if err != nil {
		return err
	}
	all, err := s.store.AllChassis(c.ctx())
	if err != nil {
		return fmt.Errorf("list chassis: %w", err)
	}
	return sendList(c, s.chassis, "chassis", path, l, []string{"uuid", "description"}, all)
}

func (s *server) getChassis(c *call) error { return s.chassis.show(c, (*call).chassisOf) }

func (s *server) createChassis(c *call) error {
	return create(c, s.chassis, making[ironic.Chassis]{resource: "chassis", path: "chassis", row: &ironic.Chassis{}, store: s.store.CreateChassis})
}

func (s *server) patchChassis(c *call) error {
	return patch(c, s.chassis, "chassis", (*call).chassisOf, nil, s.store.UpdateChassis)
}

func (s *server) deleteChassis(c *call) error {
	return s.chassis.remove(c, (*call).chassisOf, s.store.DeleteChassis)
}

func (s *server) listChassisNodes(c *call) error       { return s.nodesOfChassis(c, "", false) }
func (s *server) listChassisNodesDetail(c *call) error { return s.nodesOfChassis(c, "/detail", true) }

func (s *server) nodesOfChassis(c *call, suffix string, detail bool) error {
	h, err := c.chassisOf()
	if err != nil {
		return err
	}
	l, err := c.collectionQuery(detail)
	if err != nil {
		return err
	}
	if l.filters.Has("chassis_uuid") {
		return badRequest("Unexpected arguments: chassis_uuid")
	}
	return s.sendNodes(c, "chassis/"+h.UUID+"/nodes"+suffix, l, h.UUID)
}
