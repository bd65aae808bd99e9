// Package policy says who may do what with the bare-metal API. It is one table
// (table.go): for the name of each policy the roles that satisfy it, as Ironic's
// secure RBAC has them by default. It knows nothing of HTTP, tokens or the store.
//
// Source: ironic/common/policy.py and Keystone's default roles.
package policy

import "strings"

// Caller is who asks, as a token says it. The zero Caller may do nothing but what
// needs no role.
type Caller struct {
	UserID, User       string
	ProjectID, Project string   // empty: the token is for no project
	System             bool     // the token is for the whole system
	Roles              []string // together with the roles that they imply

	UserDomainID, ProjectDomainID string // where there is more than one domain: names are unique within one
}

// Target is what the caller wants to do something to: the projects that own and
// lease it. Empty is nobody's.
type Target struct{ Owner, Lessee string }

// who is a set of roles in relation to a target.
type who uint32

// A role counts for the whole system, for the target's owner, for its lessee, or
// whatever the token is for.
const (
	systemAdmin who = 1 << iota
	systemManager
	systemMember
	systemReader
	systemService
	ownerAdmin
	ownerManager
	ownerMember
	ownerReader
	ownerService
	lesseeAdmin
	lesseeManager
	lesseeMember
	lesseeReader
	lesseeService
	anyAdmin
	anyManager
	anyMember
	anyReader
	anyService

	nobody who = 0
)

// roles are those that the table knows, in the order of the constants above.
func roles() [5]string { return [5]string{"admin", "manager", "member", "reader", "service"} }

// is tells what a caller is to a target.
func (c Caller) is(t Target) who {
	var out who
	for _, name := range c.Roles {
		for i, role := range roles() {
			if name != role {
				continue
			}
			out |= anyAdmin << i
			if c.System {
				out |= systemAdmin << i
			}
			if c.ProjectID != "" && c.ProjectID == t.Owner {
				out |= ownerAdmin << i
			}
			if c.ProjectID != "" && c.ProjectID == t.Lessee {
				out |= lesseeAdmin << i
			}
		}
	}
	return out
}

// Own is the target that is most the caller's own.
func (c Caller) Own() Target { return Target{Owner: c.ProjectID, Lessee: c.ProjectID} }

// Everything tells whether the caller satisfies every policy that anybody does,
// whatever the target is.
func (c Caller) Everything() bool {
	const all = systemAdmin | systemMember | systemReader
	return c.is(Target{})&all == all
}

// Set is the table, ready to be asked. It never changes: safe for concurrent use.
type Set struct{ rules map[string]who }

// New makes the set of all policies.
func New() *Set {
	s := &Set{rules: map[string]who{}}
	for _, r := range table() {
		s.rules[r.name] = r.who
	}
	return s
}

// Allows tells whether the caller satisfies a policy towards a target. A name that
// ends in * stands for all policies that begin so: one of them is enough. A name
// that is not in the table allows nobody.
func (s *Set) Allows(name string, c Caller, t Target) bool {
	prefix, some := strings.CutSuffix(name, "*")
	if !some {
		return s.rules[name]&c.is(t) != 0
	}
	is := c.is(t)
	for n, w := range s.rules {
		if strings.HasPrefix(n, prefix) && w&is != 0 {
			return true
		}
	}
	return false
}

// Known tells whether a name is in the table, or begins one where it ends in *.
func (s *Set) Known(name string) bool {
	prefix, some := strings.CutSuffix(name, "*")
	if !some {
		_, ok := s.rules[name]
		return ok
	}
	for n := range s.rules {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}
