package api

import (
	"trefoil/ironic"
	"trefoil/ironic/steps"
)

// stepsField is the list of steps of a deploy template or a runbook. Secrets in arguments
// are masked; a mask that is sent back stands for what is stored.
func stepsField[R any](kept steps.Kept, at func(R) *[]ironic.TemplateStep) field[R] {
	return field[R]{name: "steps", initial: true, patch: true, noSort: true,
		get: func(_ *call, r R) any { return stepObjects(*at(r), kept.Rank(), maskStep) },
		unmasked: func(r R) any {
			return stepObjects(*at(r), kept.Rank(), func(m map[string]any) map[string]any { return m })
		},
		parse: func(_ string, v any) (any, error) { return keptSteps(kept, v) },
		set:   func(r R, v any) { *at(r) = v.([]ironic.TemplateStep) }}
}

func stepObjects(list []ironic.TemplateStep, rank string, show func(map[string]any) map[string]any) any {
	out := make([]object, len(list))
	for i, s := range list {
		out[i] = object{{"interface", s.Interface}, {"step", s.Name}, {"args", mapOrEmpty(show(s.Args))}, {rank, s.Rank}}
	}
	return out
}

func keptSteps(kept steps.Kept, v any) ([]ironic.TemplateStep, error) {
	list, err := kept.Parse(v)
	if err != nil {
		return nil, err
	}
	out := make([]ironic.TemplateStep, len(list))
	for i, s := range list {
		out[i] = ironic.TemplateStep{Interface: s.Interface, Name: s.Name, Args: s.Args, Rank: s.Priority}
	}
	return out, nil
}

// traitField is a name that has the form of a trait.
func traitField[R any](at func(R) *string) field[R] {
	return field[R]{name: "name", initial: true, patch: true,
		get: func(_ *call, r R) any { return *at(r) },
		set: func(r R, v any) { *at(r) = v.(string) },
		parse: func(resource string, v any) (any, error) {
			s, ok := v.(string)
			if !ok {
				return nil, schemaError(resource, "name", v, "'string'")
			}
			return s, checkTrait(resource, s)
		}}
}

// required wants members of a body to be there.
func required(resource string, body map[string]any, names ...string) error {
	for _, name := range names {
		if _, ok := body[name]; !ok {
			return lacks(resource, name)
		}
	}
	return nil
}

func lacks(resource, name string) error {
	return badRequest("Schema error for %s: '%s' is a required property", resource, name)
}

// ident is the name or UUID in a path, which parameter names.
func (c *call) ident(value, parameter string) (string, error) {
	ident := c.r.PathValue(value)
	if !ironic.ValidName(ident) && !ironic.IsUUID(ident) {
		return "", badRequest("Expected UUID or name for %s: %s", parameter, ident)
	}
	return ident, nil
}
