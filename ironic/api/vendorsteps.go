package api

import (
	"reflect"
	"slices"

	"trefoil/ironic"
	"trefoil/ironic/policy"
)

// A step of the interface vendor does what a method of vendor_passthru does: it sends the BMC a raw command, which may
// give one of the BMC's users a new password. So it needs that policy, too. Ironic asks for none here, neither with a
// request nor with a runbook (ironic/api/controllers/v1/node.py, ironic/common/policy.py of August 2026).

// ifaceVendor is the interface of such steps.
const ifaceVendor = "vendor"

// mayVendor holds the caller to the policy of vendor methods. Only roles for the whole system count: the step may be for
// a child node, or in a runbook, which runs on any node that has its trait.
func (c *call) mayVendor() error {
	const name = "baremetal:node:vendor_passthru"
	if c.allowed(name, policy.Target{}) {
		return nil
	}
	return denied(name).hinting("steps of the interface %s need this policy, as vendor_passthru does; a runbook or deploy template of an administrator can have them", ifaceVendor)
}

// mayKeepVendor is mayVendor for the steps of a runbook. Those that it had stay: so it may be edited by those who have
// it from an administrator, and what it sends to a BMC is always an administrator's.
func (c *call) mayKeepVendor(had, list []ironic.TemplateStep) error {
	for _, s := range list {
		same := func(o ironic.TemplateStep) bool { return reflect.DeepEqual(o, s) }
		if s.Interface == ifaceVendor && !slices.ContainsFunc(had, same) {
			return c.mayVendor()
		}
	}
	return nil
}
