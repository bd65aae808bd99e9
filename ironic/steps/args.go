package steps

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Arg tells of one argument of a step.
type Arg struct {
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required"`
	Example     string `json:"-"` // a value as it is written in a request; agents give none
}

// CheckArgs refuses an asked step whose arguments s does not take, or that lacks some that s needs. The error
// is Invalid, in Ironic's words, and its hint shows how they are written.
func (s Step) CheckArgs(kind Kind, asked Step) error {
	if bad := s.wrongArgs(kind, asked); len(bad) > 0 {
		return errs.New(errs.Invalid, "%s", strings.Join(bad, "; ")).WithHint("%s", s.Form())
	}
	return nil
}

// Form shows how the step's arguments are written.
func (s Step) Form() string {
	if len(s.ArgsInfo) == 0 {
		return fmt.Sprintf("the step %s takes no arguments", s.ID())
	}
	var args []string
	for _, name := range slices.Sorted(maps.Keys(s.ArgsInfo)) {
		args = append(args, fmt.Sprintf("%q: %s", name, cmp.Or(s.ArgsInfo[name].Example, "…")))
	}
	return fmt.Sprintf(`the step %s has "args": {%s}`, s.ID(), strings.Join(args, ", "))
}

// wrongArgs says what is wrong with the arguments of an asked step.
func (s Step) wrongArgs(kind Kind, asked Step) []string {
	var out, more, missing []string
	for _, name := range slices.Sorted(maps.Keys(asked.Args)) {
		if _, ok := s.ArgsInfo[name]; !ok {
			more = append(more, name)
		}
	}
	if len(more) > 0 {
		out = append(out, fmt.Sprintf("%s step %s has these unexpected arguments: %s", kind, asked, strings.Join(more, ", ")))
	}
	if kind == Deploy && asked.Priority == 0 { // it is switched off
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(s.ArgsInfo)) {
		if _, ok := asked.Args[name]; ok || !s.ArgsInfo[name].Required {
			continue
		}
		if d := s.ArgsInfo[name].Description; d != "" {
			name += " (" + d + ")"
		}
		missing = append(missing, name)
	}
	if len(missing) > 0 {
		out = append(out, fmt.Sprintf("%s step %s is missing these required arguments: %s", kind, asked, strings.Join(missing, ", ")))
	}
	return out
}
