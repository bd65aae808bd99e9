package conductor_test

import (
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/google/uuid"
)

// An undeploy ends with free ports, also when it fails.
func TestUndeployTakesTheVirtualInterfacesOff(t *testing.T) {
	for to, fail := range map[string]func(string, string) error{
		"available": nil,
		"error":     func(string, string) error { return errs.New(errs.Invalid, "broken") },
	} {
		t.Run(to, func(t *testing.T) {
			w := newWorld(t, nil)
			n := w.node("active")
			if _, err := w.db.UpdatePort(t.Context(), "p1", func(p *ironic.Port) error {
				p.InternalInfo = map[string]any{"tenant_vif_port_id": "v1", "kept": "yes"}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			bond := &ironic.Portgroup{UUID: uuid.NewString(), NodeUUID: n.UUID, InternalInfo: map[string]any{"tenant_vif_port_id": "v2"}}
			if err := w.db.CreatePortgroup(t.Context(), bond); err != nil {
				t.Fatal(err)
			}
			w.drv.Fail = fail
			w.provision("deleted")
			w.await(to)
			p, err := w.db.Port(t.Context(), "p1")
			if err != nil || p.InternalInfo["tenant_vif_port_id"] != nil || p.InternalInfo["kept"] != "yes" {
				t.Errorf("%+v %v", p, err)
			}
			if g, err := w.db.Portgroup(t.Context(), bond.UUID); err != nil || g.VIF() != "" {
				t.Errorf("%+v %v", g, err)
			}
		})
	}
}
