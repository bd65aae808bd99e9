package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/policy"
)

// Versions of allocations (Ironic's REST API version history).
const (
	sinceAllocations      = 52
	sinceAllocationUpdate = 57
	sinceBackfill         = 58
	sinceAllocationOwner  = 60
)

// Allocator is what a Conductor may also be: it finds nodes for allocations.
// Without it the API has none.
type Allocator interface {
	// Allocate stores a new allocation and fills it; when it returns, the search for
	// a node is durably accepted. Where a.NodeUUID names a node, which must be
	// deployed already without an allocation, it is done when it returns.
	Allocate(ctx context.Context, a *ironic.Allocation) error
	// DeleteAllocation removes an allocation and frees its node. Conflict: the node
	// is in use; Locked: somebody holds it.
	DeleteAllocation(ctx context.Context, uuid string) error
}

// allocations has the handlers of the resource and what they need beside the server.
type allocations struct {
	*server
	conductor Allocator
	fields    table[*ironic.Allocation]
}

// allocationRoutes are those of allocations and of the allocation of a node.
func (s *server) allocationRoutes() []route {
	conductor, ok := s.conductor.(Allocator)
	if !ok {
		return nil
	}
	a := &allocations{server: s, conductor: conductor, fields: allocationTable()}
	ident := missing("allocation_ident")
	return []route{
		{path: "/v1/allocations", since: sinceAllocations, refuses: true,
			methods: methods{"GET": a.list, "POST": a.create, "PATCH": ident, "DELETE": ident}},
		{path: "/v1/allocations/{allocation}", since: sinceAllocations, refuses: true,
			methods: methods{"GET": a.get, "PATCH": a.patch, "DELETE": a.remove}},
		{path: "/v1/nodes/{node}/allocation", since: sinceAllocations,
			methods: methods{"GET": a.getOfNode, "DELETE": a.removeOfNode}},
	}
}

// allocationTable has every field of an allocation in the order in which Ironic
// answers. What POST takes beside it, lists and the node, is read by allocationLists.
func allocationTable() table[*ironic.Allocation] {
	type row = *ironic.Allocation
	list := func(l []string) any { return append([]string{}, l...) } // never null
	return table[row]{
		{name: "uuid", kind: uuidText, initial: true, get: func(_ *call, a row) any { return a.UUID },
			set: func(a row, v any) { a.UUID = strings.ToLower(v.(string)) }},
		timeField("created_at", 0, func(a row) *time.Time { return &a.CreatedAt }),
		timeField("updated_at", 0, func(a row) *time.Time { return a.UpdatedAt }),
		{name: "candidate_nodes", noSort: true, get: func(_ *call, a row) any { return list(a.CandidateNodes) }},
		{name: "extra", kind: dict, initial: true, patch: true, noSort: true,
			get: func(_ *call, a row) any { return mapOrEmpty(a.Extra) },
			set: func(a row, v any) { a.Extra = v.(map[string]any) }},
		{name: "last_error", get: func(_ *call, a row) any { return orNull(a.LastError) }},
		{name: "name", kind: shortText, initial: true, patch: true,
			get: func(_ *call, a row) any { return orNull(a.Name) },
			set: func(a row, v any) { a.Name = v.(string) }},
		{name: "owner", since: sinceAllocationOwner, kind: shortText, initial: true,
			get: func(_ *call, a row) any { return orNull(a.Owner) },
			set: func(a row, v any) { a.Owner = v.(string) }},
		{name: "resource_class", kind: shortText, longest: maxResourceClass, initial: true,
			get: func(_ *call, a row) any { return orNull(a.ResourceClass) },
			set: func(a row, v any) { a.ResourceClass = v.(string) }},
		{name: "state", get: func(_ *call, a row) any { return a.State }},
		{name: "traits", noSort: true, get: func(_ *call, a row) any { return list(a.Traits) }},
		{name: "links", noSort: true, get: func(c *call, a row) any { return c.links("allocations/" + a.UUID) }},
		{name: "node_uuid", noSort: true, get: func(_ *call, a row) any { return orNull(a.NodeUUID) }},
	}
}

// allocation finds the one of the path.
func (c *call) allocation() (*ironic.Allocation, error) {
	ident := c.r.PathValue("allocation")
	row, err := c.s.store.Allocation(c.ctx(), ident)
	if err != nil && !errs.Is(err, errs.NotFound) {
		err = fmt.Errorf("read allocation: %w", err)
	}
	if err == nil && !c.seesAllocation(row) {
		return nil, clientError(http.StatusNotFound, "Allocation %s could not be found.", ident)
	}
	return row, err
}

// ofNode finds that of the node in the path.
func (a *allocations) ofNode(c *call) (*ironic.Allocation, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	rows, err := a.store.Allocations(c.ctx(), ironic.AllocationFilter{NodeUUID: n.UUID})
	if err != nil {
		return nil, fmt.Errorf("look for the allocation of a node: %w", err)
	}
	if len(rows) == 0 || !c.seesAllocation(rows[0]) {
		return nil, clientError(http.StatusNotFound, "Allocation for node %s was not found", c.r.PathValue("node"))
	}
	return rows[0], nil
}

// list answers the collection. Unlike lists of nodes it has all fields, and no detail.
func (a *allocations) list(c *call) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	if c.r.URL.Query().Has("detail") {
		return badRequest("Unexpected arguments: detail")
	}
	filter, err := a.filter(c, l.filters)
	if err != nil {
		return err
	}
	if filter.Owner, err = c.allocationsOf(filter.Owner); err != nil {
		return err
	}
	rows, err := a.store.Allocations(c.ctx(), filter)
	if err != nil {
		return fmt.Errorf("list allocations: %w", err)
	}
	rows = slices.DeleteFunc(rows, func(row *ironic.Allocation) bool { return !c.seesAllocation(row) })
	return sendList(c, a.fields, "allocations", "allocations", l, nil, rows)
}

// allocationFilters names the parameters of a list that a version knows.
func allocationFilters(version int) []string {
	out := append(filterNames[struct{}](nil, version), "resource_class", "state", "node")
	if version >= sinceAllocationOwner {
		out = append(out, "owner")
	}
	return out
}

func (a *allocations) filter(c *call, q url.Values) (ironic.AllocationFilter, error) {
	var f ironic.AllocationFilter
	for name := range q {
		value := q.Get(name)
		switch name {
		case "resource_class":
			f.ResourceClass = value
		case "state":
			f.State = value
		case "owner":
			if c.version < sinceAllocationOwner {
				return f, tooNew("the filter owner", sinceAllocationOwner, c.version)
			}
			f.Owner = value
		case "node":
			n, err := a.nodeOf(c, value)
			if err != nil {
				return f, err
			}
			f.NodeUUID = n.UUID
		default:
			return f, badRequest("Unexpected arguments: %s", name).choosing(name, allocationFilters(c.version))
		}
	}
	return f, nil
}

// nodeOf finds a node that a query or a body names: an unknown one is a wrong request.
func (a *allocations) nodeOf(c *call, ident string) (*ironic.Node, error) {
	n, err := a.store.Node(c.ctx(), ident)
	if errs.Is(err, errs.NotFound) || err == nil && !c.sees(n) {
		return nil, badRequest("Node %s could not be found.", ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read node of allocation: %w", err)
	}
	return n, nil
}

func (a *allocations) get(c *call) error       { return a.fields.show(c, (*call).allocation) }
func (a *allocations) getOfNode(c *call) error { return a.fields.show(c, a.ofNode) }

// create accepts an allocation. The answer shows it before the search for a node.
func (a *allocations) create(c *call) error {
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return err
	}
	row := &ironic.Allocation{}
	scalars := maps.Clone(body)
	for _, name := range []string{"traits", "candidate_nodes", "node"} {
		delete(scalars, name)
	}
	for name := range scalars {
		if f := a.fields.find(name); f == nil || !f.initial {
			return unexpected("allocation", name, a.members(c.version))
		}
	}
	if err := a.fields.fill("allocation", scalars, c.version, row); err != nil {
		return err
	}
	if err := c.ownAllocation(row); err != nil {
		return err
	}
	if row.Name != "" && !ironic.ValidName(row.Name) {
		return badRequest("Cannot create allocation with invalid name '%s'", row.Name)
	}
	if err := a.fillLists(c, body, row); err != nil {
		return err
	}
	if err := a.fillNode(c, body["node"], row); err != nil {
		return err
	}
	if row.UUID == "" {
		row.UUID = uuid.NewString()
	}
	if err := a.conductor.Allocate(c.ctx(), row); err != nil {
		return err
	}
	return a.fields.created(c, "allocations", row)
}

// members are what the body of a POST may have.
func (a *allocations) members(version int) []string {
	out := append(a.fields.fillable(version), "traits", "candidate_nodes")
	if version >= sinceBackfill {
		out = append(out, "node")
	}
	return out
}

// maxCandidates is how many nodes an allocation may choose from: each is looked up.
const maxCandidates = 10_000

// fillLists reads traits and candidates, whose names become UUIDs in the order given.
func (a *allocations) fillLists(c *call, body map[string]any, row *ironic.Allocation) (err error) {
	if row.Traits, err = texts(body, "traits"); err != nil {
		return err
	}
	if len(row.Traits) > ironic.MaxTraits {
		return badRequest("An allocation can not have more than %d traits", ironic.MaxTraits)
	}
	for _, t := range row.Traits {
		if err := checkTrait("allocation", t); err != nil {
			return err
		}
	}
	idents, err := texts(body, "candidate_nodes")
	if err != nil {
		return err
	}
	if len(idents) > maxCandidates {
		return badRequest("An allocation has %d candidate nodes; at most %d are taken", len(idents), maxCandidates)
	}
	var unknown []string
	for _, ident := range idents {
		n, err := a.store.Node(c.ctx(), ident)
		switch {
		case errs.Is(err, errs.NotFound), err == nil && !c.sees(n):
			unknown = append(unknown, ident)
		case err != nil:
			return fmt.Errorf("read candidate node: %w", err)
		default:
			row.CandidateNodes = append(row.CandidateNodes, n.UUID)
		}
	}
	if unknown != nil {
		return badRequest("Nodes cannot be found: %s", clipped(strings.Join(unknown, ", ")))
	}
	return nil
}

// texts reads an optional list of strings.
func texts(body map[string]any, name string) ([]string, error) {
	if body[name] == nil {
		return nil, nil
	}
	list, ok := body[name].([]any)
	if !ok {
		return nil, schemaError("allocation", name, body[name], "'array', 'null'")
	}
	var out []string
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, schemaError("allocation", name, v, "'string'")
		}
		out = append(out, s)
	}
	return out, nil
}

// fillNode reads the node to backfill from. It gives the allocation its resource
// class, and its instance's UUID, where the request does not.
func (a *allocations) fillNode(c *call, ident any, row *ironic.Allocation) error {
	name, ok := ident.(string)
	switch {
	case ident != nil && !ok:
		return schemaError("allocation", "node", ident, "'string', 'null'")
	case name != "" && c.version < sinceBackfill:
		return badRequest("Cannot set node when creating an allocation in this API version")
	case name == "" && row.ResourceClass == "":
		return badRequest("The resource_class field is mandatory when not backfilling")
	case name == "":
		return nil
	}
	n, err := a.nodeOf(c, name)
	if err != nil {
		return err
	}
	row.NodeUUID = n.UUID
	if row.ResourceClass == "" {
		row.ResourceClass = n.ResourceClass
	}
	if row.UUID == "" {
		row.UUID = n.InstanceUUID
	}
	return nil
}

func (a *allocations) patch(c *call) error {
	if c.version < sinceAllocationUpdate {
		return routerError(http.StatusMethodNotAllowed).needing("PATCH of an allocation", sinceAllocationUpdate, c.version)
	}
	return patch(c, a.fields, "allocation", (*call).allocation, func(_, draft *ironic.Allocation, changed map[string]bool) error {
		if changed["name"] && draft.Name != "" && !ironic.ValidName(draft.Name) {
			return badRequest("Cannot update allocation with invalid name '%s'", draft.Name)
		}
		return nil
	}, a.store.UpdateAllocation)
}

func (a *allocations) remove(c *call) error       { return a.drop(c, (*call).allocation) }
func (a *allocations) removeOfNode(c *call) error { return a.drop(c, a.ofNode) }

func (a *allocations) drop(c *call, find func(*call) (*ironic.Allocation, error)) error {
	row, err := find(c)
	if err != nil {
		return err
	}
	if err := c.require("baremetal:allocation:delete", policy.Target{Owner: row.Owner}); err != nil {
		return err
	}
	if err := a.conductor.DeleteAllocation(c.ctx(), row.UUID); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}
