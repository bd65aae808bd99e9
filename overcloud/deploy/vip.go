package deploy

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// addressHeld tells whether a stack's machines are laid out for its virtual address: the
// cloud was served at it, or has never been served at all, and machines have begun to be
// what they are to be since it was taken.
func addressHeld(s *stack.Stack, there []plan.Node) bool {
	switch {
	case s.Addresses[plan.VirtualKey(s.Name)] == "":
		return false
	case s.Outputs["KeystoneURL"] != nil:
		return s.Outputs[plan.VipMap] != nil
	}
	return slices.ContainsFunc(there, func(n plan.Node) bool { return n.Configured })
}

// Check makes the plan of a stack as the action of it would begin with: for the machines
// that it has.
func (e *Engine) Check(ctx context.Context, s *stack.Stack) (*plan.Plan, error) {
	nodes, err := e.Store.StackNodes(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return e.Plan(ctx, s, plainNodes(nodes)...)
}

// virtualAddress takes the address in front of several controllers before a machine
// could be given it, and writes it down, so that every later plan has the same one.
func (r *run) virtualAddress(ctx context.Context, p *plan.Plan) error {
	if p.VirtualAddress() == "" {
		return r.leaveAddress(ctx)
	}
	key := plan.VirtualKey(r.s.Name)
	// The kept one also where its port is gone, or vip provision made another: who knows the cloud by it is not asked.
	ip, err := r.Cloud.EnsureVIP(ctx, r.s.Name, r.s.ID, cmp.Or(p.WantedVirtualAddress(), r.s.Addresses[key]))
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "virtual address", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	if r.s.Addresses[key] == ip {
		return nil
	}
	return r.keepAddress(ctx, ip)
}

// leaveAddress gives up the address of a deployment that did not come to use it.
func (r *run) leaveAddress(ctx context.Context) error {
	if r.s.Input.Only != "" || r.s.Addresses[plan.VirtualKey(r.s.Name)] == "" || r.s.Outputs[plan.VipMap] != nil {
		return nil
	}
	if err := r.Cloud.DeletePorts(ctx, r.s.ID); err != nil {
		return &Failed{[]stack.Failure{{Phase: "virtual address", Error: "give it back: " + err.Error(), Hint: errs.HintOf(err)}}}
	}
	return r.keepAddress(ctx, "")
}

// keepAddress writes down which virtual address the stack has; "" is none.
func (r *run) keepAddress(ctx context.Context, ip string) error {
	s, err := r.Store.UpdateStack(ctx, r.s.ID, func(s *stack.Stack) error {
		if s.Addresses == nil {
			s.Addresses = map[string]string{}
		}
		if s.Addresses[plan.VirtualKey(s.Name)] = ip; ip == "" {
			delete(s.Addresses, plan.VirtualKey(s.Name))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep the virtual address: %w", err)
	}
	r.s.Addresses = s.Addresses
	return nil
}
