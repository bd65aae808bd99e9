package eval

import (
	"slices"
	"strings"
)

// told is what an evaluation gathers for people, beside its result.
type told struct {
	deprecated map[string]string          // parameters that some template calls deprecated: its description
	secrets    []string                   // random texts
	ofRoles    map[string]map[string]bool // parameters that a role may set for itself, by role; "": any
	asked      map[string]bool            // resource types that some template has
	refused    map[string]bool            // values of parameters, by where they were given and why
}

// Deprecated returns the parameters that an evaluated template calls deprecated,
// with what its description says in one line.
func (ev *Evaluator) Deprecated() map[string]string {
	out := make(map[string]string, len(ev.told.deprecated))
	for k, v := range ev.told.deprecated {
		out[k] = strings.Join(strings.Fields(v), " ")
	}
	return out
}

// RoleSpecific returns the parameters that an evaluated template of the role's services
// tags role_specific: the role may set them for itself.
func (ev *Evaluator) RoleSpecific(role string) []string {
	out := append(sortedKeys(ev.told.ofRoles[role]), sortedKeys(ev.told.ofRoles[""])...)
	slices.Sort(out)
	return slices.Compact(out)
}

// ofRole notes what a stack's template lets its role set.
func (s *Stack) ofRole() {
	role, _ := s.Parameters["RoleName"].(string)
	for _, d := range s.t.Parameters {
		if !slices.Contains(d.Tags, "role_specific") {
			continue
		}
		if s.ev.told.ofRoles[role] == nil {
			s.ev.told.ofRoles[role] = map[string]bool{}
		}
		s.ev.told.ofRoles[role][d.Name] = true
	}
}

// Asked tells whether an evaluated template has a resource of the type.
func (ev *Evaluator) Asked(typ string) bool { return ev.told.asked[typ] }

// Secrets returns the random texts that were made: they are used as passwords.
func (ev *Evaluator) Secrets() []string { return append([]string(nil), ev.told.secrets...) }
