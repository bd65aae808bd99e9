package deploy

import (
	"context"
	"fmt"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// virtualAddress takes the address in front of several controllers before a machine
// could be given it, and writes it down, so that every later plan has the same one.
func (r *run) virtualAddress(ctx context.Context, p *plan.Plan) error {
	if p.VirtualAddress() == "" {
		return nil
	}
	ip, err := r.Cloud.EnsureVIP(ctx, r.s.Name, r.s.ID, p.WantedVirtualAddress())
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "virtual address", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	key := plan.VirtualKey(r.s.Name)
	if r.s.Addresses[key] == ip {
		return nil
	}
	s, err := r.Store.UpdateStack(ctx, r.s.ID, func(s *stack.Stack) error {
		if s.Addresses == nil {
			s.Addresses = map[string]string{}
		}
		s.Addresses[key] = ip
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep the virtual address: %w", err)
	}
	r.s.Addresses = s.Addresses
	return nil
}
