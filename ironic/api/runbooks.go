package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/policy"
	"trefoil/ironic/steps"
)

// sinceRunbooks is the version that brought them (Ironic's REST API version history).
const sinceRunbooks = 92

// runbooks has the handlers of the resource and what they need beside the server.
type runbooks struct {
	*server
	fields table[*ironic.Runbook]
}

// runbookRoutes are the lists of steps to clean or service nodes with.
func (s *server) runbookRoutes() []route {
	b := &runbooks{server: s, fields: runbookTable()}
	ident := missing("runbook_ident")
	return []route{
		{path: "/v1/runbooks", since: sinceRunbooks, refuses: true,
			methods: methods{"GET": b.list, "POST": b.create, "PATCH": ident, "DELETE": ident}},
		{path: "/v1/runbooks/{runbook}", since: sinceRunbooks, refuses: true,
			methods: methods{"GET": b.get, "PATCH": b.patch, "DELETE": b.remove}},
	}
}

// runbookTable has every field of a runbook in the order in which Ironic answers. Its
// description, its traits and names of another form came with 1.112.
func runbookTable() table[*ironic.Runbook] {
	type row = *ironic.Runbook
	yes := func(name string, at func(row) *bool) field[row] {
		return field[row]{name: name, kind: nullFlag, initial: true, patch: true,
			get: func(_ *call, r row) any { return *at(r) },
			set: func(r row, v any) { b := v.(*bool); *at(r) = b != nil && *b }}
	}
	return table[row]{
		{name: "uuid", kind: uuidText, initial: true, get: func(_ *call, r row) any { return r.UUID },
			set: func(r row, v any) { r.UUID = strings.ToLower(v.(string)) }},
		timeField("created_at", 0, func(r row) *time.Time { return &r.CreatedAt }),
		timeField("updated_at", 0, func(r row) *time.Time { return r.UpdatedAt }),
		traitField(func(r row) *string { return &r.Name }),
		{name: "extra", kind: dict, initial: true, patch: true, noSort: true,
			get: func(_ *call, r row) any { return mapOrEmpty(r.Extra) },
			set: func(r row, v any) { r.Extra = v.(map[string]any) }},
		yes("public", func(r row) *bool { return &r.Public }),
		{name: "owner", kind: shortText, initial: true, patch: true,
			get: func(_ *call, r row) any { return orNull(r.Owner) },
			set: func(r row, v any) { r.Owner = v.(string) }},
		yes("disable_ramdisk", func(r row) *bool { return &r.DisableRamdisk }),
		{name: "links", noSort: true, get: func(c *call, r row) any { return c.links("runbooks/" + r.UUID) }},
		stepsField(steps.InRunbook, func(r row) *[]ironic.TemplateStep { return &r.Steps }),
	}
}

// runbook finds the one of the path.
func (c *call) runbook() (*ironic.Runbook, error) {
	ident, err := c.ident("runbook", "runbook_ident")
	if err != nil {
		return nil, err
	}
	return c.runbookBy(ident)
}

func (c *call) runbookBy(ident string) (*ironic.Runbook, error) {
	r, err := c.s.store.Runbook(c.ctx(), ident)
	if err != nil && !errs.Is(err, errs.NotFound) {
		err = fmt.Errorf("read runbook: %w", err)
	}
	return r, err
}

func (b *runbooks) list(c *call) error {
	l, err := c.plainQuery(false)
	if err != nil {
		return err
	}
	own, err := c.listsOf("runbook")
	if err != nil {
		return err
	}
	rows, err := b.store.Runbooks(c.ctx())
	if err != nil {
		return fmt.Errorf("list runbooks: %w", err)
	}
	if own != nil {
		rows = slices.DeleteFunc(rows, func(r *ironic.Runbook) bool { return !r.Public && !slices.Contains(own, r.Owner) })
	}
	return sendList(c, b.fields, "runbooks", "runbooks", l, []string{"uuid", "name"}, rows)
}

func (b *runbooks) get(c *call) error { return b.fields.show(c, (*call).runbook) }

func (b *runbooks) create(c *call) error {
	return create(c, b.fields, making[ironic.Runbook]{resource: "runbook", path: "runbooks", row: &ironic.Runbook{},
		needs: []string{"steps", "name"}, store: b.store.CreateRunbook,
		check: func(r *ironic.Runbook) error {
			if err := c.ownRunbook(r); err != nil {
				return err
			}
			if r.Public && r.Owner != "" {
				return badRequest("There cannot be an owner for a public runbook")
			}
			return c.mayKeepVendor(nil, r.Steps)
		}})
}

// patch is not the patch of other resources, for a field that is set takes another with it.
func (b *runbooks) patch(c *call) error {
	ops, err := c.operations()
	if err != nil {
		return err
	}
	row, err := c.runbook()
	if err != nil {
		return err
	}
	saved, err := b.store.UpdateRunbook(c.ctx(), row.UUID, func(r *ironic.Runbook) error {
		if err := c.mayUpdateRunbook(r, ops); err != nil { // here, where nobody gives it to another meanwhile
			return err
		}
		if err := settleOwner(ops, r); err != nil {
			return err
		}
		had := r.Steps
		if _, err := patched(b.fields, "runbook", ops, c.version, r); err != nil {
			return err
		}
		return c.mayKeepVendor(had, r.Steps)
	})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, b.fields.object(c, saved, nil))
}

// settleOwner keeps to it that a public runbook has no owner: who sets public takes the
// owner away, and one may be set only where the runbook is not public, or no longer.
func settleOwner(ops []operation, r *ironic.Runbook) error {
	set := func(path string) *operation {
		i := slices.IndexFunc(ops, func(o operation) bool { return o.path == path && o.op != "remove" && o.value != nil })
		if i < 0 {
			return nil
		}
		return &ops[i]
	}
	owner, public := set("/owner"), set("/public")
	open := r.Public
	if public != nil {
		open, _ = parseBool(public.value)
		r.Owner = ""
	}
	if owner != nil && open {
		return owner.failed("There cannot be an owner for a public runbook")
	}
	return nil
}

func (b *runbooks) remove(c *call) error {
	return b.fields.remove(c, (*call).runbook, b.store.DeleteRunbook)
}

// useRunbook puts the steps of the runbook that a request names into the request. The node
// must have the trait of the runbook's name: so whoever keeps the node lets it be used there.
// What it does to a BMC is an administrator's (mayKeepVendor), so that this is not asked here.
// One that is not public is for its owner. A public one is for everybody, which Ironic's
// policy would not have: there it has no owner whose roles could count.
func (c *call) useRunbook(n *ironic.Node, req *ProvisionRequest) error {
	if req.Runbook == "" {
		return nil
	}
	r, err := c.runbookBy(req.Runbook)
	if err != nil {
		return err
	}
	if !r.Public {
		if err := c.require("baremetal:runbook:use", policy.Target{Owner: r.Owner}); err != nil {
			return err
		}
	}
	if !slices.Contains(n.Traits, r.Name) {
		return badRequest("This runbook has not been approved for use on this node %s. Please ask an administrator to add it to your node traits.", n.UUID)
	}
	if r.DisableRamdisk {
		if err := c.mayDisableRamdisk(req.Target); err != nil {
			return err
		}
	}
	inOrder := slices.SortedStableFunc(slices.Values(r.Steps), func(a, b ironic.TemplateStep) int { return cmp.Compare(a.Rank, b.Rank) })
	var list []map[string]any
	for _, s := range inOrder {
		list = append(list, map[string]any{"interface": s.Interface, "step": s.Name, "args": mapOrEmpty(s.Args)})
	}
	req.Runbook, req.DisableRamdisk = r.Name, r.DisableRamdisk
	if req.Target == "clean" {
		req.CleanSteps = list
	} else {
		req.ServiceSteps = list
	}
	return nil
}
