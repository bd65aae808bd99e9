package api

import (
	"fmt"
	"net/http"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/audit"
	"trefoil/ironic/policy"
)

// Who may do what: the table is in ironic/policy, the policy of each route in
// rules.go, and here is how a request is held against them. A handler that looks
// at more than the path names (a node in the body, fields of a patch) asks for the
// exact policy itself; everything it shows or takes of a node passes sees.
//
// A call that is full may do everything. Nothing is read or compared for it, so
// that administrators pay nothing for the others.

// target is what policies look at in a node.
func target(n *ironic.Node) policy.Target { return policy.Target{Owner: n.Owner, Lessee: n.Lessee} }

// identify finds out who sent the request. open: nobody is asked.
func (c *call) identify(open bool) {
	if c.s.caller != nil {
		c.caller = c.s.caller(c.ctx())
	}
	c.full = open || c.s.caller == nil || c.caller.Everything()
	audit.Note(c.ctx(), func(t *audit.Trail) { t.Caller = c.caller })
	if c.r.Method != http.MethodGet && c.caller.UserID != "" { // a node's history says who
		c.r = c.r.WithContext(ironic.WithUser(c.ctx(), c.caller.UserID))
	}
}

// allowed tells whether the caller satisfies a policy towards a target.
func (c *call) allowed(name string, t policy.Target) bool {
	return c.full || c.s.policies.Allows(name, c.caller, t)
}

// require is allowed with Ironic's refusal.
func (c *call) require(name string, t policy.Target) error {
	if c.allowed(name, t) {
		return nil
	}
	return denied(name)
}

func denied(name string) *apiError {
	return clientError(http.StatusForbidden, "Access was denied to the following resource: %s", strings.TrimSuffix(name, "*"))
}

// sees tells whether there is such a node for the caller.
func (c *call) sees(n *ironic.Node) bool { return c.allowed("baremetal:node:get", target(n)) }

func (c *call) seesAllocation(a *ironic.Allocation) bool {
	return c.allowed("baremetal:allocation:get", policy.Target{Owner: a.Owner})
}

// authorize holds the request against the policy of its route: what the caller
// does not see is not there (404), what he may not do is refused (403).
func (c *call) authorize(rule string) error {
	if c.full {
		return nil
	}
	if rule == "" {
		return denied(c.r.Method + " " + c.r.URL.Path)
	}
	t, named, err := c.subject()
	if err != nil {
		return err
	}
	if !named && strings.HasSuffix(rule, "*") { // the handler knows more: see rules
		t = c.caller.Own()
	}
	return c.require(rule, t)
}

// subject finds what the path names. Where it names nothing that has an owner, only
// roles for the whole system count.
func (c *call) subject() (t policy.Target, named bool, err error) {
	switch {
	case c.r.PathValue("node") != "":
		if c.found, err = c.node(); err == nil {
			t = target(c.found)
		}
	case c.r.PathValue("port") != "":
		if _, err = c.port(); err == nil {
			t = target(c.partOf)
		}
	case c.r.PathValue("portgroup") != "":
		if _, err = c.portgroup(); err == nil {
			t = target(c.partOf)
		}
	case c.r.PathValue("volume") != "":
		if err = c.volume(); err == nil && c.partOf != nil {
			t = target(c.partOf)
		}
	case c.r.PathValue("allocation") != "":
		var a *ironic.Allocation
		if a, err = c.allocation(); err == nil {
			t = policy.Target{Owner: a.Owner}
		}
	case c.r.PathValue("runbook") != "":
		var r *ironic.Runbook
		if r, err = c.runbook(); err == nil {
			t = c.ofRunbook(r)
		}
	default:
		return t, false, nil
	}
	return t, true, err
}

// ofRunbook is what policies look at in a runbook: a public one is read as if it were the caller's own.
func (c *call) ofRunbook(r *ironic.Runbook) policy.Target {
	if r.Public && (c.r.Method == http.MethodGet || c.r.Method == http.MethodHead) {
		return c.caller.Own()
	}
	return policy.Target{Owner: r.Owner}
}

// seesPart is about a port, portgroup or volume: it is there for the caller if its node is.
// Otherwise the answer is gone.
func (c *call) seesPart(node string, gone error) error {
	if c.full {
		return nil
	}
	n, err := c.s.store.Node(c.ctx(), node)
	switch {
	case errs.Is(err, errs.NotFound):
		return gone
	case err != nil:
		return fmt.Errorf("read the node of a port, portgroup or volume: %w", err)
	case !c.sees(n):
		return gone
	}
	c.partOf = n
	return nil
}

// stillMay holds a policy against the node of a part as it is now: since the request was authorized, the
// node may have got another owner. gone is as with seesPart.
func (c *call) stillMay(rule, node string, gone error) error {
	if c.full {
		return nil
	}
	if err := c.seesPart(node, gone); err != nil {
		return err
	}
	return c.require(rule, target(c.partOf))
}

// seen tells which nodes a list of a resource is about: all, or those that the
// caller's project owns or leases.
func (c *call) seen(resource string) (func(*ironic.Node) bool, error) {
	own, err := c.listsOf(resource)
	if err != nil || own != nil {
		return c.sees, err
	}
	return func(*ironic.Node) bool { return true }, nil
}

// listsOf is the project whose nodes a list of a resource is about; none: all are.
func (c *call) listsOf(resource string) ([]string, error) {
	all, own := "baremetal:"+resource+":list_all", "baremetal:"+resource+":list"
	if c.allowed(all, policy.Target{}) {
		return nil, nil
	}
	if c.caller.ProjectID == "" {
		return nil, denied(all)
	}
	return []string{c.caller.ProjectID}, c.require(own, policy.Target{})
}

// allocationsOf is the owner whose allocations a list has, of those that were asked
// for; "" means everybody's.
func (c *call) allocationsOf(owner string) (string, error) {
	if c.allowed("baremetal:allocation:list_all", policy.Target{}) {
		return owner, nil
	}
	own := c.caller.ProjectID
	if own == "" || owner != "" && owner != own {
		return "", denied("baremetal:allocation:list_all")
	}
	return own, c.require("baremetal:allocation:list", policy.Target{})
}

// shown is a field of a node, or words in its place where the caller may not read it.
func (c *call) shown(field string, n *ironic.Node, value any) any {
	name := "baremetal:node:get:" + field
	if c.full || c.allowed("baremetal:node:get:filter_threshold", policy.Target{}) || c.allowed(name, target(n)) {
		return value
	}
	switch field { // as Ironic writes them
	case "last_error":
		return "** Value Redacted - Requires " + name + " permission. **"
	case "reservation":
		return "** Redacted - requires " + name + " permission. **"
	case "driver_info":
		return map[string]any{"content": "** Redacted - requires " + name + " permission. **"}
	}
	return map[string]any{"content": "** Redacted - Requires " + name + " permission. **"}
}
