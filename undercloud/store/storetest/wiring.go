package storetest

import (
	"errors"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/google/uuid"
)

func wiring(t *testing.T, s ironic.Store) {
	a, b := node("a"), node("b")
	must(t, s.CreateNode(t.Context(), a, port("52:54:00:aa:00:01"), port("52:54:00:aa:00:02")))
	must(t, s.CreateNode(t.Context(), b, port("52:54:00:aa:00:03")))
	g := &ironic.Portgroup{UUID: uuid.NewString(), Name: "bond0", NodeUUID: a.UUID}
	must(t, s.CreatePortgroup(t.Context(), g))
	must(t, s.UpdateWiring(t.Context(), a.UUID, func(ports []*ironic.Port, groups []*ironic.Portgroup) error {
		if len(ports) != 2 || len(groups) != 1 {
			t.Errorf("%d ports, %d portgroups", len(ports), len(groups))
		}
		ports[1].SetVIF("v1")
		groups[0].SetVIF("v2")
		return nil
	}))
	get := func() (first, second *ironic.Port, group *ironic.Portgroup) {
		ports, err := s.Ports(t.Context(), ironic.PortFilter{NodeUUID: a.UUID})
		must(t, err)
		group, err = s.Portgroup(t.Context(), g.UUID)
		must(t, err)
		return ports[0], ports[1], group
	}
	p, q, group := get()
	if p.VIF() != "" || q.VIF() != "v1" || group.VIF() != "v2" || q.UpdatedAt == nil || time.Since(*q.UpdatedAt) > time.Hour {
		t.Errorf("%+v %+v %+v", p, q, group)
	}
	no := errors.New("no")
	err := s.UpdateWiring(t.Context(), a.UUID, func(ports []*ironic.Port, _ []*ironic.Portgroup) error {
		ports[0].SetVIF("v3")
		return no
	})
	if !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	err = s.UpdateWiring(t.Context(), a.UUID, func(ports []*ironic.Port, _ []*ironic.Portgroup) error {
		ports[0].SetVIF("v3")
		ports[1].Address = "52:54:00:aa:00:03" // b's
		return nil
	})
	code(t, err, errs.Conflict)
	if p, q, _ := get(); p.VIF() != "" || q.Address != "52:54:00:aa:00:02" {
		t.Errorf("half of it was kept: %+v %+v", p, q)
	}
	// Who changes a port may look at the others meanwhile.
	_, err = s.UpdatePort(t.Context(), p.UUID, func(p *ironic.Port) error {
		_, err := s.Node(t.Context(), p.NodeUUID)
		return err
	})
	must(t, err)
}
