package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	inspect "trefoil/ironic/inspect/rules"
)

const sinceInspectionRules = 96

// inspectionRuleRoutes are the rules that inspections run. Those of the introspection
// API are another list.
func (s *server) inspectionRuleRoutes() []route {
	const all = "/v1/inspection_rules"
	return []route{
		{path: all, since: sinceInspectionRules, methods: methods{"GET": s.listInspectionRules, "POST": s.createInspectionRule,
			"DELETE": s.deleteInspectionRules, "PATCH": missing("inspection_rule_uuid")}},
		{path: all + "/{rule}", since: sinceInspectionRules, methods: methods{"GET": s.getInspectionRule,
			"PATCH": s.patchInspectionRule, "DELETE": s.deleteInspectionRule}},
	}
}

// inspectionRuleTable has every field of a rule in the order in which Ironic answers.
// What a sensitive rule looks at and does is shown to nobody.
func inspectionRuleTable() table[*ironic.InspectionRule] {
	type rule = ironic.InspectionRule
	operations := func(name string, at func(*rule) *[]map[string]any, shown func([]map[string]any) []object) field[*rule] {
		return field[*rule]{name: name, kind: objects, initial: true, patch: true, noSort: true,
			get: func(_ *call, r *rule) any {
				if r.Sensitive {
					return nil
				}
				return shown(*at(r))
			},
			unmasked: func(r *rule) any { return append([]map[string]any{}, *at(r)...) },
			set:      func(r *rule, v any) { *at(r) = v.([]map[string]any) }}
	}
	// A patch is of the actions as they are shown: nothing moves a secret to another path.
	actions := operations("actions", func(r *rule) *[]map[string]any { return &r.Actions }, shownActions)
	actions.unmasked = func(r *rule) any { return inspect.Shown(r.Actions) }
	actions.set = func(r *rule, v any) { r.Actions = inspect.Kept(v.([]map[string]any), r.Actions) }
	return table[*rule]{
		{name: "uuid", kind: uuidText, initial: true, get: func(_ *call, r *rule) any { return r.UUID },
			set: func(r *rule, v any) { r.UUID = strings.ToLower(v.(string)) }},
		timeField("created_at", 0, func(r *rule) *time.Time { return &r.CreatedAt }),
		timeField("updated_at", 0, func(r *rule) *time.Time { return r.UpdatedAt }),
		{name: "description", kind: shortText, initial: true, patch: true, get: func(_ *call, r *rule) any { return orNull(r.Description) },
			set: func(r *rule, v any) { r.Description = v.(string) }},
		{name: "priority", kind: natural, initial: true, patch: true, get: func(_ *call, r *rule) any { return r.Priority },
			set: func(r *rule, v any) { r.Priority = v.(int) }},
		{name: "sensitive", kind: nullFlag, initial: true, patch: true, get: func(_ *call, r *rule) any { return r.Sensitive },
			set: func(r *rule, v any) { b := v.(*bool); r.Sensitive = b != nil && *b }},
		{name: "phase", kind: shortText, initial: true, patch: true, get: func(_ *call, r *rule) any { return phaseOf(r) },
			set: func(r *rule, v any) { r.Phase = v.(string) }},
		operations("conditions", func(r *rule) *[]map[string]any { return &r.Conditions }, shownConditions),
		actions,
		{name: "links", noSort: true, get: func(c *call, r *rule) any { return c.links("inspection_rules/" + r.UUID) }},
	}
}

func phaseOf(r *ironic.InspectionRule) string {
	if r.Phase == "" {
		return inspect.MainPhase
	}
	return r.Phase
}

func shownConditions(all []map[string]any) []object {
	out := make([]object, len(all))
	for i, c := range all {
		out[i] = object{{"op", c["op"]}, {"args", c["args"]}}
		if loop := c["loop"]; loop != nil {
			multiple := c["multiple"]
			if multiple == nil {
				multiple = "any"
			}
			out[i] = append(out[i], pair{"loop", loop}, pair{"multiple", multiple})
		}
	}
	return out
}

func shownActions(all []map[string]any) []object {
	out := make([]object, len(all))
	for i, a := range inspect.Shown(all) {
		loop := a["loop"]
		if loop == nil {
			loop = []any{}
		}
		out[i] = object{{"op", a["op"]}, {"args", a["args"]}, {"loop", loop}}
	}
	return out
}

// checkNatural takes a whole number that is not negative; null is 0.
func checkNatural(resource, name string, v any) (any, error) {
	if v == nil {
		return 0, nil
	}
	n, ok := v.(float64)
	if !ok || n != math.Trunc(n) || n > math.MaxInt32 {
		return nil, schemaError(resource, name, v, "'integer'")
	}
	if n < 0 {
		return nil, badRequest("Schema error for %s: %v is less than the minimum of 0 (field %s)", resource, n, name)
	}
	return int(n), nil
}

// checkObjects takes a list of objects; null is an empty one.
func checkObjects(resource, name string, v any) (any, error) {
	if v == nil {
		return []map[string]any{}, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, badRequest("Schema error for %s: %s is not of type 'array'", resource, name)
	}
	out := make([]map[string]any, len(list))
	for i, item := range list {
		if out[i], ok = item.(map[string]any); !ok {
			return nil, badRequest("Schema error for %s: item %d of %s is not of type 'object'", resource, i+1, name)
		}
	}
	return out, nil
}

// inspectionRuleOf finds the rule of the path.
func (c *call) inspectionRuleOf() (*ironic.InspectionRule, error) {
	ident := c.r.PathValue("rule")
	if !ironic.IsUUID(ident) {
		return nil, badRequest("Expected a UUID but received %s.", ident)
	}
	r, err := c.s.store.InspectionRule(c.ctx(), strings.ToLower(ident))
	if errs.Is(err, errs.NotFound) || err == nil && r.Dialect != ironic.RuleIronic {
		return nil, clientError(http.StatusNotFound, "Inspection rule %s could not be found.", ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read inspection rule: %w", err)
	}
	return r, nil
}

func (s *server) listInspectionRules(c *call) error {
	l, err := c.collectionQuery(false)
	if err != nil {
		return err
	}
	for name := range l.filters {
		if name != "phase" {
			return badRequest("Unexpected arguments: %s", name).choosing(name, append(filterNames[struct{}](nil, c.version), "phase"))
		}
	}
	all, err := s.store.InspectionRules(c.ctx(), ironic.RuleIronic)
	if err != nil {
		return fmt.Errorf("list inspection rules: %w", err)
	}
	list := all[:0]
	for _, r := range all {
		if phase := l.filters.Get("phase"); phase == "" || phase == phaseOf(r) {
			list = append(list, r)
		}
	}
	return sendList(c, s.inspectionRules, "inspection_rules", "inspection_rules", l, []string{"uuid", "priority", "phase", "description"}, list)
}

func (s *server) getInspectionRule(c *call) error {
	return s.inspectionRules.show(c, (*call).inspectionRuleOf)
}

func (s *server) createInspectionRule(c *call) error {
	return create(c, s.inspectionRules, making[ironic.InspectionRule]{resource: "inspection_rule", path: "inspection_rules",
		row: &ironic.InspectionRule{Dialect: ironic.RuleIronic}, needs: []string{"actions"}, check: checkRule, store: s.store.CreateInspectionRule})
}

func checkRule(r *ironic.InspectionRule) error {
	if _, err := inspect.Compile(r); err != nil {
		return err
	}
	return inspect.CheckStars(r)
}

// patchInspectionRule judges the rule as it is when it is written.
func (s *server) patchInspectionRule(c *call) error {
	return patch(c, s.inspectionRules, "inspection_rule", (*call).inspectionRuleOf, nil,
		func(ctx context.Context, uuid string, change func(*ironic.InspectionRule) error) (*ironic.InspectionRule, error) {
			return s.store.UpdateInspectionRule(ctx, uuid, func(r *ironic.InspectionRule) error {
				sensitive := r.Sensitive
				if err := change(r); err != nil {
					return err
				}
				if sensitive && !r.Sensitive {
					return badRequest("Couldn't apply patch to /sensitive. Reason: Inspection rules cannot have the sensitive flag unset.")
				}
				return checkRule(r)
			})
		})
}

func (s *server) deleteInspectionRule(c *call) error {
	return s.inspectionRules.remove(c, (*call).inspectionRuleOf, s.store.DeleteInspectionRule)
}

func (s *server) deleteInspectionRules(c *call) error {
	if err := s.store.DeleteInspectionRules(c.ctx(), ironic.RuleIronic); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}
