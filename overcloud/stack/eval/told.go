package eval

import "strings"

// told is what an evaluation gathers for people, beside its result.
type told struct {
	deprecated map[string]string // parameters that some template calls deprecated: its description
	secrets    []string          // random texts
	ofRoles    map[string]bool   // parameters that a role may set for itself
	asked      map[string]bool   // resource types that some template has
	refused    map[string]bool   // values of parameters, by where they were given and why
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

// RoleSpecific returns the parameters that an evaluated template tags
// role_specific: a role may set them for itself.
func (ev *Evaluator) RoleSpecific() []string { return sortedKeys(ev.told.ofRoles) }

// Asked tells whether an evaluated template has a resource of the type.
func (ev *Evaluator) Asked(typ string) bool { return ev.told.asked[typ] }

// Secrets returns the random texts that were made: they are used as passwords.
func (ev *Evaluator) Secrets() []string { return append([]string(nil), ev.told.secrets...) }
