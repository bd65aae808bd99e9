package api_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
	"trefoil/ironic/policy"
)

// hurried is a store in which something else happens once, between what a request reads and what it writes.
type hurried struct {
	*apitest.Store
	mu   sync.Mutex
	then func()
}

func (h *hurried) hurry() {
	h.mu.Lock()
	f := h.then
	h.then = nil
	h.mu.Unlock()
	if f != nil {
		f()
	}
}

func (h *hurried) Portgroups(ctx context.Context, f ironic.PortgroupFilter) ([]*ironic.Portgroup, error) {
	list, err := h.Store.Portgroups(ctx, f)
	if f.NodeUUID != "" {
		h.hurry()
	}
	return list, err
}

func (h *hurried) UpdatePort(ctx context.Context, uuid string, change func(*ironic.Port) error) (*ironic.Port, error) {
	h.hurry()
	return h.Store.UpdatePort(ctx, uuid, change)
}

func (h *hurried) UpdatePortgroup(ctx context.Context, uuid string, change func(*ironic.Portgroup) error) (*ironic.Portgroup, error) {
	h.hurry()
	return h.Store.UpdatePortgroup(ctx, uuid, change)
}

func (h *hurried) DeletePort(ctx context.Context, uuid string, may func(*ironic.Port) error) error {
	h.hurry()
	return h.Store.DeletePort(ctx, uuid, may)
}

func (h *hurried) DeletePortgroup(ctx context.Context, uuid string, may func(*ironic.Portgroup) error) error {
	h.hurry()
	return h.Store.DeletePortgroup(ctx, uuid, may)
}

// hurriedRig serves over such a store a node n with two ports.
func hurriedRig(t *testing.T) (*rig, *hurried, []*ironic.Port) {
	r := newRig(t)
	h := &hurried{Store: r.store}
	r.url = serve(t, api.New(api.Config{Store: h, Conductor: r.conductor, Log: slog.New(slog.DiscardHandler)}))
	n := r.add(ironic.Node{Name: "n", ProvisionState: "manageable"})
	ports := []*ironic.Port{{UUID: "ebe30f19-358d-41e1-8d28-fd7357a0164c", Address: "52:54:00:00:00:01"}, {UUID: "1be26c0b-03f2-4d2e-ae87-c02d7f33c782", Address: "52:54:00:00:00:02"}}
	for _, p := range ports {
		p.NodeUUID = n.UUID
		fine(t, r.store.CreatePort(t.Context(), p))
	}
	return r, h, ports
}

func (r *rig) vifs() (n int) {
	ports, err := r.store.Ports(context.Background(), ironic.PortFilter{})
	fine(r, err)
	for _, p := range ports {
		if p.VIF() != "" {
			n++
		}
	}
	return n
}

// Two requests at a time attach one virtual interface once.
func TestAVIFIsOnOnePortOnly(t *testing.T) {
	r, h, _ := hurriedRig(t)
	attach := func() answer { return r.do("POST", "/v1/nodes/n/vifs", "1.28", `{"id":"v1"}`) }
	h.then = func() { attach() }
	attach()
	attach().want(t, 409, "already attached")
	if got := r.vifs(); got != 1 {
		t.Errorf("the interface is on %d ports", got)
	}
}

func TestManyAttachAtATime(t *testing.T) {
	r, _, _ := hurriedRig(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { r.do("POST", "/v1/nodes/n/vifs", "1.28", `{"id":"v1"}`) })
	}
	wg.Wait()
	if got := r.vifs(); got != 1 {
		t.Errorf("the interface is on %d ports", got)
	}
}

// A patch is judged by the row that it is written to, not by the one that was read before.
func TestAPatchIsJudgedByTheRowThatItChanges(t *testing.T) {
	r, h, ports := hurriedRig(t)
	h.then = func() {
		_, err := r.store.UpdatePort(t.Context(), ports[0].UUID, func(p *ironic.Port) error { p.SetVIF("v1"); return nil })
		fine(t, err)
	}
	r.do("PATCH", "/v1/ports/"+ports[0].UUID, "1.82", `[{"op":"replace","path":"/address","value":"52:54:00:00:00:09"}]`).want(t, 409, "while VIF v1 is attached")
	if p, err := r.store.Port(t.Context(), ports[0].UUID); err != nil || p.Address != "52:54:00:00:00:01" {
		t.Errorf("%+v %v", p, err)
	}

	r, h, ports = hurriedRig(t)
	g := &ironic.Portgroup{UUID: "b16efcf3-2990-41a1-bc1d-5e2c16f3d5fc", NodeUUID: ports[0].NodeUUID, Mode: "active-backup", StandalonePortsSupported: true}
	fine(t, r.store.CreatePortgroup(t.Context(), g))
	h.then = func() {
		_, err := r.store.UpdatePort(t.Context(), ports[1].UUID, func(p *ironic.Port) error { p.PortgroupUUID, p.PXEEnabled = g.UUID, true; return nil })
		fine(t, err)
	}
	r.do("PATCH", "/v1/portgroups/"+g.UUID, "1.82", `[{"op":"replace","path":"/standalone_ports_supported","value":false}]`).want(t, 409, "'pxe_enabled' is set to True")
}

// So is a deletion: a port that got a virtual interface meanwhile stays.
func TestAPortThatIsAttachedMeanwhileIsNotDeleted(t *testing.T) {
	r, h, ports := hurriedRig(t)
	h.then = func() {
		r.do("POST", "/v1/nodes/n/vifs", "1.67", `{"id":"v1","port_uuid":"`+ports[0].UUID+`"}`).want(t, 204, "")
	}
	r.do("DELETE", "/v1/ports/"+ports[0].UUID, "1.82", "").want(t, 409, "as VIF v1 is attached")
	if got := r.vifs(); got != 1 {
		t.Errorf("the interface is on %d ports", got)
	}
}

// Who lost the node, or his role on it, between the look at a part of it and its deletion deletes nothing.
func TestAPartWhoseNodeChangesHandsIsNotDeleted(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*ironic.Node)
		status int
	}{
		"sold":   {func(n *ironic.Node) { n.Owner = otherProject }, 404},
		"leased": {func(n *ironic.Node) { n.Owner, n.Lessee = otherProject, ownerProject }, 403},
	} {
		for _, part := range []string{"ports/" + ownedPort, "portgroups/" + ownedGroup} {
			store := apitest.NewStore()
			furnish(t, store)
			h := &hurried{Store: store}
			h.then = func() {
				_, err := store.UpdateNode(t.Context(), ownedNode, func(n *ironic.Node) error { tc.change(n); return nil })
				fine(t, err)
			}
			admin := policy.Caller{ProjectID: ownerProject, Roles: implied("admin")}
			url := serve(t, api.New(api.Config{Store: h, Conductor: apitest.NewConductor(store), Log: slog.New(slog.DiscardHandler),
				Caller: func(context.Context) policy.Caller { return admin }}))
			r := &rig{T: t, url: url}
			r.do("DELETE", "/v1/"+part, "1.82", "").want(t, tc.status, "")
			_, portErr := store.Port(t.Context(), ownedPort)
			_, groupErr := store.Portgroup(t.Context(), ownedGroup)
			if err := errors.Join(portErr, groupErr); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
